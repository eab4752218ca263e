/* Traces: JSON lines of what was sent, answered and decided, for finding out afterwards what happened and for playing
 * a fleet again (docs/debugging.md has the format). Off unless somebody asks for it.
 *
 * Here the lines are made; who takes them (struct trace's put) keeps them, and must never wait. Secrets never get into
 * a line: headers are not traced at all, and every text goes through trace_mask(). */
#ifndef ANDON_CORE_TRACE_H
#define ANDON_CORE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/clock.h"
#include "core/json.h"

enum trace_kind {
    TRACE_WIRE,  /* requests and their answers, with bodies */
    TRACE_POLL,  /* what the engine learned from a poll, and when it asks again */
    TRACE_VERBS, /* intents: checked, sent, read back, ended */
    TRACE_TRIAL, /* ticks fed, facts, verdicts */
    TRACE_CALLS, /* calls of a back end's device part, to be played again (client/record.h): only when it is named */
    TRACE_KINDS
};
#define TRACE_ALL      ((UINT32_C(1) << TRACE_CALLS) - 1)
#define TRACE_FORMAT   1                    /* of the lines; in the first of each file */
#define TRACE_BODY_MAX ((size_t)4 << 20)    /* a body up to this long stands whole in its line */
#define TRACE_CLIP     ((size_t)2048)       /* of a longer one the beginning, with its length and digest */
#define TRACE_LINE_MAX (8 * TRACE_BODY_MAX) /* escaped twice over, bodies of request and answer */

/* Who takes the lines. The owner puts this at the beginning of what it needs itself. */
struct trace {
    uint32_t kinds; /* bit 1 << enum trace_kind */
    /* Takes a line of n bytes over, '\n' at its end, from malloc. On any thread; never waits. */
    void (*put)(struct trace *t, char *line, size_t n);
};

/* What an endpoint is called in a trace; part of struct endpoint. All zero: not traced. */
struct traced {
    struct trace *trace;
    const char *fleet; /* name of the fleet, "" = none */
    const char *role;  /* "fleet", "telemetry", "notices" */
    bool hidden;       /* path and bodies are secrets themselves (hooks): only sizes are traced */
};

/* "wire,verbs" into a mask; what no kind has as its name is left out, and false. "" is all of them. */
bool trace_kinds_parse(const char *list, uint32_t *out);

struct trace_line {
    struct trace *t;
    struct buf out;
    struct json_w w; /* further members go here */
};
/* False when this kind is not traced (t may be NULL): nothing is done then, so that a call costs nothing. Else the line
 * has its time (on the clock's own line, and of the wall), kind, fleet and event; members follow, then trace_end(). */
bool trace_begin(struct trace_line *l, struct trace *t, enum trace_kind k, struct clock *c, const char *fleet,
                 const char *event);
void trace_end(struct trace_line *l);

/* Values that must not be traced, besides what shows itself as a secret. */
struct trace_secrets {
    const char *v[16]; /* NULL = none */
};
/* Appends n bytes with "[secret]" in the place of: each of the secrets (NULL: none are known); user and password in a
 * URL; what follows "Basic " or "Bearer "; values of members and parameters that are named like a secret (password,
 * token, securityToken, routing_key, ...). A short password that is a word of the text is masked there too. */
void trace_mask(struct buf *out, const char *bytes, size_t n, const struct trace_secrets *s);
/* A member of masked text: `key`; when it is not valid UTF-8 or has a NUL, key + "_hex" instead. Over TRACE_BODY_MAX
 * only its beginning, and "<key>_bytes" and "<key>_sha256" of all of it, masked. */
void trace_text(struct trace_line *l, const char *key, const char *bytes, size_t n, const struct trace_secrets *s);

#endif
