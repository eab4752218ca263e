/* The banner: what is wrong and that nobody has acknowledged. It takes rows from the list and never covers it. */
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "views/app.h"

struct item {
    const struct snapshot *s;
    const struct rollout_view *r; /* NULL: the fleet */
    enum alert_kind kind;
    const char *text;
    int64_t since;
    const char *rollout;
};
enum { ITEMS_MAX = 64 };

static int urgency(enum alert_kind k)
{
    switch (k) {
    case ALERT_ESCALATED:
        return 0;
    case ALERT_HALT:
        return 1;
    case ALERT_UNKNOWN_OP:
        return 2;
    case ALERT_LOG:
        return 3;
    case ALERT_LOST:
    case ALERT_UNLISTED:
        return 4;
    case ALERT_EXTERNAL:
        return 5;
    case ALERT_OTHER:
        return 6;
    case ALERT_WATCH:
        return 9;
    }
    return 9;
}

static void add(struct item *v, size_t *n, struct item it)
{
    size_t i = *n < ITEMS_MAX ? (*n)++ : ITEMS_MAX - 1;
    if (*n == ITEMS_MAX && i == ITEMS_MAX - 1 && urgency(v[i].kind) <= urgency(it.kind) && v[i].s)
        return;
    while (i > 0 && urgency(v[i - 1].kind) > urgency(it.kind)) {
        v[i] = v[i - 1];
        i--;
    }
    v[i] = it;
}

static bool told_of(const struct snapshot *s, enum alert_kind kind, const char *rollout)
{
    for (size_t i = 0; i < s->n_alerts; i++) {
        if (s->alerts[i].kind == kind && !strcmp(str(s->alerts[i].rollout), rollout))
            return true;
    }
    return false;
}

static void gather_fleet(const struct snapshot *s, int64_t now, struct item *v, size_t *n)
{
    for (size_t i = 0; i < s->n_alerts; i++) {
        const struct alert *al = &s->alerts[i];
        if (al->acked || al->kind == ALERT_WATCH)
            continue;
        const struct rollout_view *r = *str(al->rollout) ? snapshot_rollout(s, al->rollout) : NULL;
        add(v, n, (struct item){s, r, al->kind, str(al->text), al->since, str(al->rollout)});
    }
    /* What the alerts do not name but the snapshot shows. */
    for (size_t i = 0; i < s->n_rollouts; i++) {
        const struct rollout_view *r = &s->rollouts[i];
        const char *id = str(r->rollout.id);
        if (*state_halt(r).word && !told_of(s, ALERT_HALT, id) && !told_of(s, ALERT_ESCALATED, id))
            add(v, n,
                (struct item){s, r, r->stop == STOP_ESCALATED ? ALERT_ESCALATED : ALERT_HALT, str(r->halt_text),
                              r->halted_at, id});
    }
    if (s->audit.degraded && !told_of(s, ALERT_LOG, ""))
        add(v, n,
            (struct item){s, NULL, ALERT_LOG, "the log can't be written: only halts go out, entries wait in memory", 0,
                          ""});
    if (state_stale(s, now))
        add(v, n, (struct item){s, NULL, ALERT_LOST, "", s->link.last_ok, ""});
    enum link_state tel = state_link(s, &s->telemetry, now);
    if ((tel == LINK_STALE || tel == LINK_FAILED) && !told_of(s, ALERT_LOST, ""))
        add(v, n,
            (struct item){s, NULL, ALERT_LOST,
                          tel == LINK_FAILED && *str(s->telemetry.error)
                              ? s->telemetry.error
                              : "its newest answer is old: unknown is not healthy",
                          s->telemetry.last_ok, ""});
}

static size_t gather(const struct view_data *d, struct item *v)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n_snaps; i++) {
        if (d->snaps[i])
            gather_fleet(d->snaps[i], d->now, v, &n);
    }
    return n;
}

size_t banner_count(const struct view_data *d)
{
    struct item v[ITEMS_MAX];
    return gather(d, v);
}

static bool stale_item(const struct item *it)
{
    return it->kind == ALERT_LOST && !*it->text;
}

/* Screens of one rollout show that rollout's alert first. */
static size_t which(struct app *a, const struct item *v, size_t n)
{
    const struct frame *f = app_top(a);
    if (a->banner_at == 0 && f->rollout[0]) {
        for (size_t i = 0; i < n; i++) {
            if (!strcmp(v[i].rollout, f->rollout) && !strcmp(str(v[i].s->fleet), f->fleet))
                return i;
        }
    }
    return n ? a->banner_at % n : 0;
}

bool banner_shown(struct app *a, const struct view_data *d, char fleet[64], char rollout[ID_MAX])
{
    struct item v[ITEMS_MAX];
    size_t n = gather(d, v), i = which(a, v, n);
    if (n == 0 || !a->banner_rollout[0] || strcmp(str(v[i].s->fleet), a->banner_fleet) != 0 ||
        strcmp(v[i].rollout, a->banner_rollout) != 0)
        return false;
    memcpy(fleet, a->banner_fleet, sizeof a->banner_fleet);
    memcpy(rollout, a->banner_rollout, sizeof a->banner_rollout);
    return true;
}

static bool large(const struct app *a, const struct item *v, size_t n, int rows, int cols)
{
    (void)a;
    bool halt = n > 0 && (v[0].kind == ALERT_HALT || v[0].kind == ALERT_ESCALATED);
    return halt && (n > 1 || v[0].kind == ALERT_ESCALATED) && rows >= 24 && cols >= 70;
}

/* With the mark, for the row above the words. */
static const char *halt_word(const struct rollout_view *r)
{
    switch (r->stop) {
    case STOP_FREE:
    case STOP_HELD:
    case STOP_ACKED:
    case STOP_LOOSE:
        break;
    case STOP_HALTED:
        return r->stop_old ? "✖ HALTED WHEN LAST SEEN" : "✖ HALT";
    case STOP_ASKED:
    case STOP_LIFTING:
        return "✖ HALT on its way";
    case STOP_ESCALATED:
    case STOP_UNSEEN:
    case STOP_RECALLED:
        return "✖ HALT NOT CONFIRMED";
    case STOP_STANDBY:
        return "✖ HALT, not started";
    case STOP_DOUBT:
    case STOP_RUNS:
        return r->stop_old ? "✖ RAN WHEN LAST SEEN" : "✖ HALTED, BUT RUNNING";
    case STOP_OVER:
        return "✖ HALT, ended";
    case STOP_CLAIMED:
        return "✖ HALT CLAIMED";
    case STOP_CLAIM_RUN:
        return "✖ HALT CLAIMED, BUT RUNNING";
    case STOP_PHASES:
        break;
    }
    return "✖ HALT";
}

static const char *kind_word(const struct item *it)
{
    switch (it->kind) {
    case ALERT_ESCALATED:
        return "✖ HALT NOT CONFIRMED";
    case ALERT_HALT:
        return !it->r ? "✖ HALT" : halt_word(it->r);
    case ALERT_UNKNOWN_OP:
        return "? OUTCOME UNKNOWN";
    case ALERT_LOG:
        return "▲ LOG";
    case ALERT_LOST:
        return !stale_item(it) ? "▲ TELEMETRY" : it->s->link.last_ok > 0 ? "▲ STALE" : "▲ NO LINK";
    case ALERT_UNLISTED:
        return "▲ DEVICES";
    case ALERT_EXTERNAL:
        return "▲ CHANGED ELSEWHERE";
    case ALERT_OTHER:
        return "▲ ANOTHER ROLLOUT";
    case ALERT_WATCH:
        return "▲ WATCH";
    }
    return "▲";
}

/* What can be done from here: only what would not be refused. */
struct advice {
    int64_t now;
    bool ack;  /* of `fleet`, `rollout` */
    bool next; /* `n` is not the screen's own */
    bool open; /* Enter opens what the banner shows */
    char fleet[64], rollout[ID_MAX];
    struct err why; /* why it can't be acknowledged */
};

static struct advice advise(struct app *a, const struct view_data *d, const struct item *it)
{
    struct advice k = {.now = d->now, .next = app_top(a)->kind != VIEW_AUDIT};
    char fleet[64], rollout[ID_MAX];
    snprintf(a->banner_fleet, sizeof a->banner_fleet, "%s", str(it->s->fleet));
    snprintf(a->banner_rollout, sizeof a->banner_rollout, "%.71s", it->r && it->r->latched ? it->rollout : "");
    k.ack = !screen_of(app_top(a)->kind)->reads && offer_ack(a, d, k.fleet, k.rollout, &k.why);
    k.open = app_top(a)->kind == VIEW_BOARD && it->r && find_target(a, d, fleet, rollout, NULL) &&
             !strcmp(fleet, a->banner_fleet) && !strcmp(rollout, it->rollout);
    return k;
}

static void subject(const struct item *it, char *out, size_t size)
{
    if (it->r && *str(it->r->rollout.release.name))
        snprintf(out, size, "%s %.60s %.40s %.60s", it->rollout, it->r->rollout.release.name,
                 str(it->r->rollout.release.version), str(it->s->fleet));
    else
        snprintf(out, size, "%s%s%.60s", it->rollout, *it->rollout ? " " : "", str(it->s->fleet));
}

static void words(const struct item *it, char *out, size_t size)
{
    if (stale_item(it))
        snprintf(out, size, "%.200s. Only %s until data is fresh.",
                 *str(it->s->link.error) ? it->s->link.error : "the fleet server does not answer",
                 it->s->link.last_ok > 0 ? "H and a" : "H");
    else {
        /* "HALT" stands above it: the figures need the room. */
        static const char said[] = "halted by rule ";
        bool twice = it->kind == ALERT_HALT && !strncmp(it->text, said, sizeof said - 1);
        snprintf(out, size, "%.300s", it->text + (twice ? sizeof said - 1 : 0));
    }
    size_t n = strlen(out);
    while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == ':')) /* "halted by m.ito: " without a reason */
        out[--n] = '\0';
}

/* "a ack", or with the rollout that the key would act on when that is not the one shown; "" when it would be refused.
 */
static void ack_hint(const struct advice *k, const struct item *it, char *out, size_t size)
{
    bool same = !strcmp(k->rollout, it->rollout) && !strcmp(k->fleet, str(it->s->fleet));
    snprintf(out, size, "%s%s%s", k->ack ? "  a ack" : "", k->ack && !same ? " " : "",
             k->ack && !same ? k->rollout : "");
}

static void small_right(const struct item *it, size_t i, size_t n, const struct advice *k, char *out, size_t size)
{
    char ago[FMT_MAX], ack[120];
    ack_hint(k, it, ack, sizeof ack);
    snprintf(out, size, "%s%s%s", it->since > 0 ? parts_ago(ago, k->now, it->since) : "", ack,
             n > 1 && k->next ? "  n next" : "");
    if (n > 1) {
        size_t at = strlen(out);
        snprintf(out + at, size - at, " %zu/%zu", i + 1, n);
    }
}

/* Whether its words need a row of their own. */
static bool two_rows(const struct item *it, size_t i, size_t n, const struct advice *k, int rows, int cols)
{
    char subj[240], text[400], right[220];
    if (rows < 20)
        return false;
    subject(it, subj, sizeof subj);
    words(it, text, sizeof text);
    small_right(it, i, n, k, right, sizeof right);
    return text_width(kind_word(it)) + 1 + text_width(subj) + 2 + text_width(text) + text_width(right) + 2 > cols;
}

int banner_rows(struct app *a, const struct view_data *d, int rows, int cols)
{
    struct item v[ITEMS_MAX];
    size_t n = gather(d, v);
    if (n == 0)
        return 0;
    if (large(a, v, n, rows, cols))
        return 6;
    size_t i = which(a, v, n);
    struct advice k = advise(a, d, &v[i]);
    return two_rows(&v[i], i, n, &k, rows, cols) ? 2 : 1;
}

static void small(const struct item *it, size_t i, size_t n, const struct advice *k, struct canvas *c, int row,
                  int rows)
{
    bool bad = it->kind == ALERT_HALT || it->kind == ALERT_ESCALATED || it->kind == ALERT_UNKNOWN_OP;
    enum role role = bad ? ROLE_BANNER : ROLE_BANNER_WARN;
    char subj[240], text[400], right[220];
    subject(it, subj, sizeof subj);
    words(it, text, sizeof text);
    small_right(it, i, n, k, right, sizeof right);
    for (int r = 0; r < rows; r++)
        canvas_fill(c, row + r, 0, -1, role, ' ');
    int col = canvas_text(c, row, 0, -1, role, kind_word(it)) + 1;
    int rw = text_width(right) + 1;
    int room = c->cols - rw - 1;
    if (room < c->cols / 2) {
        rw = 0;
        room = c->cols;
    }
    col += canvas_text(c, row, col, room - col, role, subj) + 2;
    if (rows > 1)
        canvas_text(c, row + 1, 2, c->cols - 3, role, text);
    else if (col < room)
        canvas_text(c, row, col, room - col, role, text);
    if (rw)
        canvas_text(c, row, c->cols - rw, rw, role, right);
}

static void big(const struct item *it, size_t i, size_t n, const struct advice *k, const struct app *a,
                const struct view_data *d, struct canvas *c, int row)
{
    char subj[240], line[512], count[32], t[FMT_MAX], dur[FMT_MAX], num[FMT_MAX];
    for (int r = 0; r < 6; r++) {
        canvas_fill(c, row + r, 0, -1, ROLE_BANNER, r == 0 || r == 5 ? 0x2588 : ' ');
        canvas_fill(c, row + r, 0, 2, ROLE_BANNER, 0x2588);
        canvas_fill(c, row + r, c->cols - 2, 2, ROLE_BANNER, 0x2588);
    }
    int w = c->cols - 8;
    subject(it, subj, sizeof subj);
    snprintf(count, sizeof count, "%zu of %zu", i + 1, n);
    int used = canvas_printf(c, row + 1, 4, w - 10, ROLE_BANNER, "%s  %s", kind_word(it), subj);
    if (it->r && it->r->current >= 0)
        canvas_printf(c, row + 1, 4 + used, w - 10 - used, ROLE_BANNER, "  wave %d", it->r->current);
    canvas_right(c, row + 1, 4, w, ROLE_BANNER, count);
    words(it, line, sizeof line);
    canvas_text(c, row + 2, 4, w, ROLE_BANNER, line);
    const char *flight = "";
    char buf[120];
    if (it->r && it->r->in_flight == 0)
        flight = "Nothing in flight.";
    else if (it->r && it->r->in_flight > 0)
        snprintf(buf, sizeof buf, "%s in flight go on.", fmt_count(num, it->r->in_flight)), flight = buf;
    else if (it->r)
        flight = "In flight: not known.";
    if (it->kind == ALERT_HALT && it->r && it->r->latched && it->r->stop != STOP_ASKED)
        snprintf(line, sizeof line, "%s %s by %.60s, %s ago. %s Nobody acked.",
                 state_halt(it->r).true_now ? "halted" : "halt asked", parts_time(a, d, t, it->since),
                 str(it->r->halted_by), fmt_dur(dur, it->since > 0 ? d->now - it->since : 0), flight);
    else
        snprintf(line, sizeof line, "since %s. %s", parts_time(a, d, t, it->since), flight);
    canvas_text(c, row + 3, 4, w, ROLE_BANNER, line);
    ack_hint(k, it, buf, sizeof buf);
    if (!k->ack && it->r && it->r->latched && k->why.code != ERR_NONE)
        snprintf(line, sizeof line, "%.160s", k->why.what);
    else
        snprintf(line, sizeof line, "%s%s%s%sz silence bell 10m", buf + (k->ack ? 2 : 0), k->ack ? "    " : "",
                 k->open ? "↵ open    " : "", n > 1 && k->next ? "n next alert    " : "");
    canvas_text(c, row + 4, 4, w, ROLE_BANNER, line);
}

void banner_draw(struct app *a, const struct view_data *d, struct canvas *c, int row, int rows)
{
    struct item v[ITEMS_MAX];
    size_t n = gather(d, v);
    a->banner_fleet[0] = a->banner_rollout[0] = '\0';
    if (n == 0 || rows < 1)
        return;
    size_t i = which(a, v, n);
    struct advice k = advise(a, d, &v[i]);
    if (rows >= 6 && !stale_item(&v[i]))
        big(&v[i], i, n, &k, a, d, c, row);
    else
        small(&v[i], i, n, &k, c, row, rows == 2 ? 2 : 1);
}
