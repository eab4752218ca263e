/* Notices: what people who are not at the screen should hear of, and when not to tell them again.
 *
 * Pure: which notices a change of snapshot gives, de-duplication and silence, and the bodies that receivers expect. The
 * engine decides nothing here; engine/notify.c carries them out. */
#ifndef ANDON_CORE_NOTICE_H
#define ANDON_CORE_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/config.h"

enum notice_kind {
    NOTICE_WATCH,
    NOTICE_HALT,
    NOTICE_ESCALATED,
    NOTICE_ROLLBACK,
    NOTICE_LOST,
    NOTICE_GATE,
    NOTICE_TEST,
    NOTICE_KINDS
};

struct notice {
    enum notice_kind kind;
    bool resolved; /* the end of it: acknowledged, telemetry back, gate passed */
    int64_t t;     /* wall clock */
    char fleet[64], environment[32];
    char rollout[80], rollout_name[128];
    int wave;       /* -1 none */
    char rule[64];  /* "R-REBOOT", "crash-loop", "" */
    char text[300]; /* one sentence, safe text */
    char host[128], actor[64];
    char key[160]; /* for de-duplication: the same thing has the same key on every host */
};
const char *notice_kind_word(
    enum notice_kind k); /* "watch", "halt", "escalated", "rollback", "lost-telemetry", "gate", "test" */

/* What was told when: decides whether a notice goes out. A plain value. */
#define NOTICE_SEEN 256
struct notice_book {
    struct {
        char key[160];
        int64_t told;
        bool resolved;
    } seen[NOTICE_SEEN];
    size_t n;
    int64_t silent_until; /* nothing goes out before this; 0 */
    int64_t repeat_us;    /* the same key again only after this long */
};
/* True when it should go out now; remembers it. */
bool notice_due(struct notice_book *b, const struct notice *n, int64_t now);

/* The body of a POST (or the standard input of a hook) for this kind of receiver. `routing_key` for PagerDuty. */
void notice_body(const struct notice *n, enum hook_format f, const char *routing_key, struct buf *out);

#endif
