/* A back end around a back end: every call goes through, and whoever wraps may look at it, hold it back or answer it.
 * What the inner one lacks, the outer one lacks too. */
#ifndef ANDON_CLIENT_WRAP_H
#define ANDON_CLIENT_WRAP_H

#include "client/backend.h"

struct wrap;

/* One call on its way. */
struct wrap_call {
    struct wrap *w;
    struct wrap_call *next;   /* the wrapper's own list */
    const char *op;           /* "tell" */
    bool verb;                /* it changes something */
    struct tell_result *told; /* of tell and recall, n of them; else NULL */
    size_t n;
    struct arena *arena; /* the caller's, NULL = the call has none */
    backend_done done;
    void *ctx;
    void *own; /* the wrapper's */
};

/* The owner puts this at the beginning of what it needs itself, and fills in the calls that it wants to see. */
struct wrap {
    struct backend base;
    struct backend_ops ops;
    struct backend *inner;
    /* A call begins. True: it goes on to the inner back end; false: it does not, and the wrapper ends it by wrap_end(),
     * not from here. NULL = all go on. */
    bool (*begin)(struct wrap *w, struct wrap_call *c);
    /* The inner back end has answered. True: so be it; false: the wrapper ends it later. NULL = so be it. */
    bool (*answer)(struct wrap *w, struct wrap_call *c, const struct reply *r);
};

/* Around `inner`, which it takes over; `free_wrap` is the outer's ops.free and ends in wrap_release(). */
void wrap_init(struct wrap *w, struct backend *inner, void (*free_wrap)(struct backend *b));
/* A call that the wrapper makes itself: for calls that it has put its own functions in the place of. */
struct wrap_call *wrap_begin(struct backend *b, const char *op, bool verb, backend_done done, void *ctx);
/* As the callback of a forwarded call; ctx is the struct wrap_call. */
void wrap_done(void *ctx, const struct reply *r);
/* The call ends with this reply, and is gone. */
void wrap_end(struct wrap_call *c, const struct reply *r);
/* Frees the inner back end: what is under way comes back as ERR_CANCELLED. */
void wrap_release(struct wrap *w);

#endif
