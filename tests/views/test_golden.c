/* Golden screens: text and roles of every screen, compared cell by cell. ANDON_GOLDEN=write rewrites the files; look
 * at the difference before you commit it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "evidence.h"
#include "outlook.h"
#include "scene.h"

static const char DIR_[] = "tests/views/golden";

static void compare(struct scene *s, const char *name, int rows, int cols, bool ascii)
{
    char path[300];
    struct buf b;
    scene_draw(s);
    buf_init(&b, 1 << 20);
    canvas_dump(&s->c, false, &b);
    buf_printf(&b, "---- roles; cursor %d,%d\n", s->c.cursor_row, s->c.cursor_col);
    canvas_dump(&s->c, true, &b);
    snprintf(path, sizeof path, "%s/%s.%dx%d%s.txt", DIR_, name, cols, rows, ascii ? ".ascii" : "");
    const char *mode = getenv("ANDON_GOLDEN");
    if (mode && !strcmp(mode, "write")) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fwrite(b.data, 1, b.len, f);
        fclose(f);
        buf_release(&b);
        return;
    }
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s is not there: make golden writes it", path);
    char *want = calloc(1, 1 << 20);
    size_t n = fread(want, 1, (1 << 20) - 1, f);
    fclose(f);
    if (n != b.len || memcmp(want, b.data, n) != 0) {
        size_t at = 0, line = 1;
        for (; at < n && at < b.len && want[at] == b.data[at]; at++)
            line += want[at] == '\n';
        fail_msg("%s differs from line %zu on; the screen is now:\n%s", path, line, b.data);
    }
    free(want);
    buf_release(&b);
}

struct picture {
    const char *name, *keys;
    void (*prepare)(struct fixture *f);
};

static void no_fleet(struct fixture *f)
{
    f->d.n_snaps = 0;
    f->d.audit = NULL;
}

static void stale_halt(struct fixture *f)
{
    fixture_stale(f);
}

static void no_answer(struct fixture *f)
{
    struct snapshot *s = f->s;
    s->n_rollouts = 0, s->rollouts_known = false, s->n_alerts = 0, s->n_ops = 0;
    s->link.state = LINK_FAILED, s->link.last_ok = 0, s->link.retries = 3;
    s->link.error = "https://api.prod:8443: connection refused",
    s->link.next = "Is the server up? andon doctor tests it.";
    s->generation++;
}

static void lost_telemetry(struct fixture *f)
{
    struct snapshot *s = f->s;
    s->telemetry.state = LINK_STALE, s->telemetry.last_ok = NOW - 300 * INT64_C(1000000);
    s->alerts[0].acked = true;
    s->rollouts[1].latched = false, s->rollouts[1].stop = STOP_FREE;
    struct wave_view *w = &s->rollouts[1].waves[2];
    w->verdict.data_missing = true, w->verdict.react = REACT_HOLD,
    w->verdict.unknown_since = NOW - 240 * INT64_C(1000000);
    snprintf(w->verdict.text, sizeof w->verdict.text, "telemetry is missing: 12 of 1,547 devices report");
    for (size_t i = 0; i < w->verdict.n_limits; i++)
        w->verdict.limits[i].status = LIMIT_UNKNOWN;
    s->generation++;
}

static void rolling_back(struct fixture *f)
{
    struct rollout_view *r = fixture_rollout(f, "4471");
    r->rollback.step = RB_FOLLOW, r->rollback.to = "hearth:4.11.9", r->rollback.name = "andon-rb-4471-1";
    r->rollback.devices = 1934, r->rollback.verified = 402, r->rollback.never_had = 9, r->rollback.draining = 3;
    r->rollback.offline = 6, r->rollback.failed = 2, r->rollback.started = NOW - 420 * INT64_C(1000000);
    r->rollback.text = "waits for 1,520 devices of the roll-back rollout", r->rollback.left = "";
    f->s->generation++;
}

/* A halt of 4471 that is not, or not any more, what the server shows. */
static void halt_is(struct fixture *f, enum stop_phase stop, enum rollout_state shown)
{
    struct rollout_view *r = fixture_rollout(f, "4471");
    r->stop = stop, r->rollout.state = shown;
    r->halted_by = "m.ito", r->halted_host = "console-2", r->halt_text = "smoke in the pump room";
    f->s->alerts[0].text = "halted by m.ito on console-2: smoke in the pump room";
    f->s->generation++;
}

static void runs_on(struct fixture *f)
{
    halt_is(f, STOP_RUNS, ROLLOUT_RUNNING);
}

static void not_confirmed(struct fixture *f)
{
    halt_is(f, STOP_UNSEEN, ROLLOUT_RUNNING);
}

static void claimed(struct fixture *f)
{
    halt_is(f, STOP_CLAIMED, ROLLOUT_PAUSED);
    f->s->alerts[0].text =
        "a note that no known key has signed says: halted by m.ito on console-2: smoke in the pump room";
}

static void stands_by(struct fixture *f)
{
    halt_is(f, STOP_STANDBY, ROLLOUT_READY);
}

static void halted_when_last_seen(struct fixture *f)
{
    halt_is(f, STOP_HALTED, ROLLOUT_PAUSED);
    fixture_rollout(f, "4471")->stop_old = true;
    fixture_stale(f);
}

static void a_draft(struct fixture *f)
{
    static struct draft_wave waves[] = {
        {24, "hw: rev-a (12), rev-b (11), not known (1)", "em-0506, em-0529, em-0742, em-0862, em-0978, ..."},
        {239, "hw: rev-a (120), rev-b (118), not known (1)", "em-0780, em-0666, em-0735, em-0646, em-0425, ..."},
        {2124, "hw: rev-a (1,061), rev-b (1,059), not known (4)", "em-0540, em-0921, em-0975, em-0452, em-0244, ..."}};
    f->s->draft = (struct draft_view){.stage = DRAFT_READY,
                                      .number = 1,
                                      .error = "",
                                      .next = "",
                                      .release = "hearth",
                                      .version = "4.12.1",
                                      .target = "devices with hearth:4.11.9",
                                      .devices = 2387,
                                      .waves = waves,
                                      .n_waves = 3,
                                      .id = ""};
}

/* Two of them begin alike further than a roll back asks to be typed. */
static void three_plans(struct fixture *f)
{
    fixture_rollout(f, "4466")->rollout.id = "plan-3428e684ecefaa73";
    fixture_rollout(f, "4470")->rollout.id = "plan-3428e6b1ecefaa73";
    fixture_rollout(f, "4459")->rollout.id = "plan-77aae6b1ecefaa73";
    f->s->generation++;
}

static void a_long_draft(struct fixture *f)
{
    static struct draft_wave waves[PLAN_WAVES_MAX];
    a_draft(f);
    for (size_t i = 0; i < PLAN_WAVES_MAX; i++)
        waves[i] = (struct draft_wave){(int64_t)(7 * i), "", "em-0506, em-0529"};
    f->s->draft.waves = waves;
    f->s->draft.n_waves = PLAN_WAVES_MAX;
}

static void a_failed_draft(struct fixture *f)
{
    a_draft(f);
    f->s->draft.stage = DRAFT_FAILED;
    f->s->draft.error = "there is no release hearth:4.12.9 on this server";
    f->s->draft.next = "Write it as NAME:VERSION, as the server has it.";
}

#define PLAN_WORDS "hearth:4.12.1\trelease:hearth:4.11.9\t1%,10%,rest\thw"

/* The fleet of the design's drawings, as far as counts by filter tell it. */
static void counted_inventory(struct fixture *f)
{
    static const struct inv_rules rules = {.file = "inventory.yaml", .model_attribute = "hw", .rows = {.file = ""}};
    static const struct {
        const char *model, *os, *release, *owner, *life;
        enum device_class cls;
        enum exposure exposure;
        int64_t devices, reports;
    } kinds[] = {
        {"gate", "linux", "gate:2.9.0-rc4", "net-ops", "2034-06-30", CLASS_CONFIDENTIAL, EXPOSURE_INTERNET, 212, 212},
        {"gate", "linux", "gate:2.8.4", "net-ops", "2034-06-30", CLASS_CONFIDENTIAL, EXPOSURE_INTERNET, 948, 930},
        {"gate", "linux", "gate:2.8.4", "net-ops", "2034-06-30", CLASS_CONFIDENTIAL, EXPOSURE_SITE, 7080, 7007},
        {"valve", "keelrtos", "valve:0.9.7", "ward-eng", "2036-01-01", CLASS_SAFETY, EXPOSURE_ISOLATED, 12, 12},
        {"valve", "keelrtos", "valve:0.9.6", "ward-eng", "2036-01-01", CLASS_SAFETY, EXPOSURE_ISOLATED, 388, 386},
        {"hub", "linux", "hub:5.0.4", "", "2030-12-31", CLASS_CONFIDENTIAL, EXPOSURE_SITE, 34360, 32916},
        {"meter", "keelrtos", "meter:1.30.1", "grid-ops", "2038-01-01", CLASS_NON_CRITICAL, EXPOSURE_UNKNOWN, 187124,
         173090},
    };
    struct inventory_held *h = inventory_new(&rules);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct inv_record k = {
            .cls = kinds[i].cls, .exposure = kinds[i].exposure, .cpe_firmware = "", .cpe_hardware = ""};
        for (int n = 0; n < INV_FIELDS; n++)
            k.field[n] = (struct inv_said){.value = "", .source = ""};
        k.field[INV_MODEL] = (struct inv_said){kinds[i].model, "attribute hw", false};
        k.field[INV_OS] = (struct inv_said){kinds[i].os, "inventory.yaml:14", false};
        k.field[INV_FIRMWARE] = (struct inv_said){kinds[i].release, "installed, by the server", false};
        k.field[INV_OWNER] = (struct inv_said){kinds[i].owner, "inventory.yaml:17", false};
        k.field[INV_CLASS] = (struct inv_said){device_class_word(k.cls), "inventory.yaml:12", false};
        k.field[INV_EXPOSURE] =
            (struct inv_said){k.exposure ? exposure_word(k.exposure) : "", "attribute net.zone", false};
        k.field[INV_LIFE] = (struct inv_said){kinds[i].life, "inventory.yaml:21", false};
        assert_true(inventory_date(kinds[i].life, &k.end_of_life));
        int64_t n = kinds[i].reports;
        inventory_add(&h->v, &k, &(struct inv_counts){kinds[i].devices, n, n, 0, n}, NULL, NOW);
    }
    inventory_told(&h->v, "gate", INV_LOCATION, NULL, "attribute site", 8212, 28);
    inventory_told(&h->v, "gate", INV_SIGNATURE, "verified", "attribute fw.signed", 8101, 139);
    for (int i = 0; i < 40; i++) {
        char id[20];
        snprintf(id, sizeof id, "mt-%05d", i);
        inventory_silent(&h->v, "meter", id);
    }
    h->names = true;
    inventory_finish(&h->v, NOW - 720 * INT64_C(1000000));
    f->s->inventory.held = h;
    f->s->generation++;
}

static void inventory_with_outlook(struct fixture *f)
{
    counted_inventory(f);
    outlook_drawn(f);
}

static void no_inventory(struct fixture *f)
{
    static struct err why = {ERR_UNSUPPORTED, "a server of the kind replay does not count devices by a filter", "", ""};
    f->s->inventory.error = &why;
    f->s->generation++;
}

static const struct picture MAIN[] = {
    {"board", "", NULL},
    {"rollout", "\n", NULL},
    {"devices", "\n\n", NULL},
    {"device", "\n\n\n", NULL},
    {"rollback", "BINC-2207 watchdog\temea-home/4471 ALL", NULL},
    {"audit", "ljj", NULL},
    {"help", "?", NULL},
};
static const struct picture MORE[] = {
    {"board-two-fleets", "", fixture_second_fleet},
    {"board-by-release", "bg", fixture_second_fleet},
    {"board-plans", "", three_plans},
    {"plan-empty", ":plan\n", NULL},
    {"plan", ":plan\n" PLAN_WORDS "\n", a_draft},
    {"plan-long", ":plan\n" PLAN_WORDS "\n", a_long_draft},
    {"plan-failed", ":plan\n" PLAN_WORDS "\n", a_failed_draft},
    {"plan-changed", ":plan\n" PLAN_WORDS "\n\thearth", a_draft},
    {"halt-everywhere", "bgH", fixture_second_fleet},
    {"answers", "bgH\n", fixture_second_fleet},
    {"board-stale", "", stale_halt},
    {"board-no-answer", "", no_answer},
    {"board-start", "", no_fleet},
    {"inventory", ":inventory\njj", counted_inventory},
    {"inventory-worst", ":inventory\nj", inventory_with_outlook},
    {"inventory-filter", ":inventory\n/net-ops\n", counted_inventory},
    {"inventory-blind", ":inventory\nbj", counted_inventory},
    {"inventory-counting", ":inventory\n", NULL},
    {"inventory-none", ":inventory\n", no_inventory},
    {"queue", ":queue\n", outlook_drawn},
    {"queue-full", ":queue\nw", outlook_drawn},
    {"queue-accepted", ":queue\nGkk", outlook_drawn},
    {"queue-blind", ":queue\nG", outlook_drawn},
    {"queue-hostile", ":queue\n", outlook_hostile},
    {"queue-empty", ":queue\n", outlook_failed},
    {"queue-computing", ":queue\n", NULL},
    {"vulnerability", ":queue\n\n", outlook_drawn},
    {"vulnerability-next", ":queue\n\n]j", outlook_drawn},
    {"vulnerability-hostile", ":queue\n\n", outlook_hostile},
    {"patch", ":patch\n", outlook_patched},
    {"patch-second", ":queue\ntj", outlook_patched},
    {"patch-none", ":patch\n", outlook_drawn},
    {"patch-empty", ":patch\n", outlook_failed},
    {"rollback-exploited", "B", outlook_exploited_before},
    {"board-next", "", outlook_drawn},
    {"board-filter", "/hearth\n", NULL},
    {"board-command", ":advance 44", NULL},
    {"rollout-lost-telemetry", "\n", lost_telemetry},
    {"rollout-rolling-back", "\n", rolling_back},
    {"devices-filter", "\n\n/reboots>2\n  j", NULL},
    {"halt", "H", NULL},
    {"halt-fleet", "HF", NULL},
    {"advance-refused", "A", NULL},
    {"advance", ":advance 4470\n", NULL},
    {"rollback-stale", "B", fixture_stale},
    {"deny", ":deny 4459\nno window", NULL},
    {"ack", "a", NULL},
    {"board-runs-on", "", runs_on},
    {"rollout-runs-on", "\n", runs_on},
    {"rollout-not-confirmed", "\n", not_confirmed},
    {"board-claimed", "", claimed},
    {"rollout-claimed", "\n", claimed},
    {"advance-claimed", "A", claimed},
    {"rollout-standby", "\n", stands_by},
    {"board-halted-when-last-seen", "", halted_when_last_seen},
    {"board-own", "/cam\n", evidence_own},
    {"rollout-own", ":4466\n", evidence_own},
    {"rollout-own-retries", ":4466\nooooo", evidence_own},
    {"rollout-far", ":4466\n", evidence_far},
    {"rollout-far-large", ":4466\nooooo", evidence_far},
    {"devices-own", ":4466\n\n", evidence_own},
    {"devices-own-sort", ":4466\n\nooooo/free-memory<260 radio-retries>30\n", evidence_own},
    {"device-own", ":4466\n\n\n", evidence_own},
};

/* The screen "why", and where the evidence shows elsewhere. */
static const struct picture WHY[] = {
    {"explain-healthy", ":explain 4466\n", evidence_healthy},
    {"explain-watch", ":explain 4466\n", evidence_watch},
    {"explain-loop", ":explain 4466\n", evidence_loop},
    {"explain-loop-end", ":explain 4466\nG", evidence_loop},
    {"explain-loop-all", ":explain 4466\nm", evidence_loop},
    {"explain-catching-up", ":explain 4466\n", evidence_catching},
    {"explain-behind", ":explain 4466\n", evidence_behind},
    {"explain-off", ":explain 4466\n", evidence_off},
    {"explain-ended", ":explain 4466\n[", evidence_ended},
    {"explain-ended-last", ":explain 4466\n", evidence_ended},
    {"rollout-ended", ":4466\n", evidence_ended},
    {"board-ended", "/cam\n", evidence_ended},
    {"explain-dry-run", ":explain 4466\n", evidence_dry_run},
    {"explain-one-device", ":explain 4466\n", evidence_one_device},
    {"explain-install", ":explain 4466\n", evidence_install},
    {"explain-hostile", ":explain 4466\n", evidence_hostile},
    {"explain-pending-wave", ":explain 4466\n]", evidence_loop},
    {"rollout-evidence", ":4466\n", evidence_loop},
    {"rollout-unlike", ":4466\n", evidence_watch},
    {"rollout-catching-up", ":4466\n", evidence_catching},
    {"rollout-dry-run", ":4466\n", evidence_dry_run},
    {"board-evidence", "/cam\n", evidence_loop},
    {"board-catching-up", "/cam\n", evidence_catching},
};

static void one(const struct picture *p, int rows, int cols, bool ascii)
{
    struct scene s;
    scene_init(&s, rows, cols, ascii);
    if (p->prepare) {
        p->prepare(&s.f);
        scene_key(&s, KEY_NONE_);
    }
    scene_type(&s, p->keys);
    compare(&s, p->name, rows, cols, ascii);
    scene_release(&s);
}

static void test_main_screens(void **state)
{
    (void)state;
    static const int size[][2] = {{24, 80}, {30, 100}, {60, 200}, {10, 40}, {1, 1}};
    for (size_t i = 0; i < sizeof MAIN / sizeof MAIN[0]; i++) {
        for (size_t k = 0; k < sizeof size / sizeof size[0]; k++) {
            one(&MAIN[i], size[k][0], size[k][1], false);
            one(&MAIN[i], size[k][0], size[k][1], true);
        }
    }
}

static void test_more_screens(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof MORE / sizeof MORE[0]; i++) {
        one(&MORE[i], 24, 80, true);
        one(&MORE[i], 30, 100, false);
    }
}

static void test_why(void **state)
{
    (void)state;
    static const int size[][2] = {{24, 80}, {30, 100}, {15, 60}, {60, 140}};
    for (size_t i = 0; i < sizeof WHY / sizeof WHY[0]; i++) {
        for (size_t k = 0; k < sizeof size / sizeof size[0]; k++)
            one(&WHY[i], size[k][0], size[k][1], false);
        one(&WHY[i], 24, 80, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_main_screens),
        cmocka_unit_test(test_more_screens),
        cmocka_unit_test(test_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
