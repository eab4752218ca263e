/* The inside of the notary: notary.c (its thread), notary_log.c (what all lean on), notary_desk.c (one witness),
 * notary_copies.c (where heads are noted besides), notary_alarm.c (what is done when a witness contradicts the log).
 * All of it but `view` and what is named with it belongs to the thread. */
#ifndef ANDON_ENGINE_NOTARY_IMPL_H
#define ANDON_ENGINE_NOTARY_IMPL_H

#include <pthread.h>
#include "audit/cosign.h"
#include "audit/growth.h"
#include "audit/stamp.h"
#include "client/http.h"
#include "core/rng.h"
#include "engine/aside.h"
#include "engine/notary.h"

#define NOTARY_ENGINES 64

/* How far its mirror is. */
struct mirroring {
    bool busy, known;
    struct tree tree, after; /* of our log at the mirror's size; after what is on its way */
    bool look;               /* blobs may be missing there */
    char (*missing)[SHA256_HEX];
    size_t n, next;
    char after_blob[SHA256_HEX]; /* the next ones are asked for behind this one; "": from the first */
    int64_t at;                  /* when it goes on */
};

/* The log goes on in another file, and the witness knows an older one: it is shown (audit/heir.h). */
struct handing {
    size_t k;      /* the older file that it is about */
    uint64_t from; /* entries of it that the witness has */
    bool told_size;
    struct buf body;
    char hash[SHA256_HEX]; /* of its origin */
};

struct desk {
    struct notary *n;
    size_t index;
    const struct witness_by *spec;
    struct cosigner w;
    struct http_peer *peer; /* NULL: not open so far */
    struct tree at;         /* of our log, as far as the witness has it */
    bool known;             /* `at` is that */
    bool busy;              /* asked, and not answered */
    bool again;             /* told us another size last time: once is a race with another process */
    int64_t next, looked, pushed;
    int fails;
    int64_t receipted;             /* the newest receipt of this witness that is known to be in the log */
    int64_t signed_for;            /* what it has signed for, as last heard; < 0: the log was not asked so far */
    struct growth growth;          /* on its way */
    enum notary_alarm_kind raised; /* by this witness, and not settled */
    struct mirroring mirror;
    struct handing handing;
};

/* A file or a syslog server to which heads go (notary_copies.c). Its thread reads `to` only. */
struct copy {
    struct endpoint to;
    struct aside *aside;
    size_t index; /* in the view */
    uint64_t size;
    int64_t next, put_at;
    bool busy, hung; /* said to be */
};
struct stamps {
    bool on, busy, recalled;
    struct endpoint to;
    const char *root;
    struct http_peer *peer;
    size_t index; /* in the view */
    int64_t every_us, next;
    uint64_t stamped, size; /* entries: no stamp is needed before there are more; of the head that is on its way */
    unsigned char nonce[STAMP_NONCE];
    size_t note_n;
    char note[NOTE_MAX];
};

struct notary {
    struct aside *aside;
    struct aside *own; /* the thread's own */
    struct audit_spec audit;
    struct clock *clock;
    struct actor actor;
    struct rng rng;
    uint64_t seed;
    int my_fd;
    struct http *http;
    struct audit_log *log; /* NULL: not open */
    struct note_key log_key;
    struct verifier *log_verifier;
    char hash[SHA256_HEX]; /* of the log's origin */
    struct desk desk[WITNESSES_MAX];
    size_t n_desks;
    struct copy *copy[2];
    struct stamps stamps;
    /* under the lock */
    pthread_mutex_t lock;
    struct notary_view view;
    uint64_t generation;
    int64_t wanted;
    bool grew;
    int wake[NOTARY_ENGINES], wake_key[NOTARY_ENGINES];
    size_t n_wake;
};

/* notary_log.c */
bool notary_log(struct notary *n, struct err *e); /* opens the log, when there is one */
void notary_log_failed(struct notary *n);         /* after an error: it is opened anew */
/* Changes the view under its lock and tells the engines. */
typedef void notary_change(struct notary_view *v, void *ctx);
void notary_set(struct notary *n, notary_change *fn, void *ctx);

/* notary_desk.c */
bool desk_open(struct desk *d, struct notary *n, size_t index, const struct witness_by *spec, struct err *e);
void desk_close(struct desk *d);
void desk_round(struct desk *d); /* its time has come */

void desk_failed(struct desk *d, const struct err *e); /* tried again, after a pause */
void desk_again(struct desk *d);                       /* at once */
/* The witness does not know the log; `words`: what it says to that, "" = nothing. */
void desk_unknown(struct desk *d, const char *words);

/* notary_heir.c */
bool desk_hand_over(struct desk *d); /* false: there is nothing that could be shown */

/* notary_mirror.c */
void desk_mirror(struct desk *d); /* once in each turn of the loop */

/* notary_copies.c */
bool copies_open(struct notary *n, const struct witness_conf *w, struct err *e);
int64_t copies_round(struct notary *n); /* on the thread; when it wants to be called again at the latest */
void copies_close(struct notary *n);    /* on the thread, before its http ends */

/* notary_alarm.c */
/* The witness has signed what this log does not hold: `head` is its signed head. */
void alarm_raise(struct desk *d, enum notary_alarm_kind kind, const struct checkpoint *theirs, int64_t t,
                 struct slice head, uint64_t own);
/* It agrees with the log. */
void alarm_settle(struct desk *d);
/* It shows that it has signed for so many entries: fewer than it had signed for before are said, once. False: the log
 * cannot be read or written. */
bool alarm_shown(struct desk *d, int64_t size, struct err *e);
/* What an earlier process has left. */
void alarm_recall(struct notary *n);

#endif
