#include "core/metric.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/buf.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/policy.h"
#include "core/text.h"
#include "core/tick.h"

#define FIGURE_BRIEF 6 /* columns of a figure's shortest name */

/* Tolerances, shares and directions of the five are the policy's (metric_get). */
static const struct metric_def builtin[METRICS_BUILTIN] = {
    {.id = "reboots", .title = "reboots", .unit = "", .kind = KIND_COUNTER, .level = {1, 2, 4, 8}, .n_levels = 4},
    {.id = "silence", .title = "silence", .unit = "", .kind = KIND_PRESENCE},
    {.id = "cpu",
     .title = "CPU",
     .unit = "",
     .kind = KIND_GAUGE,
     .own = true,
     .level = {1.25, 1.5, 2, 3},
     .n_levels = 4,
     .window_us = 5 * US_PER_MIN},
    {.id = "variance",
     .title = "variance",
     .unit = "",
     .kind = KIND_SPREAD,
     .own = true,
     .level = {4, 8, 16},
     .n_levels = 3,
     .window_us = 10 * US_PER_MIN},
    {.id = "install", .title = "install", .unit = "", .kind = KIND_OUTCOME},
};

/* In the order of enum trial_test. */
static const struct metric_test tests[] = {
    {"crash-loop", "have rebooted in a loop", ROW_REBOOTS, RULE_LOOP, 3, false, 2},
    {"reboot-1", "have rebooted unexpectedly", ROW_REBOOTS, RULE_EVENTS, 1, false, 8},
    {"reboot-2", "have rebooted unexpectedly twice or more", ROW_REBOOTS, RULE_EVENTS, 2, false, 8},
    {"reboot-4", "have rebooted unexpectedly 4 times or more", ROW_REBOOTS, RULE_EVENTS, 4, false, 8},
    {"reboot-8", "have rebooted unexpectedly 8 times or more", ROW_REBOOTS, RULE_EVENTS, 8, false, 8},
    {"silence", "have gone silent", ROW_SILENCE, RULE_SILENCE, 0, false, 1},
    {"silence-1h", "have been silent for an hour or more", ROW_SILENCE, RULE_SILENCE, 1, false, 0},
    {"silence-8h", "have been silent for 8 hours or more", ROW_SILENCE, RULE_SILENCE, 8, false, 0},
    {"cpu-1.25", "have used 1.25 times their own CPU or more", ROW_CPU, RULE_LEVEL, 1.25, false, 8},
    {"cpu-1.5", "have used 1.5 times their own CPU or more", ROW_CPU, RULE_LEVEL, 1.5, false, 8},
    {"cpu-2", "have used twice their own CPU or more", ROW_CPU, RULE_LEVEL, 2, false, 8},
    {"cpu-3", "have used 3 times their own CPU or more", ROW_CPU, RULE_LEVEL, 3, false, 8},
    {"variance-4", "have measured with 4 times their own variance or more", ROW_VARIANCE, RULE_LEVEL, 4, false, 8},
    {"variance-8", "have measured with 8 times their own variance or more", ROW_VARIANCE, RULE_LEVEL, 8, false, 8},
    {"variance-16", "have measured with 16 times their own variance or more", ROW_VARIANCE, RULE_LEVEL, 16, false, 8},
    {"stuck-sensor", "have had a stuck sensor", ROW_VARIANCE, RULE_LEVEL, 16, true, 8},
    {"cpu", "use more CPU than before", ROW_CPU, RULE_SHIFT, 0, false, 2},
    {"variance", "measure with more variance than before", ROW_VARIANCE, RULE_SHIFT, 0, false, 2},
    {"install", "failed to install", ROW_INSTALL, RULE_OUTCOME, 0, false, 1},
};
#define N_BUILTIN ((int)(sizeof tests / sizeof *tests))

/* Of a metric that is worse in both directions, each gets half. The variance's levels look both ways as they are. */
static const struct metric_test tests_both[] = {
    {"cpu-1.25", "have used 1.25 times their own CPU or more", ROW_CPU, RULE_LEVEL, 1.25, false, 16},
    {"cpu-1.5", "have used 1.5 times their own CPU or more", ROW_CPU, RULE_LEVEL, 1.5, false, 16},
    {"cpu-2", "have used twice their own CPU or more", ROW_CPU, RULE_LEVEL, 2, false, 16},
    {"cpu-3", "have used 3 times their own CPU or more", ROW_CPU, RULE_LEVEL, 3, false, 16},
    {"cpu", "use more CPU than before", ROW_CPU, RULE_SHIFT, 0, false, 4},
    {"variance", "measure with more variance than before", ROW_VARIANCE, RULE_SHIFT, 0, false, 4},
};

static const struct figure figures[FIGURES_BUILTIN] = {
    {"reboots", "reboots", " per device-day", "reboots/dev-day", "rbt", FIGURE_REBOOTS, ROW_REBOOTS, FIGURE_RATE,
     WORSE_UP, false, false},
    {"cpu-mean", "cpu", "", "%", "cpu", FIGURE_CPU_MEAN, ROW_CPU, FIGURE_MEAN, WORSE_BOTH, true, false},
    {"cpu-p95", "cpu p95", "", "%", "cpu", FIGURE_CPU_P95, ROW_CPU, FIGURE_P95, WORSE_BOTH, true, false},
    {"variance", "sensor variance", " times the devices' own baseline", "x own baseline", "var", FIGURE_SPREAD,
     ROW_VARIANCE, FIGURE_OWN, WORSE_BOTH, false, false},
    {"install-failed", "failed installs", "", "%", "inst", FIGURE_INSTALL, ROW_INSTALL, FIGURE_SHARE, WORSE_UP, true,
     false},
};

const struct figure figure_unknown = {
    .word = "?", .phrase = "?", .per = "", .unit = "", .brief = "?", .number = FIGURES_MAX, .kind = FIGURE_MEAN};

size_t figure_count(const struct evidence_policy *p)
{
    return FIGURES_BUILTIN + (p->own_figure ? p->n_own : 0);
}

const struct figure *figure_of(const struct evidence_policy *p, size_t i)
{
    return i < FIGURES_BUILTIN ? &figures[i] : i < figure_count(p) ? &p->own_figure[i - FIGURES_BUILTIN] : NULL;
}

int figure_find(const struct evidence_policy *p, const char *word)
{
    for (size_t i = 0; word && i < figure_count(p); i++)
        if (strcmp(word, figure_of(p, i)->word) == 0)
            return (int)i;
    return -1;
}

size_t metric_count(const struct evidence_policy *p)
{
    return METRICS_BUILTIN + p->n_own;
}

void metric_get(const struct evidence_policy *p, size_t i, struct metric_def *out)
{
    if (i >= METRICS_BUILTIN) {
        *out = p->own[i - METRICS_BUILTIN];
        return;
    }
    *out = builtin[i];
    out->share = p->share[i];
    out->tolerance = p->tolerance[i == ROW_SILENCE ? ROW_REBOOTS : i];
    out->worse = p->worse[i];
    out->grace_us = p->grace_us[i];
}

const char *metric_id(const struct evidence_policy *p, size_t i)
{
    return i < METRICS_BUILTIN ? builtin[i].id : p->own[i - METRICS_BUILTIN].id;
}

const char *metric_title(const struct evidence_policy *p, size_t i)
{
    return i < METRICS_BUILTIN ? builtin[i].title : p->own[i - METRICS_BUILTIN].title;
}

const char *metric_key(size_t row, enum metric_field f)
{
    static const char *const keys[METRICS_BUILTIN][3] = {{"ratio", "share_reboot", NULL},
                                                         {NULL, "share_silence", NULL},
                                                         {"cpu_ratio", "share_cpu", "cpu_worse"},
                                                         {"variance_ratio", "share_variance", "variance_worse"},
                                                         {"install_share", "share_install", NULL}};
    return keys[row][f];
}

int metric_column(const struct evidence_policy *p, size_t i)
{
    static const int columns[METRICS_BUILTIN] = {COL_REBOOTS, -1, COL_CPU, COL_VARIANCE, -1};
    if (i < METRICS_BUILTIN)
        return columns[i];
    return i < metric_count(p) ? (int)(COL_BUILTIN + i - METRICS_BUILTIN) : -1;
}

bool metric_kind_counts(enum metric_kind k)
{
    return k == KIND_COUNTER || k == KIND_EVENT || k == KIND_ACTIVATION;
}

size_t metric_activation(const struct evidence_policy *p)
{
    for (size_t i = 0; i < p->n_own; i++)
        if (p->own[i].kind == KIND_ACTIVATION)
            return METRICS_BUILTIN + i;
    return METRICS_MAX;
}

bool metric_kind_alike(enum metric_kind a, enum metric_kind b)
{
    return (a == KIND_EVENT ? KIND_COUNTER : a) == (b == KIND_EVENT ? KIND_COUNTER : b);
}

const char *metric_kind_word(enum metric_kind k)
{
    static const char *const words[] = {"counter", "gauge", "spread", "event", "activation", "presence", "outcome"};
    return words[k];
}

const char *metric_worse_word(enum metric_worse w)
{
    static const char *const words[] = {"up", "down", "both"};
    return words[w];
}

bool metric_id_ok(const char *id)
{
    size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (n == 0 || n > METRIC_ID_MAX || id[n] != '\0' || id[0] < 'a' || id[n - 1] == '-')
        return false;
    for (int i = 0; i < METRICS_BUILTIN; i++)
        if (strcmp(id, builtin[i].id) == 0)
            return false;
    return true;
}

int metric_tests(const struct evidence_policy *p)
{
    return N_BUILTIN + (int)p->n_own_tests;
}

const struct metric_test *metric_test(const struct evidence_policy *p, int test)
{
    if (test >= N_BUILTIN)
        return &p->own_test[test - N_BUILTIN];
    for (size_t i = 0; i < sizeof tests_both / sizeof *tests_both; i++) {
        const struct metric_test *t = &tests_both[i];
        if (p->worse[t->metric] == WORSE_BOTH && t->rule == tests[test].rule && strcmp(t->word, tests[test].word) == 0)
            return t;
    }
    return &tests[test];
}

enum metric_form metric_form(const struct metric_test *t)
{
    return t->rule == RULE_SHIFT ? FORM_SHIFT : t->rule == RULE_OUTCOME ? FORM_OUTCOME : FORM_HAD;
}

int metric_test_find(const struct evidence_policy *p, const char *word)
{
    for (int i = 0; word && i < metric_tests(p); i++)
        if (strcmp(word, metric_test(p, i)->word) == 0)
            return i;
    return -1;
}

/* ---- tests out of rows ---- */

struct making {
    struct metric_test *v;
    size_t n;
    struct arena *a;
};

static void add(struct making *m, size_t row, enum metric_rule rule, double level, bool down, int parts,
                const char *word, const char *plain)
{
    if (m->n < TESTS_MAX)
        m->v[m->n] = (struct metric_test){word, plain, (uint8_t)row, rule, level, down, parts};
    m->n++;
}

static void add_levels(struct making *m, const struct metric_def *d, size_t row, bool down, int parts)
{
    char n[FMT_MAX];
    for (size_t i = 0; i < d->n_levels; i++) {
        snprintf(n, sizeof n, "%g", d->level[i]);
        if (d->diff) {
            add(m, row, RULE_LEVEL, d->level[i], down, parts,
                arena_printf(m->a, "%s%s-%s", d->id, down ? "-down" : "", n),
                arena_printf(m->a, "have been %s%s%s or more %s their own %s", n, d->unit && *d->unit ? " " : "",
                             d->unit ? d->unit : "", down ? "under" : "over", d->title));
            continue;
        }
        add(m, row, RULE_LEVEL, d->level[i], down, parts, arena_printf(m->a, "%s%s-%s", d->id, down ? "-down" : "", n),
            down ? arena_printf(m->a, "have had %.3g%% of their own %s or less", 100 / d->level[i], d->title)
                 : arena_printf(m->a, "have had %s times their own %s or more", n, d->title));
    }
}

static void add_shift(struct making *m, const struct metric_def *d, size_t row, bool down, int parts)
{
    add(m, row, RULE_SHIFT, 0, down, parts, arena_printf(m->a, "%s%s", d->id, down ? "-down" : ""),
        arena_printf(m->a, "%s%s", d->title, d->own ? " against their own past" : ""));
}

static void add_gauge(struct making *m, const struct metric_def *d, size_t row)
{
    int sides = d->worse == WORSE_BOTH ? 2 : 1, half = d->n_levels > 0 ? 2 : 1;
    for (int down = d->worse == WORSE_DOWN; down <= (d->worse != WORSE_UP); down++) {
        add_levels(m, d, row, down, half * (int)d->n_levels * sides);
        add_shift(m, d, row, down, half * sides);
    }
}

static void add_counter(struct making *m, const struct metric_def *d, size_t row)
{
    char n[FMT_MAX];
    add(m, row, RULE_LOOP, 3, false, 2, arena_printf(m->a, "%s-loop", d->id),
        arena_printf(m->a, "have had %s 3 times within half an hour", d->title));
    for (size_t i = 0; i < d->n_levels; i++) {
        fmt_count(n, (int64_t)d->level[i]);
        add(m, row, RULE_EVENTS, d->level[i], false, 2 * (int)d->n_levels,
            arena_printf(m->a, "%s-%.0f", d->id, d->level[i]),
            d->level[i] > 1 ? arena_printf(m->a, "have had %s %s times", d->title, n)
                            : arena_printf(m->a, "have had %s", d->title));
    }
}

static void make_figures(struct evidence_policy *p, struct arena *a)
{
    struct figure *v = ARENA_ARRAY(a, struct figure, p->n_own + 1);
    for (size_t i = 0; i < p->n_own; i++) {
        const struct metric_def *d = &p->own[i];
        const char *unit = d->unit ? d->unit : "";
        bool counts = metric_kind_counts(d->kind), own = d->kind == KIND_SPREAD && d->own;
        v[i] = (struct figure){.word = d->id,
                               .phrase = d->title,
                               .brief = arena_strndup(a, d->title, text_fit(d->title, FIGURE_BRIEF)),
                               .number = (uint8_t)(FIGURES_BUILTIN + i),
                               .row = (uint8_t)(METRICS_BUILTIN + i),
                               .kind = counts ? FIGURE_RATE
                                       : own  ? FIGURE_OWN
                                              : FIGURE_MEAN,
                               .worse = d->worse,
                               .diff = d->diff};
        v[i].per = counts  ? " per device-day"
                   : own   ? figures[FIGURE_SPREAD].per
                   : *unit ? arena_printf(a, " %s", unit)
                           : "";
        v[i].unit = counts ? "/dev-day" : own ? figures[FIGURE_SPREAD].unit : unit;
    }
    p->own_figure = v;
}

bool metric_make_tests(struct evidence_policy *p, struct arena *a)
{
    make_figures(p, a);
    struct making m = {.v = ARENA_ARRAY(a, struct metric_test, TESTS_MAX), .a = a};
    struct metric_def d = builtin[ROW_CPU];
    if (p->worse[ROW_CPU] == WORSE_BOTH) {
        add_levels(&m, &d, ROW_CPU, true, 16);
        add_shift(&m, &d, ROW_CPU, true, 4);
    }
    if (p->worse[ROW_VARIANCE] == WORSE_BOTH)
        add_shift(&m, &builtin[ROW_VARIANCE], ROW_VARIANCE, true, 4);
    for (size_t i = 0; i < p->n_own; i++) {
        const struct metric_def *o = &p->own[i];
        if (o->kind == KIND_COUNTER)
            add_counter(&m, o, METRICS_BUILTIN + i);
        else if (o->kind == KIND_EVENT)
            add(&m, METRICS_BUILTIN + i, RULE_EVENTS, 1, false, 1, o->id, arena_printf(a, "have had %s", o->title));
        else if (o->kind != KIND_ACTIVATION)
            add_gauge(&m, o, METRICS_BUILTIN + i);
    }
    p->own_test = m.v;
    p->n_own_tests = m.n;
    return N_BUILTIN + m.n <= TESTS_MAX;
}

bool metric_builtin(const struct evidence_policy *p)
{
    bool same = p->n_own == 0 && p->n_own_tests == 0;
    for (size_t i = 0; i < METRICS_BUILTIN; i++)
        same = same && p->grace_us[i] == 0;
    return same;
}

void metric_digest(const struct evidence_policy *p, char out[SHA256_HEX])
{
    struct buf b;
    char f[FMT_MAX];
    buf_init(&b, 65536);
    buf_adds(&b, "andon metrics 1\n");
    for (size_t i = 0; i < metric_count(p); i++) {
        struct metric_def d;
        metric_get(p, i, &d);
        buf_printf(&b, "%s %s %s %s %lld", d.id, metric_kind_word(d.kind), metric_worse_word(d.worse),
                   d.own ? "own" : "as-is", (long long)d.window_us);
        if (d.diff)
            buf_adds(&b, " difference");
        buf_printf(&b, " %s", fmt_hexfloat(f, d.tolerance));
        buf_printf(&b, " %s", fmt_hexfloat(f, d.share));
        for (size_t k = 0; k < d.n_levels; k++)
            buf_printf(&b, " %s", fmt_hexfloat(f, d.level[k]));
        if (d.grace_us > 0)
            buf_printf(&b, " grace %lld", (long long)d.grace_us);
        buf_addc(&b, '\n');
    }
    sha256_hex(b.data, b.len, out);
    buf_release(&b);
}
