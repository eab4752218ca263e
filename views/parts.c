/* What all screens share: the top line (environment, where we are, freshness, who), the footer's keys, rules. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/text.h"
#include "views/app.h"

static const char *dash(char out[FMT_MAX])
{
    snprintf(out, FMT_MAX, "-");
    return out;
}

static const char *clock_text(const struct app *a, const struct view_data *d, char out[FMT_MAX], int64_t t, bool day)
{
    if (t <= 0)
        return dash(out);
    bool local = d->local_time != a->utc_toggle;
    if (!local) {
        char iso[FMT_MAX];
        if (!day)
            return fmt_hms(out, t);
        fmt_iso(iso, t); /* 2031-03-14T12:39:02.114Z */
        snprintf(out, FMT_MAX, "%.10s %.8sZ", iso, strlen(iso) > 11 ? iso + 11 : "");
        return out;
    }
    time_t secs = (time_t)(t / US_PER_S);
    struct tm tm;
    if (!localtime_r(&secs, &tm))
        return dash(out);
    if (day)
        snprintf(out, FMT_MAX, "%04d-%02d-%02d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
    else
        snprintf(out, FMT_MAX, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
    return out;
}

const char *parts_time(const struct app *a, const struct view_data *d, char out[FMT_MAX], int64_t t)
{
    return clock_text(a, d, out, t, false);
}

const char *parts_when(const struct app *a, const struct view_data *d, char out[FMT_MAX], int64_t t)
{
    int64_t apart = d->now > t ? d->now - t : t - d->now;
    return clock_text(a, d, out, t, apart > US_PER_DAY);
}

const char *parts_ago(char out[FMT_MAX], int64_t now, int64_t t)
{
    if (t <= 0) {
        snprintf(out, FMT_MAX, "never");
        return out;
    }
    char dur[FMT_MAX];
    snprintf(out, FMT_MAX, "%.32s ago", fmt_dur(dur, now > t ? now - t : 0));
    return out;
}

int parts_wrap(struct canvas *c, int row, int col, int cols, int rows, enum role role, const char *s)
{
    int used = 0;
    if (cols < 1 || rows < 1)
        return 0;
    while (*s && used < rows) {
        size_t cut = used + 1 < rows ? text_fit(s, cols) : strlen(s);
        if (s[cut]) {
            size_t word = cut;
            while (word > 0 && s[word] != ' ')
                word--;
            cut = word > 0 ? word : cut;
        }
        if (cut == 0) /* not even one character fits */
            break;
        if (c)
            canvas_printf(c, row + used, col, cols, role, "%.*s", (int)cut, s);
        used++;
        s += cut;
        s += strspn(s, " ");
    }
    return used;
}

void parts_rule(struct canvas *c, int row, const char *title, const char *right)
{
    canvas_rule(c, row, 0, -1, ROLE_TITLE, title);
    int w = right ? text_width(right) : 0, tw = title ? text_width(title) : 0;
    if (w == 0 || w + tw + 10 > c->cols)
        return;
    int at = c->cols - w - 4;
    canvas_fill(c, row, at, w + 2, ROLE_DIM, ' ');
    canvas_text(c, row, at + 1, w, ROLE_DIM, right);
}

/* Draws "k word" pairs: keys in ROLE_KEY, words in ROLE_DIM; text is "↵|open|/|filter". Returns columns. */
static int parts_keys(struct canvas *c, int row, int col, int cols, const char *const *pairs)
{
    int used = 0;
    for (; pairs[0]; pairs += 2) {
        /* whole pairs only: half a key word is worse than none */
        int room = cols - used;
        int key = text_width(pairs[0]), word = text_width(pairs[1]);
        if (c->ascii && !strcmp(pairs[0], "↵"))
            key = 5;
        if (key + 1 + word > room)
            break;
        used += canvas_text(c, row, col + used, room, ROLE_KEY, pairs[0]);
        used += 1;
        used += canvas_text(c, row, col + used, cols - used, ROLE_DIM, pairs[1]);
        used += 2;
    }
    return used;
}

/* The fleet whose freshness the top line shows: the screen's, or the worst on the board. */
static const struct snapshot *top_snap(struct app *a, const struct view_data *d, enum link_state *state)
{
    const struct frame *f = app_top(a);
    const struct snapshot *worst = f->fleet[0] ? find_snap(d, f->fleet) : NULL;
    if (worst) {
        *state = state_link(worst, &worst->link, d->now);
        return worst;
    }
    *state = LINK_NONE;
    for (size_t i = 0; i < d->n_snaps; i++) {
        const struct snapshot *s = d->snaps[i];
        enum link_state st = s ? state_link(s, &s->link, d->now) : LINK_NONE;
        if (s && (!worst || st > *state))
            worst = s, *state = st;
    }
    return worst;
}

static enum role freshness(const struct snapshot *s, enum link_state st, int64_t now, char *out, size_t size)
{
    char dur[FMT_MAX], ms[FMT_MAX];
    fmt_dur(dur, s->link.last_ok > 0 && now > s->link.last_ok ? now - s->link.last_ok : 0);
    switch (st) {
    case LINK_NONE:
        snprintf(out, size, "○ no back end");
        return ROLE_DIM;
    case LINK_CONNECTING:
        snprintf(out, size, "◌ connecting");
        return ROLE_SLOW;
    case LINK_LIVE:
        fmt_count(ms, s->link.rtt_us / US_PER_MS);
        snprintf(out, size, "● live %s  api %sms", dur, ms);
        return ROLE_LIVE;
    case LINK_SLOW:
        snprintf(out, size, "◌ slow %s", dur);
        break;
    case LINK_STALE:
        snprintf(out, size, "! STALE %s", dur);
        break;
    case LINK_FAILED:
        if (s->link.last_ok > 0)
            snprintf(out, size, "! STALE %s", dur);
        else
            snprintf(out, size, "! NO LINK");
        break;
    }
    if (s->link.retries > 0) {
        size_t n = strlen(out);
        snprintf(out + n, size - n, "  retry %d", s->link.retries);
    }
    return st == LINK_SLOW ? ROLE_SLOW : ROLE_LOST;
}

static void environment(struct app *a, const struct view_data *d, char *out, size_t size, bool *prod)
{
    const struct frame *f = app_top(a);
    *prod = false;
    out[0] = '\0';
    for (size_t i = 0; i < d->n_snaps; i++) {
        const struct snapshot *s = d->snaps[i];
        if (!s || (f->fleet[0] && strcmp(f->fleet, str(s->fleet)) != 0))
            continue;
        *prod = *prod || s->production;
        const char *env = *str(s->environment) ? s->environment : s->production ? "prod" : "";
        size_t n = strlen(out);
        if (*env && !find_in(out, env))
            snprintf(out + n, size - n, "%s%.24s", n ? "+" : "", env);
    }
}

void parts_at(const struct frame *f, const struct view_data *d, char out[PARTS_AT])
{
    bool many = d->n_snaps > 1;
    snprintf(out, PARTS_AT, "board › %s%s%s", many ? f->fleet : "", many ? "/" : "", f->rollout);
}

/* From right to left; what matters least goes first when there is no room. Returns the leftmost column used. */
static int top_right(struct app *a, const struct view_data *d, struct canvas *c, int left)
{
    enum link_state st;
    const struct snapshot *s = top_snap(a, d, &st);
    char fresh[96] = "", t[FMT_MAX], who[96];
    enum role role = s ? freshness(s, st, d->now, fresh, sizeof fresh) : ROLE_DIM;
    bool rw = false;
    const struct frame *f = app_top(a);
    for (size_t i = 0; i < d->n_snaps; i++)
        rw = rw ||
             (d->snaps[i] && !d->snaps[i]->read_only && (!f->fleet[0] || !strcmp(f->fleet, str(d->snaps[i]->fleet))));
    parts_time(a, d, t, d->now);
    snprintf(who, sizeof who, "%.40s %s", str(d->user), d->n_snaps == 0 ? "" : rw ? "RW" : "READ ONLY");
    int at = c->cols - 1, room = c->cols - left - 2;
    int need_fresh = text_width(fresh);
    char *api = strstr(fresh, "  api ");
    if (api && need_fresh + 2 + (int)strlen(t) + 2 + text_width(who) > room) {
        *api = '\0';
        need_fresh = text_width(fresh);
    }
    if (need_fresh + 2 + text_width(who) <= room && *who) {
        at -= text_width(who);
        canvas_text(c, 0, at, -1, rw ? ROLE_BAR : ROLE_BAR_PROD, who);
        room -= text_width(who) + 2;
        at -= 2;
    }
    if (need_fresh + 2 + (int)strlen(t) <= room) {
        at -= (int)strlen(t);
        canvas_text(c, 0, at, -1, ROLE_BAR, t);
        at -= 2;
    }
    at -= need_fresh;
    if (at < 0)
        at = 0;
    canvas_text(c, 0, at, need_fresh, role, fresh);
    return at;
}

void parts_top(struct app *a, const struct view_data *d, struct canvas *c)
{
    char env[80], where[320];
    bool prod;
    environment(a, d, env, sizeof env, &prod);
    screen_of(app_top(a)->kind)->crumb(app_top(a), d, where, sizeof where);
    canvas_fill(c, 0, 0, -1, ROLE_BAR, ' ');
    int col = 1;
    if (c->cols >= 60 || !*env)
        col += canvas_text(c, 0, col, -1, ROLE_BAR, "andon ");
    if (*env) {
        enum role role = prod ? ROLE_BAR_PROD : ROLE_BAR;
        col += canvas_text(c, 0, col, 1, role, c->ascii ? "[" : "▏");
        col += canvas_text(c, 0, col, c->cols / 3, role, env);
        col += canvas_text(c, 0, col, 1, role, c->ascii ? "]" : "▕");
        col += 1;
    }
    /* Freshness never goes: the crumb takes what is left. */
    int right = top_right(a, d, c, col + 6);
    if (right - col > 2)
        canvas_text(c, 0, col, right - col - 1, ROLE_BAR, where);
}

/* Where not all fit, the key that names the others stays. */
static void parts_hints(struct canvas *c, int row, const char *const *pairs)
{
    const char *rest[HINTS_MAX], *help[] = {NULL, NULL, NULL};
    const char *const *all = pairs;
    int need = 0, room = c->cols - 1, n = 0;
    for (; pairs[0]; pairs += 2) {
        bool is_help = !strcmp(pairs[0], "?");
        const char **to = is_help ? help : &rest[n];
        to[0] = pairs[0], to[1] = pairs[1];
        n += is_help ? 0 : 2;
        need +=
            (need ? 2 : 0) + (c->ascii && !strcmp(pairs[0], "↵") ? 5 : text_width(pairs[0])) + 1 + text_width(pairs[1]);
    }
    rest[n] = NULL;
    if (need <= room || !help[0]) {
        parts_keys(c, row, 1, room, all);
        return;
    }
    int used = parts_keys(c, row, 1, room - text_width(help[0]) - text_width(help[1]) - 3, rest);
    parts_keys(c, row, 1 + used, room - used, help);
}

void parts_footer(struct app *a, const struct view_data *d, struct canvas *c)
{
    static const char *const START[] = {"?", "help", "l", "audit", "q", "quit", NULL};
    const char *pairs[HINTS_MAX];
    bool start = d->n_snaps == 0 && app_top(a)->kind == VIEW_BOARD;
    canvas_fill(c, c->rows - 1, 0, -1, ROLE_TEXT, ' ');
    offer_hints(a, d, start ? START : screen_of(app_top(a)->kind)->hints, pairs);
    parts_hints(c, c->rows - 1, pairs);
}

bool parts_left_out(const struct snapshot *s, char *out, size_t size)
{
    snprintf(out, size, "%.40s: older rollouts than its newest %zu are not known, none of them is halted by this",
             str(s->fleet), s->n_rollouts);
    return s->rollouts_known && s->rollouts_clipped;
}
