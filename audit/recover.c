/* A log that has gone, is damaged, went back or has lost its key goes on, and says what is known to be missing. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/host.h"
#include "audit/place.h"
#include "audit/seen.h"
#include "audit/turn.h"

#define ASIDE_MAX 100
#define PARTS_MAX 100000 /* how far up a name is looked for: older ones may have been removed */

struct recovery {
    const struct audit_spec *spec;
    const struct audit_turn *turn;
    struct previous before;
    bool have_seen, told; /* told: by a witness */
    struct seen seen;
    char why[200]; /* in words */
    char aside[PATH_MAX];
};

static struct audit_log *handle(const struct audit_spec *spec)
{
    struct audit_log *l = xcalloc(1, sizeof *l);
    l->db_path = xstrdup(spec->db_path);
    l->key_path = xstrdup(spec->key_path ? spec->key_path : "");
    l->origin = xstrdup(spec->origin ? spec->origin : "");
    l->clock = spec->clock ? spec->clock : clock_real();
    l->pid = getpid();
    buf_init(&l->host, ENTRY_MAX);
    host_facts(&l->host);
    l->spool = spool_place_new(spec);
    return l;
}

/* "audit.db.damaged-1", with what SQLite keeps beside it: nothing of it is thrown away. */
static bool set_aside(struct recovery *r, struct err *e)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    struct stat st;
    for (int i = 1; i <= ASIDE_MAX; i++) {
        int n = snprintf(r->aside, sizeof r->aside, "%s.damaged-%d", r->spec->db_path, i);
        if (n > 0 && (size_t)n < sizeof r->aside && lstat(r->aside, &st) != 0)
            break;
        r->aside[0] = '\0';
    }
    if (!*r->aside)
        return err_set(e, ERR_CONFLICT, "move away what is called so", "%.200s.damaged-1 and so on: no free name",
                       r->spec->db_path);
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        struct buf from, to;
        buf_init(&from, PATH_MAX + 8);
        buf_init(&to, PATH_MAX + 8);
        buf_printf(&from, "%s%s", r->spec->db_path, tails[i]);
        buf_printf(&to, "%s%s", r->aside, tails[i]);
        bool ok = rename(from.data, to.data) == 0 || (i > 0 && errno == ENOENT);
        if (!ok)
            err_errno(e, ERR_IO, "look at its folder", "%.200s: cannot be set aside", r->spec->db_path);
        buf_release(&from);
        buf_release(&to);
        if (!ok)
            return false;
    }
    return place_sync_folder(r->spec->db_path, e);
}

/* The key that is there, or one that is made now. */
static struct key *some_key(const char *path, struct err *e)
{
    struct err why = {0};
    struct key *k = key_load(path, &why);
    if (!k && why.code == ERR_NOT_FOUND && key_create(path, &why))
        k = key_load(path, &why);
    if (!k && e)
        *e = why;
    return k;
}

/* ---- nothing that could be read on ---- */

/* Older files of the log that are still there: it goes on from the newest of them. */
static void newest_part(struct recovery *r)
{
    const char *slash = strrchr(r->spec->db_path, '/');
    for (int n = PARTS_MAX; n > 0; n--) {
        struct previous p = {0}, before;
        struct store_head h;
        struct note_key key;
        snprintf(p.file, sizeof p.file, "%.40s.%d", slash ? slash + 1 : r->spec->db_path, n);
        char *path = chain_path(r->spec->db_path, p.file);
        struct store *s = access(path, F_OK) == 0 ? store_open(path, true, NULL) : NULL;
        bool ok = s && store_head(s, &h, NULL) && note_peek(h.note, h.note_n, &p.have) &&
                  chain_previous(s, &before, NULL) && book_genesis_key(s, &key, NULL);
        store_close(s);
        free(path);
        if (!ok)
            continue;
        memcpy(r->before.file, p.file, sizeof p.file);
        memcpy(r->before.vkey, key.vkey, sizeof key.vkey);
        r->before.have = p.have;
        r->before.base = before.base;
        return;
    }
}

/* A file that begins with what is known of the one that is lost. */
static bool begin_anew(struct recovery *r, struct err *e)
{
    struct audit_log *l = handle(r->spec);
    struct store_head h = {0};
    struct note_key name;
    uint8_t pub[KEY_PUBLIC_LEN];
    char origin[ORIGIN_MAX + 1], *temp = NULL;
    struct store *s = NULL;
    const char *old = r->have_seen ? r->seen.head.origin : l->origin, *slash = strrchr(old, '/');
    /* the newest head was that of "andon/host/2", which was not a log's first name */
    bool went_on = slash && slash[1] && strspn(slash + 1, "0123456789") == strlen(slash + 1);
    snprintf(r->before.have.origin, sizeof r->before.have.origin, "%s", old);
    r->before.seen = r->have_seen ? r->seen.head : (struct checkpoint){.size = 0};
    newest_part(r);
    r->before.base += (int64_t)r->before.have.size + turn_missing(&r->before);
    turn_name(old, went_on, origin);
    bool ok = place_prepare(l->db_path, e) && (l->key = some_key(l->key_path, e)) != NULL;
    if (ok)
        key_public(l->key, pub);
    ok = ok && note_key_init(&name, origin, pub, e) && book_take_name(l, &name, e);
    book_sign_with_key(l);
    int fd = ok ? place_temp(l->db_path, 0600, &temp, e) : -1;
    if (fd >= 0) {
        close(fd);
        s = store_create(temp, e);
        ok = s && store_begin(s, true, e) && turn_genesis(l, s, &h, r->turn, &r->before, e) && store_commit(s, e) &&
             store_flush(s, e);
        store_close(s);
        book_unlink_side(temp);
        ok = ok ? place_publish(temp, l->db_path, e) : (unlink(temp), false);
        if (ok)
            seen_keep(l->spool, l->db_path, h.note, h.note_n, true);
    }
    ok = ok && fd >= 0;
    free(temp);
    audit_close(l);
    return ok;
}

/* ---- a file that verifies, and goes on in another ---- */

static bool go_on(struct recovery *r, struct err *e)
{
    struct audit_log *l = handle(r->spec);
    struct store_head h = {0};
    struct note_key born;
    uint8_t pub[KEY_PUBLIC_LEN];
    bool ok = (l->store = store_open(l->db_path, false, e)) != NULL && book_genesis_key(l->store, &born, e) &&
              chain_open(&l->chain, l->store, l->db_path, false, e) && book_take_name(l, &born, e) &&
              (l->key = some_key(l->key_path, e)) != NULL;
    if (ok) {
        key_public(l->key, pub);
        if (memcmp(pub, born.pub, KEY_PUBLIC_LEN) != 0 && !*r->why)
            snprintf(r->why, sizeof r->why, "its key is lost, and another one has taken its place");
    }
    book_sign_with_key(l);
    ok = ok && store_begin(l->store, true, e) && store_head(l->store, &h, e) &&
         book_head_ok(l->store, &h, &l->name, l->verifier, e);
    if (ok) {
        l->last = h;
        if (r->have_seen && !(strcmp(r->seen.head.origin, born.name) == 0 && r->seen.head.size <= h.tree.size))
            r->before.seen = r->seen.head;
        ok = turn_in_place(l, r->turn, &r->before, l->key, &h, e);
    }
    if (l->store)
        store_rollback(l->store);
    audit_close(l);
    return ok;
}

/* ---- what is to be done ---- */

/* One that cannot be relied on is set aside; one that is whole in itself is read on. */
static bool look(struct recovery *r, bool *whole, struct err *e)
{
    struct audit_spec plain = {.db_path = r->spec->db_path, .read_only = true}, open = *r->spec;
    struct audit_report rep;
    struct err why = {0};
    *whole = false;
    if (access(r->spec->db_path, F_OK) != 0) {
        if (!r->have_seen)
            return err_set(e, ERR_STATE, "The first console, guard or verb makes it.",
                           "there is no audit log at %.200s, and none is known to have been there", r->spec->db_path);
        snprintf(r->why, sizeof r->why, "it has gone");
        if (r->told)
            snprintf(r->why, sizeof r->why, "it has gone; witness %.80s had signed %" PRIu64 " entries of it",
                     r->seen.where, r->seen.head.size);
        return true;
    }
    if (!audit_verify(&plain, NULL, &rep, &why)) {
        if (why.code != ERR_UNSUPPORTED) {
            *e = why;
            return false;
        }
        snprintf(r->why, sizeof r->why, "%.190s", why.what);
        return true;
    }
    err_clear(&why);
    if (!rep.ok && rep.unsure)
        return err_set(e, ERR_STATE, "Put it back first: halts in it may be latched.", "%.250s", rep.text);
    if (!rep.ok) {
        snprintf(r->why, sizeof r->why, "%.190s", rep.text);
        return true;
    }
    *whole = true;
    struct audit_log *l = audit_open(&open, &why);
    bool back = l && r->told && strcmp(l->name.name, r->seen.head.origin) == 0 && l->last.tree.size < r->seen.head.size;
    audit_close(l);
    if (back)
        snprintf(r->why, sizeof r->why,
                 "it was put back to an older state: witness %.80s had signed %" PRIu64 " entries", r->seen.where,
                 r->seen.head.size);
    if (back)
        return true;
    if (l)
        return err_set(e, ERR_STATE, "", "audit log %.200s: it opens and verifies, nothing is to be recovered",
                       r->spec->db_path);
    if (why.code != ERR_TAMPERED && why.code != ERR_AUTH && why.code != ERR_NOT_FOUND) {
        *e = why;
        return false;
    }
    if (why.code == ERR_TAMPERED)
        snprintf(r->why, sizeof r->why, "%.190s", why.what);
    return true;
}

static bool say_recovered(const struct recovery *r, char text[400], struct err *e)
{
    struct entry en;
    struct audit_log *l = audit_open(r->spec, e);
    int64_t last = r->before.base, have = last - turn_missing(&r->before);
    if (!l)
        return false;
    entry_init(&en, ENTRY_RECOVERED);
    en.t = clock_wall(l->clock);
    en.mono = clock_boot(l->clock);
    en.actor = r->turn->actor;
    en.reason = r->turn->reason;
    en.result = "recovered";
    if (have < last)
        snprintf(text, 400, "%s; entries %" PRId64 " to %" PRId64 " are missing%s", r->why, have + 1, last,
                 *r->aside ? ", but for what can be read in the file that was set aside" : "");
    else
        snprintf(text, 400, "%s; no entry is known to be missing", r->why);
    entry_str(&en, "text", text);
    if (have < last) {
        entry_int(&en, "missing.from", have + 1);
        entry_int(&en, "missing.to", last);
    }
    if (*r->aside)
        entry_str(&en, "aside", r->aside);
    bool ok = audit_append(l, &en, NULL, e);
    audit_close(l);
    return ok;
}

/* The newer of the two; of two files of a log their time tells. */
static void take_told(struct recovery *r, const struct seen *told)
{
    bool same = told && r->have_seen && strcmp(told->head.origin, r->seen.head.origin) == 0;
    if (!told || (r->have_seen && (same ? told->head.size <= r->seen.head.size : told->at <= r->seen.at)))
        return;
    r->seen = *told;
    r->have_seen = r->told = true;
}

bool audit_recovered(const struct audit_log *l)
{
    return strcmp(l->chain.before.why, "recovered") == 0;
}

bool audit_go_on(const struct audit_spec *spec, const struct audit_turn *t, const struct seen *told, char text[400],
                 struct err *e)
{
    struct recovery r = {.spec = spec, .turn = t, .before = {.why = "recovered"}};
    struct spool_place *p = spool_place_new(spec);
    bool whole;
    r.have_seen = seen_read(p, &r.seen);
    spool_place_free(p);
    take_told(&r, told);
    if (!look(&r, &whole, e))
        return false;
    if (!whole && access(spec->db_path, F_OK) == 0 && !set_aside(&r, e))
        return false;
    return (whole ? go_on(&r, e) : begin_anew(&r, e)) && say_recovered(&r, text, e);
}
