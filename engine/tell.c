#include "engine/tell.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/text.h"
#include "engine/notify.h"
#include "engine/worker.h"

#define STANDING_MAX 64
#define OPEN_MAX     128
#define OVER_US      (20 * US_PER_S) /* what is not seen for so long is over: one answer may be missing something */
#define LOG_WAIT_US  (5 * US_PER_S)  /* at the start, for the log to say what was told; then people come first */
#define LOG_LOOK_US  (5 * US_PER_S)
#define LOG_ENTRIES  1000
#define FREE_US      US_PER_S

/* Told, and not resolved. */
struct open_notice {
    struct notice n;
    int64_t gone; /* engine clock: not seen since, 0 = it stands */
};

struct notifier {
    struct engine *en;
    const struct notify_spec *spec;
    struct courier *courier; /* NULL: could not be started */
    struct err courier_err;
    char host[128];
    struct notice_book book;
    struct open_notice open[OPEN_MAX];
    size_t n_open;
    struct notice standing[STANDING_MAX];
    uint64_t generation; /* of the newest snapshot looked at */
    /* the log */
    bool reading, read, ready;
    int64_t begun, looked_at, size; /* first turn; newest reading; entries that it knew */
};

static struct courier *start_courier(struct notifier *n)
{
    struct engine *en = n->en;
    return courier_new(n->spec, en->clock, en->spec.seed, en->turn.wake_fd, &n->courier_err);
}

static struct notifier *notifier_new(struct engine *en)
{
    const struct notify_spec *spec = en->spec.notify;
    char host[128] = "";
    if (!spec || (spec->n_webhooks == 0 && !(spec->hook && spec->hook[0])))
        return NULL;
    struct notifier *n = xcalloc(1, sizeof *n);
    n->en = en;
    n->spec = spec;
    n->book.repeat_us = spec->repeat_us;
    gethostname(host, sizeof host - 1);
    safe_text_into(n->host, sizeof n->host, host, strlen(host));
    n->courier = start_courier(n);
    return n;
}

/* ---- what stands ---- */

static size_t find_open(const struct notifier *n, const char *key)
{
    size_t i = 0;
    while (i < n->n_open && strcmp(n->open[i].n.key, key) != 0)
        i++;
    return i;
}

static void drop_open(struct notifier *n, size_t i)
{
    n->open[i] = n->open[--n->n_open];
}

/* A full list forgets its oldest: that one will have no resolution. */
static void keep_open(struct notifier *n, const struct notice *note)
{
    size_t i = find_open(n, note->key);
    if (i == OPEN_MAX) {
        drop_open(n, 0);
        i = n->n_open;
    }
    if (i == n->n_open)
        n->n_open++;
    n->open[i] = (struct open_notice){.n = *note};
}

static void write_entry(struct notifier *n, struct entry *e, int64_t t)
{
    e->t = t;
    e->mono = clock_boot(n->en->clock);
    e->actor = n->en->spec.actor;
    diary_write(n->en, e, 0, NULL, NULL);
}

static void log_outcome(struct notifier *n, const struct outcome *o)
{
    struct entry e;
    char wave[16];
    entry_init(&e, ENTRY_NOTICE);
    notify_log_outcome(&e, o, wave);
    write_entry(n, &e, clock_wall(n->en->clock));
}

static void tell(struct notifier *n, const struct notice *note)
{
    struct entry e;
    char wave[16];
    entry_init(&e, ENTRY_NOTICE);
    notify_log_notice(&e, note, wave);
    write_entry(n, &e, note->t); /* the time that stands in the book: see take_raised */
    if (!n->courier)
        n->courier = start_courier(n);
    if (n->courier) {
        courier_put(n->courier, note);
        return;
    }
    struct outcome o = {.notice = *note, .last = true, .err = n->courier_err};
    log_outcome(n, &o);
}

static bool wanted(const struct notifier *n, const struct notice *note)
{
    return n->spec->kinds >> note->kind & 1;
}

static void stands(struct notifier *n, struct notice *note, int64_t wall)
{
    size_t i = find_open(n, note->key);
    if (i < n->n_open)
        n->open[i].gone = 0;
    memcpy(note->host, n->host, sizeof note->host);
    if (!notice_due(&n->book, note, wall))
        return;
    keep_open(n, note);
    tell(n, note);
}

/* Told, and not seen by this snapshot. True when it is settled. */
static bool is_over(struct notifier *n, struct open_notice *o, const struct snapshot *s, int64_t wall)
{
    struct engine *en = n->en;
    bool log_known = !en->diary.scribe || en->recover.recovered;
    if (!log_known || !notice_can_end(s, &o->n)) {
        o->gone = 0;
        return false;
    }
    if (o->gone == 0)
        o->gone = now_of(en);
    if (now_of(en) - o->gone < OVER_US || wall < n->book.silent_until)
        return false;
    struct notice end = o->n;
    notice_end(&end, s, wall);
    memcpy(end.host, n->host, sizeof end.host);
    if (notice_due(&n->book, &end, wall)) /* else another watcher has said so */
        tell(n, &end);
    return true;
}

/* Told by andon 0.1, and not resolved: the receiver knows it by that key. */
static void keep_old_key(const struct notifier *n, struct notice *note)
{
    char old[NOTICE_KEY_BYTES];
    notice_old_key(note, old);
    if (find_open(n, old) < n->n_open)
        memcpy(note->key, old, sizeof note->key);
}

static void look(struct notifier *n, const struct snapshot *s)
{
    int64_t wall = clock_wall(n->en->clock);
    bool seen[OPEN_MAX] = {false};
    size_t count = notice_standing(s, wall, n->standing, STANDING_MAX);
    for (size_t i = 0; i < count; i++)
        keep_old_key(n, &n->standing[i]);
    for (size_t i = 0; i < count; i++)
        if (wanted(n, &n->standing[i]))
            stands(n, &n->standing[i], wall);
    for (size_t i = 0; i < count; i++) {
        size_t k = find_open(n, n->standing[i].key);
        if (k < n->n_open)
            seen[k] = true;
    }
    if (count == STANDING_MAX)
        return; /* what is missing may be among those that found no room */
    for (size_t i = n->n_open; i > 0; i--)
        if (!seen[i - 1] && is_over(n, &n->open[i - 1], s, wall))
            drop_open(n, i - 1); /* the last takes its place: it has been looked at */
}

/* ---- what the log says ---- */

struct told {
    struct stored *v; /* newest first */
    size_t n;
};

/* On the scribe's thread. */
static bool read_log(struct job *j, struct audit_log *l)
{
    struct audit_query q = {.from_seq = j->seen_size + 1, .kind = "notice", .newest_first = true, .limit = LOG_ENTRIES};
    struct told *t = ARENA_ARRAY(&j->arena, struct told, 1);
    *t = (struct told){0};
    j->result = t;
    return audit_query(l, &q, &j->arena, &t->v, &t->n, &j->err);
}

/* Of another watcher or an earlier session, or our own come back. What is older than what the book knows is skipped:
 * it may have been resolved since the log was asked. */
static void take_raised(struct notifier *n, const struct notice *note)
{
    size_t i = find_open(n, note->key);
    int64_t told = notice_told(&n->book, note->key);
    if (note->resolved ? note->t < told : note->t <= told)
        return;
    notice_remember(&n->book, note->key, note->t, note->resolved);
    if (!note->resolved && i == n->n_open)
        keep_open(n, note);
    if (note->resolved && i < n->n_open)
        drop_open(n, i);
}

/* At the start: what nobody is known to have got was not told, if it still stands. */
static void forget_undelivered(struct notifier *n, const struct told *t)
{
    for (size_t i = 0; i < n->n_open;) {
        bool got = false;
        for (size_t k = 0; k < t->n && !got; k++) {
            struct notice note;
            int64_t until;
            got = notify_log_read(&t->v[k], &note, &until) == NOTIFY_SAID_OUTCOME &&
                  strcmp(t->v[k].result, "ok") == 0 && !note.resolved && strcmp(note.key, n->open[i].n.key) == 0;
        }
        if (got) {
            i++;
            continue;
        }
        notice_forget(&n->book, n->open[i].n.key);
        drop_open(n, i);
    }
}

static void log_was_read(struct engine *en, struct job *j)
{
    struct notifier *n = en->tell.notifier;
    const struct told *t = j->result;
    if (!n)
        return;
    n->reading = false;
    n->looked_at = now_of(en);
    if (!j->ok)
        return;
    for (size_t i = t->n; i > 0; i--) {
        const struct stored *s = &t->v[i - 1];
        struct notice note;
        int64_t until;
        enum notify_said said = notify_log_read(s, &note, &until);
        if (*note.fleet && strcmp(note.fleet, en->spec.fleet->name) != 0)
            continue;
        if (said == NOTIFY_SAID_SILENCE)
            n->book.silent_until = until;
        else if (said == NOTIFY_SAID_RAISED && note.kind != NOTICE_TEST)
            take_raised(n, &note);
    }
    if (!n->read && !n->ready)
        forget_undelivered(n, t);
    if (j->head_known)
        n->size = j->head.newest;
    n->read = n->ready = true;
}

static void ask_log(struct notifier *n)
{
    struct engine *en = n->en;
    if (n->reading || !en->diary.scribe || !en->recover.recovered || (n->read && en->diary.size == n->size) ||
        (n->looked_at > 0 && now_of(en) - n->looked_at < LOG_LOOK_US))
        return;
    struct job *j = job_new(JOB_READ);
    j->read = read_log;
    j->seen_size = n->size;
    n->reading = true;
    diary_put(en, j, 0, log_was_read, NULL);
}

/* ---- the worker's turn ---- */

static void take_outcomes(struct notifier *n)
{
    struct outcome *o;
    while (n->courier && (o = courier_take(n->courier))) {
        log_outcome(n, o);
        free(o);
    }
}

static void drain(struct engine *en)
{
    struct notifier *n = en->tell.notifier;
    if (!n)
        return;
    if (n->begun == 0)
        n->begun = now_of(en);
    take_outcomes(n);
    ask_log(n);
    if (!n->ready && (!en->diary.scribe || now_of(en) - n->begun >= LOG_WAIT_US))
        n->ready = true;
    if (!n->ready || !en->door.snap || en->door.snap->generation == n->generation)
        return;
    n->generation = en->door.snap->generation;
    look(n, en->door.snap);
}

/* What is under way has a moment to get through. */
static void end(struct engine *en)
{
    struct notifier *n = en->tell.notifier;
    if (!n)
        return;
    en->tell.notifier = NULL;
    if (!courier_stop(n->courier, FREE_US))
        n->courier = NULL;
    take_outcomes(n);
    courier_free(n->courier);
    free(n);
}

static bool start(struct engine *en, struct err *e)
{
    (void)e;
    en->tell.notifier = notifier_new(en);
    return true;
}

const struct part part_tell = {.name = "tell", .start = start, .drain = drain, .end = end, .free = end};
