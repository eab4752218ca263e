#include "core/err.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static void put(char *dst, size_t size, const char *fmt, va_list ap)
{
    if (vsnprintf(dst, size, fmt, ap) < 0)
        dst[0] = '\0';
}

static void put_next(struct err *e, const char *next)
{
    snprintf(e->next, sizeof e->next, "%s", next ? next : "");
}

bool err_set(struct err *e, enum err_code code, const char *next, const char *fmt, ...)
{
    if (!e)
        return false;
    e->code = code;
    e->cause[0] = '\0';
    put_next(e, next);
    va_list ap;
    va_start(ap, fmt);
    put(e->what, sizeof e->what, fmt, ap);
    va_end(ap);
    return false;
}

bool err_errno(struct err *e, enum err_code code, const char *next, const char *fmt, ...)
{
    int saved = errno;
    if (!e)
        return false;
    e->code = code;
    put_next(e, next);
    va_list ap;
    va_start(ap, fmt);
    put(e->what, sizeof e->what, fmt, ap);
    va_end(ap);
    char text[128];
    snprintf(e->cause, sizeof e->cause, "%s", strerror_r(saved, text, sizeof text));
    return false;
}

void err_prefix(struct err *e, const char *fmt, ...)
{
    if (!e)
        return;
    char old[sizeof e->what];
    memcpy(old, e->what, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    put(e->what, sizeof e->what, fmt, ap);
    va_end(ap);
    size_t n = strlen(e->what);
    snprintf(e->what + n, sizeof e->what - n, "%s", old);
}

void err_cause(struct err *e, const char *fmt, ...)
{
    if (!e)
        return;
    va_list ap;
    va_start(ap, fmt);
    put(e->cause, sizeof e->cause, fmt, ap);
    va_end(ap);
}

void err_clear(struct err *e)
{
    if (e)
        memset(e, 0, sizeof *e);
}

const char *err_word(enum err_code code)
{
    switch (code) {
    case ERR_NONE:
        return "none";
    case ERR_IO:
        return "io";
    case ERR_SYNTAX:
        return "syntax";
    case ERR_LIMIT:
        return "limit";
    case ERR_RANGE:
        return "range";
    case ERR_NOT_FOUND:
        return "not-found";
    case ERR_CONFLICT:
        return "conflict";
    case ERR_STATE:
        return "state";
    case ERR_AUTH:
        return "auth";
    case ERR_FORBIDDEN:
        return "forbidden";
    case ERR_THROTTLED:
        return "throttled";
    case ERR_QUOTA:
        return "quota";
    case ERR_TIMEOUT:
        return "timeout";
    case ERR_NETWORK:
        return "network";
    case ERR_TLS:
        return "tls";
    case ERR_PROTOCOL:
        return "protocol";
    case ERR_UNSUPPORTED:
        return "unsupported";
    case ERR_REFUSED:
        return "refused";
    case ERR_TAMPERED:
        return "tampered";
    case ERR_CANCELLED:
        return "cancelled";
    case ERR_INTERNAL:
        return "internal";
    }
    return "internal";
}

/* abort() and not exit(): the terminal's crash handler restores the screen, and nothing half-done is written by
 * exit handlers. */
static void *or_die(void *p)
{
    if (!p) {
        fputs("andon: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *xmalloc(size_t n)
{
    return or_die(malloc(n ? n : 1));
}

void *xcalloc(size_t count, size_t size)
{
    return or_die(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n)
{
    return or_die(realloc(p, n ? n : 1));
}

void *xreallocarray(void *p, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return or_die(NULL);
    return xrealloc(p, count * size);
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *p = xmalloc(len + 1);
    memcpy(p, s, len);
    p[len] = '\0';
    return p;
}
