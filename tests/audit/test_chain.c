/* A log that goes on in another file: all that was in it is read, latched and verified as before. */
#include "tests/audit/help.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/keep.h"
#include "audit/seen.h"
#include "core/config.h"

struct yard {
    struct box b;
    char dir[96], part[2][112];
};

static const struct audit_turn TURN = {{.kind = ACTOR_PERSON, .name = "m.ito"}, "year's end"};

static void begin(struct yard *y)
{
    box_init(&y->b);
    snprintf(y->dir, sizeof y->dir, "%s/spool", y->b.dir);
    for (int i = 0; i < 2; i++)
        snprintf(y->part[i], sizeof y->part[i], "%s.%d", y->b.db, i + 1);
    y->b.spec.spool[0] = y->dir;
}

static int64_t add(struct audit_log *l, enum entry_kind kind, uint64_t corr, const char *result)
{
    struct entry en;
    make_entry(&en, kind, corr, result);
    en.fleet = "homes";
    en.rollout = "4471";
    return put(l, &en);
}

static void rotate(struct audit_log *l, bool key)
{
    struct err e = {0};
    if (!audit_rotate(l, &TURN, key, &e))
        fail_msg("rotate: %s: %s", e.what, e.cause);
}

static size_t count(struct audit_log *l, const struct audit_query *q, int64_t *first)
{
    struct arena a;
    struct stored *s;
    size_t n;
    struct err e = {0};
    arena_init(&a);
    if (!audit_query(l, q, &a, &s, &n, &e))
        fail_msg("query: %s", e.what);
    if (first)
        *first = n ? s[0].seq : 0;
    arena_release(&a);
    return n;
}

static size_t latched(struct audit_log *l)
{
    struct arena a;
    struct stored *s;
    size_t n;
    arena_init(&a);
    assert_true(audit_latched(l, "homes", &a, &s, &n, NULL));
    arena_release(&a);
    return n;
}

static size_t open_ops(struct audit_log *l, int64_t *seq)
{
    struct arena a;
    struct stored *s;
    size_t n;
    arena_init(&a);
    assert_true(audit_open_intents(l, "homes", &a, &s, &n, NULL));
    *seq = n ? s[0].seq : 0;
    arena_release(&a);
    return n;
}

static void what_was_in_it_is_read_on(void **state)
{
    (void)state;
    struct yard y;
    struct audit_report r;
    struct audit_head h;
    struct err e = {0};
    struct buf blob;
    char digest[65];
    int64_t seq;
    begin(&y);
    struct audit_log *l = box_open(&y.b);
    add(l, ENTRY_HALT, 1, "");
    add(l, ENTRY_OUTCOME, 1, "ok");
    int64_t open = add(l, ENTRY_INTENT, 2, "");
    assert_true(audit_put_blob(l, "abc", 3, digest, &e));
    must_verify(&y.b, &r);
    assert_int_equal(r.open_intents, 1);
    rotate(l, false);
    assert_true(audit_head(l, &h, &e));
    assert_string_equal(h.origin, "andon/test/2");
    assert_int_equal(h.size, 1);
    assert_int_equal(h.newest, 5);
    assert_int_equal(latched(l), 1);
    assert_int_equal(open_ops(l, &seq), 1);
    assert_int_equal(seq, open);
    buf_init(&blob, 100);
    assert_true(audit_get_blob(l, digest, &blob, &e));
    buf_release(&blob);
    add(l, ENTRY_HALT, 1, ""); /* one event is one entry, in whichever file */
    assert_true(audit_head(l, &h, &e));
    assert_int_equal(h.newest, 5);
    assert_int_equal(add(l, ENTRY_OUTCOME, 2, "ok"), 6);
    assert_int_equal(open_ops(l, &seq), 0);
    rotate(l, false);
    assert_int_equal(add(l, ENTRY_ACK, 3, "ok"), 8);
    assert_int_equal(latched(l), 0);
    assert_int_equal(count(l, &(struct audit_query){.newest_first = true}, &seq), 8);
    assert_int_equal(seq, 8);
    assert_int_equal(count(l, &(struct audit_query){.from_seq = 4, .to_seq = 7}, &seq), 4);
    assert_int_equal(seq, 4);
    assert_int_equal(count(l, &(struct audit_query){.limit = 2}, &seq), 2);
    assert_int_equal(seq, 1);
    assert_int_equal(count(l, &(struct audit_query){.kind = "genesis"}, NULL), 3);
    audit_close(l);
    must_verify(&y.b, &r);
    assert_int_equal(r.entries, 8);
    assert_int_equal(r.files, 3);
    assert_int_equal(r.open_intents, 0);
    assert_string_equal(r.origin, "andon/test/3");
    y.b.spec.origin_asked = true; /* it is still the log that was asked for */
    l = box_open(&y.b);
    assert_int_equal(count(l, &(struct audit_query){.kind = "ack"}, &seq), 1);
    assert_int_equal(seq, 8);
    audit_close(l);
    box_release(&y.b);
}

static void others_who_have_it_open_go_on(void **state)
{
    (void)state;
    struct yard y;
    struct audit_report r;
    struct err e = {0};
    int64_t seq;
    begin(&y);
    for (int key = 0; key < 2; key++) {
        struct audit_log *l = box_open(&y.b), *m = box_open(&y.b), *n;
        y.b.spec.read_only = true;
        n = audit_open(&y.b.spec, &e);
        y.b.spec.read_only = false;
        assert_non_null(n);
        add(m, ENTRY_HALT, 1 + (uint64_t)key, "");
        size_t before = count(n, &(struct audit_query){.kind = "halt"}, NULL);
        rotate(l, key);
        assert_true(audit_glance(m, &e));
        assert_int_equal(count(n, &(struct audit_query){.kind = "halt"}, &seq), before);
        assert_int_equal(seq, 2);
        add(m, ENTRY_OUTCOME, 7, "ok");
        add(l, ENTRY_OUTCOME, 8, "ok");
        add(m, ENTRY_OUTCOME, 9, "ok");
        assert_int_equal(count(n, &(struct audit_query){0}, NULL), count(l, &(struct audit_query){0}, NULL));
        audit_close(l);
        audit_close(m);
        audit_close(n);
        must_verify(&y.b, &r);
    }
    struct seen s;
    struct spool_place *p = spool_place_new(&y.b.spec);
    assert_true(seen_read(p, &s));
    assert_string_equal(s.head.origin, "andon/test/3");
    spool_place_free(p);
    box_release(&y.b);
}

static void an_old_key_vouches_for_the_new_one(void **state)
{
    (void)state;
    struct yard y;
    struct audit_report r;
    struct err e = {0};
    struct audit_head h[3];
    char next[128];
    size_t n;
    begin(&y);
    char *old = NULL;
    for (int i = 0; i < 3; i++) {
        struct audit_log *l = box_open(&y.b);
        add(l, ENTRY_OUTCOME, 2, "ok");
        assert_true(audit_head(l, &h[i], &e));
        if (i == 0)
            old = read_all(y.b.key, &n);
        if (i < 2)
            rotate(l, true);
        audit_close(l);
    }
    snprintf(next, sizeof next, "%s.next", y.b.key);
    assert_int_equal(access(next, F_OK), -1);
    for (int i = 0; i < 3; i++) {
        assert_true(audit_verify(&y.b.spec, h[i].vkey, &r, &e));
        if (!r.ok)
            fail_msg("%d: %s", i, r.text);
    }
    assert_non_null(strstr(r.compared, "was named"));
    assert_true(audit_verify(&y.b.spec, h[0].vkey, &r, &e));
    assert_non_null(strstr(r.compared, "handed over"));
    /* a first entry alone hands over nothing: the key of a stranger who took up the log where it ended */
    chmod(y.b.key, 0600);
    write_all(y.b.key, old, n);
    assert_null(audit_open(&y.b.spec, &e));
    assert_int_equal(e.code, ERR_AUTH);
    assert_true(audit_verify(&y.b.spec, NULL, &r, &e));
    assert_true(!r.ok && r.another);
    free(old);
    box_release(&y.b);
}

static void a_file_that_is_missing_or_was_changed_is_found(void **state)
{
    (void)state;
    struct yard y;
    struct audit_report r;
    struct err e = {0};
    size_t n;
    begin(&y);
    struct audit_log *l = box_open(&y.b);
    for (int i = 0; i < 3; i++) {
        add(l, ENTRY_OUTCOME, 2, "ok");
        if (i < 2)
            rotate(l, false);
    }
    audit_close(l);
    must_verify(&y.b, &r);
    for (int i = 0; i < 2; i++) {
        char away[130], db[sizeof y.b.db];
        snprintf(away, sizeof away, "%s.away", y.part[i]);
        assert_int_equal(rename(y.part[i], away), 0);
        assert_true(audit_verify(&y.b.spec, NULL, &r, &e));
        assert_true(!r.ok && r.unsure);
        assert_non_null(strstr(r.text, "INCOMPLETE"));
        assert_null(audit_open(&y.b.spec, &e)); /* a halt in it might be latched */
        assert_int_equal(e.code, ERR_TAMPERED);
        assert_int_equal(rename(away, y.part[i]), 0);
        char *bytes = read_all(y.part[i], &n);
        memcpy(db, y.b.db, sizeof db);
        chmod(y.part[i], 0600);
        snprintf(y.b.db, sizeof y.b.db, "%s", y.part[i]);
        tamper(&y.b, "UPDATE entry SET leaf = leaf || ' ' WHERE seq = 2");
        memcpy(y.b.db, db, sizeof db);
        must_fail(&y.b, &r);
        assert_int_equal(r.bad_seq, i == 0 ? 2 : 4);
        write_all(y.part[i], bytes, n);
        must_verify(&y.b, &r);
        free(bytes);
    }
    char *one = read_all(y.part[0], &n); /* a good file, and not the one */
    chmod(y.part[1], 0600);
    write_all(y.part[1], one, n);
    must_fail(&y.b, &r);
    free(one);
    box_release(&y.b);
}

static void a_copy_is_whole_and_verifies(void **state)
{
    (void)state;
    struct yard y;
    struct audit_report r;
    struct err e = {0};
    char to[120], dir[100];
    begin(&y);
    struct audit_log *l = box_open(&y.b);
    add(l, ENTRY_HALT, 2, "");
    rotate(l, false);
    add(l, ENTRY_OUTCOME, 2, "ok");
    snprintf(dir, sizeof dir, "%s/o'hare", y.b.dir);
    mkdir(dir, 0700);
    snprintf(to, sizeof to, "%s/copy.db", dir);
    if (!audit_copy(&y.b.spec, to, &e)) /* while it is in use */
        fail_msg("%s: %s", e.what, e.cause);
    assert_false(audit_copy(&y.b.spec, to, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    audit_close(l);
    struct audit_spec copy = {.db_path = to, .read_only = true};
    assert_true(audit_verify(&copy, NULL, &r, &e));
    if (!r.ok)
        fail_msg("%s", r.text);
    assert_int_equal(r.entries, 4);
    l = audit_open(&copy, &e);
    assert_non_null(l);
    assert_int_equal(latched(l), 1);
    audit_close(l);
    box_release(&y.b);
}

/* Each limit by itself, as soon as it is reached and not before. */
static void it_goes_on_when_it_has_outgrown_its_limits(void **state)
{
    (void)state;
    struct yard y;
    struct audit_report r;
    struct err e = {0};
    char why[120];
    bool done;
    begin(&y);
    struct audit_log *l = box_open(&y.b);
    for (int i = 0; i < 3; i++)
        add(l, ENTRY_STEP, 1, "");
    static const struct log_limits within[] = {{0, 0, 0}, {5, 0, 0}, {0, US_PER_DAY, 0}, {0, 0, 1 << 20}},
                                   over[] = {{4, 0, 0}, {0, 1, 0}, {0, 0, 4096}};
    for (size_t i = 0; i < sizeof within / sizeof *within; i++) {
        assert_true(audit_outgrown(l, &within[i], why, &e));
        assert_string_equal(why, "");
        assert_true(audit_rotate_if(l, &TURN, &within[i], &done, &e));
        assert_false(done);
    }
    for (size_t i = 0; i < sizeof over / sizeof *over; i++) {
        y.b.now += US_PER_S;
        assert_true(audit_outgrown(l, &over[i], why, &e));
        assert_true(*why);
        assert_true(audit_rotate_if(l, &TURN, &over[i], &done, &e));
        assert_true(done);
        assert_true(audit_rotate_if(l, &TURN, &over[i], &done, &e)); /* the new one has its first entry alone */
        assert_false(done);
        for (int k = 0; k < 3; k++)
            add(l, ENTRY_STEP, 1, "");
    }
    audit_close(l);
    must_verify(&y.b, &r);
    assert_int_equal(r.files, 4);
    box_release(&y.b);
}

/* How the older files are judged: 'g' goes, 's' stays; the oldest first. */
static void judged(struct audit_log *l, int64_t keep, const char *want, const char *why)
{
    struct arena a;
    struct audit_old *v;
    size_t n;
    struct err e = {0};
    arena_init(&a);
    if (!audit_old_files(l, keep, &a, &v, &n, &e))
        fail_msg("old files: %s", e.what);
    assert_int_equal(n, strlen(want));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(v[i].goes, want[i] == 'g');
    if (why && !strstr(v[0].why, why))
        fail_msg("stays for another reason: %s", v[0].why);
    arena_release(&a);
}

static void remove_oldest(struct audit_log *l, int64_t keep)
{
    struct arena a;
    struct audit_old *v;
    size_t n;
    struct err e = {0};
    arena_init(&a);
    assert_true(audit_old_files(l, keep, &a, &v, &n, &e) && n > 0);
    if (!audit_remove_old(l, &TURN, &v[0], "audit: keep: 7d00h", &e))
        fail_msg("remove: %s: %s", e.what, e.cause);
    arena_release(&a);
}

/* Too young, latched, open, held, behind one that stays: each keeps it; then it goes, and the log says so for ever. */
static void an_old_file_goes_when_nothing_keeps_it_and_that_is_said(void **state)
{
    (void)state;
    struct yard y;
    struct audit_report r;
    struct audit_spec away;
    struct entry en;
    struct err e = {0};
    begin(&y);
    int64_t week = 7 * US_PER_DAY;
    struct audit_log *l = box_open(&y.b);
    add(l, ENTRY_HALT, 1, "");
    add(l, ENTRY_OUTCOME, 1, "ok");
    add(l, ENTRY_INTENT, 2, "");
    rotate(l, false);
    y.b.now += US_PER_HOUR;
    rotate(l, false);
    judged(l, week, "ss", "newest entry is not");
    y.b.now += 8 * US_PER_DAY;
    judged(l, 0, "ss", "says nothing");
    judged(l, week, "ss", "nobody has acknowledged the halt in entry 2");
    make_entry(&en, ENTRY_ACK, 1, "");
    en.fleet = "homes";
    en.rollout = "4471";
    put(l, &en);
    judged(l, week, "ss", "what entry 4 began has no end");
    add(l, ENTRY_OUTCOME, 2, "ok");
    judged(l, week, "gg", NULL);
    assert_true(audit_hold_add(l, &TURN, "INC-9", 0, 0, &e));
    judged(l, week, "ss", "held by INC-9: year's end");
    assert_false(audit_hold_add(l, &TURN, "INC-9", 0, 0, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    assert_true(audit_hold_remove(l, &TURN, "INC-9", &e));
    assert_false(audit_hold_remove(l, &TURN, "INC-9", &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_true(audit_hold_add(l, &TURN, "INC-10", y.b.now - US_PER_DAY, 0, &e)); /* of a later time */
    judged(l, week, "gg", NULL);
    must_verify(&y.b, &r);
    assert_int_equal(r.files, 3);
    snprintf(y.part[1], sizeof y.part[1], "%s.kept", y.b.db); /* an archive */
    away = (struct audit_spec){.db_path = y.part[1], .read_only = true};
    assert_int_equal(link(y.part[0], y.part[1]), 0);
    remove_oldest(l, week);
    assert_int_not_equal(access(y.part[0], F_OK), 0);
    must_verify(&y.b, &r);
    assert_int_equal(r.files, 2);
    if (!strstr(r.text, "; the 4 entries before them were removed on 20") ||
        !strstr(r.text, " under the rule audit: keep: 7d00h (entry 1"))
        fail_msg("%s", r.text);
    assert_true(audit_verify(&away, NULL, &r, &e) && r.ok);
    assert_int_equal(r.entries, 4);
    audit_close(l);
    l = box_open(&y.b); /* still opens, and is written to */
    add(l, ENTRY_STEP, 3, "");
    judged(l, week, "g", NULL);
    remove_oldest(l, week);
    judged(l, week, "", NULL);
    rotate(l, false); /* the entry that says so is in an older file by now */
    audit_close(l);
    l = box_open(&y.b);
    must_verify(&y.b, &r);
    if (!strstr(r.text, "; the 5 entries before them were removed on 20"))
        fail_msg("%s", r.text);
    audit_close(l);
    /* without that word a file that is not there is missed as ever */
    snprintf(y.part[0], sizeof y.part[0], "%s.3", y.b.db);
    assert_int_equal(unlink(y.part[0]), 0);
    assert_null(audit_open(&y.b.spec, &e));
    assert_int_equal(e.code, ERR_TAMPERED);
    box_release(&y.b);
}

/* Between the look and the removal: a hold that another process adds keeps the file, and a blob with the bytes of the
 * entry that would say so, which anybody can leave, is no such entry. */
static void a_removal_is_said_by_an_entry_and_a_late_hold_keeps_the_file(void **state)
{
    (void)state;
    struct yard y;
    struct audit_report r;
    struct arena a;
    struct audit_old *v;
    struct buf mark;
    struct err e = {0};
    uint8_t raw[HASH_LEN];
    char digest[65];
    size_t n;
    int64_t week = 7 * US_PER_DAY, seq;
    begin(&y);
    struct audit_log *l = box_open(&y.b), *other = box_open(&y.b);
    add(l, ENTRY_STEP, 1, "");
    rotate(l, false);
    y.b.now += 8 * US_PER_DAY;
    arena_init(&a);
    assert_true(audit_old_files(l, week, &a, &v, &n, &e));
    assert_int_equal(n, 1);
    assert_true(v[0].goes);
    assert_true(audit_hold_add(other, &TURN, "INC-9", 0, 0, &e));
    assert_false(audit_remove_old(l, &TURN, &v[0], "audit: keep: 7d00h", &e));
    assert_int_equal(e.code, ERR_REFUSED);
    assert_non_null(strstr(e.what, "stays: held by INC-9"));
    assert_int_equal(access(y.part[0], F_OK), 0);
    assert_true(audit_hold_remove(other, &TURN, "INC-9", &e));
    buf_init(&mark, 1024);
    keep_mark(&v[0].is, raw, &mark);
    assert_true(audit_put_blob(other, mark.data, mark.len, digest, &e));
    int64_t before = (int64_t)count(l, &(struct audit_query){.kind = "config"}, &seq);
    remove_oldest(l, week);
    assert_int_not_equal(access(y.part[0], F_OK), 0);
    assert_int_equal(count(l, &(struct audit_query){.kind = "config"}, &seq), before + 1);
    must_verify(&y.b, &r);
    buf_release(&mark);
    arena_release(&a);
    audit_close(other);
    audit_close(l);
    box_release(&y.b);
}

/* It is opened with all its older files, and only so many are: a rotation never makes one that closes it. */
static void it_is_not_rotated_into_more_files_than_are_opened(void **state)
{
    (void)state;
    struct yard y;
    struct err e = {0};
    struct log_limits one = {.entries = 1};
    char why[120];
    bool done;
    begin(&y);
    struct audit_log *l = box_open(&y.b);
    for (int i = 0; i < ROTATE_MAX; i++)
        rotate(l, false);
    assert_false(audit_rotate(l, &TURN, false, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_false(audit_rotate(l, &TURN, true, &e));
    assert_true(audit_outgrown(l, &one, why, &e) && *why);
    assert_false(audit_rotate_if(l, &TURN, &one, &done, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    assert_false(done);
    add(l, ENTRY_STEP, 1, "");
    audit_close(l);
    l = box_open(&y.b);
    add(l, ENTRY_STEP, 2, "");
    audit_close(l);
    box_release(&y.b);
}

/* What a killed rotation had copied so far goes with the next one; nothing that may be somebody's does. */
static void what_a_killed_rotation_left_goes_with_the_next(void **state)
{
    (void)state;
    static const struct {
        const char *tail, *bytes;
        mode_t mode;
        bool young, goes;
    } left[] = {{".1.x7Kq0b", "SQLite format 3", 0600, false, true}, /* and its last byte, 0 */
                {".12.ABCdef", "", 0400, false, true},
                {".1.Y7Kq0b", "SQLite format 3", 0600, true, false}, /* it may be being written */
                {".1.Z7Kq0b", "a note of someb.", 0600, false, false},
                {".1.W7Kq0b", "SQLite format 3", 0640, false, false},
                {".damaged-1", "SQLite format 3", 0600, false, false},
                {".1.x7Kq0bc", "SQLite format 3", 0600, false, false},
                {".copy.x7Kq0b", "SQLite format 3", 0600, false, false},
                {".7", "SQLite format 3", 0600, false, false}};
    struct yard y;
    struct stat st;
    char path[200];
    begin(&y);
    struct audit_log *l = box_open(&y.b);
    for (int way = 0; way < 2; way++) {
        for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
            const struct timespec old[2] = {{.tv_sec = time(NULL) - 3600},
                                            {.tv_sec = time(NULL) - (left[i].young ? 9 : 3600)}};
            snprintf(path, sizeof path, "%s%s", y.b.db, left[i].tail);
            if (way == 0 || left[i].goes) {
                write_all(path, left[i].bytes, *left[i].bytes ? 16 : 0);
                assert_int_equal(chmod(path, left[i].mode), 0);
                assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
            }
        }
        if (way == 0)
            rotate(l, false);
        else
            assert_int_equal(audit_tidy(y.b.db), 2);
        for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
            snprintf(path, sizeof path, "%s%s", y.b.db, left[i].tail);
            assert_int_equal(stat(path, &st) == 0, !left[i].goes);
        }
    }
    audit_close(l);
    box_release(&y.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_in_it_is_read_on),
        cmocka_unit_test(others_who_have_it_open_go_on),
        cmocka_unit_test(an_old_key_vouches_for_the_new_one),
        cmocka_unit_test(a_file_that_is_missing_or_was_changed_is_found),
        cmocka_unit_test(a_copy_is_whole_and_verifies),
        cmocka_unit_test(an_old_file_goes_when_nothing_keeps_it_and_that_is_said),
        cmocka_unit_test(a_removal_is_said_by_an_entry_and_a_late_hold_keeps_the_file),
        cmocka_unit_test(it_is_not_rotated_into_more_files_than_are_opened),
        cmocka_unit_test(it_goes_on_when_it_has_outgrown_its_limits),
        cmocka_unit_test(what_a_killed_rotation_left_goes_with_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
