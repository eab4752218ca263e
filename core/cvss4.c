/* CVSS v4.0: the score of the macro vector, less the mean of how far the vector is on its way to the next lower ones.
 */
#include "core/cvss_inner.h"

const struct cvss_metric cvss4_metrics[V4_METRICS] = {
    {"AV", "N A L P", true, {0}},     {"AC", "L H", true, {0}},
    {"AT", "N P", true, {0}},         {"PR", "N L H", true, {0}},
    {"UI", "N P A", true, {0}},       {"VC", "H L N", true, {0}},
    {"VI", "H L N", true, {0}},       {"VA", "H L N", true, {0}},
    {"SC", "H L N", true, {0}},       {"SI", "H L N", true, {0}},
    {"SA", "H L N", true, {0}},       {"E", "A P U X", false, {0}},
    {"CR", "H M L X", false, {0}},    {"IR", "H M L X", false, {0}},
    {"AR", "H M L X", false, {0}},    {"MAV", "N A L P X", false, {0}},
    {"MAC", "L H X", false, {0}},     {"MAT", "N P X", false, {0}},
    {"MPR", "N L H X", false, {0}},   {"MUI", "N P A X", false, {0}},
    {"MVC", "H L N X", false, {0}},   {"MVI", "H L N X", false, {0}},
    {"MVA", "H L N X", false, {0}},   {"MSC", "H L N X", false, {0}},
    {"MSI", "H L N S X", false, {0}}, {"MSA", "H L N S X", false, {0}},
    {"S", "N P X", false, {0}},       {"AU", "N Y X", false, {0}},
    {"R", "A U I X", false, {0}},     {"V", "D C X", false, {0}},
    {"RE", "L M H X", false, {0}},    {"U", "Clear Green Amber Red X", false, {0}},
};

/* FIRST's scores of the 270 macro vectors, in tenths: a row for each EQ1 and EQ2; in it EQ3 with EQ6 (00, 01, 10, 11,
 * 21), then EQ4, then EQ5. */
static const unsigned char scores[6][5][3][3] = {
    {{{100, 98, 95}, {100, 93, 91}, {93, 89, 81}},
     {{99, 95, 92}, {96, 87, 81}, {90, 80, 68}},
     {{98, 95, 90}, {93, 89, 81}, {88, 78, 69}},
     {{95, 92, 84}, {92, 81, 65}, {80, 70, 48}},
     {{92, 82, 72}, {79, 69, 50}, {69, 55, 27}}},
    {{{99, 95, 92}, {95, 90, 84}, {92, 82, 72}},
     {{97, 92, 85}, {91, 83, 71}, {81, 71, 53}},
     {{95, 92, 85}, {92, 80, 70}, {84, 71, 50}},
     {{93, 85, 73}, {82, 72, 59}, {70, 52, 30}},
     {{86, 75, 52}, {71, 52, 29}, {63, 29, 17}}},
    {{{98, 94, 91}, {94, 86, 77}, {87, 74, 63}},
     {{95, 87, 81}, {89, 74, 64}, {75, 63, 49}},
     {{94, 88, 76}, {86, 74, 59}, {72, 57, 52}},
     {{89, 77, 67}, {76, 58, 50}, {57, 52, 25}},
     {{83, 70, 54}, {65, 58, 26}, {53, 21, 13}}},
    {{{95, 88, 76}, {90, 75, 61}, {77, 68, 52}},
     {{90, 76, 70}, {77, 62, 53}, {66, 59, 30}},
     {{89, 76, 62}, {74, 57, 47}, {61, 57, 24}},
     {{78, 67, 58}, {59, 57, 23}, {52, 29, 16}},
     {{71, 59, 30}, {58, 26, 15}, {23, 13, 6}}},
    {{{93, 86, 75}, {86, 74, 56}, {70, 52, 40}},
     {{87, 72, 58}, {74, 61, 34}, {54, 40, 22}},
     {{85, 74, 62}, {72, 55, 46}, {53, 34, 19}},
     {{75, 55, 51}, {57, 41, 19}, {36, 19, 8}},
     {{64, 51, 20}, {47, 21, 11}, {24, 9, 4}}},
    {{{88, 73, 60}, {73, 59, 41}, {54, 45, 20}},
     {{75, 53, 50}, {55, 40, 20}, {43, 22, 11}},
     {{75, 58, 40}, {61, 48, 20}, {46, 17, 8}},
     {{55, 45, 21}, {51, 18, 9}, {18, 7, 2}},
     {{53, 24, 14}, {24, 12, 5}, {10, 3, 1}}},
};

/* Where each of the equivalence classes begins: the severest vectors of its levels, as levels of AV PR UI, AC AT,
 * VC VI VA CR IR AR, SC SI SA; and how many steps it is from there to the least severe one. */
struct top {
    signed char n, level[5][6];
};

static const struct top top1[3] = {
    {1, {{0, 0, 0}}}, {3, {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}, {2, {{3, 0, 0}, {1, 1, 1}}}};
static const struct top top2[2] = {{1, {{0, 0}}}, {2, {{1, 0}, {0, 1}}}};
static const struct top top36[5] = {
    {1, {{0, 0, 0, 0, 0, 0}}},
    {2, {{0, 0, 1, 1, 1, 0}, {0, 0, 0, 1, 1, 1}}},
    {2, {{1, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0}}},
    {5, {{1, 0, 1, 0, 1, 0}, {1, 0, 0, 0, 1, 1}, {0, 1, 0, 1, 0, 1}, {0, 1, 1, 1, 0, 0}, {1, 1, 0, 0, 0, 1}}},
    {1, {{1, 1, 1, 0, 0, 0}}},
};
static const struct top top4[3] = {{1, {{1, 0, 0}}}, {1, {{1, 1, 1}}}, {1, {{2, 2, 2}}}};
static const int depth1[3] = {1, 4, 5}, depth2[2] = {1, 2}, depth36[5] = {7, 6, 8, 8, 10}, depth4[3] = {6, 5, 4};

/* Least common multiple of all depths: a distance in steps is a whole number of these parts. */
#define PARTS 840

/* The metrics with what the environment says in place of the base. */
struct effective {
    int v[11]; /* of SC, SI, SA: 0 = S, then H, L, N */
    int e, cr, ir, ar;
};

static struct effective effective(const unsigned char *values, bool threat, bool environment)
{
    struct effective f = {.e = threat && values[V4_E] < 3 ? values[V4_E] : 0};
    for (int i = 0; i < 11; i++) {
        static const int undefined[11] = {4, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4};
        int m = values[V4_MODIFIED + i];
        bool modified = environment && m < undefined[i];
        f.v[i] = modified ? m : values[i];
        if (i >= V4_SC)
            f.v[i] = modified && i > V4_SC && m == 3 ? 0 : f.v[i] + 1;
    }
    f.cr = environment && values[V4_CR] < 3 ? values[V4_CR] : 0;
    f.ir = environment && values[V4_IR] < 3 ? values[V4_IR] : 0;
    f.ar = environment && values[V4_AR] < 3 ? values[V4_AR] : 0;
    return f;
}

/* The macro vector; EQ3 and EQ6 in one, as they stand in the table. */
struct macro {
    int eq1, eq2, eq36, eq4, eq5;
};

static struct macro macro_of(const struct effective *f)
{
    const int *v = f->v;
    bool n[3] = {v[V4_AV] == 0, v[V4_PR] == 0, v[V4_UI] == 0};
    bool high[3] = {v[V4_VC] == 0, v[V4_VI] == 0, v[V4_VA] == 0};
    struct macro m = {.eq5 = f->e};
    m.eq1 = n[0] && n[1] && n[2] ? 0 : (n[0] || n[1] || n[2]) && v[V4_AV] != 3 ? 1 : 2;
    m.eq2 = !(v[V4_AC] == 0 && v[V4_AT] == 0);
    int eq3 = high[0] && high[1] ? 0 : high[0] || high[1] || high[2] ? 1 : 2;
    bool required = (f->cr == 0 && high[0]) || (f->ir == 0 && high[1]) || (f->ar == 0 && high[2]);
    m.eq36 = eq3 == 2 ? 4 : eq3 * 2 + !required;
    m.eq4 = v[V4_SI] == 0 || v[V4_SA] == 0 ? 0 : v[V4_SC] == 1 || v[V4_SI] == 1 || v[V4_SA] == 1 ? 1 : 2;
    return m;
}

static int score_of(struct macro m)
{
    return scores[m.eq1 * 2 + m.eq2][m.eq36][m.eq4][m.eq5];
}

/* Steps from the first of the severest vectors that is nowhere less severe than this one. */
static int distance(const struct top *t, const int *level, int n)
{
    int sum = 0;
    for (int k = 0; k < t->n; k++) {
        bool above = true;
        sum = 0;
        for (int i = 0; i < n; i++) {
            above = above && level[i] >= t->level[k][i];
            sum += level[i] - t->level[k][i];
        }
        if (above)
            return sum;
    }
    return sum;
}

/* The share of the way to `lower` that has been gone, added up. */
struct mean {
    int parts, n;
};

static void add(struct mean *mean, int available, int gone, int depth)
{
    if (available < 0)
        return;
    mean->parts += available * gone * (PARTS / depth);
    mean->n++;
}

/* The next lower score by EQ3 and EQ6; more than there can be: there is none. */
static int lower36(struct macro m)
{
    static const int next[5][2] = {{1, 2}, {3, 3}, {3, 3}, {4, 4}, {-1, -1}};
    int best = -1;
    for (int i = 0; i < 2 && next[m.eq36][i] >= 0; i++) {
        struct macro l = m;
        l.eq36 = next[m.eq36][i];
        if (score_of(l) > best)
            best = score_of(l);
    }
    return best;
}

int cvss4_score(const unsigned char *values, bool threat, bool environment)
{
    struct effective f = effective(values, threat, environment);
    const int *v = f.v;
    if (v[V4_VC] == 2 && v[V4_VI] == 2 && v[V4_VA] == 2 && v[V4_SC] == 3 && v[V4_SI] == 3 && v[V4_SA] == 3)
        return 0;
    struct macro m = macro_of(&f), l = m;
    int score = score_of(m), lower = lower36(m);
    struct mean mean = {0, 0};
    if (m.eq1 < 2) {
        l.eq1++;
        add(&mean, score - score_of(l), distance(&top1[m.eq1], (const int[]){v[V4_AV], v[V4_PR], v[V4_UI]}, 3),
            depth1[m.eq1]);
    }
    l = m;
    if (m.eq2 < 1) {
        l.eq2++;
        add(&mean, score - score_of(l), distance(&top2[m.eq2], (const int[]){v[V4_AC], v[V4_AT]}, 2), depth2[m.eq2]);
    }
    if (lower >= 0)
        add(&mean, score - lower,
            distance(&top36[m.eq36], (const int[]){v[V4_VC], v[V4_VI], v[V4_VA], f.cr, f.ir, f.ar}, 6),
            depth36[m.eq36]);
    l = m;
    if (m.eq4 < 2) {
        l.eq4++;
        add(&mean, score - score_of(l), distance(&top4[m.eq4], (const int[]){v[V4_SC], v[V4_SI], v[V4_SA]}, 3),
            depth4[m.eq4]);
    }
    l = m;
    if (m.eq5 < 2) { /* its levels are single: no way has been gone, but it is one of those that are averaged */
        l.eq5++;
        add(&mean, score - score_of(l), 0, 1);
    }
    if (mean.n == 0)
        return score;
    int whole = PARTS * mean.n, left = score * whole - mean.parts;
    return left <= 0 ? 0 : (2 * left + whole) / (2 * whole);
}
