/* One frame: top line, banner, the screen on top of the stack, message, footer, dialog, prompt. */
#include <stdio.h>
#include <string.h>

#include "views/app.h"

static void draw_small(struct app *a, const struct view_data *d, struct canvas *c)
{
    size_t wrong = banner_count(d);
    int row = 0;
    if (a->dlg.verb == VERB_HALT)
        canvas_printf(c, row++, 0, -1, ROLE_DIALOG_DANGER, "HALT %s%s/%s: Enter, Esc", a->dlg.whole_fleet ? "all " : "",
                      a->dlg.in.fleet, a->dlg.in.rollout);
    if (c->cols < 8) { /* one mark is all that can be said */
        canvas_text(c, 0, 0, 1, wrong ? ROLE_BANNER : ROLE_LIVE, wrong ? "✖" : "●");
        return;
    }
    if (wrong > 0)
        canvas_printf(c, row++, 0, -1, ROLE_BANNER, "✖ %zu wrong", wrong);
    canvas_printf(c, row++, 0, -1, ROLE_STRONG, "andon: %dx%d is too small", c->cols, c->rows);
    canvas_printf(c, row++, 0, -1, ROLE_DIM, "needs %dx%d; H still halts", MIN_COLS, MIN_ROWS);
    if (a->msg[0])
        canvas_text(c, row, 0, -1, a->msg_bad ? ROLE_BAD : ROLE_TEXT, a->msg);
}

/* What became of the newest command, for a while: a refusal or a failure must not pass unseen. */
static void draw_op(const struct view_data *d, struct canvas *c, int row)
{
    const struct op_view *o = NULL;
    const char *of = "";
    for (size_t i = 0; i < d->n_snaps; i++) {
        for (size_t k = 0; d->snaps[i] && k < d->snaps[i]->n_ops; k++) {
            const struct op_view *x = &d->snaps[i]->ops[k];
            bool bad = x->phase == OP_REFUSED || x->phase == OP_FAILED || x->phase == OP_UNKNOWN;
            bool shown = x->phase < OP_RUNNING || d->now - x->ended < (bad ? 60 : 10) * US_PER_S;
            if (shown && (!o || x->started > o->started))
                o = x, of = str(d->snaps[i]->fleet);
        }
    }
    if (!o)
        return;
    bool bad = o->phase == OP_REFUSED || o->phase == OP_FAILED || o->phase == OP_UNKNOWN;
    canvas_fill(c, row, 0, -1, ROLE_TEXT, ' ');
    canvas_printf(c, row, 1, c->cols - 2,
                  bad                   ? ROLE_BAD
                  : o->phase == OP_DONE ? ROLE_GOOD
                                        : ROLE_STRONG,
                  "%s%s %s%s%s: %s  %.250s %.200s",
                  bad                   ? "✖ "
                  : o->phase == OP_DONE ? "✓ "
                                        : "",
                  verb_word(o->verb), d->n_snaps > 1 ? of : "", d->n_snaps > 1 ? "/" : "", str(o->rollout),
                  op_phase_word(o->phase), str(o->text), str(o->next));
}

void app_draw(struct app *a, const struct view_data *d, struct canvas *c)
{
    c->ascii = a->ascii;
    canvas_clear(c);
    a->rows = c->rows;
    a->cols = c->cols;
    app_sync(a, d);
    if (app_small(a)) {
        a->dlg.fits = a->plan.fits = false; /* what is not seen can't be confirmed; a halt can */
        draw_small(a, d, c);
        return;
    }
    parts_top(a, d, c);
    int banner = banner_rows(a, d, c->rows, c->cols);
    banner_draw(a, d, c, 1, banner);
    screen_of(app_top(a)->kind)->draw(a, d, c, (struct area){1 + banner, c->rows - 3 - banner, c->cols});
    canvas_rule(c, c->rows - 2, 0, -1, ROLE_TITLE, NULL);
    if (!a->msg[0])
        draw_op(d, c, c->rows - 2);
    if (a->msg[0]) {
        canvas_fill(c, c->rows - 2, 0, -1, ROLE_TEXT, ' ');
        canvas_text(c, c->rows - 2, 1, c->cols - 2, a->msg_bad ? ROLE_BAD : ROLE_STRONG, a->msg);
    }
    parts_footer(a, d, c);
    if (a->dlg.verb != VERB_NONE)
        dialog_draw(a, d, c);
    else if (a->plan.open)
        plan_draw(a, d, c);
    if (a->prompt != PROMPT_NONE)
        command_draw(a, c);
}
