/* What an entry says to somebody who was not there: what was sent, which policy was in force, which devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/digest.h"
#include "core/json.h"
#include "tests/engine/world.h"

static const int three[] = {8, 6, 10};

static bool ready(const struct snapshot *s)
{
    return s->rollouts_known && s->n_rollouts > 0 && s->rollouts[0].waves_known && s->audit.writable && s->info.caps;
}

/* The log of a world, read once it is over. */
struct reading {
    struct audit_log *log;
    struct arena arena;
    struct stored *v;
    size_t n;
};

static void read_log(struct world *w, struct reading *r)
{
    struct audit_spec spec = w->audit;
    struct audit_query q = {.limit = 10000};
    struct err e = {0};
    spec.read_only = true;
    arena_init(&r->arena);
    r->log = audit_open(&spec, &e);
    assert_non_null(r->log);
    assert_true(audit_query(r->log, &q, &r->arena, &r->v, &r->n, &e));
}

static void read_over(struct reading *r)
{
    audit_close(r->log);
    arena_release(&r->arena);
}

/* The nth (from 0) entry of that kind, verb and result ("" = any). */
static const struct stored *entry_of(const struct reading *r, const char *kind, const char *verb, const char *result,
                                     size_t nth)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct stored *s = &r->v[i];
        if (strcmp(s->kind, kind) == 0 && (!*verb || strcmp(s->verb, verb) == 0) &&
            (!*result || strcmp(s->result, result) == 0) && nth-- == 0)
            return s;
    }
    fail_msg("no entry %s %s %s", kind, verb, result);
    return NULL;
}

/* The blob that an entry names, as JSON; json_free. */
static struct json_t *blob_of(struct reading *r, const struct stored *s, const char *key)
{
    struct buf b;
    struct err e = {0};
    buf_init(&b, (size_t)64 << 20);
    if (!audit_get_blob(r->log, stored_field(s, key), &b, &e))
        fail_msg("%s of entry %lld: %s", key, (long long)s->seq, e.what);
    struct json_t *doc = json_parse(b.data, b.len, (size_t)64 << 20, key, &e);
    assert_non_null(doc);
    buf_release(&b);
    return doc;
}

#define SAYS(s, key, value) assert_string_equal(stored_field(s, key), value)

/* ---- what was sent ---- */

static bool submit(struct play *p, enum verb v)
{
    struct intent in = world_intent(v, "10");
    p->ticket = engine_submit(p->en, &in);
    p->stage++;
    return true;
}

static bool pause_then(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s))
        return submit(p, VERB_PAUSE);
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static void an_outcome_says_what_was_sent(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    struct reading r;
    char digest[SHA256_HEX];
    world_init(&w, three, 3);
    w.dated = true;
    world_play(&w, &p, pause_then, 60);
    read_log(&w, &r);
    const struct stored *s = entry_of(&r, "outcome", "pause", "ok", 0);
    sha256_hex("{}", 2, digest);
    SAYS(s, "http.method", "POST");
    SAYS(s, "http.path", "/pause 10");
    SAYS(s, "http.status", "200");
    SAYS(s, "http.answer_sha256", digest);
    SAYS(s, "http.body_sha256", ""); /* there was none */
    SAYS(s, "requests", "");
    int64_t sent = strtoll(stored_field(s, "http.sent"), NULL, 10);
    assert_in_range(sent, s->t - 2 * US_PER_S, s->t);
    assert_in_range(strtoll(stored_field(s, "http.date"), NULL, 10), sent - US_PER_S, sent);
    read_over(&r);
    play_release(&p);
    world_release(&w);
}

static void a_request_without_answer_is_said_too(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    struct reading r;
    world_init(&w, three, 3);
    w.verbs_lost = true;
    world_play(&w, &p, pause_then, 60);
    read_log(&w, &r);
    const struct stored *s = entry_of(&r, "outcome", "pause", "ok", 0);
    SAYS(s, "http.path", "/pause 10");
    SAYS(s, "http.error", "network");
    SAYS(s, "http.status", "");
    SAYS(s, "http.answer_sha256", "");
    read_over(&r);
    play_release(&p);
    world_release(&w);
}

static bool advance_then(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s))
        return submit(p, VERB_PAUSE);
    if (p->stage == 1 && op_over(s, p->ticket) && s->rollouts[0].waves[0].watched)
        return submit(p, VERB_ADVANCE);
    p->done = p->stage == 2 && op_over(s, p->ticket);
    return false;
}

static void several_requests_are_a_list(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    struct reading r;
    world_init(&w, three, 3);
    w.install_us = US_PER_HOUR; /* the wave is still busy: a resume and a trigger */
    world_play(&w, &p, advance_then, 400);
    read_log(&w, &r);
    const struct stored *s = entry_of(&r, "outcome", "advance", "ok", 0);
    SAYS(s, "requests", "2");
    SAYS(s, "http.path", "");
    struct json_t *list = blob_of(&r, s, "requests.blob");
    assert_int_equal(json_len(list), 2);
    assert_string_equal(json_str(json_at(list, 0), "path", NULL), "/resume 10");
    assert_string_equal(json_str(json_at(list, 1), "path", NULL), "/trigger-next 10");
    json_free(list);
    read_over(&r);
    play_release(&p);
    world_release(&w);
}

static bool halt_then(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s))
        return submit(p, VERB_HALT);
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static void a_halt_says_what_was_sent(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    struct reading r;
    world_init(&w, three, 3);
    world_play(&w, &p, halt_then, 60);
    read_log(&w, &r);
    const struct stored *s = entry_of(&r, "outcome", "halt", "ok", 0);
    SAYS(s, "http.path", "/pause 10");
    SAYS(s, "http.status", "200");
    read_over(&r);
    play_release(&p);
    world_release(&w);
}

/* The server is slow to answer the first request, and shows the halt by the second. */
static void slow_pause(struct world *w, void *arg)
{
    bool *done = arg;
    for (size_t i = 0; i < w->n_calls && !*done; i++)
        if (strcmp(w->calls[i].path, "/pause 10") == 0) {
            w->calls[i].due += 30 * US_PER_S;
            *done = true;
        }
}

static bool halt_with_a_slow_answer(struct play *p, const struct snapshot *s)
{
    struct world *w = p->w;
    if (p->stage == 0 && ready(s))
        return submit(p, VERB_HALT);
    if (p->stage == 1 && op_over(s, p->ticket) && p->t == 0)
        p->t = w->now + 40 * US_PER_S;
    p->done = p->t > 0 && w->now > p->t;
    return false;
}

static void an_answer_that_comes_after_the_outcome_has_an_entry(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    struct reading r;
    bool slowed = false;
    world_init(&w, three, 3);
    w.each_turn = slow_pause;
    w.each_turn_arg = &slowed;
    world_play(&w, &p, halt_with_a_slow_answer, 200);
    read_log(&w, &r);
    const struct stored *halt = entry_of(&r, "outcome", "halt", "ok", 0);
    const struct stored *s = entry_of(&r, "step", "halt", "sent", 0);
    assert_true(strtoll(stored_field(halt, "http.took_us"), NULL, 10) < US_PER_S); /* it was asked for again */
    SAYS(s, "http.path", "/pause 10");
    assert_true(strtoll(stored_field(s, "http.took_us"), NULL, 10) > 30 * US_PER_S);
    assert_true(s->corr == halt->corr);
    read_over(&r);
    play_release(&p);
    world_release(&w);
}

static bool back(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s) && p->w->now - p->limit > -(int64_t)3600 * US_PER_S + 30 * US_PER_S)
        return submit(p, VERB_ROLLBACK);
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static const struct stored *step_of(const struct reading *r, const char *step)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->v[i].kind, "step") == 0 && strcmp(stored_field(&r->v[i], "step"), step) == 0)
            return &r->v[i];
    fail_msg("no step %s", step);
    return NULL;
}

static void each_step_of_a_roll_back_says_what_was_sent(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    struct reading r;
    world_init(&w, three, 3);
    w.auto_on = true;
    w.devices[2].late = true; /* repaired by two requests */
    world_play(&w, &p, back, 3600);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    read_log(&w, &r);
    SAYS(step_of(&r, "pause"), "http.path", "/pause 10");
    SAYS(step_of(&r, "auto-assign"), "http.path", "/auto-off 5");
    SAYS(step_of(&r, "stop"), "http.path", "/stop 10");
    SAYS(step_of(&r, "create"), "http.path", "/create andon-rb-10-1");
    const struct stored *repaired = NULL;
    for (size_t i = 0; i < r.n; i++)
        if (*stored_field(&r.v[i], "repaired"))
            repaired = &r.v[i];
    assert_non_null(repaired);
    SAYS(repaired, "requests", "2");
    struct json_t *list = blob_of(&r, repaired, "requests.blob");
    assert_string_equal(json_str(json_at(list, 0), "path", NULL), "/assign dev-02 2 offline");
    assert_string_equal(json_str(json_at(list, 1), "path", NULL), "/assign dev-02 1");
    json_free(list);
    read_over(&r);
    play_release(&p);
    world_release(&w);
}

/* ---- policies ---- */

static void text_is(struct reading *r, const struct stored *s, const char *text)
{
    struct buf b;
    struct err e = {0};
    buf_init(&b, 1 << 20);
    assert_true(audit_get_blob(r->log, stored_field(s, "policy.blob"), &b, &e));
    assert_string_equal(b.data, text);
    buf_release(&b);
}

static void policies_in_force_are_in_the_log_as_text(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    struct reading r;
    struct policy careful;
    struct policy_rule rule = {.rollout = "safety-*", .device_class = "", .policy = &careful};
    char digest[SHA256_HEX];
    world_init(&w, three, 3);
    w.policy.text = "grace: 10s\n";
    careful = w.policy;
    careful.name = "careful";
    careful.text = "bake: 24h\n";
    sha256_hex(careful.text, strlen(careful.text), digest);
    careful.digest = digest;
    w.fleet.rules = &rule;
    w.fleet.n_rules = 1;
    world_play(&w, &p, pause_then, 60);
    read_log(&w, &r);
    text_is(&r, entry_of(&r, "session", "", "started", 0), w.policy.text);
    const struct stored *s = entry_of(&r, "config", "", "policy", 0);
    text_is(&r, s, careful.text);
    SAYS(s, "policy", digest);
    SAYS(s, "policy.blob", digest); /* so that whatever names the policy by its digest names its text */
    SAYS(s, "rule.rollout", "safety-*");
    read_over(&r);
    play_release(&p);
    world_release(&w);
}

/* ---- devices ---- */

static const struct json_t *device_in(const struct json_t *list, const char *id)
{
    for (size_t i = 0; i < json_len(list); i++)
        if (strcmp(json_str(json_at(list, i), "id", NULL), id) == 0)
            return json_at(list, i);
    fail_msg("no device %s", id);
    return NULL;
}

#define DEVICE(list, id, key, value) assert_string_equal(json_str(device_in(list, id), key, NULL), value)

static bool halt_when_installed(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s) && s->rollouts[0].waves[0].health.installed == 6)
        return submit(p, VERB_HALT);
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static void a_halt_says_which_devices_and_what_they_run(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    struct reading r;
    int64_t wave;
    world_init(&w, three, 3);
    w.devices[1].fails = true;
    w.devices[2].hangs = true;
    world_play(&w, &p, halt_when_installed, 600);
    read_log(&w, &r);
    const struct stored *halt = entry_of(&r, "halt", "halt", "", 0), *s = entry_of(&r, "evidence", "", "halt", 0);
    assert_true(s->corr == halt->corr && s->seq > halt->seq);
    SAYS(s, "devices", "8");
    SAYS(s, "devices.installed", "6");
    SAYS(s, "devices.failed", "1");
    SAYS(s, "release", "hearth:2.0");
    struct json_t *list = blob_of(&r, s, "devices.blob");
    assert_int_equal(json_len(list), 8);
    DEVICE(list, "dev-00", "installed", "hearth:2.0");
    DEVICE(list, "dev-00", "assigned", "hearth:2.0");
    DEVICE(list, "dev-00", "state", "installed");
    DEVICE(list, "dev-01", "installed", "not known"); /* after a failure it may be anything */
    DEVICE(list, "dev-01", "state", "failed");
    DEVICE(list, "dev-01", "status", "error");
    DEVICE(list, "dev-02", "installed", "hearth:1.0"); /* it has reported nothing since it was told */
    DEVICE(list, "dev-02", "assigned", "hearth:2.0");
    assert_true(json_int(device_in(list, "dev-02"), "wave", &wave) && wave == 0);
    assert_true(json_int(device_in(list, "dev-02"), "as_of", &wave) && wave > 0 && wave <= s->t);
    json_free(list);
    read_over(&r);
    play_release(&p);
    world_release(&w);
}

static bool until_wave_1(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0 && ready(s) && p->w->rollouts[0].waves[1].state == WAVE_RUNNING) {
        p->t = p->w->now + 30 * US_PER_S;
        p->stage = 1;
    }
    p->done = p->stage == 1 && p->w->now > p->t;
    return false;
}

static void the_end_of_a_wave_says_so_too(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    struct reading r;
    world_init(&w, three, 3);
    world_play(&w, &p, until_wave_1, 600);
    read_log(&w, &r);
    const struct stored *s = entry_of(&r, "evidence", "", "wave-ended", 0);
    assert_string_equal(s->wave, "0");
    SAYS(s, "devices", "8");
    SAYS(s, "devices.installed", "8"); /* by a list of after its end */
    struct json_t *list = blob_of(&r, s, "devices.blob");
    DEVICE(list, "dev-07", "installed", "hearth:2.0");
    json_free(list);
    for (size_t i = (size_t)s->seq; i < r.n; i++) /* once */
        assert_false(strcmp(r.v[i].result, "wave-ended") == 0 && strcmp(r.v[i].wave, "0") == 0);
    read_over(&r);
    play_release(&p);
    world_release(&w);
}

static void a_roll_back_says_which_devices_it_has_left(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    struct reading r;
    world_init(&w, three, 3);
    w.devices[1].fails = true;
    w.devices[4].fails = true;
    w.fails_back = true; /* and back as well */
    world_play(&w, &p, back, 3600);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_FAILED);
    read_log(&w, &r);
    const struct stored *begun = entry_of(&r, "evidence", "", "rollback-begins", 0);
    const struct stored *s = entry_of(&r, "evidence", "", "rollback-ended", 0);
    const struct stored *intent = entry_of(&r, "intent", "rollback", "", 0);
    assert_true(begun->corr == intent->corr && s->corr == intent->corr);
    SAYS(begun, "devices", "14"); /* two waves were told by then */
    SAYS(s, "devices", "14");
    SAYS(s, "devices.back", "6");
    SAYS(s, "devices.never-had-it", "6"); /* the second wave was told, and paused before it had installed */
    SAYS(s, "devices.failed", "2");
    struct json_t *list = blob_of(&r, s, "devices.blob");
    DEVICE(list, "dev-00", "installed", "hearth:1.0");
    DEVICE(list, "dev-00", "state", "back");
    DEVICE(list, "dev-01", "state", "failed");
    DEVICE(list, "dev-04", "state", "failed");
    json_free(list);
    read_over(&r);
    play_release(&p);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outcome_says_what_was_sent),
        cmocka_unit_test(a_request_without_answer_is_said_too),
        cmocka_unit_test(several_requests_are_a_list),
        cmocka_unit_test(a_halt_says_what_was_sent),
        cmocka_unit_test(an_answer_that_comes_after_the_outcome_has_an_entry),
        cmocka_unit_test(a_halt_says_which_devices_and_what_they_run),
        cmocka_unit_test(the_end_of_a_wave_says_so_too),
        cmocka_unit_test(a_roll_back_says_which_devices_it_has_left),
        cmocka_unit_test(policies_in_force_are_in_the_log_as_text),
        cmocka_unit_test(each_step_of_a_roll_back_says_what_was_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
