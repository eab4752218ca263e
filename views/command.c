/* The line at the bottom: commands (:), filters (/), a file name for a dump. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "views/app.h"

char *app_filter(struct app *a)
{
    switch (app_top(a)->kind) {
    case VIEW_BOARD:
        return a->board_filter;
    case VIEW_DEVICES:
        return a->dev_filter;
    case VIEW_AUDIT:
        return a->audit_filter;
    default:
        return NULL;
    }
}

void command_open(struct app *a, enum prompt_kind kind, const char *text)
{
    a->prompt = kind;
    edit_set(&a->line, text);
    snprintf(a->filter_before, sizeof a->filter_before, "%s", kind == PROMPT_FILTER ? text : "");
}

static void quit_command(struct app *a, const struct view_data *d, const char *word, struct action *out)
{
    int busy = 0;
    for (size_t i = 0; i < d->n_snaps; i++) {
        for (size_t k = 0; d->snaps[i] && k < d->snaps[i]->n_ops; k++)
            busy += d->snaps[i]->ops[k].phase < OP_RUNNING;
    }
    if (busy > 0 && strcmp(word, "q!") != 0)
        app_say(a, true, "%d command%s under way; :q! leaves all the same", busy, busy > 1 ? "s are" : " is");
    else
        out->kind = ACT_QUIT;
}

/* ":4471" or ":goto 4471": in whichever fleet it is. */
static bool go(struct app *a, const struct view_data *d, const char *id)
{
    for (size_t i = 0; i < d->n_snaps; i++) {
        const struct rollout_view *r = d->snaps[i] ? find_rollout(d, str(d->snaps[i]->fleet), id, NULL) : NULL;
        if (r) {
            app_push(a, VIEW_ROLLOUT, str(d->snaps[i]->fleet), str(r->rollout.id), r->current, "");
            return true;
        }
    }
    return false;
}

/* A verb by name, on the selected rollout or on the one that is named. It opens the same dialog as the key. */
static void verb_command(struct app *a, const struct view_data *d, enum verb v, const char *arg)
{
    if (*arg && !go(a, d, arg)) {
        app_say(a, true, "there is no rollout %.80s", arg);
        return;
    }
    if (a->rows < MIN_ROWS || a->cols < MIN_COLS) {
        if (v != VERB_HALT) {
            app_say(a, true, "too small to confirm: enlarge the terminal");
            return;
        }
    }
    dialog_open(a, d, v);
}

/* ":explain [ID]": why the selected rollout, or the named one, is judged as it is. */
static void explain_command(struct app *a, const struct view_data *d, const char *arg)
{
    char fleet[64], id[ID_MAX];
    const struct frame *f = app_top(a);
    int wave = f->kind == VIEW_ROLLOUT || f->kind == VIEW_DEVICES || f->kind == VIEW_DEVICE ? f->wave : -1;
    if (*arg && !go(a, d, arg)) {
        app_say(a, true, "there is no rollout %.80s", arg);
        return;
    }
    find_target(a, d, fleet, id);
    const struct rollout_view *r = find_rollout(d, fleet, id, NULL);
    if (!r)
        app_say(a, true, "which rollout? :explain ID");
    else if (app_top(a)->kind != VIEW_EXPLAIN || *arg)
        explain_open(a, fleet, r, *arg ? -1 : wave);
}

static void run(struct app *a, const struct view_data *d, const char *text, struct action *out)
{
    char word[64], arg[200];
    text += strspn(text, " :");
    size_t n = strcspn(text, " ");
    snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), text);
    text += n;
    text += strspn(text, " ");
    snprintf(arg, sizeof arg, "%.*s", (int)text_fit(text, 190), text);
    for (n = strlen(arg); n > 0 && arg[n - 1] == ' '; n--)
        arg[n - 1] = '\0';
    enum verb v = verb_from_word(!strcmp(word, "rb") ? "rollback" : word);
    if (!*word)
        return;
    if (!strcmp(word, "q") || !strcmp(word, "quit") || !strcmp(word, "q!")) {
        quit_command(a, d, word, out);
    } else if (v != VERB_NONE) {
        verb_command(a, d, v, arg);
    } else if (!strcmp(word, "theme")) {
        if (*arg) {
            out->kind = ACT_THEME;
            snprintf(out->text, sizeof out->text, "%s", arg);
        } else {
            app_say(a, true, "which theme? dark light terminal16 high-contrast deuter tritan mono");
        }
    } else if (!strcmp(word, "audit")) {
        app_push(a, VIEW_AUDIT, "", "", -1, "");
        snprintf(a->audit_filter, sizeof a->audit_filter, "%s", arg);
        a->audit_asked = false;
    } else if (!strcmp(word, "explain") || !strcmp(word, "why")) {
        explain_command(a, d, arg);
    } else if (!strcmp(word, "help") || !strcmp(word, "h")) {
        app_push(a, VIEW_HELP, "", "", -1, "");
    } else if (!strcmp(word, "board")) {
        a->depth = 1;
    } else if (!strcmp(word, "refresh")) {
        out->kind = ACT_REFRESH;
    } else if (!go(a, d, !strcmp(word, "goto") ? arg : word)) {
        app_say(a, true, "unknown command %s (? shows the commands)", word);
    }
}

static void finish(struct app *a, const struct view_data *d, struct action *out)
{
    enum prompt_kind kind = a->prompt;
    size_t count = 0;
    a->prompt = PROMPT_NONE;
    if (kind == PROMPT_COMMAND) {
        run(a, d, a->line.text, out);
    } else if (kind == PROMPT_EXPORT && a->line.len > 0) {
        char *csv = app_top(a)->kind == VIEW_AUDIT ? NULL : devices_csv(a, d, &count);
        if (!csv && app_top(a)->kind != VIEW_AUDIT)
            app_say(a, true, "there is nothing to write");
        else
            app_copy(a, out, ACT_EXPORT, a->line.text, csv);
        free(csv);
    }
}

void command_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    char *filter = app_filter(a);
    switch (key) {
    case KEY_ESC_:
    case 0x03: /* Ctrl-C */
        if (a->prompt == PROMPT_FILTER && filter)
            memcpy(filter, a->filter_before, sizeof a->filter_before);
        a->prompt = PROMPT_NONE;
        return;
    case KEY_ENTER_:
        finish(a, d, out);
        return;
    case 0x1A:
        out->kind = ACT_SUSPEND;
        return;
    case KEY_BACKSPACE_:
        if (a->line.len == 0) {
            a->prompt = PROMPT_NONE;
            return;
        }
        break;
    default:
        break;
    }
    edit_key(&a->line, key);
    if (a->prompt == PROMPT_FILTER && filter)
        memcpy(filter, a->line.text, sizeof a->line.text);
}

void command_draw(struct app *a, struct canvas *c)
{
    static const char *const SIGN[] = {"", ":", "/", "write to "};
    int row = c->rows - 1;
    canvas_fill(c, row, 0, -1, ROLE_INPUT, ' ');
    int x = canvas_text(c, row, 0, -1, ROLE_KEY, SIGN[a->prompt]);
    edit_draw(&a->line, c, row, x, c->cols - x, ROLE_INPUT, true);
}
