/* The wall clock was set while the log was open. Its readings prove nothing (audit.md), but who set it, when and by how
 * much is a fact: the boot clock, which nobody can set, tells it. */
#include <stdlib.h>
#include "audit/book.h"

#define RECALL_MAX 64 /* of the newest entries, for one that is not late and has our clocks */

static bool moved(const struct audit_log *l, struct clock_seen *now)
{
    *now = l->clock_seen;
    int64_t offset;
    if (l->socket || l->for_others)
        return false; /* the guard's engines say it */
    if (!clock_offset(l->clock, &offset))
        return false; /* the next look will tell */
    *now = (struct clock_seen){true, offset};
    if (l->clock_seen.known && llabs(offset - l->clock_seen.offset) <= AUDIT_CLOCK_STEP_US) {
        *now = l->clock_seen; /* small ones add up */
        return false;
    }
    return l->clock_seen.known;
}

struct recall {
    struct slice boot;
    struct clock_seen *seen;
    int looked;
};

static bool on_recall(void *ctx, const struct store_row *row)
{
    struct recall *r = ctx;
    struct leaf l;
    if (leaf_scan(row->leaf, row->leaf_n, &l) && !l.late && slice_same(leaf_boot(&l), r->boot))
        *r->seen = (struct clock_seen){true, l.t - l.mono};
    return !r->seen->known && ++r->looked < RECALL_MAX;
}

void book_clock_recall(struct audit_log *l)
{
    struct leaf own = {.version = ENTRY_VERSION, .host = {l->host.data, l->host.len}};
    struct recall r = {.boot = leaf_boot(&own), .seen = &l->clock_seen};
    if (!l->socket && r.boot.p)
        (void)!store_rows(l->store, 1, INT64_MAX, true, on_recall, &r, NULL);
}

static void make_entry(const struct audit_log *l, const struct clock_seen *now, struct entry *en)
{
    const struct audit_server_clock *s = &l->server;
    entry_init(en, ENTRY_CLOCK_STEP);
    en->mono = clock_boot(l->clock);
    en->t = now->offset + en->mono;
    en->actor = (struct actor){.kind = ACTOR_SCRIPT, .name = "andon"};
    entry_int(en, "by", now->offset - l->clock_seen.offset);
    entry_int(en, "real", en->t);
    entry_int(en, "boot", en->mono);
    if (s->known) {
        entry_int(en, "server.real", clock_now(l->clock) + s->ahead_us);
        entry_int(en, "server.error_us", s->error_us);
    }
}

bool book_clock(struct audit_log *l, struct store_head *h, struct clock_seen *seen, struct err *e)
{
    struct entry en;
    if (!moved(l, seen))
        return true;
    make_entry(l, seen, &en);
    return book_write(l, l->store, h, &en, NULL, e);
}

bool audit_clock_look(struct audit_log *l, struct err *e)
{
    struct store_head h = {0};
    struct clock_seen seen;
    if (l->read_only)
        return true;
    if (!moved(l, &seen)) {
        l->clock_seen = seen;
        return true;
    }
    if (!book_begin(l, &h, e))
        return false;
    if (!book_clock(l, &h, &seen, e)) {
        store_rollback(l->store);
        return false;
    }
    if (!book_commit(l, &h, e))
        return false;
    l->clock_seen = seen;
    return true;
}

void audit_server_time(struct audit_log *l, const struct audit_server_clock *s)
{
    l->server = *s;
}
