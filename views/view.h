/* The screens: pure functions from (snapshots, view state) to a canvas, and from a key to what should happen.
 *
 * A view never waits, never sends: it returns an action that tui/ (or a test) carries out. Time is handed in. */
#ifndef ANDON_VIEWS_VIEW_H
#define ANDON_VIEWS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/config.h"
#include "core/intent.h"
#include "core/plan_wish.h"
#include "core/snapshot.h"
#include "views/canvas.h"

/* The screens, one row each: its kind, and the name of the `struct screen` (views/app.h) that its file defines. A row
 * without that definition does not link; a screen without a row does not exist. */
#define VIEWS(row)                                                                                                     \
    row(VIEW_BOARD, board) row(VIEW_ROLLOUT, rollout) row(VIEW_DEVICES, devices) row(VIEW_DEVICE, device)              \
        row(VIEW_AUDIT, auditlog) row(VIEW_HELP, help) row(VIEW_EXPLAIN, explain) row(VIEW_ANSWERS, answers)           \
            row(VIEW_INVENTORY, inventory) row(VIEW_QUEUE, queue) row(VIEW_VULNERABILITY, vulnerability)               \
                row(VIEW_PATCH, patch)
enum view_kind {
#define VIEW_KIND(kind, name) kind,
    VIEWS(VIEW_KIND)
#undef VIEW_KIND
        VIEW_COUNT
};

/* Entries of the log for the audit screen, read by cli/tui through audit/ and handed in as plain values. */
struct audit_row {
    int64_t seq, t;
    const char *who, *kind, *action, *object, *result, *line, *hash, *before, *after, *because, *host;
    const char *fleet, *rollout; /* that the entry is about, "" = none */
    bool late, refused;
};
struct audit_page {
    struct audit_row *v; /* newest first */
    size_t n;
    int64_t total;
    bool verified_known, verified_ok;
    int64_t verified_at;
    const char *verified_text, *origin, *root;
};

/* What every view may look at. */
struct view_data {
    struct snapshot *const *snaps; /* one for each fleet, in the configuration's order */
    size_t n_snaps;
    const struct audit_page *audit; /* NULL = not loaded */
    int64_t now;                    /* engine clock */
    const char *user;               /* operator's display name */
    bool local_time;
    const char *start_help[3]; /* shown when there is no fleet */
};

/* Keys as views see them: a code point, or one of these. */
enum key {
    KEY_NONE_ = 0x110000,
    KEY_UP_,
    KEY_DOWN_,
    KEY_LEFT_,
    KEY_RIGHT_,
    KEY_PGUP_,
    KEY_PGDN_,
    KEY_HOME_,
    KEY_END_,
    KEY_ENTER_,
    KEY_ESC_,
    KEY_TAB_,
    KEY_BTAB_,
    KEY_BACKSPACE_,
    KEY_DELETE_,
    KEY_RESIZE_,
    KEY_PASTE_START_,
    KEY_PASTE_END_,
    KEY_FOCUS_IN_,
    KEY_FOCUS_OUT_,
    KEY_F1_
};
/* Control characters arrive as themselves: Ctrl-R is 0x12. */

enum action_kind {
    ACT_NONE,
    ACT_REDRAW,
    ACT_SUBMIT, /* .intent and .others: confirmed by the person, complete; app_awaits() of each, in their order */
    ACT_QUIT,
    ACT_REFRESH,
    ACT_SUSPEND,
    ACT_REPAINT,
    ACT_FOCUS,      /* .focus of fleet .fleet changed */
    ACT_COPY,       /* .text to the clipboard (OSC 52) */
    ACT_LOAD_AUDIT, /* .query: the audit screen wants (other) entries */
    ACT_VERIFY_AUDIT,
    ACT_EXPORT,   /* .text: path asked for; the audit screen's w, or a dump of the device list */
    ACT_THEME,    /* .text: name of a theme (command line) */
    ACT_SILENCE,  /* bell off for 10 min */
    ACT_PLAN,     /* .plan: draw it, for .fleet */
    ACT_PLAN_KEEP /* the draft of .plan's number, of .fleet, was shown and confirmed */
};
/* Which entries the audit screen wants; "" = any. */
struct audit_want {
    char fleet[64], rollout[ID_MAX], kind[32], who[64];
    int64_t before; /* entries with a smaller number than this, 0 = the newest */
    size_t limit;
};
struct action {
    enum action_kind kind;
    struct intent intent;
    const struct intent *others; /* besides it, owned by the app until the next key */
    size_t n_others;
    char fleet[64];
    const struct plan_wish *plan; /* owned by the app until the next key */
    struct focus focus;
    char text[512];          /* ACT_COPY: see also .copy */
    struct audit_want query; /* ACT_LOAD_AUDIT */
    const char *copy; /* ACT_COPY, ACT_EXPORT: the whole text (many marked devices are more than 512 bytes), owned by
                         the app until the next key; ACT_EXPORT of the audit screen: NULL (export the log) */
};

struct app; /* the view stack, selection, filters, dialogs, messages: all the console's state that is not the world */
struct app *app_new(bool ascii);
void app_free(struct app *a);
/* Draws the whole screen: top line, banner, the view on top of the stack, dialog, footer. Works at any size >= 1x1. */
void app_draw(struct app *a, const struct view_data *d, struct canvas *c);
/* One key. *out says what to do; ACT_NONE when nothing. Rows and cols of the last draw are remembered. */
void app_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out);
/* New snapshots have arrived: selections follow ids; a dialog whose preview changed re-renders and empties its field.
 */
void app_update(struct app *a, const struct view_data *d, struct action *out);
/* A line at the bottom until the next key (result of a copy, an error). Safe text. */
void app_message(struct app *a, bool bad, const char *text);
/* The message just given says that this ticket is on its way: its end takes the message's place. With an action's
 * others: once for each, in their order, 0 for one that was not taken. */
void app_awaits(struct app *a, const char *fleet, uint64_t ticket);
enum view_kind app_view(const struct app *a);
/* The operator has silenced the bell (z) for now. */
bool app_silenced(const struct app *a, int64_t now);
/* For notices: the number of alerts that nobody acknowledged, and whether one is new since the last call. */
int app_alerts(struct app *a, const struct view_data *d, bool *new_halt);

#endif
