#include "conf/risk.h"

#include "core/clock.h"

#define YEAR_S (365 * 86400.0)

static const char *const bod_words[] = {"off", "show", "bind", NULL};                        /* enum bod_use */
static const char *const clock_words[] = {"published", "learned", "fix", "exploited", NULL}; /* enum risk_clock */
/* Devices of unknown class go by confidentiality-sensitive. */
static const struct {
    const char *key;
    enum device_class cls;
} classes[] = {{"safety-critical", CLASS_SAFETY},
               {"confidentiality-sensitive", CLASS_CONFIDENTIAL},
               {"non-critical", CLASS_NON_CRITICAL}};

static const struct yfield target_fields[] = {
    {.key = "safety-critical", .type = YT_DUR, .min = 3600, .max = YEAR_S, .doc = "patched in under .. (7d)"},
    {.key = "confidentiality-sensitive", .type = YT_DUR, .min = 3600, .max = YEAR_S, .doc = "within .. (30d)"},
    {.key = "non-critical", .type = YT_DUR, .min = 3600, .max = YEAR_S, .doc = "within .. (30d)"},
    {0}};

static const struct yfield bod_fields[] = {
    {.key = "safety-critical", .type = YT_WORD, .words = bod_words, .doc = "(bind)"},
    {.key = "confidentiality-sensitive", .type = YT_WORD, .words = bod_words, .doc = "(show)"},
    {.key = "non-critical", .type = YT_WORD, .words = bod_words, .doc = "(show)"},
    {0}};

const struct yfield risk_fields[] = {
    {.key = "clock", .type = YT_WORD, .words = clock_words, .doc = "from when a due date counts (published)"},
    {.key = "targets", .type = YT_MAP, .fields = target_fields, .doc = "how soon devices of a class are patched"},
    {.key = "bod_26_04",
     .type = YT_MAP,
     .fields = bod_fields,
     .doc = "the days of CISA's directive: off, shown beside the others, or binding where they are fewer"},
    {.key = "high_internet",
     .type = YT_BOOL,
     .doc = "R1: CVSS of 7 or more, reachable from the internet: at least out-of-cycle, and first in its tier (true)"},
    {.key = "critical_automatable",
     .type = YT_BOOL,
     .doc = "R2: CVSS of 9 or more and automatable there: immediate (true)"},
    {.key = "epss", .type = YT_NUM, .min = 0.001, .max = 1, .doc = "EPSS from which an exploit counts as public (0.1)"},
    {0}};

const struct yfield cra_fields[] = {
    {.key = "manufacturer",
     .type = YT_BOOL,
     .required = true,
     .doc = "the releases are this house's own: andon proposes to start the clocks of CRA article 14"},
    {0}};

bool risk_read(const struct ynode *map, struct risk_policy *out, struct err *e)
{
    const struct ynode *targets = y_get(map, "targets"), *bod = y_get(map, "bod_26_04");
    *out = *risk_policy_default();
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        enum device_class c = classes[i].cls;
        out->target_us[c] = y_dur(targets, classes[i].key, out->target_us[c]);
        out->bod[c] = (enum bod_use)y_word(bod, classes[i].key, (int)out->bod[c]);
    }
    out->target_us[CLASS_UNKNOWN] = out->target_us[CLASS_CONFIDENTIAL];
    out->bod[CLASS_UNKNOWN] = out->bod[CLASS_CONFIDENTIAL];
    out->clock = (enum risk_clock)y_word(map, "clock", (int)out->clock);
    out->high_internet = y_bool(map, "high_internet", out->high_internet);
    out->critical_automatable = y_bool(map, "critical_automatable", out->critical_automatable);
    out->epss_poc = y_num(map, "epss", out->epss_poc);
    if (out->target_us[CLASS_SAFETY] > out->target_us[CLASS_NON_CRITICAL])
        return y_err(targets, e, "safety-critical devices would have more time than non-critical ones");
    return true;
}
