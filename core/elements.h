/* The elements of one array (or of several) of a JSON object, one by one while it arrives: for servers that give a list
 * of any length in one answer, and for files of any size. Memory for one element, and for what stands around the
 * arrays.
 *
 * Here is only found where elements begin and end; each is then parsed by whoever takes it, and what stands around
 * them at the end, so that a document that is no JSON is refused as every other. */
#ifndef ANDON_CORE_ELEMENTS_H
#define ANDON_CORE_ELEMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include "core/buf.h"
#include "core/err.h"

#define ELEMENT_MAX  ((size_t)64 << 10) /* bytes of one element of an answer, and of all that stands around them */
#define ELEMENT_KEYS 4

struct elements {
    const char *keys[ELEMENT_KEYS]; /* of the members of the outermost object that are the arrays */
    size_t n_keys;
    bool optional; /* the first one need not be there */
    /* One element, n bytes; a NUL follows. False: no more; the reason is the taker's to keep. */
    bool (*take)(void *ctx, const char *bytes, size_t n);
    void *ctx;
    size_t which;      /* for the taker: the number of its key */
    struct buf around; /* for whoever has seen the end: the object with its arrays empty */
    /* its own */
    struct buf one;
    int depth;
    bool in_string, escaped, in_array, after_comma, seen, stopped;
    size_t n;
};

/* `max`: most bytes of one element, and of all that stands around them. Takes memory that elements_release() frees. */
void elements_init(struct elements *s, const char *key, size_t max,
                   bool (*take)(void *ctx, const char *bytes, size_t n), void *ctx);
/* One more array, before the first byte. */
void elements_also(struct elements *s, const char *key);
/* Whatever had come. */
void elements_release(struct elements *s);
/* Begins anew: of a try that broke off nothing holds. */
void elements_restart(struct elements *s);
/* The next piece. False: enough (a limit, or the taker said so); elements_end() tells. */
bool elements_feed(struct elements *s, const char *bytes, size_t n);
/* All has come. False with *e: the document is cut, no JSON, or has no such array. `what` names it. */
bool elements_end(struct elements *s, const char *what, struct err *e) ANDON_MUST_USE;

#endif
