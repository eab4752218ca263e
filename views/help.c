/* Help: keys and marks on one scrolling page. */
#include <string.h>

#include "views/app.h"

static const struct {
    const char *key, *text;
} LINES[] = {
    {NULL, "lower case looks, UPPER CASE changes the world"},
    {"H", "halt: Enter = this rollout; F, then Enter = the whole fleet. Always allowed"},
    {"A", "advance: start the next wave (preview, then y)"},
    {"P  R  S", "pause (Enter), resume (y), start (y)"},
    {"B", "roll back: reason, typed phrase with the count, then y on the button"},
    {"Y  D", "approve, deny (a denial needs a reason)"},
    {"a", "acknowledge a halt: lifts the latch, changes no device"},
    {NULL, "moving"},
    {"↑ ↓ j k", "one row     PgUp PgDn Ctrl-U Ctrl-D  pages     g G  ends"},
    {"↵  esc", "open, back     [ ]  previous and next wave or device"},
    {"/", "filter: words; devices also reboots>2 cpu>80 var>1.3; audit also rollout=ID who=NAME kind=halt"},
    {"s  o", "sort order     n  next alert (audit: next refused)     z  silence the bell for 10 min"},
    {"l", "audit log     v  verify it     w  write (devices as CSV, the log as an export)"},
    {"y", "copy ids     t  local time or UTC"},
    {"Ctrl-R", "ask the servers now     Ctrl-L  repaint     Ctrl-Z  suspend     q  quit"},
    {NULL, "commands"},
    {":halt :advance …", "every verb by name, on this rollout or :verb ID; it opens the same dialog"},
    {":ID  :goto ID", "open a rollout     :audit [FILTER]     :theme NAME     :board  :help  :q"},
    {NULL, "states"},
    {"✖ HALT", "halted and not acknowledged; HALT? on its way, HALT! cannot be had so far: act yourself"},
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
    {"● live", "newest answer at most two polls old     ◌ slow  older     ! STALE  older than 15 s"},
    {"?", "not known. Unknown is never shown as healthy; old figures are dimmed and said to be old"},
    {NULL, "waves"},
    {"██ ▓░ ░· ··", "two cells a wave: done, more than half, less than half, not yet; ✖ over its error threshold"},
};
enum { N_LINES = sizeof LINES / sizeof LINES[0] };

void help_draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at)
{
    struct list *l = &app_top(a)->list;
    (void)d;
    int page = at.rows;
    size_t most = N_LINES > page ? (size_t)(N_LINES - page) : 0;
    if (l->cursor > most)
        l->cursor = most;
    l->page = page;
    int keys = c->cols >= 80 ? 18 : 12;
    for (int i = 0; i < page && l->cursor + (size_t)i < N_LINES; i++) {
        size_t k = l->cursor + (size_t)i;
        if (!LINES[k].key) {
            parts_rule(c, at.row + i, LINES[k].text, NULL);
            continue;
        }
        canvas_text(c, at.row + i, 2, keys - 1, ROLE_KEY, LINES[k].key);
        canvas_text(c, at.row + i, 2 + keys, -1, ROLE_TEXT, LINES[k].text);
    }
}

bool help_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    (void)d;
    (void)out;
    if (key == KEY_LEFT_) {
        app_pop(a);
        return true;
    }
    return list_key(&app_top(a)->list, N_LINES, key);
}
