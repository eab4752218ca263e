/* The line at the bottom: commands (:), filters (/), a file name for a dump. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "views/app.h"

char *app_filter(struct app *a)
{
    char *(*filter)(struct app * a) = screen_of(app_top(a)->kind)->filter;
    return filter ? filter(a) : NULL;
}

void command_open(struct app *a, enum prompt_kind kind, const char *text)
{
    a->prompt = kind;
    edit_set(&a->line, text);
    snprintf(a->filter_before, sizeof a->filter_before, "%s", kind == PROMPT_FILTER ? text : "");
}

typedef void command_fn(struct app *a, const struct view_data *d, const char *arg, struct action *out);

static void quit_command(struct app *a, const struct view_data *d, const char *arg, struct action *out)
{
    int busy = 0;
    (void)arg;
    for (size_t i = 0; i < d->n_snaps; i++) {
        for (size_t k = 0; d->snaps[i] && k < d->snaps[i]->n_ops; k++)
            busy += d->snaps[i]->ops[k].phase < OP_RUNNING;
    }
    if (busy > 0)
        app_say(a, true, "%d command%s under way; :q! leaves all the same", busy, busy > 1 ? "s are" : " is");
    else
        out->kind = ACT_QUIT;
}

static void leave_command(struct app *a, const struct view_data *d, const char *arg, struct action *out)
{
    (void)a;
    (void)d;
    (void)arg;
    out->kind = ACT_QUIT;
}

/* Opens the rollout that a word names: an id that one fleet only has, or fleet/ID. */
static bool go(struct app *a, const struct view_data *d, const char *word)
{
    char fleet[64], id[ID_MAX];
    struct err why;
    const struct rollout_view *r;
    if (!find_named(d, word, fleet, id, &why)) {
        app_say(a, true, "%s", why.what);
        return false;
    }
    r = find_rollout(d, fleet, id, NULL);
    if (!r) {
        app_say(a, true, "%s has no rollout %s", fleet, id);
        return false;
    }
    app_push(a, VIEW_ROLLOUT, fleet, id, r->current, "");
    return true;
}

/* "fleet/ *" (without the blank): every rollout of a fleet. */
static const struct snapshot *whole_fleet(const struct view_data *d, const char *word)
{
    char fleet[64];
    size_t n = strlen(word);
    if (n < 3 || n - 2 >= sizeof fleet || strcmp(word + n - 2, "/*") != 0)
        return NULL;
    snprintf(fleet, sizeof fleet, "%.*s", (int)(n - 2), word);
    return find_snap(d, fleet);
}

/* A verb by name, on what is highlighted or on what is named; the screen goes there first. It opens the same dialog as
 * the key. */
static void verb_command(struct app *a, const struct view_data *d, enum verb v, const char *arg)
{
    char fleet[64], id[ID_MAX];
    const struct snapshot *all = verb_row(v)->whole_fleet ? whole_fleet(d, arg) : NULL;
    if ((a->rows < MIN_ROWS || a->cols < MIN_COLS) && v != VERB_HALT) {
        app_say(a, true, "too small to confirm: enlarge the terminal");
        return;
    }
    if (!*arg) {
        dialog_open(a, d, v);
    } else if (v == VERB_HALT && !strcmp(arg, "*/*")) { /* what is highlighted, in all fleets */
        if (dialog_open(a, d, v))
            dialog_everywhere(a, d, true);
    } else if (all) {
        a->depth = 1;
        dialog_open_on(a, d, v, str(all->fleet), "");
    } else if (v == VERB_HALT && find_named(d, arg, fleet, id, NULL) && !find_rollout(d, fleet, id, NULL)) {
        dialog_open_on(a, d, v, fleet, id); /* the list may be old, or not read yet: nobody can say it is not there */
    } else if (go(a, d, arg)) {
        dialog_open_on(a, d, v, app_top(a)->fleet, app_top(a)->rollout);
    }
}

/* ":explain [ID]": why the selected rollout, or the named one, is judged as it is. */
static void explain_command(struct app *a, const struct view_data *d, const char *arg, struct action *out)
{
    char fleet[64], id[ID_MAX];
    const struct frame *f = app_top(a);
    int wave = f->kind == VIEW_ROLLOUT || f->kind == VIEW_DEVICES || f->kind == VIEW_DEVICE ? f->wave : -1;
    (void)out;
    if (*arg && !go(a, d, arg))
        return;
    const struct rollout_view *r = find_target(a, d, fleet, id, NULL) ? find_rollout(d, fleet, id, NULL) : NULL;
    if (!r)
        app_say(a, true, "which rollout? :explain ID");
    else if (app_top(a)->kind != VIEW_EXPLAIN || *arg)
        explain_open(a, fleet, r, *arg ? -1 : wave);
}

/* ":plan [FLEET] [NAME:VERSION]": makes a plan, for the fleet that is named or highlighted, or the only one. */
static void plan_command(struct app *a, const struct view_data *d, const char *arg, struct action *out)
{
    char word[200], fleet[64] = "", id[ID_MAX];
    size_t n = strcspn(arg, " ");
    (void)out;
    snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), arg);
    const struct snapshot *s = find_snap(d, word);
    if (s)
        arg += n + strspn(arg + n, " ");
    else if (d->n_snaps == 1)
        s = d->snaps[0];
    else if (find_target(a, d, fleet, id, NULL))
        s = find_snap(d, fleet);
    if (a->rows < MIN_ROWS || a->cols < MIN_COLS)
        app_say(a, true, "too small to confirm: enlarge the terminal");
    else if (!s)
        app_say(a, true, "for which fleet? :plan FLEET");
    else
        plan_open(a, s, arg);
}

static void theme_command(struct app *a, const struct view_data *d, const char *arg, struct action *out)
{
    (void)d;
    if (!*arg) {
        app_say(a, true, "which theme? dark light terminal16 high-contrast deuter tritan mono");
        return;
    }
    out->kind = ACT_THEME;
    snprintf(out->text, sizeof out->text, "%s", arg);
}

static void audit_command(struct app *a, const struct view_data *d, const char *arg, struct action *out)
{
    (void)d;
    (void)out;
    app_push(a, VIEW_AUDIT, "", "", -1, "");
    snprintf(a->audit_filter, sizeof a->audit_filter, "%s", arg);
    a->audit_asked = false;
}

static void help_command(struct app *a, const struct view_data *d, const char *arg, struct action *out)
{
    (void)d;
    (void)arg;
    (void)out;
    app_push(a, VIEW_HELP, "", "", -1, "");
}

static void board_command(struct app *a, const struct view_data *d, const char *arg, struct action *out)
{
    (void)d;
    (void)arg;
    (void)out;
    a->depth = 1;
}

static void refresh_command(struct app *a, const struct view_data *d, const char *arg, struct action *out)
{
    (void)a;
    (void)d;
    (void)arg;
    out->kind = ACT_REFRESH;
}

static void inventory_command(struct app *a, const struct view_data *d, const char *arg, struct action *out)
{
    (void)out;
    inventory_open(a, d, arg);
}

static void queue_command(struct app *a, const struct view_data *d, const char *arg, struct action *out)
{
    (void)out;
    queue_open(a, d, arg);
}

static void patch_command(struct app *a, const struct view_data *d, const char *arg, struct action *out)
{
    (void)out;
    patch_open(a, d, arg);
}

static void goto_command(struct app *a, const struct view_data *d, const char *arg, struct action *out)
{
    (void)out;
    go(a, d, arg);
}

/* Besides the verbs, which are commands by their own names. */
static const struct {
    const char *word;
    command_fn *run;
} COMMANDS[] = {{"audit", audit_command},
                {"board", board_command},
                {"explain", explain_command},
                {"goto", goto_command},
                {"h", help_command},
                {"help", help_command},
                {"inventory", inventory_command},
                {"patch", patch_command},
                {"plan", plan_command},
                {"q", quit_command},
                {"q!", leave_command},
                {"queue", queue_command},
                {"quit", quit_command},
                {"refresh", refresh_command},
                {"theme", theme_command},
                {"why", explain_command}};
enum { N_COMMANDS = sizeof COMMANDS / sizeof COMMANDS[0] };

static void run(struct app *a, const struct view_data *d, const char *text, struct action *out)
{
    char word[200], arg[200], fleet[64], id[ID_MAX];
    text += strspn(text, " :");
    size_t n = strcspn(text, " ");
    snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word - 1), text);
    text += n;
    text += strspn(text, " ");
    snprintf(arg, sizeof arg, "%.*s", (int)text_fit(text, 190), text);
    for (n = strlen(arg); n > 0 && arg[n - 1] == ' '; n--)
        arg[n - 1] = '\0';
    enum verb v = verb_from_word(!strcmp(word, "rb") ? "rollback" : word);
    struct err why;
    if (!*word)
        return;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (!strcmp(word, COMMANDS[i].word)) {
            COMMANDS[i].run(a, d, arg, out);
            return;
        }
    }
    if (v != VERB_NONE)
        verb_command(a, d, v, arg);
    else if (find_named(d, word, fleet, id, &why) || why.code == ERR_CONFLICT)
        go(a, d, word);
    else
        app_say(a, true, "unknown command %s (? shows the commands)", word);
}

/* --- completion -------------------------------------------------------------------------------------------------- */

struct completion {
    const char *typed; /* the word under the cursor */
    size_t n;          /* candidates */
    char common[160];  /* what all of them begin with */
    char all[300];     /* their names, as far as there is room */
};

static void candidate(struct completion *k, const char *word)
{
    size_t same = 0, at = strlen(k->all);
    if (strncmp(word, k->typed, strlen(k->typed)) != 0)
        return;
    if (k->n++ == 0) {
        snprintf(k->common, sizeof k->common, "%s", word);
    } else {
        while (k->common[same] && k->common[same] == word[same])
            same++;
        k->common[same] = '\0';
    }
    snprintf(k->all + at, sizeof k->all - at, "%s%.150s", at ? "  " : "", word);
}

/* Ids where they stand in one fleet only, and both parts of every name. */
static void candidates(struct completion *k, const struct view_data *d, bool first, bool fleets)
{
    char name[160];
    for (size_t i = 0; first && i < N_COMMANDS; i++)
        candidate(k, COMMANDS[i].word);
    for (int v = VERB_NONE + 1; first && v < VERB_COUNT; v++)
        candidate(k, verb_word((enum verb)v));
    for (size_t i = 0; i < d->n_snaps; i++) {
        const struct snapshot *s = d->snaps[i];
        for (size_t r = 0; s && r < s->n_rollouts; r++) {
            const char *id = str(s->rollouts[r].rollout.id);
            bool ambiguous = find_ambiguous(d, id);
            snprintf(name, sizeof name, "%.63s/%.71s", str(s->fleet), id);
            if (!ambiguous)
                candidate(k, id);
            /* "4471" in two fleets: typed as far as that, the names that tell them apart are shown. */
            if (ambiguous && *k->typed && !strncmp(id, k->typed, strlen(k->typed))) {
                const char *typed = k->typed;
                k->typed = "";
                candidate(k, name);
                k->typed = typed;
            } else if (*k->typed) {
                candidate(k, name);
            }
        }
        if (s && fleets && *k->typed) {
            snprintf(name, sizeof name, "%.63s/*", str(s->fleet));
            candidate(k, name);
        }
    }
}

/* Tab: the word before the cursor, as far as it can only mean one thing; else what it can mean. */
static void complete(struct app *a, const struct view_data *d)
{
    struct edit *e = &a->line;
    struct completion k = {.n = 0};
    char head[sizeof e->text], word[sizeof e->text], verb[sizeof e->text];
    if (e->at != e->len)
        return;
    size_t from = e->len;
    while (from > 0 && e->text[from - 1] != ' ' && e->text[from - 1] != ':')
        from--;
    snprintf(head, sizeof head, "%.*s", (int)from, e->text);
    snprintf(word, sizeof word, "%s", e->text + from);
    const char *begin = head + strspn(head, " :");
    snprintf(verb, sizeof verb, "%.*s", (int)strcspn(begin, " "), begin);
    k.typed = word;
    candidates(&k, d, !*begin, verb_row(verb_from_word(verb))->whole_fleet);
    if (k.n == 0) {
        app_say(a, true, "nothing begins with %.80s", word);
        return;
    }
    if (strlen(k.common) >= strlen(word)) {
        char text[sizeof head + sizeof k.common + 1];
        snprintf(text, sizeof text, "%s%s%s", head, k.common, k.n == 1 && !*begin ? " " : "");
        edit_set(e, text);
    }
    if (k.n > 1)
        app_say(a, false, "%s", k.all);
}

static void finish(struct app *a, const struct view_data *d, struct action *out)
{
    enum prompt_kind kind = a->prompt;
    size_t count = 0;
    a->prompt = PROMPT_NONE;
    if (kind == PROMPT_COMMAND) {
        run(a, d, a->line.text, out);
    } else if (kind == PROMPT_EXPORT && a->line.len > 0) {
        char *csv = app_top(a)->kind == VIEW_AUDIT       ? NULL
                    : app_top(a)->kind == VIEW_INVENTORY ? inventory_dump(a, d)
                                                         : devices_csv(a, d, &count);
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
    case KEY_TAB_:
        if (a->prompt == PROMPT_COMMAND)
            complete(a, d);
        return;
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
