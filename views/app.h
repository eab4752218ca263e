/* Inside views/: the console's state that is not the world, and what its files share. Not for other rooms.
 *
 * Snapshots are valid only during a call, so everything remembered here is a copy: ids, never pointers. */
#ifndef ANDON_VIEWS_APP_H
#define ANDON_VIEWS_APP_H

#include "core/clock.h"
#include "core/fmt.h"
#include "views/view.h"

enum { STACK_MAX = 10, KEY_TEXT = 400, FREEZE_US = 2 * 1000 * 1000, MIN_ROWS = 10, MIN_COLS = 40 };

/* --- edit.c: one line of text being typed ------------------------------------------------------------------- */
struct edit {
    char text[256]; /* valid UTF-8 */
    size_t len, at; /* bytes; at = cursor */
};
void edit_set(struct edit *e, const char *s);
/* Takes a key; false when it is none of an editor's (Enter, Esc, Tab, ...). Unsafe code points are not taken. */
bool edit_key(struct edit *e, uint32_t key);
/* Draws the field, scrolled so that the cursor shows; places the canvas's cursor when `active`. */
void edit_draw(const struct edit *e, struct canvas *c, int row, int col, int cols, enum role role, bool active);

/* --- order.c: which rows, in which order; a cursor that follows an id ----------------------------------------- */
struct order {
    uint32_t *v;   /* row numbers of the source, in the order of the screen */
    uint64_t *key; /* hash of each row's id, parallel to v */
    size_t n, cap;
    uint64_t made_of; /* signature of what it was made from */
    uint64_t asked;   /* signature of filter and sort */
    bool dirty;       /* rows were kept in place because of a key press: sort when the hand rests */
};
struct list {
    char sel[KEY_TEXT]; /* id of the selected row, "" none */
    size_t cursor, top;
    int page; /* rows of the last draw */
};
struct order_source {
    const void *ctx;
    size_t n;
    bool (*match)(const void *ctx, uint32_t i);
    uint64_t (*id)(const void *ctx, uint32_t i);
    int (*cmp)(const void *ctx, uint32_t a, uint32_t b); /* total order */
};
void order_release(struct order *o);
/* Rebuilds when `made_of` (the data) or `asked` (filter and sort) differ from the last call's, or when rows were held
 * in place and `frozen` is over. frozen: rows that stay keep their places, new ones come last; not when the operator
 * asked for another order. */
void order_make(struct order *o, const struct order_source *src, uint64_t made_of, uint64_t asked, bool frozen);
uint64_t order_mix(uint64_t h, const void *p, size_t n);
/* Moves by a key (arrows, j k, pages, g G, Home End); false when it is not a movement. */
bool list_key(struct list *l, size_t n, uint32_t key);
/* Keeps the cursor inside and the selected row on the page. */
void list_clip(struct list *l, size_t n, int page);

/* --- group.c: rows of the board that belong together. The board's rows are the rollouts of all fleets, and behind them
 * a line for each group of two and more ------------------------------------------------------------------------- */
enum { GROUP_NONE, GROUP_RELEASE, GROUP_FLEET, GROUP_MODES };
enum { GROUPS_OPEN = 32 };
#define GROUP_ALONE UINT32_MAX
struct group {
    uint64_t key;   /* of what its rollouts have in common */
    uint32_t first; /* the rollout that the board's order puts first */
    size_t n, fleets;
    bool open;
};
struct groups {
    struct group *v;
    uint32_t *of; /* the group of each rollout, GROUP_ALONE */
    size_t n, cap, rollouts;
    size_t shown;               /* rollouts that pass the filter, in open groups or not */
    uint64_t open[GROUPS_OPEN]; /* keys of those that are open, a ring */
    size_t next;
};

/* --- a screen on the stack --------------------------------------------------------------------------------- */
struct frame {
    enum view_kind kind;
    char fleet[64];
    char rollout[ID_MAX];
    int wave;
    char device[256];
    struct list list;
    char metric[METRIC_ID_MAX + 1]; /* the rollout's plots: which comes first, "" what is worst */
    bool all;                       /* the screen "why": also the tests that say nothing */
};

/* --- dialog.c ------------------------------------------------------------------------------------------------- */
enum { FIELD_TO, FIELD_WAVES, FIELD_REASON, FIELD_PHRASE, FIELD_BUTTON, FIELD_COUNT };
struct dialog {
    enum verb verb;       /* VERB_NONE: no dialog */
    struct intent in;     /* the target is frozen when the dialog opens */
    char rollout[ID_MAX]; /* that target, while a halt is switched to the whole fleet */
    bool whole_fleet;     /* halt, ack */
    uint32_t caps;        /* of the target; of several: of any of them */
    bool everywhere;      /* halt: every rollout of `firmware` in all fleets */
    struct firmware {
        char name[200], version[200];
    } firmware; /* of the target when the dialog opened; empty: not known */
    bool checked;
    struct preview preview;
    struct err why; /* code ERR_NONE: the verb may go ahead */
    char release[200], name[200];
    struct edit to, reason, phrase;
    enum verb_reason reason_is; /* by the verb, or the policy */
    int field;
    int wave_cursor;
    uint64_t told_mask[WAVES_MAX / 64];
    int n_waves;
    int scroll;
    bool fits;      /* the last draw showed its controls */
    char note[160]; /* e.g. "the count changed: type it again" */
};

/* --- plan.c: a plan that is being made ----------------------------------------------------------------------- */
enum { PLAN_FIELDS = PLAN_F_NAME + 1 }; /* of the wish's words, in their order; the button is behind them */
struct plan_dialog {
    bool open;
    char fleet[64];
    struct edit word[PLAN_FIELDS];
    int field;
    uint64_t number; /* of the newest wish */
    bool asked;      /* .. of this dialog */
    bool changed;    /* a word, since then */
    int scroll;
    bool fits; /* the last draw showed its controls */
    char note[100];
};

enum prompt_kind { PROMPT_NONE, PROMPT_COMMAND, PROMPT_FILTER, PROMPT_EXPORT };

/* What was asked for in several fleets at once, for the screen that shows each one's answer. */
enum { ANSWERS_MAX = 64 };
struct answer {
    char fleet[64], rollout[ID_MAX];
    uint64_t ticket; /* 0: not taken */
    /* What the fleet's snapshots said of it last: they drop it after some minutes. */
    bool seen;
    enum op_phase phase;
    char text[200];
};

struct app {
    bool ascii;
    int rows, cols;
    struct frame stack[STACK_MAX];
    int depth; /* >= 1 */
    struct dialog dlg;
    struct plan_dialog plan;
    struct plan_wish wish; /* of the last ACT_PLAN */
    enum prompt_kind prompt;
    struct edit line;
    char filter_before[256]; /* what Esc goes back to */
    bool pasting;
    int64_t last_key;
    char msg[512];
    bool msg_bad;
    uint64_t awaited; /* the message says that this ticket of a fleet is on its way; 0 = no such message */
    char awaited_fleet[64];
    bool utc_toggle; /* shows the other of local and UTC */
    bool quit_asked;
    size_t banner_at;
    char banner_fleet[64], banner_rollout[ID_MAX]; /* what the last frame's banner showed, "" none */
    int64_t silenced_until;

    int board_sort, group_by;
    struct groups groups;
    struct intent several[ANSWERS_MAX]; /* of the last ACT_SUBMIT */
    struct answer answers[ANSWERS_MAX];
    int64_t asked_at;
    size_t n_answers, n_taken;        /* tickets have come for so many */
    char answers_of[460];             /* "halt of hearth 4.12.1" */
    char dev_sort[METRIC_ID_MAX + 1]; /* a metric's id, or another word of devices.c; "" by state */
    char inv_filter[256];
    bool inv_by_owner;
    char board_filter[256], dev_filter[256], audit_filter[256];
    struct order board, devices, audit;
    uint64_t *marks; /* hashes of marked devices, sorted */
    size_t n_marks, cap_marks;
    char marks_of[KEY_TEXT]; /* fleet, rollout and wave that they belong to */

    struct focus focus_sent;
    char focus_fleet[64];
    char focus_clear[64]; /* a fleet whose focus must be taken away */
    struct audit_want audit_sent;
    bool audit_asked;
    int64_t audit_asked_at, audit_size; /* when, and how large the log was */
    uint64_t seen_halts[64];            /* hashes of halts that were counted, a ring */
    size_t seen_next;
    int64_t pasted_at;
    char *copy; /* text of the last ACT_COPY / ACT_EXPORT */
};

static inline struct frame *app_top(struct app *a)
{
    return &a->stack[a->depth - 1];
}
/* Opens a screen on top of the stack; the frame is owned by the app. */
struct frame *app_push(struct app *a, enum view_kind kind, const char *fleet, const char *rollout, int wave,
                       const char *device);
/* Puts the cursor on a rollout: the board's row when the board is on top, else its own screen. */
void app_go(struct app *a, const struct view_data *d, const char *fleet, const char *rollout);
/* Back to the screen below; the board stays. */
void app_pop(struct app *a);
/* Orders and cursors of the lists, brought up to the newest snapshots. */
void app_sync(struct app *a, const struct view_data *d);
bool app_small(const struct app *a); /* the last frame was too small for anything but a message */
/* snprintf into a->msg */
void app_say(struct app *a, bool bad, const char *fmt, ...) ANDON_PRINTF(3, 4);
void app_copy(struct app *a, struct action *out, enum action_kind kind, const char *text, const char *whole);

/* --- state.c: what a thing is called and how it looks ----------------------------------------------------------- */
struct look {
    const char *glyph; /* one column */
    const char *word;  /* at most 6 columns */
    enum role role;
    int severity; /* 0 = first */
};
struct halt_said state_halt(const struct rollout_view *r); /* the words of core/snapshot.h */
struct look state_rollout(const struct rollout_view *r);
struct look state_wave(const struct rollout_view *r, const struct wave_view *w);
struct look state_device(const struct device_row *d);
struct look state_reaction(enum reaction r);
/* What is shown of a wave's verdict; *text is its sentence. "ok" only where telemetry was looked at. */
struct look state_verdict(const struct snapshot *s, const struct wave_view *w, const char **text);
/* Whether the verdict shown is the one that halted. Its figures are kept from then; what is behind them goes on: the
 * evidence, and behind a limit's semicolon how many canaries there are. */
bool state_halting(const struct rollout_view *r, const struct wave_view *w);
/* The same with the rule that decided in front, into `out` (EXPLAIN_TEXT bytes). Of a rollout that is halted already a
 * later finding is "now" the same test's, or "also" another rule's. */
struct look state_sentence(const struct snapshot *s, const struct rollout_view *r, const struct wave_view *w,
                           char *out);
/* Why the wave has no verdict, or how the tests that it had have ended; `out` has EXPLAIN_TEXT bytes. */
void state_unjudged(const struct snapshot *s, const struct rollout_view *r, const struct wave_view *w, char *out);
struct look state_limit(enum limit_status s);
struct look state_trial(const struct trial_view *t);
/* What is to be done next about a rollout, and by whom. */
const char *state_next(const struct rollout_view *r);
/* "evidence 72,000 of 250", "catching up 43%", "" when there is nothing to say; brief: without the first word. */
void state_evidence(const struct rollout_view *r, int wave, bool brief, char *out, size_t size);
/* Role of that: by the level of the policy that it has reached. */
enum role state_evidence_role(const struct snapshot *s, const struct rollout_view *r, int wave);
/* Freshness of a link now: the snapshot's word, or worse when it has aged since. */
enum link_state state_link(const struct snapshot *s, const struct link_view *l, int64_t now);
bool state_stale(const struct snapshot *s, int64_t now);
static inline const char *str(const char *s)
{
    return s ? s : "";
}

/* --- find.c ---------------------------------------------------------------------------------------------------- */
const struct snapshot *find_snap(const struct view_data *d, const char *fleet);
const struct rollout_view *find_rollout(const struct view_data *d, const char *fleet, const char *id,
                                        const struct snapshot **snap);
/* What the keys of the screen on top act on: a rollout, or with rollout "" a whole fleet. False when there is nothing
 * that they could mean, with a sentence that says so. */
bool find_target(struct app *a, const struct view_data *d, char fleet[64], char rollout[ID_MAX], struct err *why);
/* Of screens about one rollout: that one. */
bool find_own(struct app *a, const struct view_data *d, const struct frame *f, char fleet[64], char rollout[ID_MAX],
              struct err *why);
/* What a typed word names: "4471" where one fleet only has it, or "fleet/4471". False with *why when no fleet has it,
 * or several. With a fleet's name the id need not be on the board. */
bool find_named(const struct view_data *d, const char *word, char fleet[64], char rollout[ID_MAX], struct err *why);
/* A fleet by its name, or "": that of the screen on top, or of what is highlighted. NULL: there is none, and it was
 * said. */
const struct snapshot *find_fleet(struct app *a, const struct view_data *d, const char *fleet);
/* Does more than one fleet have it? */
bool find_ambiguous(const struct view_data *d, const char *id);
const struct device_row *find_device(const struct snapshot *s, const char *raw);
const char *device_raw(const struct device_row *d);
/* Case-insensitive search of plain text. */
bool find_in(const char *hay, const char *needle);

/* --- parts.c, banner.c: what all screens share ------------------------------------------------------------------- */
struct area {
    int row, rows, cols; /* of the canvas, for the screen's own content */
};
const char *parts_time(const struct app *a, const struct view_data *d, char out[FMT_MAX], int64_t t); /* hh:mm:ssZ */
const char *parts_when(const struct app *a, const struct view_data *d, char out[FMT_MAX], int64_t t); /* with the day */
const char *parts_ago(char out[FMT_MAX], int64_t now, int64_t t); /* "2m05s ago", "never" */
/* Where a screen is: "board › 4471", with several fleets "board › emea/4471". */
enum { PARTS_AT = 160 };
void parts_at(const struct frame *f, const struct view_data *d, char out[PARTS_AT]);
void parts_top(struct app *a, const struct view_data *d, struct canvas *c);
void parts_footer(struct app *a, const struct view_data *d, struct canvas *c);
/* Text broken at blanks into at most `rows` rows, the last one clipped; returns the rows used. c NULL: only counts. */
int parts_wrap(struct canvas *c, int row, int col, int cols, int rows, enum role role, const char *s);
/* A rule with text at its right end. */
/* "emea: older rollouts than its newest 1000 are not known, none of them is halted by this"; false: all are known. */
bool parts_left_out(const struct snapshot *s, char *out, size_t size);
void parts_rule(struct canvas *c, int row, const char *title, const char *right);
int banner_rows(struct app *a, const struct view_data *d, int rows, int cols);
void banner_draw(struct app *a, const struct view_data *d, struct canvas *c, int row, int rows);
/* The rollout that the banner showed when it was last drawn, if it still shows that one; false when it shows another or
 * none: a key is never taken for what came in between. */
bool banner_shown(struct app *a, const struct view_data *d, char fleet[64], char rollout[ID_MAX]);
size_t banner_count(const struct view_data *d);

/* --- the screens ----------------------------------------------------------------------------------------------- */
/* All that the console knows of a screen; each file defines its own, with every member, in this order. */
struct screen {
    void (*draw)(struct app *a, const struct view_data *d, struct canvas *c, struct area at);
    bool (*key)(struct app *a, const struct view_data *d, uint32_t key, struct action *out); /* true: it was its own */
    void (*crumb)(const struct frame *f, const struct view_data *d, char *out, size_t size);
    const char *const *hints; /* "key", "word" pairs of the footer, then NULL; OFFERS stands for verbs that pass now */
    char *(*filter)(struct app *a); /* 256 bytes; NULL = it has none */
    /* What its verbs act on: what is highlighted on it, and nothing else (find_target); NULL = what lies under it. */
    bool (*target)(struct app *a, const struct view_data *d, const struct frame *f, char fleet[64],
                   char rollout[ID_MAX], struct err *why);
    bool reads; /* of the verbs only a halt is taken here */
};
#define OFFERS             "", ""
#define SCREEN(kind, name) extern const struct screen name##_screen;
VIEWS(SCREEN)
#undef SCREEN
const struct screen *screen_of(enum view_kind kind);

/* explain.c: why a wave is judged as it is. wave -1: the one that runs. */
void explain_open(struct app *a, const char *fleet, const struct rollout_view *r, int wave);
/* worst.c: what a row of the board shows of a judged wave. */
struct worst {
    bool known;                  /* a metric: there is a trend and a ratio to control */
    const struct figure *metric; /* when known */
    const char *name;            /* "rbt", "cpu", "var", "inst", "quiet"; of a policy's own the test's */
    int64_t devices;             /* that carry it, when not known */
};
struct worst worst_of(const struct rollout_view *r, const struct wave_view *w);
enum { WORST_TEXT = 64 };
/* "rbt +212%", "inst 2.0%", "quiet 3", the name cut to what the columns hold. blind: the figures are not known. */
void worst_text(char out[WORST_TEXT], const struct wave_view *v, const struct worst *w, bool blind, int cols);
/* rollout.c: one limit on one row. */
void rollout_limit(struct canvas *c, int row, const struct limit_view *v, int64_t now, bool stale);

const char *groups_word(const struct app *a); /* "release": what the board is grouped by */
void groups_release(struct groups *g);        /* frees what it holds */
/* Puts the rollouts that pass the filter together, by what `by` says; rollouts->cmp says which comes first. */
void groups_make(struct app *a, const struct view_data *d, const struct order_source *rollouts);
void group_open(struct groups *g, uint64_t key, bool open); /* the group of this key, or not any more */
/* Whether a row of the board's order is a group's line, and which group's. */
bool group_head(const struct app *a, uint32_t row, size_t *which);
bool group_selected(struct app *a, size_t *which); /* the cursor is on a group's line */
/* The k-th of its rollouts, in the fleets' order; NULL behind the last. */
const struct rollout_view *group_nth(const struct app *a, const struct view_data *d, size_t which, size_t k,
                                     const struct snapshot **s);
/* Of a group's line: what its rollouts have in common; "2 HALT, 1 RUN". */
void group_title(const struct app *a, const struct view_data *d, size_t which, char *out, size_t size);
void group_states(const struct app *a, const struct view_data *d, size_t which, char *out, size_t size);
/* answers.c: what the newest snapshots say of what was asked of several fleets is kept. */
void answers_follow(struct app *a, const struct view_data *d);
/* Opens the screen of what each fleet answers to out->intent and its others. */
void answers_open(struct app *a, const struct view_data *d, const struct action *out, const char *what);
/* Orders the rows, keeps the cursor on its rollout. */
void board_sync(struct app *a, const struct view_data *d);
void board_draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at);
const char *board_sort_word(const struct app *a);
/* The i-th rollout of all fleets, as the board's order counts them; NULL behind the last: a group's line. */
const struct rollout_view *board_at(const struct view_data *d, uint32_t i, const struct snapshot **s);
/* Puts the board's cursor on it, if it is there; takes the filter away when that hides it. */
void board_select(struct app *a, const struct view_data *d, const char *fleet, const char *rollout);
bool board_selected(struct app *a, const struct view_data *d, const struct snapshot **s, const struct rollout_view **r);
/* Rows that the panels below the list take out of `rows`; *set says which. */
int panels_rows(const struct view_data *d, int rows, size_t want, int *set);
void panels_draw(struct app *a, const struct view_data *d, struct canvas *c, int row, int set);
/* How the metric stands: by its worst limit, or by a test of it that says more; word "no limit" where nobody says
 * anything.
 */
struct look plots_look(const struct snapshot *s, const struct rollout_view *r, const struct wave_view *w,
                       const struct figure *m);
/* The canary's history of a figure in one row. */
void plots_spark(struct canvas *c, int row, int col, int cols, enum role role, const struct wave_view *w,
                 const struct figure *m);
const char *plots_when(const struct snapshot *s, char out[80]);
enum { PLOTS = 3 };                                                       /* side by side, or one below the other */
const struct figure *plots_figure(const struct wave_view *w, size_t row); /* a metric's; figure_unknown: it has none */
/* The figures that are plotted: those of the metrics that have a column (core/column.h), in the order of the set; where
 * they are more than PLOTS what is worst in the wave comes first, and before it the metric `first` ("" none). */
size_t plots_order(const struct snapshot *s, const struct rollout_view *r, const struct wave_view *w, const char *first,
                   const struct figure *out[METRICS_MAX]);
/* The metric that comes first after this one; "" after the last, and before the first. */
void plots_next(char metric[METRIC_ID_MAX + 1], const struct evidence_policy *p);
void plots_draw(const struct view_data *d, const struct snapshot *s, struct canvas *c, int row,
                const struct rollout_view *r, const struct wave_view *w, const struct figure *const *v, size_t n);
/* The same in one line a metric. */
void plots_lines(const struct view_data *d, const struct snapshot *s, struct canvas *c, int row,
                 const struct rollout_view *r, const struct wave_view *w, const struct figure *const *v, size_t n);
enum { PLOT_ROWS = 9, PLOT_LINES = 4 };
void devices_sync(struct app *a, const struct view_data *d);
void devices_draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at);
/* devices.c, devices_draw.c: the metrics of the policy that the listed rollout has; what the list is sorted by (-1: no
 * metric); the metrics that have a column, what is worst in the wave first. */
const struct evidence_policy *devices_policy(const struct frame *f, const struct snapshot *s);
const char *devices_sort_word(const struct app *a, const struct evidence_policy *p);
int devices_sort_metric(const struct app *a, const struct evidence_policy *p);
size_t devices_worst(const struct frame *f, const struct snapshot *s, uint8_t out[METRICS_MAX]);
/* When the filter compares something that no metric is called: a sentence that says so, else NULL. */
const char *devices_unknown(const struct app *a, const struct evidence_policy *p, char out[160]);
bool devices_marked(const struct app *a, uint64_t id_hash);
/* The marked (or all shown) devices as CSV, to be freed; NULL when the list is not there. */
char *devices_csv(struct app *a, const struct view_data *d, size_t *count);
/* queue.c: what to roll out next, of a fleet ("": of what is highlighted). */
void queue_open(struct app *a, const struct view_data *d, const char *fleet);
/* patch.c: how long patching takes. */
void patch_open(struct app *a, const struct view_data *d, const char *fleet);
/* inventory.c: the inventory of a fleet ("": of what is highlighted); as CSV, to be freed, NULL = there is none. */
void inventory_open(struct app *a, const struct view_data *d, const char *fleet);
char *inventory_dump(struct app *a, const struct view_data *d);
bool auditlog_want(struct app *a, const struct view_data *d, struct action *out);

/* --- offer.c: which verbs would pass now. Banner, footer, screens and dialog all ask here, so that no key is
 * advertised that is then refused. ------------------------------------------------------------------------------- */
/* May it go ahead by these facts, once what is still to be typed (reason) has been typed? */
bool offer_passes(const struct intent *in, const struct verb_facts *f, struct err *why);
/* The same for a rollout of a fleet (rollout "": all of it) as the newest snapshot has them. why may be NULL. */
bool offer_verb(const struct view_data *d, const char *fleet, const char *rollout, enum verb v, struct err *why);
/* What `a` would act on: the highlighted rollout when it is halted, else the one that the banner shows. */
bool offer_ack(struct app *a, const struct view_data *d, char fleet[64], char rollout[ID_MAX], struct err *why);
/* The i-th verb, from 0 to VERB_COUNT - 2, as people are shown them: the halt first, then as the table has them. */
enum verb offer_nth(int i);
/* The footer's pairs with the verbs in them that pass now; NULL behind the last. */
enum { HINTS_MAX = 80 };
void offer_hints(struct app *a, const struct view_data *d, const char *const *hints, const char *out[HINTS_MAX]);

/* Opens the dialog of a verb on what find_target says, or on the object that is named, its target frozen; false with a
 * message when there is nothing that it could mean. Refresh renders the preview anew, key handles one key, draw paints
 * it over the screen; complete: all that its verb needs has been typed. */
bool dialog_open(struct app *a, const struct view_data *d, enum verb v);
void dialog_open_on(struct app *a, const struct view_data *d, enum verb v, const char *fleet, const char *rollout);
/* A halt's: all rollouts of its firmware, or the one; false: its firmware is not known. */
bool dialog_everywhere(struct app *a, const struct view_data *d, bool on);
void dialog_refresh(struct app *a, const struct view_data *d);
void dialog_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out);
void dialog_draw(struct app *a, const struct view_data *d, struct canvas *c);
bool dialog_complete(const struct dialog *g);
/* plan.c. `release`: NAME:VERSION to begin with, "". */
void plan_open(struct app *a, const struct snapshot *s, const char *release);
void plan_refresh(struct app *a, const struct view_data *d); /* a newer snapshot: one that is kept closes the dialog */
void plan_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out);
void plan_paste(struct app *a, uint32_t key);
void plan_draw(struct app *a, const struct view_data *d, struct canvas *c);
/* dialog_several.c: a halt of a whole fleet, and of a firmware in all fleets. */
void dialog_fleet_preview(struct dialog *g, const struct snapshot *s, int64_t now);
void dialog_everywhere_preview(struct dialog *g, const struct view_data *d);
void dialog_submit_everywhere(struct app *a, const struct view_data *d, struct action *out);
enum strength dialog_harder(const struct dialog *g); /* what S makes of a halt's strength; the same: nothing */
bool dialog_by_enter(enum verb v);                   /* Enter is its last key */
const char *dialog_missing(const struct dialog *g);  /* what keeps its button locked; "" when nothing does */

/* The line at the bottom: a command, a filter, an answer. */
void command_open(struct app *a, enum prompt_kind kind, const char *text);
void command_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out);
void command_draw(struct app *a, struct canvas *c);
char *app_filter(struct app *a); /* of the screen on top; NULL when it has none */

#endif
