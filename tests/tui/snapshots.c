/* Made-up snapshots for the console: see fixture.h. */
#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "tests/tui/fixture.h"

static const char *const hostile[] = {"\033]0;pwned\007evil",
                                      "a\033[2J\033[Hgone",
                                      "\xe2\x80\xae"
                                      "drawkcab",
                                      "\x9b"
                                      "31mred",
                                      "\xc2\x9b"
                                      "31mred",
                                      "nul\ttab\nline\rback\b\b",
                                      "\033P1$r\033\\",
                                      "\xff\xfe bad \xc3",
                                      "\033[6n\033[c"};

static struct wave_view make_wave(struct arena *a, int index, enum wave_state state)
{
    struct wave_view w;
    memset(&w, 0, sizeof w);
    w.wave.id = arena_printf(a, "%d", 9000 + index);
    w.wave.name = arena_printf(a, "group-%d", index + 1);
    w.wave.index = index;
    w.wave.state = state;
    w.wave.state_word = wave_state_word(state);
    w.wave.total = 100 << index;
    w.wave.counts = (struct counts){.finished = state == WAVE_FINISHED ? w.wave.total : 0, .known = true};
    w.wave.success.text = w.wave.failure.text = w.wave.success_action = "";
    w.decided_by = "";
    w.verdict.rule = "";
    for (int m = 0; m < FIGURES_MAX; m++) {
        w.health.ratio[m] = w.health.value[m] = w.health.against[m] = (double)NAN;
        for (int i = 0; i < TREND_N; i++)
            w.trend[m][i] = w.trend_control[m][i] = NAN;
    }
    return w;
}

static void make_rollout(struct arena *a, struct rollout_view *r, const char *id, const char *name, bool halted)
{
    r->rollout.id = id;
    r->rollout.name = name;
    r->rollout.description = r->rollout.filter = r->rollout.created_by = "";
    r->rollout.approval_by = r->rollout.approval_remark = "";
    r->rollout.state = halted ? ROLLOUT_PAUSED : ROLLOUT_RUNNING;
    r->rollout.state_word = halted ? "paused" : "running";
    r->rollout.release = (struct release){.id = "7", .name = name, .version = "4.12.1"};
    r->rollout.total = 700;
    r->rollout.counts = (struct counts){.finished = 100, .running = 40, .scheduled = 560, .known = true};
    r->rollout.created_at = FIXTURE_NOW - US_PER_HOUR;
    r->n_waves = 3;
    r->waves = ARENA_ARRAY(a, struct wave_view, 3);
    r->waves[0] = make_wave(a, 0, WAVE_FINISHED);
    r->waves[1] = make_wave(a, 1, WAVE_RUNNING);
    r->waves[2] = make_wave(a, 2, WAVE_SCHEDULED);
    r->waves_known = true;
    r->current = 1;
    r->halted_by = r->halt_text = r->paused_by = r->next = r->rollback_of = "";
    for (int i = 0; i < 4; i++)
        r->warnings[i] = "";
    r->rollback.to = r->rollback.name = r->rollback.text = r->rollback.left = "";
    if (halted) {
        r->latched = true;
        r->stop = STOP_HALTED;
        r->halted_at = FIXTURE_NOW - US_PER_MIN;
        r->halted_by = "rule R-REBOOT";
        r->halt_text = "reboot rate 3.1x control (limit 1.5x)";
        r->next = "you: decide";
        r->verdict = REACT_PAUSE;
    }
}

static void make_link(struct link_view *l, enum link_state state, const char *url)
{
    l->state = state;
    l->last_ok = state == LINK_LIVE ? FIXTURE_NOW - 2 * US_PER_S : 0;
    l->rtt_us = 42000;
    l->error = l->next = "";
    l->url = url;
}

struct snapshot *fixture_snapshot(const char *mode, uint64_t generation, bool halted)
{
    struct snapshot *s = snapshot_new();
    struct arena *a = &s->arena;
    bool connecting = strcmp(mode, "connecting") == 0;
    s->generation = generation;
    s->taken_at = FIXTURE_NOW;
    s->fleet = strcmp(mode, "second") == 0 ? "apac" : "emea";
    s->environment = "prod";
    s->kind = "hawkbit";
    s->user = "m.ito";
    s->production = true;
    s->info = (struct backend_info){.kind = "hawkbit", .version = "1.x", .caps = 0x3ff, .user = ""};
    s->policy = policy_default();
    make_link(&s->link, connecting ? LINK_CONNECTING : LINK_LIVE, "https://fleet.example");
    make_link(&s->telemetry, connecting ? LINK_CONNECTING : LINK_LIVE, "https://prom.example");
    s->audit = (struct audit_view){.open = true, .writable = true, .size = 10482, .verified = true, .error = ""};
    s->focus.wave = -1;
    for (int i = 0; i < TREND_N; i++)
        s->updating_trend[i] = s->failed_trend[i] = NAN;
    if (connecting)
        return s;
    s->rollouts_known = true;
    s->n_rollouts = 3;
    s->rollouts = ARENA_ARRAY(a, struct rollout_view, 3);
    bool evil = strcmp(mode, "hostile") == 0;
    static const char *const ids[] = {"4471", "4466", "4463"}, *const names[] = {"hearth", "cam", "漢字 lock"};
    for (size_t i = 0; i < 3; i++) {
        const char *name = evil ? hostile[(generation * 3 + i) % (sizeof hostile / sizeof hostile[0])] : names[i];
        make_rollout(a, &s->rollouts[i], ids[i], name, halted && i == 0);
        s->rollouts[i].rollout.counts.finished = (int64_t)(100 + generation);
    }
    if (halted) {
        s->n_alerts = 1;
        s->alerts = ARENA_ARRAY(a, struct alert, 1);
        s->alerts[0] = (struct alert){.kind = ALERT_HALT,
                                      .rollout = "4471",
                                      .text = evil ? hostile[0] : "reboot rate 3.1x control (limit 1.5x)",
                                      .since = FIXTURE_NOW - US_PER_MIN};
    }
    return s;
}
