/* Random keys, random sizes, a world that changes under them. Whatever happens: no cell outside the canvas, no
 * control character in any, and no intent without the confirmation that its verb needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/clock.h"
#include "core/rng.h"
#include "evidence.h"
#include "scene.h"

static void check_cells(const struct canvas *c, uint64_t seed)
{
    for (int i = 0; i < c->rows * c->cols; i++) {
        const struct cell *x = &c->cells[i];
        uint32_t g = x->glyph;
        bool bad = (g > 0 && g < 0x20) || (g >= 0x7F && g < 0xA0) || (g >= 0x200B && g <= 0x200F) ||
                   (g >= 0x2028 && g <= 0x202E) || (g >= 0x2060 && g <= 0x206F) || g == 0xFEFF || g >= 0xE0000;
        if (bad || x->role >= ROLE_COUNT)
            fail_msg("seed %llu: cell %d holds U+%04X, role %d", (unsigned long long)seed, i, g, x->role);
        if (c->ascii && g >= 0x7F)
            fail_msg("seed %llu: cell %d holds U+%04X in ASCII", (unsigned long long)seed, i, g);
        if (g == 0 && (i % c->cols == 0 || c->cells[i - 1].glyph < 0x1100))
            fail_msg("seed %llu: cell %d is half of nothing", (unsigned long long)seed, i);
        if (g >= 0x1100 && i % c->cols == c->cols - 1 && g >= 0x2E80)
            fail_msg("seed %llu: a wide glyph hangs over the edge at %d", (unsigned long long)seed, i);
    }
    assert_true(c->cursor_row >= -1 && c->cursor_row < c->rows && c->cursor_col >= -1 && c->cursor_col < c->cols);
}

static void check_action(const struct action *a, uint32_t key, uint32_t before, uint64_t seed)
{
    const struct intent *in = &a->intent;
    if (a->kind != ACT_SUBMIT)
        return;
    bool ok = in->fleet[0] != '\0';
    switch (in->verb) {
    case VERB_HALT:
    case VERB_PAUSE:
    case VERB_ACK:
        ok = ok && key == KEY_ENTER_;
        break;
    case VERB_ROLLBACK:
        /* The phrase can't come about by chance here; test_dialog completes it on purpose. */
        ok = ok && key == 'y' && in->reason[0] && in->expect_devices > 0;
        break;
    case VERB_DENY:
        ok = ok && key == 'y' && in->reason[0];
        break;
    default:
        ok = ok && key == 'y';
        break;
    }
    if (!ok)
        fail_msg("seed %llu: verb %d left on key %x after %x", (unsigned long long)seed, (int)in->verb, key, before);
}

static const uint32_t SPECIAL[] = {
    KEY_UP_,
    KEY_DOWN_,
    KEY_LEFT_,
    KEY_RIGHT_,
    KEY_PGUP_,
    KEY_PGDN_,
    KEY_HOME_,
    KEY_END_,
    KEY_ENTER_,
    KEY_ENTER_,
    KEY_ESC_,
    KEY_TAB_,
    KEY_BTAB_,
    KEY_BACKSPACE_,
    KEY_DELETE_,
    KEY_RESIZE_,
    KEY_PASTE_START_,
    KEY_PASTE_END_,
    KEY_F1_,
    KEY_NONE_,
    0x03,
    0x0C,
    0x12,
    0x1A,
    0x15,
    0x04,
    0x6F22,
    0x1F525,
    0x202E,
    0x1b,
    0x301,
    0xFFFFFFFF,
    0x10FFFF,
    0xD800,
};
static const char LETTERS[] = "HAPRSBYDaFyqlnztjkgG[]:/?so*! w0123456789 ALW2eofkceem";

static uint32_t random_key(struct rng *r)
{
    if (rng_below(r, 3) == 0)
        return SPECIAL[rng_below(r, sizeof SPECIAL / sizeof SPECIAL[0])];
    return (unsigned char)LETTERS[rng_below(r, sizeof LETTERS - 1)];
}

static void shake_world(struct fixture *f, struct rng *r)
{
    struct snapshot *s = f->s;
    s->generation++;
    switch (rng_below(r, 9)) {
    case 0:
        s->n_rollouts = rng_below(r, 15);
        break;
    case 1:
        s->link.state = (enum link_state)rng_below(r, 6);
        s->link.last_ok = rng_below(r, 3) ? f->d.now - (int64_t)rng_below(r, 40) * US_PER_S : 0;
        break;
    case 2:
        f->d.now += (int64_t)rng_below(r, 5000) * US_PER_MS;
        s->taken_at = s->link.last_ok = f->d.now;
        break;
    case 3:
        s->audit.degraded = !s->audit.degraded;
        break;
    case 4:
        for (size_t i = 0; i < s->n_rollouts; i++)
            s->rollouts[i].stop = (enum stop_phase)rng_below(r, 4),
            s->rollouts[i].verdict = (enum reaction)rng_below(r, 5);
        break;
    case 5:
        s->n_devices = s->devices ? rng_below(r, 61) : 0;
        break;
    case 6:
        f->page.n = rng_below(r, 9);
        f->d.audit = rng_below(r, 4) ? &f->page : NULL;
        break;
    case 7:
        f->d.n_snaps = rng_below(r, 6) ? f->both[1] ? 2 : 1 : 0;
        break;
    default:
        for (size_t i = 0; i < s->n_rollouts; i++)
            s->rollouts[i].rollback.step = (enum rollback_step)rng_below(r, RB_DONE + 1);
        break;
    }
}

static void (*const EVIDENCE[])(struct fixture *) = {
    evidence_healthy, evidence_watch,    evidence_loop,   evidence_dry_run, evidence_one_device,
    evidence_install, evidence_catching, evidence_behind, evidence_off,     evidence_hostile};

static void run(uint64_t seed, int keys, bool hostile)
{
    struct rng r;
    struct scene s;
    rng_init(&r, seed);
    scene_init(&s, 24, 80, seed % 3 == 0);
    if (seed % 2)
        fixture_second_fleet(&s.f);
    if (hostile)
        fixture_hostile(&s.f);
    EVIDENCE[seed % (sizeof EVIDENCE / sizeof EVIDENCE[0])](&s.f);
    if (seed % 3 == 1) /* the hand begins where the evidence is */
        scene_type(&s, ":explain 4466\n");
    uint32_t before = 0;
    for (int i = 0; i < keys; i++) {
        if (rng_below(&r, 6) == 0)
            shake_world(&s.f, &r);
        if (rng_below(&r, 12) == 0)
            canvas_resize(&s.c, 1 + (int)rng_below(&r, rng_below(&r, 2) ? 30 : 200),
                          1 + (int)rng_below(&r, rng_below(&r, 2) ? 100 : 500));
        uint32_t key = random_key(&r);
        struct action a;
        app_key(s.app, &s.f.d, key, &a);
        check_action(&a, key, before, seed);
        if (a.kind == ACT_FOCUS && s.f.s->n_rollouts == 14 && rng_below(&r, 4) == 0 && s.f.s->arena.used < (8u << 20))
            fixture_focus(&s.f, a.focus.rollout, a.focus.wave, a.focus.device), fixture_target(&s.f, a.focus.to);
        before = key;
        app_update(s.app, &s.f.d, &a);
        assert_int_not_equal(a.kind, ACT_SUBMIT); /* news never confirm anything */
        bool new_halt;
        app_alerts(s.app, &s.f.d, &new_halt);
        scene_draw(&s);
        check_cells(&s.c, seed);
    }
    scene_release(&s);
}

static void test_random_keys(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++)
        run(seed, 250, false);
}

static void test_hostile_names(void **state)
{
    (void)state;
    for (uint64_t seed = 101; seed <= 130; seed++)
        run(seed, 150, true);
}

static void test_every_size(void **state)
{
    (void)state;
    static const char *const places[] = {
        "", "\n", "\n\n", "\n\n\n", "B", "H", "l", "?", ":", "/", ":explain 4466\n", ":explain 4466\nm", "e"};
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
        struct scene s;
        scene_init(&s, 30, 100, p % 2);
        if (p % 3 == 0)
            fixture_stale(&s.f);
        if (p == 10)
            evidence_hostile(&s.f);
        else if (p >= 11)
            evidence_loop(&s.f);
        scene_type(&s, places[p]);
        for (int rows = 1; rows <= 200; rows += rows < 40 ? 1 : 53) {
            for (int cols = 1; cols <= 500; cols += cols < 20 ? 1 : cols < 130 ? 7 : 92) {
                canvas_resize(&s.c, rows, cols);
                scene_draw(&s);
                check_cells(&s.c, (uint64_t)(rows * 1000 + cols));
            }
        }
        scene_release(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_keys),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
