#include "core/placebo.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/detmath.h"
#include "core/fmt.h"
#include "core/json.h"
#include "core/ranktest.h"
#include "core/strata.h"
#include "core/text.h"
#include "core/trial_state.h"

#define BYTES_MAX ((size_t)64 << 20)
#define CELLS_MAX ((size_t)1 << 21)
#define COUNT_MAX 1000 /* events; more are as many */
#define NAMED     4
#define OCTAVE    16 /* classes of a gauge to twice the value */
#define VALUE_MAX (OCTAVE * 128)

/* ---- one number a device ---- */

static int16_t log_class(double v)
{
    double c = v > 0 ? floor(det_log(v) / det_log(2) * OCTAVE + 0.5) : -VALUE_MAX;
    return (int16_t)(c < -VALUE_MAX ? -VALUE_MAX : c > VALUE_MAX ? VALUE_MAX : c);
}

/* Of what may be below 0, which has no scale of its own: the same classes to both sides, from a millionth on. */
static int16_t signed_class(double v)
{
    int16_t c = log_class(1 + fabs(v) * 0x1p20);
    return (int16_t)(v < 0 ? -c : c);
}

static int16_t count_class(double v, double most)
{
    return (int16_t)(v < most ? floor(v + 0.5) : most);
}

/* False: not known of this device. */
static bool class_of(const struct evidence_policy *e, size_t row, const struct trial_past *past, int16_t *out)
{
    struct metric_def d;
    int column = metric_column(e, row);
    metric_get(e, row, &d);
    if (d.kind == KIND_PRESENCE) {
        *out = past->away >= 0 ? count_class(100 * past->away, 100) : 0;
        return past->away >= 0;
    }
    if (column < 0)
        return false;
    double day = past->base[column], hour = past->hour[column];
    if (d.kind == KIND_COUNTER || d.kind == KIND_EVENT) {
        double v = day >= 0 ? day : hour;
        *out = v >= 0 ? count_class(v, COUNT_MAX) : 0;
        return v >= 0;
    }
    double v = !d.own ? hour : d.diff ? hour - day : hour / day;
    if (!isfinite(v) || (!d.diff && (!(hour >= 0) || (d.own && !(day > 0)))))
        return false;
    *out = d.diff ? signed_class(v) : log_class(v);
    return true;
}

/* ---- counts ---- */

void placebo_init(struct placebo *p, const struct evidence_policy *e)
{
    *p = (struct placebo){0};
    for (size_t row = 0; row < metric_count(e); row++) {
        struct metric_def d;
        metric_get(e, row, &d);
        if (d.kind != KIND_OUTCOME && d.share > 0)
            p->rows |= 1U << row;
    }
}

void placebo_release(struct placebo *p)
{
    free(p->v);
    *p = (struct placebo){0};
}

static void put(struct placebo *p, const struct placebo_cell *c)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 256;
        p->v = xreallocarray(p->v, p->cap, sizeof *p->v);
    }
    p->v[p->n++] = *c;
}

void placebo_add(struct placebo *p, const struct evidence_policy *e, int wave, uint8_t stratum,
                 const struct trial_past *past)
{
    for (uint32_t left = past->known ? p->rows : 0; left; left &= left - 1) {
        struct placebo_cell c = {.row = (uint8_t)__builtin_ctz(left),
                                 .stratum = stratum,
                                 .wave = (int16_t)(wave < 0 || wave >= TRIAL_WAVES ? -1 : wave),
                                 .n = 1};
        if (class_of(e, c.row, past, &c.value))
            put(p, &c);
    }
}

static int by_cell(const void *a, const void *b)
{
    const struct placebo_cell *x = a, *y = b;
    int d = (int)x->row - (int)y->row;
    d = d ? d : (int)x->stratum - (int)y->stratum;
    d = d ? d : (int)x->value - (int)y->value;
    return d ? d : (int)x->wave - (int)y->wave;
}

void placebo_close(struct placebo *p)
{
    size_t n = 0;
    if (p->n > 0)
        qsort(p->v, p->n, sizeof *p->v, by_cell);
    for (size_t i = 0; i < p->n; i++) {
        if (n > 0 && by_cell(&p->v[n - 1], &p->v[i]) == 0)
            p->v[n - 1].n += p->v[i].n;
        else
            p->v[n++] = p->v[i];
    }
    p->n = n;
}

/* ---- the test ---- */

/* Devices of a row, one by one; room for `most`. */
struct sides {
    double *v[2];
    uint8_t *stratum[2];
    size_t n[2];
};

static bool canary(const struct placebo_cell *c, int wave)
{
    return c->wave >= 0 && c->wave <= wave;
}

static void take_row(const struct placebo_cell *c, size_t n, int wave, struct sides *s)
{
    s->n[0] = s->n[1] = 0;
    for (size_t i = 0; i < n; i++) {
        int side = !canary(&c[i], wave);
        for (uint32_t k = 0; k < c[i].n; k++) {
            s->v[side][s->n[side]] = c[i].value;
            s->stratum[side][s->n[side]++] = c[i].stratum;
        }
    }
}

/* Does anything differ within a stratum that has both sides? And ln of the number of ways to pick the canaries. */
static bool varies(const struct placebo_cell *c, size_t n, int wave, double *log_ways)
{
    bool any = false;
    *log_ways = 0;
    for (size_t i = 0, end; i < n; i = end) {
        int64_t y[2] = {0};
        for (end = i; end < n && c[end].stratum == c[i].stratum; end++)
            y[!canary(&c[end], wave)] += c[end].n;
        if (y[0] == 0 || y[1] == 0)
            continue;
        any = any || c[i].value != c[end - 1].value;
        int64_t least = y[0] < y[1] ? y[0] : y[1];
        for (int64_t k = 1; k <= least && *log_ways < 100; k++)
            *log_ways += det_log((double)(y[0] + y[1] - least + k) / (double)k);
    }
    return any;
}

static double two_sided(struct sides *s, bool *more)
{
    struct ranktest up, down;
    ranktest_strata(s->v[0], s->stratum[0], s->n[0], s->v[1], s->stratum[1], s->n[1], TIES_PERMUTATION, &up);
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < s->n[side]; i++)
            s->v[side][i] = -s->v[side][i];
    ranktest_strata(s->v[0], s->stratum[0], s->n[0], s->v[1], s->stratum[1], s->n[1], TIES_PERMUTATION, &down);
    *more = up.log_p <= down.log_p;
    return (*more ? up.log_p : down.log_p) + det_log(2);
}

/* Devices of the row in strata that have both sides. */
static bool both_sides(const struct placebo_cell *c, size_t n, int wave, int64_t y[2])
{
    y[0] = y[1] = 0;
    for (size_t i = 0, end; i < n; i = end) {
        int64_t here[2] = {0};
        for (end = i; end < n && c[end].stratum == c[i].stratum; end++)
            here[!canary(&c[end], wave)] += c[end].n;
        for (int side = 0; side < 2; side++)
            y[side] += here[!side] > 0 ? here[side] : 0;
    }
    return y[0] > 0;
}

static size_t devices_of(const struct placebo *p)
{
    size_t most = 0, here = 0;
    for (size_t i = 0; i < p->n; i++) {
        here = (i > 0 && p->v[i].row != p->v[i - 1].row ? 0 : here) + p->v[i].n;
        most = here > most ? here : most;
    }
    return most;
}

void placebo_test(const struct placebo *p, int wave, struct placebo_result *out)
{
    struct sides s;
    double least = 0, ways = 0;
    int counted = 0;
    size_t most = devices_of(p) + 1;
    *out = (struct placebo_result){.word = PLACEBO_UNKNOWN};
    for (int side = 0; side < 2; side++) {
        s.v[side] = xreallocarray(NULL, most, sizeof **s.v);
        s.stratum[side] = xreallocarray(NULL, most, sizeof **s.stratum);
    }
    for (size_t i = 0, end; i < p->n; i = end) {
        const struct placebo_cell *c = &p->v[i];
        int64_t y[2];
        double log_ways;
        bool more;
        for (end = i; end < p->n && p->v[end].row == c->row; end++)
            continue;
        if (!both_sides(c, end - i, wave, y))
            continue;
        out->compared++;
        out->rows |= 1U << c->row;
        if (y[0] > out->canary) {
            out->canary = y[0];
            out->control = y[1];
        }
        if (!varies(c, end - i, wave, &log_ways))
            continue;
        counted++;
        ways = log_ways > ways ? log_ways : ways;
        take_row(c, end - i, wave, &s);
        double log_p = two_sided(&s, &more);
        if (counted == 1 || log_p < least) {
            least = log_p;
            out->row = c->row;
            out->more = more;
        }
    }
    for (int side = 0; side < 2; side++) {
        free(s.v[side]);
        free(s.stratum[side]);
    }
    if (out->compared == 0)
        return;
    double log_k = counted > 0 ? det_log(counted) : 0, level = det_log(PLACEBO_LEVEL);
    out->log_p = counted > 0 && least + log_k < 0 ? least + log_k : 0;
    out->word = out->log_p <= level                                ? PLACEBO_UNLIKE
                : counted > 0 && log_k + det_log(2) - ways > level ? PLACEBO_FEW
                                                                   : PLACEBO_LIKE;
}

/* ---- words ---- */

const char *placebo_word(enum placebo_word w)
{
    return w == PLACEBO_LIKE ? "like control" : w == PLACEBO_UNLIKE ? "NOT like control" : "not known";
}

static const char *p_text(char out[FMT_MAX], double log_p)
{
    double p = det_exp(log_p);
    snprintf(out, FMT_MAX, p < 1e-9 ? "%.0e" : "%.2g", p);
    return out;
}

/* "more reboots", "less rise of CPU" */
static void what_differs(const struct placebo_result *r, const struct evidence_policy *e, char *out, size_t size)
{
    struct metric_def d = {.title = "of one metric"};
    if (r->row < metric_count(e))
        metric_get(e, r->row, &d);
    snprintf(out, size, "%s %s%s", r->more ? "more" : "less", d.own ? "rise of " : "", d.title);
}

/* "reboots, silence, CPU and 2 more" */
static const char *compared(const struct placebo_result *r, const struct evidence_policy *e, char *out, size_t size)
{
    size_t n = 0;
    int named = 0;
    out[0] = '\0';
    for (size_t row = 0; row < metric_count(e) && named < NAMED; row++)
        if (r->rows >> row & 1)
            n += (size_t)snprintf(out + n, size - n, "%s%s", named++ ? ", " : "", metric_title(e, row));
    if (r->compared > named)
        snprintf(out + n, size - n, " and %d more", r->compared - named);
    return out;
}

void placebo_brief(const struct placebo_result *r, const struct evidence_policy *e, char out[PLACEBO_TEXT])
{
    char p[FMT_MAX], what[2 * METRIC_TITLE_MAX + 40];
    what_differs(r, e, what, sizeof what);
    if (r->word == PLACEBO_UNLIKE)
        snprintf(out, PLACEBO_TEXT, "%s before the rollout (p=%.20s: %s)", placebo_word(r->word), p_text(p, r->log_p),
                 what);
    else
        snprintf(out, PLACEBO_TEXT, "%s", placebo_word(r->word));
}

void placebo_text(const struct placebo_result *r, const struct evidence_policy *e, char out[PLACEBO_TEXT])
{
    char p[FMT_MAX], n[FMT_MAX], m[FMT_MAX], list[160], what[2 * METRIC_TITLE_MAX + 40];
    p_text(p, r->log_p);
    fmt_count(n, r->canary);
    fmt_count(m, r->control);
    what_differs(r, e, what, sizeof what);
    if (r->word == PLACEBO_UNKNOWN)
        snprintf(out, PLACEBO_TEXT,
                 "Placebo test: not known. There is no history of the day before the rollout by which canaries and "
                 "control could be compared.");
    else if (r->word == PLACEBO_FEW)
        snprintf(out, PLACEBO_TEXT,
                 "Placebo test: not known. %.20s canaries beside %.20s others are too few for any difference before "
                 "the rollout to be told from chance.",
                 n, m);
    else if (r->word == PLACEBO_LIKE)
        snprintf(out, PLACEBO_TEXT,
                 "Placebo test: like control. Before the rollout %.20s canaries did not differ from %.20s others by "
                 "more than chance in %.160s (p=%.20s).",
                 n, m, compared(r, e, list, sizeof list), p);
    else
        snprintf(out, PLACEBO_TEXT,
                 "Placebo test: NOT like control (p=%.20s). Before the rollout, on the old firmware, %.20s canaries "
                 "already had %.120s than %.20s others of their strata: what the tests find may be these devices, not "
                 "the firmware.",
                 p, n, what, m);
}

/* ---- inputs, and again ---- */

void placebo_write(const struct placebo *p, const struct evidence_policy *e, int wave, const struct placebo_result *r,
                   struct buf *out)
{
    struct json_w w;
    char s[FMT_MAX];
    json_w_init(&w, out, 0);
    json_w_obj(&w);
    json_w_key(&w, "cells");
    json_w_arr(&w);
    for (size_t i = 0; i < p->n; i++) {
        const struct placebo_cell *c = &p->v[i];
        const int64_t whole[] = {c->row, c->stratum, c->value, c->wave, c->n};
        json_w_arr(&w);
        for (size_t k = 0; k < 5; k++)
            json_w_int(&w, whole[k]);
        json_w_arr_end(&w);
    }
    json_w_arr_end(&w);
    json_w_kstr(&w, "log_p", fmt_hexfloat(s, r->log_p));
    json_w_key(&w, "metrics");
    json_w_arr(&w);
    for (size_t i = 0; i < metric_count(e); i++)
        json_w_str(&w, metric_id(e, i));
    json_w_arr_end(&w);
    json_w_kint(&w, "placebo", 1);
    json_w_kint(&w, "wave", wave);
    json_w_obj_end(&w);
}

static bool bad(struct err *e, const char *what)
{
    return err_set(e, ERR_SYNTAX, "", "inputs of a placebo test: %s", what);
}

static bool read_cell(const struct json_t *a, struct placebo_cell *c)
{
    static const double low[5] = {0, 0, -VALUE_MAX, -1, 1};
    static const double high[5] = {METRICS_MAX - 1, STRATA_MAX - 1, VALUE_MAX, TRIAL_WAVES - 1, TRIAL_DEVICES};
    double v[5];
    if (!json_is_arr(a) || json_len(a) != 5)
        return false;
    for (size_t i = 0; i < 5; i++)
        if (!json_num_value(json_at(a, i), &v[i]) || !(v[i] >= low[i] && v[i] <= high[i]) || floor(v[i]) < v[i])
            return false;
    *c = (struct placebo_cell){(uint8_t)v[0], (uint8_t)v[1], (int16_t)v[2], (int16_t)v[3], (uint32_t)v[4]};
    return true;
}

static bool read_cells(const struct json_t *doc, struct placebo *p, struct err *e)
{
    const struct json_t *cells = json_get(doc, "cells");
    size_t n = json_is_arr(cells) ? json_len(cells) : CELLS_MAX + 1;
    int64_t devices = 0;
    if (n > CELLS_MAX)
        return bad(e, "cells are missing, or too many");
    for (size_t i = 0; i < n; i++) {
        struct placebo_cell c;
        if (!read_cell(json_at(cells, i), &c) || (i > 0 && by_cell(&p->v[i - 1], &c) >= 0))
            return bad(e, "a cell is not possible, or not in order");
        devices += c.n;
        if (devices > (int64_t)METRICS_MAX * TRIAL_DEVICES)
            return bad(e, "too many devices");
        put(p, &c);
    }
    return true;
}

static bool read_all(const struct json_t *doc, struct placebo_replay *out, struct placebo *p, struct err *e)
{
    const struct json_t *names = json_get(doc, "metrics");
    int64_t wave, version;
    if (!json_int(doc, "placebo", &version) || version != 1)
        return bad(e, "of another version, or none");
    if (!json_int(doc, "wave", &wave) || wave < 0 || wave >= TRIAL_WAVES ||
        !trial_hex(json_get(doc, "log_p"), &out->logged) || !json_is_arr(names) || json_len(names) > METRICS_MAX)
        return bad(e, "wave, log_p or metrics are missing or not possible");
    if (!read_cells(doc, p, e))
        return false;
    out->wave = (int)wave;
    out->cells = p->n;
    placebo_test(p, out->wave, &out->now);
    out->same = det_same(out->now.log_p, out->logged);
    size_t len = 0;
    const char *id = out->now.row < json_len(names) ? json_str_value(json_at(names, out->now.row), &len) : NULL;
    safe_text_into(out->metric, sizeof out->metric, id ? id : "", id ? len : 0);
    return true;
}

bool placebo_is(const void *json, size_t n)
{
    struct json_t *doc = json_parse(json, n, BYTES_MAX, "inputs", NULL);
    bool is = doc && json_get(doc, "placebo");
    json_free(doc);
    return is;
}

bool placebo_replay(const void *json, size_t n, struct placebo_replay *out, struct placebo *p, struct err *e)
{
    struct placebo mine = {0};
    *out = (struct placebo_replay){0};
    struct json_t *doc = json_parse(json, n, BYTES_MAX, "inputs of a placebo test", e);
    bool ok = doc && read_all(doc, out, &mine, e);
    json_free(doc);
    if (ok && p)
        *p = mine;
    else
        placebo_release(&mine);
    return ok;
}
