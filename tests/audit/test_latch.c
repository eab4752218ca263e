/* Halts and who lifts them: by the rollout's identity, also where its number is used again, and in logs of andon 0.1.
 *
 * log-0.1.sql is a log that 0.1 made: rollout 17 halted and acknowledged, 4471 halted, a pause of 18 left open. */
#include "tests/audit/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "audit/spool.h"

#define HALT_T INT64_C(1931257440000000) /* of 4471 in the old log */

static const struct rollout_identity FIRST = {"homes", "17", INT64_C(1931000000000000), "nightly", "hearth:1"};
static const struct rollout_identity SECOND = {"homes", "17", INT64_C(1931500000000000), "nightly", "hearth:2"};

static void put_about(struct audit_log *l, enum entry_kind kind, const struct rollout_identity *who, int64_t t)
{
    struct entry e;
    entry_init(&e, kind);
    e.t = t;
    e.corr = kind == ENTRY_HALT ? (uint64_t)t : 0;
    e.verb = kind == ENTRY_HALT ? VERB_HALT : VERB_ACK;
    e.result = kind == ENTRY_ACK ? "ok" : "";
    entry_identity(&e, who);
    put(l, &e);
}

/* How many halts of the log apply to this rollout. */
static int applies(struct audit_log *l, const struct rollout_identity *now, size_t *listed)
{
    struct arena a;
    struct stored *v;
    int found = 0;
    arena_init(&a);
    assert_true(audit_latched(l, "homes", &a, &v, listed, NULL));
    for (size_t i = 0; i < *listed; i++) {
        struct identity_mark m = {stored_identity(&v[i]), v[i].t};
        found += identity_about(&m, now) != IDENTITY_OTHER;
    }
    arena_release(&a);
    return found;
}

static void one_number_two_rollouts(void **state)
{
    (void)state;
    struct box b;
    size_t n;
    box_init(&b);
    struct audit_log *l = box_open(&b);
    put_about(l, ENTRY_HALT, &FIRST, FIRST.created_at + US_PER_HOUR);
    assert_int_equal(applies(l, &FIRST, &n), 1);
    assert_int_equal(applies(l, &SECOND, &n), 0); /* a latch of the first life does not pause the second */
    put_about(l, ENTRY_ACK, &SECOND, SECOND.created_at + US_PER_HOUR);
    assert_int_equal(applies(l, &FIRST, &n), 1);
    put_about(l, ENTRY_ACK, &FIRST, FIRST.created_at + 2 * US_PER_HOUR);
    assert_int_equal(applies(l, &FIRST, &n), 0);
    assert_int_equal(n, 0);
    /* The other way round: what was acknowledged in the first life is not the second's. */
    put_about(l, ENTRY_HALT, &SECOND, SECOND.created_at + 2 * US_PER_HOUR);
    put_about(l, ENTRY_ACK, &FIRST, SECOND.created_at + 3 * US_PER_HOUR);
    assert_int_equal(applies(l, &SECOND, &n), 1);
    struct rollout_identity renamed = SECOND;
    renamed.name = "nightly, second try";
    assert_int_equal(applies(l, &renamed, &n), 1); /* a latch does not vanish by a rename */
    put_about(l, ENTRY_ACK, &renamed, SECOND.created_at + 3 * US_PER_HOUR);
    assert_int_equal(applies(l, &SECOND, &n), 0);
    /* All of the fleet: whatever life. */
    put_about(l, ENTRY_HALT, &FIRST, FIRST.created_at + US_PER_DAY);
    put_about(l, ENTRY_HALT, &SECOND, SECOND.created_at + US_PER_DAY);
    put_about(l, ENTRY_ACK, &(struct rollout_identity){"homes", "", 0, "", ""}, SECOND.created_at + 2 * US_PER_DAY);
    (void)applies(l, &FIRST, &n);
    assert_int_equal(n, 0);
    audit_close(l);
    box_release(&b);
}

static void begin_old(struct box *b)
{
    size_t n;
    char folder[96];
    box_init(b);
    b->spec.origin = "andon/old";
    snprintf(folder, sizeof folder, "%s/log", b->dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(folder, sizeof folder, "%s/key", b->dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    char *text = read_all("tests/audit/log-0.1.key", &n);
    write_all(b->key, text, n);
    chmod(b->key, 0400);
    free(text);
    write_all(b->db, "", 0);
    chmod(b->db, 0600);
    text = read_all("tests/audit/log-0.1.sql", &n);
    sql(b, text);
    free(text);
}

static void a_log_of_0_1_opens_verifies_and_keeps_its_latches(void **state)
{
    (void)state;
    for (int read_only = 1; read_only >= 0; read_only--) {
        struct box b;
        struct audit_report r;
        struct arena a;
        struct stored *v;
        size_t n;
        begin_old(&b);
        must_verify(&b, &r);
        assert_int_equal(r.entries, 8);
        assert_int_equal(r.open_intents, 1);
        b.spec.read_only = read_only;
        struct audit_log *l = box_open(&b);
        arena_init(&a);
        assert_true(audit_latched(l, "homes", &a, &v, &n, NULL));
        assert_int_equal(n, 1);
        assert_string_equal(v->rollout, "4471");
        struct rollout_identity who = stored_identity(v);
        assert_int_equal(who.created_at, 0);
        assert_string_equal(who.name, "hearth 4.12.1");
        assert_int_equal(v->t, HALT_T);
        struct rollout_identity now = {"homes", "4471", HALT_T - US_PER_DAY, "hearth 4.12.1", "hearth:4.12.1"};
        struct rollout_identity renamed = now, later = now;
        renamed.name = "renamed since";
        later.created_at = HALT_T + US_PER_DAY;
        assert_int_equal(applies(l, &now, &n), 1);
        assert_int_equal(applies(l, &renamed, &n), 1);
        assert_int_equal(applies(l, &later, &n), 0);
        assert_true(audit_open_intents(l, "homes", &a, &v, &n, NULL));
        assert_int_equal(n, 1);
        assert_string_equal(v->rollout, "18");
        arena_release(&a);
        audit_close(l);
        box_release(&b);
    }
}

static void a_log_of_0_1_goes_on(void **state)
{
    (void)state;
    struct box b;
    struct audit_report r;
    struct err e = {0};
    struct entry en;
    char dir[96];
    size_t n;
    begin_old(&b);
    snprintf(dir, sizeof dir, "%s/spool", b.dir);
    b.spec.spool[0] = dir;
    struct spool *s = spool_new(&b.spec);
    make_entry(&en, ENTRY_HALT, 5, "");
    assert_true(spool_put(s, &en, NULL, NULL, &e));
    spool_free(s);
    struct audit_log *l = box_open(&b);
    assert_int_equal(audit_taken_in(l)->taken, 1);
    struct rollout_identity now = {"homes", "4471", HALT_T - US_PER_DAY, "hearth 4.12.1", "hearth:4.12.1"};
    struct rollout_identity later = now;
    later.created_at = HALT_T + US_PER_DAY;
    assert_int_equal(applies(l, &now, &n), 2);
    put_about(l, ENTRY_ACK, &later, later.created_at + US_PER_HOUR);
    assert_int_equal(applies(l, &now, &n), 2);
    put_about(l, ENTRY_ACK, &now, HALT_T + US_PER_HOUR);
    (void)applies(l, &now, &n);
    assert_int_equal(n, 0);
    audit_close(l);
    must_verify(&b, &r);
    assert_int_equal(r.entries, 11);
    box_release(&b);
}

/* Who acknowledges has not seen what another session has put into the log at that moment. */
static void an_ack_lifts_what_it_names(void **state)
{
    (void)state;
    struct box b;
    struct entry e;
    size_t n;
    box_init(&b);
    struct audit_log *l = box_open(&b);
    int64_t t = FIRST.created_at + US_PER_HOUR;
    put_about(l, ENTRY_HALT, &FIRST, t);
    put_about(l, ENTRY_HALT, &FIRST, t + 1);
    char lifts[40];
    snprintf(lifts, sizeof lifts, "%016llx %016llx", 77LL,
             (long long)t); /* by their corr: the second is not among them */
    entry_init(&e, ENTRY_ACK);
    e.t = t + 2;
    e.verb = VERB_ACK;
    e.result = "ok";
    entry_identity(&e, &FIRST);
    entry_str(&e, "lifts", lifts);
    put(l, &e);
    assert_int_equal(applies(l, &FIRST, &n), 1);
    put_about(l, ENTRY_ACK, &FIRST, t + 3); /* names none: all before it */
    assert_int_equal(applies(l, &FIRST, &n), 0);
    audit_close(l);
    box_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_number_two_rollouts),
        cmocka_unit_test(an_ack_lifts_what_it_names),
        cmocka_unit_test(a_log_of_0_1_opens_verifies_and_keeps_its_latches),
        cmocka_unit_test(a_log_of_0_1_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
