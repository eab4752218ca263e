/* The bytes of a keyboard, to the console's screens: each byte goes the way from the terminal to an action, and the
 * screen is drawn after it. 0xff is no keyboard's byte: the one behind it is a key that curses knows, a size, a pause
 * of the hand, or a change of the world. Nothing may leave the screens that a person did not confirm. */
#include "fuzz.h"

#include <string.h>
#include "../views/evidence.h"
#include "../views/scene.h"
#include "core/clock.h"
#include "tui/keys.h"

static void check_cells(const struct canvas *c)
{
    for (int i = 0; i < c->rows * c->cols; i++) {
        uint32_t g = c->cells[i].glyph;
        must(!((g > 0 && g < 0x20) || (g >= 0x7f && g < 0xa0) || (g >= 0x202a && g <= 0x202e)));
        must(c->cells[i].role < ROLE_COUNT);
    }
    must(c->cursor_row >= -1 && c->cursor_row < c->rows && c->cursor_col >= -1 && c->cursor_col < c->cols);
}

static void key(struct scene *s, uint32_t k)
{
    struct action a;
    if (k == KEY_NONE_)
        return;
    app_key(s->app, &s->f.d, k, &a);
    if (a.kind == ACT_SUBMIT) {
        must(k == KEY_ENTER_ || k == 'y');
        must(a.intent.fleet[0]);
        must(a.intent.verb != VERB_ROLLBACK || (a.intent.reason[0] && a.intent.expect_devices > 0));
    }
    app_update(s->app, &s->f.d, &a);
    must(a.kind != ACT_SUBMIT);
    scene_draw(s);
    check_cells(&s->c);
}

static void other(struct scene *s, struct keys *k, uint8_t b)
{
    static const int sizes[][2] = {{24, 80}, {1, 1}, {10, 40}, {9, 39}, {50, 200}, {3, 7}, {24, 20}, {4, 300}};
    struct snapshot *snap = s->f.s;
    uint32_t out[2];
    if (b < 0x20) {
        for (int i = 0, n = keys_special(k, KEY_UP_ + b % (KEY_F1_ - KEY_UP_ + 1), out); i < n; i++)
            key(s, out[i]);
    } else if (b < 0x28) {
        canvas_resize(&s->c, sizes[b - 0x20][0], sizes[b - 0x20][1]);
    } else if (b < 0x30) {
        s->f.d.now += (int64_t)(b - 0x27) * 700 * US_PER_MS;
        key(s, keys_idle(k, s->f.d.now));
    } else if (b < 0x40) {
        snap->generation++;
        snap->n_rollouts = (size_t)(b - 0x30) < 14 ? (size_t)(b - 0x30) : 14;
    } else if (b < 0x48) {
        snap->generation++;
        snap->link.state = (enum link_state)(b % 6);
    } else {
        snap->generation++;
        for (size_t i = 0; i < snap->n_rollouts; i++) {
            snap->rollouts[i].stop = (enum stop_phase)(b >> 2 & 3);
            snap->rollouts[i].rollback.step = (enum rollback_step)(b % (RB_DONE + 1));
        }
    }
    scene_draw(s);
    check_cells(&s->c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct scene s;
    struct keys k;
    uint32_t out[2];
    if (n == 0 || n > 64)
        return 0;
    scene_init(&s, 24, 80, data[0] & 1);
    if (data[0] & 2)
        fixture_second_fleet(&s.f);
    if (data[0] & 4)
        fixture_hostile(&s.f);
    if (data[0] & 8)
        evidence_loop(&s.f);
    keys_init(&k);
    for (size_t i = 1; i < n; i++) {
        if (data[i] == 0xff && i + 1 < n) {
            other(&s, &k, data[++i]);
            continue;
        }
        for (int j = 0, m = keys_byte(&k, data[i], s.f.d.now, out); j < m; j++)
            key(&s, out[j]);
    }
    key(&s, keys_idle(&k, s.f.d.now));
    scene_release(&s);
    return 0;
}
