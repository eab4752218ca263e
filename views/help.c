/* Help: keys and marks on one scrolling page. */
#include <stdio.h>
#include <string.h>

#include "views/app.h"

static const struct {
    const char *key, *text;
} LINES[] = {
    {NULL, "lower case looks, UPPER CASE changes the world"},
    {"H F", "in the dialog of a halt F switches to the whole fleet and back. A halt is always allowed"},
    {"H R", "R: every rollout of this release in all fleets, and back; each fleet's answer is shown on its own"},
    {NULL, "moving"},
    {"↑ ↓ j k", "one row     PgUp PgDn Ctrl-U Ctrl-D  pages     g G  ends"},
    {"↵  esc", "open, back     [ ]  previous and next wave or device"},
    {"/", "filter: words; devices also METRIC>N: reboots>2 cpu>80; audit also rollout=ID who=NAME kind=halt"},
    {"s  o", "sort order     n  next alert (audit: next refused)     z  silence the bell for 10 min"},
    {"b", "group the board: by release across fleets, by fleet, not     ↵ → ←  open and close a group"},
    {"e", "why: the verdict and what it rests on (board, rollout)     m  all its tests     :explain [ID]"},
    {"l", "audit log     v  verify it     w  write (devices as CSV, the log as an export)"},
    {"y", "copy ids     t  local time or UTC"},
    {"Ctrl-R", "ask the servers now     Ctrl-L  repaint     Ctrl-Z  suspend     q  quit"},
    {NULL, "commands"},
    {":halt :advance …", "every verb by name, on what is highlighted or :verb ID; it opens the same dialog"},
    {":ID  :FLEET/ID", "open a rollout; an id that two fleets have needs its fleet     tab completes"},
    {":halt FLEET/*", "every rollout of a fleet; also :ack     :halt */*  the highlighted release in all fleets"},
    {":plan [FLEET]", "makes a plan of waves that andon keeps: its words, who is in which wave, and then y"},
    {":inventory", "what the fleet consists of and who says so     b  devices that do not report     :inventory FLEET"},
    {":queue [FLEET]",
     "what to roll out next, and why     ↵  the vulnerability     w  all of why     [ ]  next vulnerability"},
    {":patch [FLEET]", "how long patching takes, by class of devices, with what is still open     (t in the queue)"},
    {":audit [FILTER]", "the log     :theme NAME     :board  :goto ID  :help  :q"},
    {NULL, "states"},
    {"✖ HALT", "halted and not acknowledged; HALT? on its way, HALT! cannot be had so far: act yourself"},
    {"✖ RUNS!", "halted and not acknowledged, but the server shows it running: devices are told"},
    {"✖ BAD", "over a limit that halts or rolls back"},
    {"▲ WATCH", "over a watch limit     ▲ HOLD  waits, no next wave     ▲ STUCK  roll back left devices"},
    {"▲ ENDED", "the server says finished, but not every device succeeded"},
    {"◆ GATE", "waits for a person: approval, or the next wave"},
    {"● RUN", "running     ◐ SOAK  all told devices have answered, the wave is watched"},
    {"‖ PAUSE", "paused without a latch     ‖ STOP  stopped for good"},
    {"○ READY", "not started     ○ NEVER  wave that no device was told of     ✓ DONE  ended, every device succeeded    "
                " ↶ BACK  rolled back or on the way"},
    {"!", "in front of a row: a threshold of the server can't fire, see the rollout"},
    {NULL, "freshness, on every screen"},
    {"● live", "newest answer at most two polls old     ◌ slow  older     ! STALE  too old for verbs but H, a"},
    {"?", "not known. Unknown is never shown as healthy; old figures are dimmed and said to be old"},
    {NULL, "waves"},
    {"██ ▓░ ░· ··", "two cells a wave: done, more than half, less than half, not yet; ✖ over its error threshold"},
};
enum { N_LINES = sizeof LINES / sizeof LINES[0], VERBS_AT = 1, N_VERBS = VERB_COUNT - 1, N_ALL = N_LINES + N_VERBS };

struct help_line {
    const char *key; /* NULL: a heading */
    char text[260];
};

/* The verbs stand behind the first heading, out of their own table. */
static struct help_line line_at(size_t k)
{
    struct help_line l;
    if (k >= VERBS_AT && k < VERBS_AT + N_VERBS) {
        enum verb v = offer_nth((int)(k - VERBS_AT));
        const struct verb_row *row = verb_row(v);
        l.key = row->key[0] ? row->key : ":";
        snprintf(l.text, sizeof l.text, "%s: %s (%s)", row->key[0] ? row->label : row->word, row->help,
                 verb_confirm_words(v));
        return l;
    }
    if (k >= VERBS_AT)
        k -= N_VERBS;
    l.key = LINES[k].key;
    snprintf(l.text, sizeof l.text, "%s", LINES[k].text);
    return l;
}

/* Columns of the keys. */
static int keys_width(int cols)
{
    return cols >= 80 ? 18 : 12;
}

enum { WRAP_MOST = 6 };

static int rows_of(size_t k, int cols)
{
    int text = cols - keys_width(cols) - 3;
    struct help_line l = line_at(k);
    int n = l.key ? parts_wrap(NULL, 0, 0, text, WRAP_MOST, ROLE_TEXT, l.text) : 1;
    return n > 0 ? n : 1;
}

static size_t rows_all(int cols)
{
    size_t n = 0;
    for (size_t k = 0; k < N_ALL; k++)
        n += (size_t)rows_of(k, cols);
    return n;
}

static void draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at)
{
    struct list *l = &app_top(a)->list;
    (void)d;
    size_t all = rows_all(c->cols), most = all > (size_t)at.rows ? all - (size_t)at.rows : 0;
    if (l->cursor > most)
        l->cursor = most;
    l->page = at.rows;
    int keys = keys_width(c->cols), end = at.row + at.rows;
    size_t k = 0, skip = l->cursor;
    while (k < N_ALL && skip >= (size_t)rows_of(k, c->cols))
        skip -= (size_t)rows_of(k++, c->cols);
    /* A line that the top cuts is drawn from its beginning: half a sentence helps nobody. */
    for (int row = at.row; k < N_ALL && row < end; k++) {
        struct help_line line = line_at(k);
        if (!line.key) {
            parts_rule(c, row++, line.text, NULL);
            continue;
        }
        int n = rows_of(k, c->cols);
        canvas_text(c, row, 2, keys - 1, ROLE_KEY, line.key);
        parts_wrap(c, row, 2 + keys, c->cols - keys - 3, n < end - row ? n : end - row, ROLE_TEXT, line.text);
        row += n;
    }
}

static bool on_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    (void)d;
    (void)out;
    if (key == KEY_LEFT_) {
        app_pop(a);
        return true;
    }
    return list_key(&app_top(a)->list, rows_all(a->cols), key);
}

static void crumb(const struct frame *f, const struct view_data *d, char *out, size_t size)
{
    (void)f;
    (void)d;
    snprintf(out, size, "help");
}

static const char *const HINTS[] = {"esc", "back", "↓ ↑", "scroll", NULL};
const struct screen help_screen = {draw, on_key, crumb, HINTS, NULL, NULL, true};
