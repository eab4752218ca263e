#include "core/cvss.h"

#include "core/cvss_inner.h"

#define N(a) (sizeof(a) / sizeof *(a))

typedef __int128 wide;

enum v2_metric {
    V2_AV = 0,
    V2_AC,
    V2_AU,
    V2_C,
    V2_I,
    V2_A,
    V2_E,
    V2_RL,
    V2_RC,
    V2_CDP,
    V2_TD,
    V2_CR,
    V2_IR,
    V2_AR,
    V2_METRICS
};

static const struct cvss_metric v2[V2_METRICS] = {
    {"AV", "N A L", true, {1000, 646, 395}},
    {"AC", "L M H", true, {710, 610, 350}},
    {"Au", "N S M", true, {704, 560, 450}},
    {"C", "N P C", true, {0, 275, 660}},
    {"I", "N P C", true, {0, 275, 660}},
    {"A", "N P C", true, {0, 275, 660}},
    {"E", "U POC F H ND", false, {850, 900, 950, 1000, 1000}},
    {"RL", "OF TF W U ND", false, {870, 900, 950, 1000, 1000}},
    {"RC", "UC UR C ND", false, {900, 950, 1000, 1000}},
    {"CDP", "N L LM MH H ND", false, {0, 100, 300, 400, 500}},
    {"TD", "N L M H ND", false, {0, 250, 750, 1000, 1000}},
    {"CR", "L M H ND", false, {500, 1000, 1510, 1000}},
    {"IR", "L M H ND", false, {500, 1000, 1510, 1000}},
    {"AR", "L M H ND", false, {500, 1000, 1510, 1000}},
};

enum v3_metric {
    V3_AV = 0,
    V3_AC,
    V3_PR,
    V3_UI,
    V3_S,
    V3_C,
    V3_I,
    V3_A,
    V3_E,
    V3_RL,
    V3_RC,
    V3_CR,
    V3_IR,
    V3_AR,
    V3_MODIFIED, /* eight, of the base metrics in their order */
    V3_METRICS = V3_MODIFIED + 8
};

static const struct cvss_metric v3[V3_METRICS] = {
    {"AV", "N A L P", true, {85, 62, 55, 20}},
    {"AC", "L H", true, {77, 44}},
    {"PR", "N L H", true, {85, 62, 27}}, /* of a changed scope: see privileges() */
    {"UI", "N R", true, {85, 62}},
    {"S", "U C", true, {0}},
    {"C", "N L H", true, {0, 22, 56}},
    {"I", "N L H", true, {0, 22, 56}},
    {"A", "N L H", true, {0, 22, 56}},
    {"E", "U P F H X", false, {91, 94, 97, 100, 100}},
    {"RL", "O T W U X", false, {95, 96, 97, 100, 100}},
    {"RC", "U R C X", false, {92, 96, 100, 100}},
    {"CR", "L M H X", false, {50, 100, 150, 100}},
    {"IR", "L M H X", false, {50, 100, 150, 100}},
    {"AR", "L M H X", false, {50, 100, 150, 100}},
    {"MAV", "N A L P X", false, {0}},
    {"MAC", "L H X", false, {0}},
    {"MPR", "N L H X", false, {0}},
    {"MUI", "N R X", false, {0}},
    {"MS", "U C X", false, {0}},
    {"MC", "N L H X", false, {0}},
    {"MI", "N L H X", false, {0}},
    {"MA", "N L H X", false, {0}},
};

/* --- vectors ----------------------------------------------------------------------------------------------------- */

/* Takes what stands before the next `c` off *s, or all of it. */
static struct slice take(struct slice *s, char c)
{
    const char *at = s->n ? memchr(s->p, c, s->n) : NULL;
    struct slice r = {s->p, at ? (size_t)(at - s->p) : s->n};
    *s = at ? (struct slice){at + 1, s->n - r.n - 1} : (struct slice){NULL, 0};
    return r;
}

/* The place of the value among those of the metric, -1: it has no such value. */
static int value_of(const struct cvss_metric *m, struct slice value)
{
    struct slice rest = slice_of(m->values);
    if (!value.p || value.n == 0)
        return -1;
    for (int i = 0; rest.n > 0; i++)
        if (slice_same(take(&rest, ' '), value))
            return i;
    return -1;
}

/* The last of its values: "not defined" of an optional one. */
static int last_value(const struct cvss_metric *m)
{
    int n = 0;
    for (const char *c = m->values; *c; c++)
        n += *c == ' ';
    return n;
}

static bool is_named(const struct cvss_metric *m, struct slice name)
{
    return name.n > 0 && name.n < sizeof m->name && memcmp(name.p, m->name, name.n) == 0 && m->name[name.n] == '\0';
}

static bool read_metrics(struct slice s, const struct cvss_metric *m, size_t n, unsigned char *values)
{
    bool given[CVSS_METRICS_MAX] = {false};
    do {
        struct slice value = take(&s, '/'), name = take(&value, ':');
        size_t i = 0;
        while (i < n && !is_named(&m[i], name))
            i++;
        int at = i < n && !given[i] ? value_of(&m[i], value) : -1;
        if (at < 0)
            return false;
        given[i] = true;
        values[i] = (unsigned char)at;
    } while (s.p);
    for (size_t i = 0; i < n; i++) {
        if (!given[i] && m[i].needed)
            return false;
        if (!given[i])
            values[i] = (unsigned char)last_value(&m[i]);
    }
    return true;
}

static enum adv_answer yes(bool b)
{
    return b ? ADV_YES : ADV_NO;
}

/* --- v2 ---------------------------------------------------------------------------------------------------------- */

static wide power_of_ten(int n)
{
    wide r = 1;
    while (n-- > 0)
        r *= 10;
    return r;
}

/* v / unit to the nearest whole number, a half away from zero. */
static int nearest(wide v, wide unit)
{
    wide half = (2 * (v < 0 ? -v : v) + unit) / (2 * unit);
    return (int)(v < 0 ? -half : half);
}

static int at_least_zero(int tenths)
{
    return tenths < 0 ? 0 : tenths;
}

static int v2_weight(const unsigned char *v, enum v2_metric m)
{
    return m == V2_CDP && v[m] == 5 ? 0 : v2[m].weight[v[m]];
}

/* BaseScore in tenths; adjusted: its impact is AdjustedImpact. It may be below zero then, and counts so further on. */
static int v2_base(const unsigned char *v, bool adjusted)
{
    wide rest = 1;
    for (int i = 0; i < 3; i++) {
        int weight = v2_weight(v, (enum v2_metric)(V2_C + i));
        rest *= 1000000 - weight * (adjusted ? v2_weight(v, (enum v2_metric)(V2_CR + i)) : 1000);
    }
    wide impact = (power_of_ten(18) - rest) * 1041; /* in 10^-20 */
    if (impact == 0)
        return 0;
    if (adjusted && impact > power_of_ten(21))
        impact = power_of_ten(21);
    wide exploitability = (wide)20 * v2_weight(v, V2_AV) * v2_weight(v, V2_AC) * v2_weight(v, V2_AU); /* in 10^-9 */
    wide sum = impact * 6 + exploitability * 4 * power_of_ten(11) - 15 * power_of_ten(20);            /* in 10^-21 */
    return nearest(sum * 1176, power_of_ten(23));
}

static int v2_temporal(const unsigned char *v, int base)
{
    return nearest((wide)base * v2_weight(v, V2_E) * v2_weight(v, V2_RL) * v2_weight(v, V2_RC), power_of_ten(9));
}

/* Its impact has a limit of 10, which the base score's (10.0008 at most) has not: without any metric of the environment
 * it must not be computed. */
static int v2_environmental(const unsigned char *v, int temporal)
{
    bool defined = false;
    for (int i = V2_CDP; i < V2_METRICS; i++)
        defined = defined || v[i] != last_value(&v2[i]);
    if (!defined)
        return temporal;
    int adjusted = v2_temporal(v, v2_base(v, true));
    wide sum = (wide)adjusted * 1000 + (wide)(100 - adjusted) * v2_weight(v, V2_CDP);
    return at_least_zero(nearest(sum * v2_weight(v, V2_TD), power_of_ten(6)));
}

static void score_v2(const unsigned char *v, struct cvss *out)
{
    out->base = at_least_zero(v2_base(v, false));
    out->temporal = v2_temporal(v, out->base);
    out->environmental = v2_environmental(v, out->temporal);
    out->network = yes(v[V2_AV] == 0);
    out->no_privileges = yes(v[V2_AU] == 0);
    out->no_interaction = ADV_UNKNOWN;
    out->low_complexity = yes(v[V2_AC] == 0);
}

/* --- v3 ---------------------------------------------------------------------------------------------------------- */

static int round_up(wide v, wide unit)
{
    return v <= 0 ? 0 : (int)((v + unit - 1) / unit);
}

static int v3_weight(const unsigned char *v, int metric)
{
    return v3[metric].weight[v[metric]];
}

static wide privileges(int value, bool changed)
{
    static const int weights[2][3] = {{85, 62, 27}, {85, 68, 50}};
    return weights[changed][value];
}

/* The power of a number in 10^-18. */
static wide power(wide x, int n)
{
    wide r = power_of_ten(18);
    while (n-- > 0)
        r = r * x / power_of_ten(18);
    return r;
}

/* Base, or modified: with what the environment says in place of the base metrics. In tenths. */
static int v3_score(const unsigned char *v, bool modified, enum cvss_version version)
{
    int b[8], rest = 1000000;
    for (int i = 0; i < 8; i++) {
        int undefined = last_value(&v3[V3_MODIFIED + i]);
        b[i] = modified && v[V3_MODIFIED + i] != undefined ? v[V3_MODIFIED + i] : v[i];
    }
    bool changed = b[V3_S] == 1;
    wide product = 1;
    for (int i = 0; i < 3; i++)
        product *= 100 - v3[V3_C + i].weight[b[V3_C + i]] * (modified ? v3_weight(v, V3_CR + i) : 100) / 100;
    int iss = rest - (int)product; /* in 10^-6 */
    if (modified && iss > 915000)
        iss = 915000;
    wide impact = (wide)642 * iss * power_of_ten(10); /* in 10^-18 */
    if (changed && modified && version == CVSS_3_1)
        impact = (wide)752 * (iss - 29000) * power_of_ten(10) -
                 power(((wide)iss * 9731 - 200000000) * power_of_ten(8), 13) * 325 / 100;
    else if (changed)
        impact = (wide)752 * (iss - 29000) * power_of_ten(10) -
                 power((wide)(iss - 20000) * power_of_ten(12), 15) * 325 / 100;
    if (impact <= 0)
        return 0;
    wide exploitability = (wide)822 * v3[V3_AV].weight[b[V3_AV]] * v3[V3_AC].weight[b[V3_AC]] *
                          privileges(b[V3_PR], changed) * v3[V3_UI].weight[b[V3_UI]] * power_of_ten(8);
    wide sum = impact + exploitability, ten = power_of_ten(19);
    if (changed)
        sum = sum * 108 / 100;
    return round_up(sum < ten ? sum : ten, power_of_ten(17));
}

static int v3_temporal(const unsigned char *v, int base)
{
    return round_up((wide)base * v3_weight(v, V3_E) * v3_weight(v, V3_RL) * v3_weight(v, V3_RC), power_of_ten(6));
}

static void score_v3(const unsigned char *v, struct cvss *out)
{
    out->base = v3_score(v, false, out->version);
    out->temporal = v3_temporal(v, out->base);
    out->environmental = v3_temporal(v, v3_score(v, true, out->version));
    out->network = yes(v[V3_AV] == 0);
    out->no_privileges = yes(v[V3_PR] == 0);
    out->no_interaction = yes(v[V3_UI] == 0);
    out->low_complexity = yes(v[V3_AC] == 0);
}

/* --- v4.0 -------------------------------------------------------------------------------------------------------- */

static void score_v4(const unsigned char *v, struct cvss *out)
{
    out->base = cvss4_score(v, false, false);
    out->temporal = cvss4_score(v, true, false);
    out->environmental = cvss4_score(v, true, true);
    out->network = yes(v[V4_AV] == 0);
    out->no_privileges = yes(v[V4_PR] == 0);
    out->no_interaction = yes(v[V4_UI] == 0);
    out->low_complexity = yes(v[V4_AC] == 0 && v[V4_AT] == 0);
}

/* ----------------------------------------------------------------------------------------------------------------- */

static const struct {
    enum cvss_version version;
    const char *prefix, *word;
    const struct cvss_metric *metrics;
    size_t n;
    void (*score)(const unsigned char *values, struct cvss *out);
} versions[] = {
    {CVSS_4_0, "CVSS:4.0/", "4.0", cvss4_metrics, V4_METRICS, score_v4},
    {CVSS_3_1, "CVSS:3.1/", "3.1", v3, V3_METRICS, score_v3},
    {CVSS_3_0, "CVSS:3.0/", "3.0", v3, V3_METRICS, score_v3},
    {CVSS_2, "", "2.0", v2, V2_METRICS, score_v2},
};

const char *cvss_version_word(enum cvss_version v)
{
    for (size_t i = 0; i < N(versions); i++)
        if (versions[i].version == v)
            return versions[i].word;
    return "";
}

bool cvss_score(struct slice vector, struct cvss *out)
{
    unsigned char values[CVSS_METRICS_MAX];
    size_t i = 0;
    *out = (struct cvss){.version = CVSS_NONE};
    if (vector.n > CVSS_VECTOR_MAX)
        return false;
    while (i < N(versions) - 1 && !slice_starts(vector, versions[i].prefix)) /* the last one has none */
        i++;
    size_t used = slice_of(versions[i].prefix).n;
    if (vector.n == used ||
        !read_metrics((struct slice){vector.p + used, vector.n - used}, versions[i].metrics, versions[i].n, values))
        return false;
    out->version = versions[i].version;
    versions[i].score(values, out);
    return true;
}
