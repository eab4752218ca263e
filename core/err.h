/* Errors: what happened, what to do next, and the cause.
 *
 * A fallible function takes `struct err *` last and returns false (or a negative count) after filling it. The
 * sentences are for the operator: `what` names the thing that failed, `next` says what to do about it. Both are
 * clipped to their field; text from outside must have passed safe_text() before it is put here.
 *
 * Memory: a failed malloc ends the process (see xalloc below). Only limits on outside data are errors. The guard is
 * restarted by its supervisor and the log is the state, so dying is safer than going on half-informed. */
#ifndef ANDON_CORE_ERR_H
#define ANDON_CORE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#if defined(__GNUC__)
#define ANDON_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define ANDON_MUST_USE          __attribute__((warn_unused_result))
#else
#define ANDON_PRINTF(fmt, args)
#define ANDON_MUST_USE
#endif

enum err_code {
    ERR_NONE = 0,
    ERR_IO,          /* a file or device failed */
    ERR_SYNTAX,      /* malformed input */
    ERR_LIMIT,       /* input larger or deeper than allowed */
    ERR_RANGE,       /* a value outside its range */
    ERR_NOT_FOUND,   /* the object is not there (HTTP 404 with an error code) */
    ERR_CONFLICT,    /* a name is taken (HTTP 409) */
    ERR_STATE,       /* the object's state does not allow it (hawkBit 400 illegalState, 405 action errors) */
    ERR_AUTH,        /* credentials missing or refused (401) */
    ERR_FORBIDDEN,   /* not permitted (403) */
    ERR_THROTTLED,   /* too many requests, try again (429 with an empty body) */
    ERR_QUOTA,       /* a permanent limit of the server (429 with a body, 403 quota) */
    ERR_TIMEOUT,     /* no answer in time */
    ERR_NETWORK,     /* name look-up, connect, reset */
    ERR_TLS,         /* certificate or handshake */
    ERR_PROTOCOL,    /* an answer that is not what the API promises, 3xx, 5xx included */
    ERR_UNSUPPORTED, /* the server cannot do this */
    ERR_REFUSED,     /* andon itself refuses: read-only, stale data, gate, log not writable */
    ERR_TAMPERED,    /* the audit log does not verify */
    ERR_CANCELLED,   /* given up by the caller */
    ERR_INTERNAL     /* a bug in andon */
};

struct err {
    enum err_code code;
    char what[320];  /* what happened and where, one sentence */
    char next[200];  /* what to do next, may be empty */
    char cause[200]; /* the underlying error's own words, may be empty */
};

/* Fills *e (which may be NULL: then nothing happens) and returns false, so that `return err_set(...)` reads well. */
bool err_set(struct err *e, enum err_code code, const char *next, const char *fmt, ...) ANDON_PRINTF(4, 5);
/* The same with errno's text as the cause. */
bool err_errno(struct err *e, enum err_code code, const char *next, const char *fmt, ...) ANDON_PRINTF(4, 5);
/* Puts `fmt` in front of e->what, as in "config.yaml: " + what. */
void err_prefix(struct err *e, const char *fmt, ...) ANDON_PRINTF(2, 3);
void err_cause(struct err *e, const char *fmt, ...) ANDON_PRINTF(2, 3);
void err_clear(struct err *e);
/* A stable lower-case word for logs and JSON, e.g. "not-found". Never NULL. */
const char *err_word(enum err_code code);

/* malloc, calloc, realloc, strdup that end the process with a message when memory is out. n == 0 gives a valid
 * pointer. The caller frees with free(). */
void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t n);
/* Array realloc with overflow check: count * size. */
void *xreallocarray(void *p, size_t count, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);

#endif
