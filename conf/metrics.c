#include "conf/metrics.h"

#include <stdio.h>
#include <string.h>
#include "conf/yaml_node.h"
#include "core/clock.h"
#include "core/column.h"
#include "core/preset.h"
#include "core/text.h"

/* In the order of enum metric_kind, as far as a policy can have its own; enum metric_worse. */
static const char *const kind_words[] = {"counter", "gauge", "spread", "event", "activation", NULL};
static const char *const worse_words[] = {"up", "down", "both", NULL};
static const char *const compare_words[] = {"ratio", "difference", NULL};

const struct yfield metrics_fields[] = {
    {.key = "title", .type = YT_STR, .doc = "its name on screens, as in 'have had ..' (the name)"},
    {.key = "unit", .type = YT_STR, .doc = "of its values, such as MiB ('')"},
    {.key = "kind",
     .type = YT_WORD,
     .words = kind_words,
     .doc = "counter (goes up), event (its first rise says all), gauge (a level), spread (over a window of its own), "
            "activation (goes up with the boot that ends a staged update: that one does not count)"},
    {.key = "worse", .type = YT_WORD, .words = worse_words, .doc = "what of it is worse (up)"},
    {.key = "own_baseline",
     .type = YT_BOOL,
     .doc = "a gauge is compared over each device's own day before; else as it is, by the rank test alone (true)"},
    {.key = "compare",
     .type = YT_WORD,
     .words = compare_words,
     .doc = "a gauge: by ratio, or by difference in its unit, where values may be below 0 (ratio)"},
    {.key = "tolerance",
     .type = YT_NUM,
     .max = 1e6,
     .doc = "a gauge so many times worse is no harm (1.1); by difference, so much worse (0)"},
    {.key = "share", .type = YT_NUM, .max = 1, .doc = "of alpha (0.1)"},
    {.key = "levels",
     .type = YT_LIST,
     .item = YT_NUM,
     .max = METRIC_LEVELS,
     .doc = "gauges: times the own baseline ([1.25, 1.5, 2, 3]), by difference from it (none); counters: events ([1, "
            "2, 4, 8])"},
    {.key = "window", .type = YT_DUR, .min = 60, .max = 86400, .doc = "that a gauge's mean is over (5m; spread: 10m)"},
    {.key = "grace",
     .type = YT_DUR,
     .max = 30 * 86400,
     .doc = "it counts from so long after an install on, if that is longer than the policy's grace (that)"},
    {0}};

static bool line_of(const struct ynode *n, const char *key, const char *otherwise, struct arena *a, const char **out,
                    struct err *e)
{
    const char *s = y_str(n, key, otherwise);
    if (!*s && strcmp(key, "title") == 0)
        s = otherwise;
    if (strlen(s) > METRIC_TITLE_MAX || strpbrk(s, "\n\t"))
        return y_err(y_get(n, key), e, "expected one line of at most %d bytes", METRIC_TITLE_MAX);
    *out = safe_text(a, s, strlen(s), METRIC_TITLE_MAX);
    return true;
}

static bool read_levels(const struct ynode *n, struct metric_def *d, struct err *e)
{
    const struct ynode *list = y_get(n, "levels");
    bool counts = d->kind == KIND_COUNTER;
    if (!list)
        return true;
    if (d->kind == KIND_EVENT || !(d->own || counts))
        return y_err(list, e, "an event, or a gauge without own baseline, has no levels");
    d->n_levels = y_len(list);
    for (size_t i = 0; i < d->n_levels; i++) {
        d->level[i] = y_at(list, i)->num;
        if (!(d->level[i] <= 1e6) || !(counts ? d->level[i] >= 1 : d->level[i] > (d->diff ? 0 : 1)))
            return y_err(y_at(list, i), e,
                         counts    ? "expected 1 event or more"
                         : d->diff ? "expected more than 0"
                                   : "expected more than 1 times the own");
        if (i > 0 && d->level[i] <= d->level[i - 1])
            return y_err(y_at(list, i), e, "expected more than the level before");
    }
    return true;
}

static bool read_one(const struct ynode *n, const char *id, struct metric_def *d, struct arena *a, struct err *e)
{
    static const double gauges[METRIC_LEVELS] = {1.25, 1.5, 2, 3}, counts[METRIC_LEVELS] = {1, 2, 4, 8};
    if (!metric_id_ok(id))
        return y_err(n, e, "expected a name of its own, 1 to %d small letters, digits and '-'", METRIC_ID_MAX);
    if (figure_find(&policy_default()->evidence, id) >= 0)
        return y_err(n, e, "'%s' is what limits call a figure of a built-in metric: choose another name", id);
    if (column_taken(id))
        return y_err(n, e, "'%s' is the name of a column of the lists of devices: choose another name", id);
    if (!y_has(n, "kind"))
        return y_err(n, e, "the key kind is missing: counter, event, gauge, spread or activation");
    *d = (struct metric_def){.id = arena_strdup(a, id),
                             .kind = (enum metric_kind)y_word(n, "kind", 0),
                             .worse = (enum metric_worse)y_word(n, "worse", WORSE_UP),
                             .diff = y_word(n, "compare", 0) == 1,
                             .share = y_num(n, "share", 0.1),
                             .grace_us = y_dur(n, "grace", 0)};
    bool gauge = d->kind == KIND_GAUGE || d->kind == KIND_SPREAD;
    if (d->kind == KIND_ACTIVATION) {
        d->share = 0;
        if (y_len(n) != (size_t)(1 + y_has(n, "title") + y_has(n, "unit")))
            return y_err(n, e, "activations are not tested: beside kind only title and unit are said of them");
    }
    d->tolerance = y_num(n, "tolerance", d->diff ? 0 : 1.1);
    d->own = gauge && y_bool(n, "own_baseline", true);
    d->window_us = !gauge ? 0 : y_dur(n, "window", (d->kind == KIND_SPREAD ? 10 : 5) * US_PER_MIN);
    if (d->diff && d->kind != KIND_GAUGE)
        return y_err(n, e, "only a gauge is compared by difference");
    if (!d->diff && !(d->tolerance >= 1 && d->tolerance <= 100))
        return y_err(y_get(n, "tolerance"), e, "expected 1 to 100 times");
    if (!gauge && (d->worse != WORSE_UP || y_has(n, "tolerance") || y_has(n, "window") || y_has(n, "own_baseline")))
        return y_err(n, e, "of %s more is worse; tolerance, window and baseline are a gauge's",
                     d->kind == KIND_EVENT ? "an event" : "a counter");
    if ((d->own && !d->diff) || d->kind == KIND_COUNTER) {
        d->n_levels = METRIC_LEVELS;
        memcpy(d->level, gauge ? gauges : counts, sizeof d->level);
    }
    return line_of(n, "title", id, a, &d->title, e) && line_of(n, "unit", "", a, &d->unit, e) && read_levels(n, d, e);
}

/* Of the five only direction and grace are said here; tolerance and share stand under `evidence`. */
static bool read_builtin(const struct ynode *n, size_t row, struct evidence_policy *p, struct err *e)
{
    enum metric_worse w = (enum metric_worse)y_word(n, "worse", WORSE_UP);
    if (y_len(n) != (size_t)(y_has(n, "worse") + y_has(n, "grace")) || y_len(n) == 0 || w == WORSE_DOWN)
        return y_err(n, e, "of a built-in metric only grace, worse: up or worse: both is said here");
    struct metric_def d;
    metric_get(p, row, &d);
    if (d.kind == KIND_OUTCOME && y_has(n, "grace"))
        return y_err(n, e, "an install has no grace: it is done, failed or not yet (install_time)");
    p->grace_us[row] = y_dur(n, "grace", 0);
    if (!y_has(n, "worse"))
        return true;
    if (d.kind != KIND_GAUGE && d.kind != KIND_SPREAD)
        return y_err(n, e, "only cpu and variance can be worse both ways");
    p->worse[row] = w;
    return true;
}

/* What the file does not say of the built-in shares gives way to the policy's own metrics. */
static bool make_room(const struct ynode *map, const struct ynode *shares, struct evidence_policy *p, struct err *e)
{
    double said = 0, free_ = 0;
    for (size_t i = 0; i < p->n_own; i++)
        said += p->own[i].share;
    for (size_t i = 0; i < METRICS_BUILTIN; i++)
        *(y_has(shares, metric_id(p, i)) ? &said : &free_) += p->share[i];
    if (said + free_ <= 1 + 1e-12)
        return true;
    if (said > 1 + 1e-12 || !(free_ > 0))
        return y_err(map, e, "the shares of all metrics come to %.6g, and at most to 1", said + free_);
    for (size_t i = 0; i < METRICS_BUILTIN; i++)
        if (!y_has(shares, metric_id(p, i)))
            p->share[i] *= (1 - said) / free_;
    return true;
}

bool metrics_read(const struct ynode *map, const struct ynode *shares, struct evidence_policy *p, struct arena *a,
                  struct err *e)
{
    if (!map)
        return make_room(NULL, shares, p, e);
    struct metric_def *own = ARENA_ARRAY(a, struct metric_def, METRICS_OWN);
    size_t n = 0;
    for (size_t i = 0; i < y_len(map); i++) {
        const char *id = y_key_at(map, i);
        size_t row = 0;
        while (row < METRICS_BUILTIN && strcmp(id, metric_id(p, row)) != 0)
            row++;
        bool builtin = row < METRICS_BUILTIN;
        if (builtin            ? !read_builtin(y_at(map, i), row, p, e)
            : n == METRICS_OWN ? !y_err(map, e, "at most %d metrics of a policy's own", METRICS_OWN)
                               : !read_one(y_at(map, i), id, &own[n], a, e))
            return false;
        n += !builtin;
    }
    p->own = own;
    p->n_own = n;
    for (size_t i = 0, activations = 0; i < n; i++)
        if (own[i].kind == KIND_ACTIVATION && activations++ > 0)
            return y_err(map, e, "a policy has one metric of the kind activation at most");
    if (!make_room(map, shares, p, e))
        return false;
    if (!metric_make_tests(p, a))
        return y_err(map, e, "these metrics make more than %d tests", TESTS_MAX);
    for (int t = 0; t < metric_tests(p); t++) /* a decision is found again by its test's word */
        if (metric_test_find(p, metric_test(p, t)->word) != t)
            return y_err(map, e, "two tests would be called '%s': choose another name or other levels",
                         metric_test(p, t)->word);
    return true;
}

/* ---- their queries ---- */

bool metrics_queries(const struct ynode *map, struct telemetry_spec *t, struct arena *a, struct err *e)
{
    for (size_t i = 0; i < y_len(map); i++) {
        const char *id = y_key_at(map, i), *query = y_text(y_at(map, i));
        if (!metric_id_ok(id))
            return y_err(y_at(map, i), e, "expected the name of a policy's own metric");
        if (!*query)
            return y_err(y_at(map, i), e, "expected a query");
        t->own[t->n_own++] = (struct telemetry_metric){.id = arena_strdup(a, id), .query = arena_strdup(a, query)};
    }
    return true;
}

/* What the fleet's preset asks for it, as if it were configured; `id` outlives the configuration. */
static bool by_preset(struct telemetry_spec *t, const char *id)
{
    const char *query = preset_query(t->preset, id, t->kind == TELEMETRY_OPENMETRICS);
    if (!query || t->n_own == METRICS_OWN)
        return false;
    t->own[t->n_own++] = (struct telemetry_metric){.id = id, .query = query};
    return true;
}

static bool match(const struct ynode *at, const struct evidence_policy *p, struct fleet_spec *f, bool *matched,
                  struct err *e)
{
    for (size_t i = 0; i < p->n_own; i++) {
        bool counter = metric_kind_counts(p->own[i].kind);
        size_t k = 0;
        while (k < f->telemetry.n_own && strcmp(f->telemetry.own[k].id, p->own[i].id) != 0)
            k++;
        if (k == f->telemetry.n_own && !by_preset(&f->telemetry, p->own[i].id)) {
            y_err(at, e, "a policy of this fleet tests '%s', and there is no query for it", p->own[i].id);
            if (e)
                snprintf(e->next, sizeof e->next, "say telemetry: metrics: {%s: QUERY}", p->own[i].id);
            return false;
        }
        struct telemetry_metric *m = &f->telemetry.own[k];
        if (matched[k] && !metric_kind_alike(m->kind, p->own[i].kind))
            return y_err(at, e, "'%s' is of kind %s in one policy of this fleet, and of kind %s in another", m->id,
                         metric_kind_word(m->kind), metric_kind_word(p->own[i].kind));
        if (matched[k] && m->below != p->own[i].diff)
            return y_err(at, e, "'%s' is compared by difference in one policy of this fleet, and by ratio in another",
                         m->id);
        if (!matched[k])
            m->kind = p->own[i].kind, m->below = p->own[i].diff;
        matched[k] = true;
        m->counter = counter;
    }
    return true;
}

bool metrics_match(const struct ynode *fleet, struct fleet_spec *f, struct err *e)
{
    const struct ynode *at = y_has(fleet, "telemetry") ? y_get(fleet, "telemetry") : fleet;
    bool matched[METRICS_OWN] = {false};
    if (f->telemetry.kind == TELEMETRY_NONE)
        return true;
    if (!match(at, &f->policy->evidence, f, matched, e))
        return false;
    for (size_t i = 0; i < f->n_rules; i++)
        if (!match(at, &f->rules[i].policy->evidence, f, matched, e))
            return false;
    return true;
}
