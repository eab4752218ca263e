#include "conf/evidence.h"

#include <stdio.h>
#include <string.h>

/* A roll back is another change of the fleet, made without a person: by default on ten times the evidence of a pause.
 * docs/statistics.md, "Alpha ledger". */
#define ROLLBACK_TIMES 10

/* In the order of enum tests_mode, reaction (from REACT_WATCH). */
static const char *const tests_words[] = {"off", "dry-run", "on", NULL};
static const char *const do_words[] = {"watch", "hold", "pause", "rollback", NULL};

static const struct yfield tolerance_fields[] = {
    {.key = "reboots", .type = YT_NUM, .min = 1, .max = 100, .doc = "ratio of event rates, canary to control (1.25)"},
    {.key = "cpu", .type = YT_NUM, .min = 1, .max = 100, .doc = "rise of CPU over each device's own baseline (1.05)"},
    {.key = "variance", .type = YT_NUM, .min = 1, .max = 100, .doc = "the same of the sensor's variance (1.25)"},
    {0}};

static const struct yfield share_fields[] = {
    {.key = "reboots", .type = YT_NUM, .max = 1, .doc = "crash loops and reboots (0.3)"},
    {.key = "silence", .type = YT_NUM, .max = 1, .doc = "devices that are heard of no more (0.2)"},
    {.key = "cpu", .type = YT_NUM, .max = 1, .doc = "CPU use (0.15)"},
    {.key = "variance", .type = YT_NUM, .max = 1, .doc = "the sensor's variance (0.15)"},
    {.key = "install", .type = YT_NUM, .max = 1, .doc = "failed installs (0.2)"},
    {0}};

static const struct yfield level_fields[] = {
    {.key = "times",
     .type = YT_NUM,
     .required = true,
     .max = 1000000,
     .doc = "of the evidence that alpha asks for before a halt; 1 is all of it"},
    {.key = "do", .type = YT_WORD, .required = true, .words = do_words, .doc = "what andon then does"},
    {0}};

const struct yfield evidence_fields[] = {
    {.key = "tests",
     .type = YT_WORD,
     .words = tests_words,
     .doc = "on; dry-run: evaluated, shown and logged, never acting; off (on)"},
    {.key = "alpha",
     .type = YT_NUM,
     .min = 0.000001,
     .max = 0.5,
     .doc = "the most chance that a rollout which changes nothing is halted, over all waves, tests and looks (0.05)"},
    {.key = "reserve",
     .type = YT_NUM,
     .max = 0.9,
     .doc = "share of alpha kept for further rollouts of the firmware and tests added later (0)"},
    {.key = "tolerance", .type = YT_MAP, .fields = tolerance_fields, .doc = "how much worse is still no harm"},
    {.key = "install_failures",
     .type = YT_NUM,
     .min = 0.0001,
     .max = 0.5,
     .doc = "share of the devices that may fail the install by chance (0.02)"},
    {.key = "min_devices",
     .type = YT_INT,
     .min = 1,
     .max = 1000,
     .doc = "how many canary devices must carry a test; one bad device then never halts a fleet (2)"},
    {.key = "shares",
     .type = YT_MAP,
     .fields = share_fields,
     .doc = "how alpha is shared out over what is tested, at most 1 together; 0 = not tested; what is not named gives "
            "way"},
    {.key = "levels",
     .type = YT_LIST,
     .item = YT_MAP,
     .fields = level_fields,
     .min = 1,
     .max = EVIDENCE_LEVELS_MAX,
     .doc = "what how much evidence does (0.1 watch, 1 pause)"},
    {.key = "early_rollback",
     .type = YT_BOOL,
     .doc = "accept a roll back on less than ten times the evidence of a pause (false)"},
    {.key = "strata",
     .type = YT_LIST,
     .item = YT_STR,
     .max = STRATA_KEYS_MAX,
     .doc = "inventory attributes within which devices are compared ([model, site])"},
    {.key = "control", .type = YT_STR, .doc = "only devices whose id matches, with * and ?, are control (the rest)"},
    {0}};

/* Those that are not named give way: metrics_read(). */
static bool read_shares(const struct ynode *map, struct evidence_policy *p, struct err *e)
{
    double named = 0, sum = 0;
    for (size_t i = 0; i < METRICS_BUILTIN; i++) {
        p->share[i] = y_num(map, metric_id(p, i), p->share[i]);
        named += y_has(map, metric_id(p, i)) ? p->share[i] : 0;
        sum += p->share[i];
    }
    if (named > 1 + 1e-12) /* decimal shares need not add up to the bit */
        return y_err(map, e, "expected at most 1 together, found %.6g", named);
    if (map && !(sum > 0) && p->tests != TESTS_OFF)
        return y_err(map, e, "all are 0: nothing would be tested; say tests: off if that is meant");
    return true;
}

static bool level_makes_sense(const struct ynode *n, const struct evidence_level *l, bool early, struct err *e)
{
    const struct ynode *times = y_get(n, "times"), *what = y_get(n, "do");
    if (!(l->times > 0))
        return y_err(times, e, "expected more than 0, found '%s'", y_text(times));
    if (l->react >= REACT_PAUSE && l->times < 1) {
        y_err(what, e, "a %s on '%s' times the evidence would halt good rollouts more often than alpha says",
              reaction_word(l->react), y_text(times));
        if (e)
            snprintf(e->next, sizeof e->next, "only watch and hold go below 1; to halt sooner, raise alpha");
        return false;
    }
    if (l->react == REACT_ROLLBACK && l->times < ROLLBACK_TIMES && !early) {
        y_err(what, e, "a roll back without a person wants %d times the evidence of a pause, found '%s'",
              ROLLBACK_TIMES, y_text(times));
        if (e)
            snprintf(e->next, sizeof e->next, "say times: %d, or accept it with early_rollback: true", ROLLBACK_TIMES);
        return false;
    }
    return true;
}

static bool read_levels(const struct ynode *list, bool early, struct evidence_policy *p, struct err *e)
{
    p->n_levels = y_len(list);
    for (size_t i = 0; i < p->n_levels; i++) {
        const struct ynode *n = y_at(list, i);
        struct evidence_level *l = &p->level[i];
        l->times = y_num(n, "times", 0);
        l->react = (enum reaction)(REACT_WATCH + y_word(n, "do", 0));
        if (!level_makes_sense(n, l, early, e))
            return false;
        if (i > 0 && l->times <= l[-1].times)
            return y_err(y_get(n, "times"), e, "expected more than the level before (%.15g), found '%s'", l[-1].times,
                         y_text(y_get(n, "times")));
        if (i > 0 && l->react < l[-1].react)
            return y_err(y_get(n, "do"), e, "more evidence cannot do less: expected %s or more, found '%s'",
                         reaction_word(l[-1].react), y_text(y_get(n, "do")));
    }
    return true;
}

/* Attribute names come from the fleet's inventory; what is no name there would put all devices into one stratum. */
static bool attribute_ok(const char *s)
{
    return *s && strlen(s) <= 64 && s[strspn(s, " ")] != '\0' && !strpbrk(s, "\n\t");
}

static bool read_strata(const struct ynode *list, struct evidence_policy *p, struct arena *a, struct err *e)
{
    p->n_strata = y_len(list);
    for (size_t i = 0; i < p->n_strata; i++) {
        const char *key = y_text(y_at(list, i));
        if (!attribute_ok(key))
            return y_err(y_at(list, i), e, "expected the name of an inventory attribute, 1 to 64 bytes in one line");
        for (size_t j = 0; j < i; j++) {
            if (strcmp(key, p->strata[j]) == 0)
                return y_err(y_at(list, i), e, "'%s' is named twice", key);
        }
        p->strata[i] = arena_strdup(a, key);
    }
    return true;
}

bool evidence_read(const struct ynode *map, struct evidence_policy *out, struct arena *a, struct err *e)
{
    const struct ynode *tolerance = y_get(map, "tolerance");
    if (!map)
        return true;
    out->tests = (enum tests_mode)y_word(map, "tests", (int)out->tests);
    out->alpha = y_num(map, "alpha", out->alpha);
    out->reserve = y_num(map, "reserve", out->reserve);
    for (size_t i = 0; i < ROW_INSTALL; i++)
        out->tolerance[i] = y_num(tolerance, metric_id(out, i), out->tolerance[i]);
    out->tolerance[ROW_INSTALL] = y_num(map, "install_failures", out->tolerance[ROW_INSTALL]);
    out->min_devices = (int)y_int(map, "min_devices", out->min_devices);
    out->control = arena_strdup(a, y_str(map, "control", out->control));
    if (strlen(out->control) > 128)
        return y_err(y_get(map, "control"), e, "longer than 128 bytes");
    bool early = y_bool(map, "early_rollback", false);
    if (y_has(map, "levels") && !read_levels(y_get(map, "levels"), early, out, e))
        return false;
    if (y_has(map, "strata") && !read_strata(y_get(map, "strata"), out, a, e))
        return false;
    return read_shares(y_get(map, "shares"), out, e);
}
