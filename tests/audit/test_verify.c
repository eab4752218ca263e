/* What verification finds, what it counts, and what recovery reads. */
#include "tests/audit/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/book.h"

#define ENTRIES 20 /* beside genesis */

/* One change behind andon's back, and the seq that the report must name (-1: any). */
static const struct {
    const char *name, *sql;
    int64_t bad_seq;
} MATRIX[] = {
    {"leaf edited", "UPDATE entry SET leaf = CAST(replace(CAST(leaf AS TEXT), 'mara', 'mark') AS BLOB) WHERE seq = 7",
     7},
    {"one bit of a leaf",
     "UPDATE entry SET leaf = CAST(replace(CAST(leaf AS TEXT), '\"running\"', '\"sunning\"') AS BLOB) WHERE seq = 3",
     3},
    {"stored hash edited", "UPDATE entry SET hash = zeroblob(32) WHERE seq = 9", 9},
    {"stored hash cut", "UPDATE entry SET hash = x'00' WHERE seq = 9", 9},
    {"last dropped", "DELETE FROM entry WHERE seq = 21", 21},
    {"last three dropped", "DELETE FROM entry WHERE seq > 18", 19},
    {"middle dropped", "DELETE FROM entry WHERE seq = 11", 11},
    {"first dropped", "DELETE FROM entry WHERE seq = 1", 1},
    {"all dropped", "DELETE FROM entry", 1},
    {"two swapped",
     "UPDATE entry SET seq = 100 WHERE seq = 5; UPDATE entry SET seq = 5 WHERE seq = 6;"
     "UPDATE entry SET seq = 6 WHERE seq = 100",
     5},
    {"one doubled", "INSERT INTO entry SELECT 22, hash, leaf FROM entry WHERE seq = 21", 22},
    {"leaf emptied", "UPDATE entry SET leaf = x'' WHERE seq = 4", 4},
    {"leaf of another type", "UPDATE entry SET leaf = 17 WHERE seq = 4", 4},
    {"checkpoint edited",
     "UPDATE state SET checkpoint = CAST(replace(CAST(checkpoint AS TEXT), 'test', 'tesu') AS BLOB)", -1},
    {"size in the checkpoint",
     "UPDATE state SET checkpoint = CAST(replace(CAST(checkpoint AS TEXT), char(10) || '21' || char(10), char(10) || "
     "'20' || char(10)) AS BLOB)",
     -1},
    {"checkpoint emptied", "UPDATE state SET checkpoint = x''", -1},
    {"checkpoint of another type", "UPDATE state SET checkpoint = 5", -1},
    {"size edited", "UPDATE state SET size = 20", -1},
    {"frontier edited", "UPDATE state SET frontier = zeroblob(length(frontier))", -1},
    {"state dropped", "DELETE FROM state", -1},
    {"state and entries dropped", "DELETE FROM state; DELETE FROM entry", -1},
    {"blob edited", "UPDATE blob SET bytes = x'00' WHERE id = 1", 20},
    {"blob dropped", "DELETE FROM blob WHERE id = 1", 20},
    {"blob renamed", "UPDATE blob SET digest = zeroblob(32) WHERE id = 1", 20},
};

static void fill(struct box *b)
{
    struct entry en;
    struct err e = {0};
    char digest[65];
    box_fill(b, ENTRIES - 2);
    struct audit_log *l = box_open(b);
    assert_true(audit_put_blob(l, "device-1\ndevice-2\n", 18, digest, &e));
    make_entry(&en, ENTRY_INTENT, 500, "");
    entry_str(&en, "blob.devices", digest);
    assert_int_equal(put(l, &en), 20);
    make_entry(&en, ENTRY_OUTCOME, 500, "ok");
    assert_int_equal(put(l, &en), 21);
    audit_close(l);
}

static void every_change_is_found(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    char keep[128];
    box_init(&b);
    fill(&b);
    must_verify(&b, &r);
    assert_int_equal(r.entries, ENTRIES + 1);
    snprintf(keep, sizeof keep, "%s/keep", b.dir);
    size_t n;
    char *bytes = read_all(b.db, &n);
    for (size_t i = 0; i < sizeof MATRIX / sizeof *MATRIX; i++) {
        write_all(b.db, bytes, n);
        tamper(&b, MATRIX[i].sql);
        struct err e = {0};
        if (!audit_verify(&b.spec, NULL, &r, &e))
            fail_msg("%s: cannot tell: %s", MATRIX[i].name, e.what);
        if (r.ok || (MATRIX[i].bad_seq >= 0 && r.bad_seq != MATRIX[i].bad_seq))
            fail_msg("%s: %s (seq %lld)", MATRIX[i].name, r.text, (long long)r.bad_seq);
        assert_non_null(strstr(r.text, "TAMPERED: "));
    }
    free(bytes);
    box_release(&b);
}

/* Edit an entry and make its stored hash fit: only the signed root tells. */
static void an_edit_with_its_hash_made_to_fit_is_found(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    struct err e = {0};
    struct arena a;
    struct stored *s;
    size_t n;
    box_init(&b);
    fill(&b);
    struct audit_log *l = box_open(&b);
    arena_init(&a);
    assert_true(audit_query(l, &(struct audit_query){.from_seq = 21, .to_seq = 21}, &a, &s, &n, &e));
    audit_close(l);
    char *line = strdup(s[0].line), *at = strstr(line, "\"mara\""), text[4096], hex[HASH_HEX];
    uint8_t hash[HASH_LEN];
    memcpy(at, "\"mark\"", 6);
    tree_leaf_hash(line, strlen(line), hash);
    hex_encode(hex, hash, HASH_LEN);
    /* entry 21 is a subtree of its own (21 = 16 + 4 + 1): there the report can name it */
    snprintf(text, sizeof text,
             "UPDATE entry SET hash = x'%s', leaf = CAST(replace(CAST(leaf AS TEXT), '\"mara\"', '\"mark\"') AS BLOB) "
             "WHERE seq = 21",
             hex);
    tamper(&b, text);
    must_fail(&b, &r);
    assert_int_equal(r.bad_seq, 21);
    free(line);
    arena_release(&a);
    box_release(&b);
}

static void tables_and_triggers_must_be_as_made(void **state)
{
    (void)state;
    static const char *const changes[] = {"CREATE TRIGGER extra AFTER INSERT ON entry BEGIN DELETE FROM blob; END",
                                          "DROP TRIGGER entry_keep",
                                          "CREATE TABLE more(x)",
                                          "CREATE TABLE opening(seq INTEGER PRIMARY KEY, lines BLOB)",
                                          "CREATE VIEW v AS SELECT * FROM entry",
                                          "PRAGMA application_id = 7",
                                          "PRAGMA user_version = 0"};
    struct box b;
    struct audit_report r;
    struct err e = {0};
    box_init(&b);
    fill(&b);
    size_t n;
    char *bytes = read_all(b.db, &n);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        write_all(b.db, bytes, n);
        sql(&b, changes[i]);
        must_fail(&b, &r);
        assert_null(audit_open(&b.spec, &e));
        assert_int_equal(e.code, ERR_TAMPERED);
    }
    write_all(b.db, bytes, n);
    sql(&b, "PRAGMA user_version = 3");
    assert_false(audit_verify(&b.spec, NULL, &r, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    free(bytes);
    box_release(&b);
}

static void the_triggers_stop_accidents(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    box_init(&b);
    fill(&b);
    /* sqlite's own shell would say the same: each of these is refused */
    static const char *const tries[] = {"UPDATE entry SET leaf = x'00'",
                                        "DELETE FROM entry",
                                        "DELETE FROM state",
                                        "UPDATE state SET size = 3",
                                        "DELETE FROM blob",
                                        "UPDATE blob SET bytes = x''",
                                        "INSERT INTO entry VALUES(50, x'', x'')",
                                        "INSERT OR REPLACE INTO entry VALUES(3, x'', x'')"};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
        assert_false(sql_works(&b, tries[i]));
    must_verify(&b, &r);
    box_release(&b);
}

/* Flips one bit at many places of the file: either it is found, or it lies where SQLite keeps nothing and the same
 * entries come out. */
static void no_flipped_bit_changes_what_verifies(void **state)
{
    (void)state;
    struct box b;
    struct audit_report good, r;
    box_init(&b);
    fill(&b);
    must_verify(&b, &good);
    size_t n, found = 0;
    char *bytes = read_all(b.db, &n);
    uint64_t seed = 42;
    for (int i = 0; i < 250; i++) {
        struct err e = {0};
        size_t at = i < 100 ? (size_t)i : (size_t)(rnd(&seed) % n);
        int bit = (int)(rnd(&seed) % 8);
        bytes[at] = (char)(bytes[at] ^ 1 << bit);
        write_all(b.db, bytes, n);
        bytes[at] = (char)(bytes[at] ^ 1 << bit);
        if (!audit_verify(&b.spec, NULL, &r, &e) || !r.ok) {
            found++;
            continue;
        }
        assert_int_equal(r.entries, good.entries);
        assert_string_equal(r.root, good.root);
    }
    assert_true(found > 50);
    free(bytes);
    box_release(&b);
}

static void a_truncated_file_is_found(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    box_init(&b);
    box_fill(&b, 60);
    size_t n;
    char *bytes = read_all(b.db, &n);
    for (size_t keep = 4096; keep < n; keep += 4096) {
        struct err e = {0};
        write_all(b.db, bytes, keep - (keep % 8192 ? 0 : 100));
        if (audit_verify(&b.spec, NULL, &r, &e))
            assert_false(r.ok);
        assert_null(audit_open(&b.spec, &e));
    }
    free(bytes);
    box_release(&b);
}

/* Bug 4 of the trial: `verify` printed "OK empty" for an emptied file. */
static void bug_4_an_emptied_file_is_not_ok(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    struct err e = {0};
    struct entry en;
    box_init(&b);
    box_fill(&b, 3);
    assert_int_equal(truncate(b.db, 0), 0);
    must_fail(&b, &r);
    assert_non_null(strstr(r.text, "emptied"));
    assert_null(audit_open(&b.spec, &e)); /* and nobody starts a new log in its place */
    assert_int_equal(e.code, ERR_TAMPERED);
    struct stat st;
    assert_int_equal(stat(b.db, &st), 0);
    assert_int_equal(st.st_size, 0);
    unlink(b.db);
    assert_false(audit_verify(&b.spec, NULL, &r, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    write_all(b.db, "just some text that is no database at all\n", 42);
    assert_false(audit_verify(&b.spec, NULL, &r, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    unlink(b.db);
    /* a removed log starts anew, but its genesis says that a key was there already */
    struct audit_log *l = box_open(&b);
    struct arena a;
    struct stored *s;
    size_t n;
    arena_init(&a);
    assert_true(audit_query(l, &(struct audit_query){0}, &a, &s, &n, &e));
    assert_string_equal(stored_field(s, "key"), "was-there");
    arena_release(&a);
    make_entry(&en, ENTRY_INTENT, 1, "");
    put(l, &en);
    audit_close(l);
    box_release(&b);
}

static bool no_signature(void *ctx, const void *msg, size_t n, uint8_t sig[KEY_SIG_LEN], struct err *e)
{
    (void)ctx;
    (void)msg;
    (void)n;
    memset(sig, 0, KEY_SIG_LEN);
    return err_set(e, ERR_INTERNAL, "", "the token was pulled out");
}

static bool wrong_signature(void *ctx, const void *msg, size_t n, uint8_t sig[KEY_SIG_LEN], struct err *e)
{
    struct audit_log *l = ctx;
    char *other = calloc(1, n + 1);
    memcpy(other, msg, n);
    bool ok = key_sign(l->key, other, n + 1, sig, e);
    free(other);
    return ok;
}

/* Bug 1 of the trial: a failed signature was stored as a checkpoint, and the log never verified again. */
static void bug_1_a_failed_signature_is_never_stored(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    struct err e = {0};
    struct entry en;
    book_sign_fn *const bad[] = {no_signature, wrong_signature};
    box_init(&b);
    box_fill(&b, 3);
    for (int i = 0; i < 2; i++) {
        struct audit_log *l = box_open(&b);
        book_sign_fn *good = l->sign;
        make_entry(&en, ENTRY_INTENT, 77, "");
        l->sign = bad[i];
        assert_false(audit_append(l, &en, NULL, &e));
        must_verify(&b, &r);
        assert_int_equal(r.entries, 4 + i);
        l->sign = good;
        assert_int_equal(put(l, &en), 5 + i); /* no gap, no wedge */
        audit_close(l);
        must_verify(&b, &r);
    }
    box_release(&b);
}

static void a_pinned_key_must_have_signed(void **state)
{
    (void)state;
    struct box b, other;
    struct audit_report r;
    struct err e = {0};
    box_init(&b);
    box_init(&other);
    box_fill(&b, 3);
    box_fill(&other, 3);
    struct audit_log *l = box_open(&b), *o = box_open(&other);
    assert_true(audit_verify(&b.spec, l->name.vkey, &r, &e));
    assert_true(r.ok);
    assert_null(strstr(r.text, "not pinned"));
    assert_string_equal(r.key_id, l->name.id_hex);
    assert_string_equal(r.origin, "andon/test");
    assert_true(audit_verify(&b.spec, o->name.vkey, &r, &e));
    assert_false(r.ok);
    assert_true(r.another && !r.unsure);
    assert_null(strstr(r.text, "TAMPERED"));
    assert_non_null(strstr(r.text, o->name.id_hex));
    assert_non_null(strstr(r.text, l->name.id_hex));
    assert_false(audit_verify(&b.spec, "nonsense", &r, &e));
    assert_int_equal(e.code, ERR_SYNTAX);
    /* the whole log replaced by another, self-consistent one: the host's own key tells */
    struct audit_spec spec = b.spec;
    spec.db_path = other.db;
    assert_true(audit_verify(&spec, NULL, &r, &e));
    assert_false(r.ok);
    assert_true(r.another && !r.unsure);
    assert_non_null(strstr(r.compared, b.key));
    spec.key_beside = true; /* nobody has said that it is this log's */
    assert_true(audit_verify(&spec, NULL, &r, &e));
    assert_true(!r.ok && r.another && r.unsure);
    assert_true(audit_verify(&spec, l->name.vkey, &r, &e)); /* somebody has, and this one is not */
    assert_true(!r.ok && r.another && !r.unsure);
    assert_true(
        audit_verify(&spec, o->name.vkey, &r, &e)); /* who names the key does not ask for the one that lies there */
    assert_true(r.ok);
    tamper(&other, "UPDATE entry SET leaf = leaf || ' ' WHERE seq = 2"); /* is told before whose it is */
    assert_true(audit_verify(&spec, NULL, &r, &e));
    assert_true(!r.ok && !r.another && r.bad_seq == 2);
    tamper(&other, "UPDATE entry SET leaf = substr(leaf, 1, length(leaf) - 1) WHERE seq = 2");
    audit_close(l);
    audit_close(o);
    spec.key_path = NULL;
    assert_true(audit_verify(&spec, NULL, &r, &e));
    assert_true(r.ok);
    assert_non_null(strstr(r.text, "key not pinned"));
    box_release(&b);
    box_release(&other);
}

/* The tail check sees what lies in the tail, and the checkpoint. */
static void the_tail_check_is_no_less_strict_about_the_tail(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    struct err e = {0};
    box_init(&b);
    fill(&b);
    size_t n;
    char *bytes = read_all(b.db, &n);
    for (int64_t seq = 1; seq <= ENTRIES + 1; seq++) {
        char text[200];
        write_all(b.db, bytes, n);
        b.spec.read_only = false;
        struct audit_log *l = box_open(&b);
        assert_true(audit_verify_tail(l, 5, &r, &e));
        assert_true(r.ok);
        snprintf(text, sizeof text, "UPDATE entry SET leaf = leaf || ' ' WHERE seq = %d", (int)seq);
        tamper(&b, text);
        assert_true(audit_verify_tail(l, 5, &r, &e));
        assert_int_equal(r.ok, seq <= ENTRIES + 1 - 5);
        assert_int_equal(r.bad_seq, r.ok ? 0 : seq);
        assert_non_null(strstr(r.text, r.ok ? "a roll back of the file is not excluded" : "TAMPERED: "));
        assert_true(audit_verify_tail(l, 1000, &r, &e));
        assert_false(r.ok);
        assert_int_equal(r.bad_seq, seq);
        audit_close(l);
    }
    free(bytes);
    box_release(&b);
}

/* --- counts and recovery ------------------------------------------------------------------------------------- */

static void add(struct audit_log *l, enum entry_kind kind, uint64_t corr, const char *fleet, const char *rollout,
                const char *result, int64_t t, bool late)
{
    struct entry en;
    make_entry(&en, kind, corr, result);
    en.fleet = fleet;
    en.rollout = rollout;
    en.t = en.mono = t;
    en.late = late;
    put(l, &en);
}

static void what_is_open_unknown_late_or_out_of_time_is_counted(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    box_init(&b);
    int64_t t = b.now;
    struct audit_log *l = box_open(&b);
    add(l, ENTRY_INTENT, 1, "homes", "a", "", t + 10 * US_PER_S, false);
    add(l, ENTRY_OUTCOME, 1, "homes", "a", "ok", t + 11 * US_PER_S, false);
    add(l, ENTRY_INTENT, 2, "homes", "a", "", t + 12 * US_PER_S, false); /* open */
    add(l, ENTRY_INTENT, 3, "homes", "b", "", t + 13 * US_PER_S, false);
    add(l, ENTRY_OUTCOME, 3, "homes", "b", "unknown", t + 14 * US_PER_S, false); /* unknown */
    add(l, ENTRY_INTENT, 4, "homes", "b", "", t + 15 * US_PER_S, false);
    add(l, ENTRY_OUTCOME, 4, "homes", "b", "unknown", t + 16 * US_PER_S, false);
    add(l, ENTRY_RECOVERED, 4, "homes", "b", "applied", t + 17 * US_PER_S, false); /* unknown no more */
    add(l, ENTRY_OUTCOME, 5, "homes", "b", "ok", t + 18 * US_PER_S, false);
    add(l, ENTRY_HALT, 5, "homes", "b", "", t + 2 * US_PER_S, true);             /* late: after its outcome */
    add(l, ENTRY_HALT, 6, "homes", "b", "", t + 3 * US_PER_S, true);             /* late and open */
    add(l, ENTRY_WATCH, 0, "homes", "b", "", t + 17 * US_PER_S + 500000, false); /* half a second: two writers */
    add(l, ENTRY_WATCH, 0, "homes", "b", "", t - 3600 * US_PER_S, false);        /* an hour back */
    add(l, ENTRY_CLOCK_STEP, 0, "homes", "b", "", t - 3599 * US_PER_S, false);
    add(l, ENTRY_STEP, 2, "homes", "a", "", t - 3598 * US_PER_S, false);
    audit_close(l);
    must_verify(&b, &r);
    assert_int_equal(r.entries, 16);
    assert_int_equal(r.open_intents, 2);
    assert_int_equal(r.unknown_outcomes, 1);
    assert_int_equal(r.late, 2);
    assert_int_equal(r.clock_steps, 2);
    assert_int_equal(r.first_t, t - 3600 * US_PER_S);
    assert_int_equal(r.last_t, t + 18 * US_PER_S);
    box_release(&b);
}

static int64_t box_wall_ahead(struct clock *c)
{
    return c->now(c) + 3 * US_PER_DAY;
}

static void at_times(struct audit_log *l, int64_t t, int64_t mono, bool late)
{
    struct entry en;
    make_entry(&en, ENTRY_WATCH, 0, "");
    en.t = t;
    en.mono = mono;
    en.late = late;
    put(l, &en);
}

/* The two clocks of two entries of one start of a host: ahead is told as back is. */
static void a_clock_that_was_set_ahead_is_counted_as_one_that_was_set_back(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    struct err e = {0};
    box_init(&b);
    b.now = clock_wall(clock_real()) - US_PER_HOUR;
    int64_t t = b.now, day = US_PER_DAY;
    struct audit_log *l = box_open(&b);
    at_times(l, t + 1, t + 1, false);
    at_times(l, t + 900000, t + 1, false); /* not so far */
    at_times(l, t + 7, t + 7, false);
    audit_close(l);
    must_verify(&b, &r);
    assert_int_equal(r.clock_steps, 0);
    assert_int_equal(r.ahead, 0);
    l = box_open(&b);
    at_times(l, t + 400 * day, t + 10, false); /* ahead */
    at_times(l, t + 90 * day, t + 11, true);   /* late: its clocks are another moment's */
    at_times(l, t + 400 * day + 5, t + 15, false);
    at_times(l, t + 20, t + 20, false); /* and back */
    audit_close(l);
    must_verify(&b, &r);
    assert_int_equal(r.clock_steps, 2);
    assert_int_equal(r.ahead, 2);
    /* with an entry that says so it is one step, and not two */
    l = box_open(&b);
    b.clock.wall = box_wall_ahead;
    assert_true(audit_clock_look(l, &e));
    at_times(l, t + 3 * day + 20, t + 20, false);
    audit_close(l);
    must_verify(&b, &r);
    assert_int_equal(r.clock_steps, 3);
    box_release(&b);
}

/* Set while no andon had the log open: said by the next that opens it, once. */
static void a_clock_that_was_set_between_two_sessions_is_an_entry_of_the_next(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    box_init(&b);
    b.now = clock_wall(clock_real()) - US_PER_HOUR;
    audit_close(box_open(&b));
    audit_close(box_open(&b));
    must_verify(&b, &r);
    assert_int_equal(r.entries, 1);
    b.clock.wall = box_wall_ahead;
    for (int i = 0; i < 2; i++) {
        audit_close(box_open(&b));
        must_verify(&b, &r);
        assert_int_equal(r.entries, 2);
        assert_int_equal(r.clock_steps, 1);
    }
    box_release(&b);
}

static void expect(struct audit_log *l, const char *fleet, bool latched, const char *want)
{
    struct arena a;
    struct stored *s;
    struct err e = {0};
    size_t n;
    char have[400] = "";
    arena_init(&a);
    assert_true(latched ? audit_latched(l, fleet, &a, &s, &n, &e) : audit_open_intents(l, fleet, &a, &s, &n, &e));
    for (size_t i = 0; i < n; i++)
        snprintf(have + strlen(have), sizeof have - strlen(have), "%lld%s ", (long long)s[i].seq, s[i].rollout);
    assert_string_equal(have, want);
    arena_release(&a);
}

static void recovery_finds_what_a_crash_left(void **state)
{
    (void)state;
    struct box b;
    box_init(&b);
    int64_t t = b.now;
    struct audit_log *l = box_open(&b);
    expect(l, "homes", false, "");
    add(l, ENTRY_INTENT, 1, "homes", "a", "", t, false);  /* 2 */
    add(l, ENTRY_INTENT, 2, "shops", "z", "", t, false);  /* 3: another fleet */
    add(l, ENTRY_HALT, 3, "homes", "b", "", t, false);    /* 4 */
    add(l, ENTRY_INTENT, 4, "homes", "c", "", t, false);  /* 5 */
    add(l, ENTRY_STEP, 4, "homes", "c", "ok", t, false);  /* a step ends nothing */
    add(l, ENTRY_REFUSED, 1, "homes", "a", "", t, false); /* nor does a refusal */
    expect(l, "homes", false, "2a 4b 5c ");
    add(l, ENTRY_OUTCOME, 1, "homes", "a", "failed", t, false);
    add(l, ENTRY_RECOVERED, 4, "homes", "c", "unknown", t, false);
    expect(l, "homes", false, "4b ");
    expect(l, "shops", false, "3z ");
    expect(l, "", false, "3z 4b ");
    for (int i = 0; i < 600; i++) /* many corr values, so that the table must grow */
        add(l, i % 2 ? ENTRY_OUTCOME : ENTRY_INTENT, 1000 + (uint64_t)(i / 2) * 7919, "homes", "m", "ok", t, false);
    expect(l, "homes", false, "4b ");
    audit_close(l);
    box_release(&b);
}

static void a_halt_stays_latched_until_it_is_acknowledged(void **state)
{
    (void)state;
    struct box b;
    box_init(&b);
    int64_t t = b.now;
    struct audit_log *l = box_open(&b);
    add(l, ENTRY_HALT, 1, "homes", "a", "", t, false); /* 2 */
    add(l, ENTRY_HALT, 2, "homes", "b", "", t, false); /* 3 */
    add(l, ENTRY_HALT, 3, "shops", "a", "", t, false); /* 4 */
    add(l, ENTRY_HALT, 4, "homes", "", "", t, false);  /* 5: the whole fleet */
    add(l, ENTRY_OUTCOME, 1, "homes", "a", "ok", t, false);
    expect(l, "homes", true, "2a 3b 5 "); /* an outcome lifts nothing */
    add(l, ENTRY_ACK, 9, "homes", "a", "refused", t, false);
    expect(l, "homes", true, "2a 3b 5 ");
    add(l, ENTRY_ACK, 10, "homes", "a", "ok", t, false);
    expect(l, "homes", true, "3b 5 ");
    add(l, ENTRY_HALT, 11, "homes", "a", "", t - 60 * US_PER_S, true); /* 9: late, but logged after the ack */
    expect(l, "homes", true, "3b 5 9a ");
    add(l, ENTRY_ACK, 12, "shops", "", "", t, false); /* another fleet's */
    expect(l, "homes", true, "3b 5 9a ");
    expect(l, "shops", true, "");
    add(l, ENTRY_ACK, 13, "homes", "", "", t, false);
    expect(l, "homes", true, "");
    audit_close(l);
    box_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change_is_found),
        cmocka_unit_test(an_edit_with_its_hash_made_to_fit_is_found),
        cmocka_unit_test(tables_and_triggers_must_be_as_made),
        cmocka_unit_test(the_triggers_stop_accidents),
        cmocka_unit_test(no_flipped_bit_changes_what_verifies),
        cmocka_unit_test(a_truncated_file_is_found),
        cmocka_unit_test(bug_1_a_failed_signature_is_never_stored),
        cmocka_unit_test(bug_4_an_emptied_file_is_not_ok),
        cmocka_unit_test(a_pinned_key_must_have_signed),
        cmocka_unit_test(the_tail_check_is_no_less_strict_about_the_tail),
        cmocka_unit_test(what_is_open_unknown_late_or_out_of_time_is_counted),
        cmocka_unit_test(a_clock_that_was_set_ahead_is_counted_as_one_that_was_set_back),
        cmocka_unit_test(a_clock_that_was_set_between_two_sessions_is_an_entry_of_the_next),
        cmocka_unit_test(recovery_finds_what_a_crash_left),
        cmocka_unit_test(a_halt_stays_latched_until_it_is_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
