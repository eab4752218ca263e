/* The notary: the thread that has the log witnessed (docs/audit.md, "Witnesses"). One for a process, whatever the
 * number of its fleets: they share the log.
 *
 * It sends the newest checkpoint to each configured witness, at most each NOTARY_EACH_US and at once when somebody
 * waits for it, checks what comes back, and appends it to the log as a receipt, on a handle of its own. Each
 * NOTARY_LOOK_US it asks each witness what it has of this log, also when nothing is new: a log that was put back to an
 * older state or rewritten cannot be told from an honest one without that. Then it raises an alarm, which stands until
 * what the witness has and the log agree again; it is kept as a file beside the log ("DB.contradicted-KEYID", both
 * signed heads in it), so that it stands over a restart. A witness that shows less than it has signed for has lost its
 * memory: that contradicts nothing, and is said (struct notary_witness, an entry "degraded").
 *
 * Nobody waits for it: the functions below are for any thread, and only look at what it has left or leave it word. */
#ifndef ANDON_ENGINE_NOTARY_H
#define ANDON_ENGINE_NOTARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "audit/log.h"
#include "core/config.h"

#define NOTARY_EACH_US (4 * INT64_C(1000000))
#define NOTARY_LOOK_US (20 * INT64_C(1000000))
#define NOTARY_COPY_US (60 * INT64_C(1000000))
#define NOTARY_COPIES  3

struct notary;
struct notary_spec {
    const struct audit_spec *audit;  /* copied; never read-only */
    const struct witness_conf *conf; /* outlives the notary */
    struct clock *clock;
    uint64_t seed;
    struct actor actor;
};

/* What became of one witness. */
struct notary_witness {
    char name[101];
    int64_t size, t;   /* entries that it has signed for, and when (wall clock, us); 0 = none so far */
    int64_t heard_at;  /* clock: newest right answer, 0 = none */
    int64_t failing;   /* clock: without a right answer since, 0 = it answers */
    char problem[320]; /* why, "" */
    char next[200];
    int64_t forgot, had,
        shows; /* clock: it has lost its memory, 0 = no; entries that it had signed for; that it shows */
};
enum notary_alarm_kind { NOTARY_QUIET = 0, NOTARY_ROLLED_BACK, NOTARY_REWRITTEN };
struct notary_view {
    struct notary_witness v[WITNESSES_MAX];
    size_t n;
    /* Where heads are noted besides (file, syslog, time stamps); `size` and `t` of the newest that was, nobody signs
     * for the first two. */
    struct notary_witness copy[NOTARY_COPIES];
    size_t n_copy;
    int64_t base;       /* number of the entry before the file's first: a witness counts from there */
    int64_t size;       /* entries of the file, as last seen */
    int64_t asks_since; /* clock: since then an entry waits that no witness has, 0 = none does */
    enum notary_alarm_kind alarm;
    int64_t alarm_at;   /* clock: since when it is known here */
    char text[320];     /* the alarm in one sentence; "" */
    char evidence[512]; /* its file */
};

/* NULL with *e: ERR_SYNTAX (not the key of a witness), ERR_IO (no thread). Nothing is asked of the outside here. */
struct notary *notary_new(const struct notary_spec *spec, struct err *e);
/* Ends the thread; one that hangs in the disk is left behind. NULL is fine. */
void notary_free(struct notary *n);

/* The newest view; `generation` changes with it. */
uint64_t notary_look(struct notary *n, struct notary_view *out);
/* How many witnesses have signed for the first `seq` entries. */
int notary_count(struct notary *n, int64_t seq);
/* The log has grown. `urgent`: somebody waits for entry `seq` to be witnessed. */
void notary_grew(struct notary *n, int64_t seq, bool urgent);
/* An eventfd that is written when the view changes; a duplicate is kept until it is dropped. */
void notary_tell(struct notary *n, int wake_fd);
void notary_drop(struct notary *n, int wake_fd);

#endif
