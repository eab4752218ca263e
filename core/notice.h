/* Notices: what people who are not at the screen should hear of, and when not to tell them again.
 *
 * Pure: which notices a snapshot gives, de-duplication and silence, and the bodies that receivers expect. The
 * engine decides nothing here; engine/tell.c carries them out. */
#ifndef ANDON_CORE_NOTICE_H
#define ANDON_CORE_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/config.h"

struct snapshot;

enum notice_kind {
    NOTICE_WATCH,     /* a wave is on watch, or held, by a rule */
    NOTICE_HALT,      /* a rollout is halted and nobody has acknowledged it */
    NOTICE_ESCALATED, /* a halt cannot be had so far */
    NOTICE_ROLLBACK,  /* a roll back has begun; resolved: it is through, and the text says what is left */
    NOTICE_LOST,      /* telemetry, or the fleet server, has not been seen for a while */
    NOTICE_GATE,      /* a rollout waits for a person */
    NOTICE_RUNS,      /* a rollout is halted, and was resumed by another client */
    NOTICE_LOG,       /* a witness contradicts the audit log, or has not seen it for a while */
    NOTICE_TAMPERED,  /* the audit log has gone, went back, is another one or does not verify */
    NOTICE_EXPOSED,   /* devices are exposed to what is exploited, and nobody has accepted that */
    NOTICE_STALE,     /* what was imported of vulnerabilities is older than it may be */
    NOTICE_TEST,      /* `andon notify test` */
    NOTICE_KINDS
};
#define NOTICE_KINDS_ALL     ((1u << NOTICE_KINDS) - 1)
#define NOTICE_KINDS_DEFAULT (NOTICE_KINDS_ALL & ~(1u << NOTICE_WATCH))

#define NOTICE_RULE_SERVER "FLEET-SERVER" /* rule of a loss that is the fleet server's own */
#define NOTICE_RULE_DOUBT  "CONTRADICTED" /* of NOTICE_LOG: the log was put back or rewritten */
#define NOTICE_RULE_UNSEEN "UNWITNESSED"  /* no witness has seen its newest entries */

#define NOTICE_KEY_BYTES 160
struct notice {
    enum notice_kind kind;
    bool resolved; /* the end of it: acknowledged, telemetry back, gate passed */
    int64_t t;     /* wall clock */
    char fleet[64], environment[32];
    char rollout[80], rollout_name[128];
    int64_t created_at; /* of the rollout, the server's clock; 0 not known */
    int wave;           /* -1 none */
    char rule[64];      /* "R-REBOOT", "crash-loop", NOTICE_RULE_SERVER, "" */
    char text[300];     /* one sentence, safe text */
    char host[128], actor[64];
    char key[NOTICE_KEY_BYTES]; /* for de-duplication: the same thing has the same key on every host */
};
/* "watch", "halt", "escalated", "rollback", "lost-telemetry", "gate", "halted-but-running", "audit-log",
 * "log-tampered", "exposed", "stale-intel", "test"; "unknown" for what is no kind. */
const char *notice_kind_word(enum notice_kind k);
enum notice_kind notice_kind_from_word(const char *s); /* NOTICE_KINDS when it is none */
const char *notice_severity(enum notice_kind k);       /* PagerDuty's words: "critical", "error", "warning", "info" */

/* What stands by this snapshot: one notice for each thing that somebody should hear of, none of them resolved; `wall`
 * is their time. Fills at most `max` (halts first), returns how many.
 *
 * A state, not a change: a watcher that was restarted sees the same, and who keeps the book finds what has begun and
 * what is over. Losses are left out until they have lasted for NOTICE_LOST_US (a poll that fails now and then is no
 * news), the fleet server's until NOTICE_SERVER_US and only while a rollout is active. */
#define NOTICE_RUNS_US   (60 * INT64_C(1000000)) /* stands at least so long: andon may halt it again within a second */
#define NOTICE_LOST_US   (60 * INT64_C(1000000))
#define NOTICE_SERVER_US (5 * 60 * INT64_C(1000000))
size_t notice_standing(const struct snapshot *s, int64_t wall, struct notice *out, size_t max);
/* The key that andon 0.1 gave it: by the number alone. What was told under that one goes on under it. */
void notice_old_key(const struct notice *n, char out[NOTICE_KEY_BYTES]);
/* Does the snapshot know enough to say that a notice which it does not show is over? */
bool notice_can_end(const struct snapshot *s, const struct notice *n);
/* Makes of a standing notice that it is over: resolved, at `wall`, with a sentence of its own out of the snapshot. */
void notice_end(struct notice *n, const struct snapshot *s, int64_t wall);

/* What was told when: decides whether a notice goes out. A plain value; all zero, but repeat_us, at first. Full, it
 * forgets the oldest, those that are resolved first. */
#define NOTICE_SEEN 256
struct notice_book {
    struct {
        char key[NOTICE_KEY_BYTES];
        int64_t told;
        bool resolved;
    } seen[NOTICE_SEEN];
    size_t n;
    int64_t silent_until; /* nothing goes out before this; 0 */
    int64_t repeat_us;    /* the same key again only after this long */
};
/* True when it should go out now; remembers it then. `now` and the times in the book are wall-clock time.
 *
 * What stands goes out once. Halts (escalated ones too) and losses go out again each repeat_us for as long as they
 * stand: offer them each time. Watches and losses that come back within repeat_us of the last telling wait until it is
 * over, so that what comes and goes does not page each time. A resolution goes out once, and only after what it
 * resolves. In silence nothing goes out and nothing is remembered: what still stands after it is told then. A test goes
 * out always. */
bool notice_due(struct notice_book *b, const struct notice *n, int64_t now);

/* Puts into the book what is known to have been told (out of a log), or takes it out again. */
void notice_remember(struct notice_book *b, const char *key, int64_t told, bool resolved);
void notice_forget(struct notice_book *b, const char *key);
int64_t notice_told(const struct notice_book *b, const char *key); /* when it was told or resolved last, 0 */

/* The body of a POST (or the standard input of a hook, HOOK_JSON) for this kind of receiver, docs/notices.md. Every
 * string passes safe_text and is cut to what the receiver takes. `routing_key` for PagerDuty, "" for others.
 *
 *   HOOK_JSON          {"andon":1,"kind":"halt","resolved":false,"severity":"critical","time":"...Z",...}
 *   HOOK_SLACK         {"text":...,"attachments":[...]} with &, <, > escaped and @ replaced: nothing in a name pages
 *   HOOK_PAGERDUTY     Events API v2: event_action trigger or resolve, dedup_key = key
 *   HOOK_ALERTMANAGER  POST /api/v2/alerts: a list of one alert. One that stands ends in a week unless it is resolved
 */
void notice_body(const struct notice *n, enum hook_format f, const char *routing_key, struct buf *out);

#endif
