#include "core/risk.h"

#include <string.h>
#include "core/clock.h"
#include "core/slice.h"

#define HIGH     70 /* tenths of CVSS: "High" begins in versions 3 and 4 */
#define CRITICAL 90

static const char *const POINT_WORDS[POINTS] = {"exploitation", "exposure", "automatable", "impact", "technical"};
static const char *const SOURCE_WORDS[RISK_SOURCES] = {"", "kev", "sighting", "cve5", "epss", "vector", "inventory"};
static const char *const CLOCK_WORDS[RISK_CLOCKS] = {"published", "learned", "fix", "exploited"};

const struct risk_policy *risk_policy_default(void)
{
    static const struct risk_policy p = {
        .high_internet = true,
        .critical_automatable = true,
        .epss_poc = 0.10,
        .target_us = {[CLASS_UNKNOWN] = 30 * US_PER_DAY,
                      [CLASS_SAFETY] = 7 * US_PER_DAY,
                      [CLASS_CONFIDENTIAL] = 30 * US_PER_DAY,
                      [CLASS_NON_CRITICAL] = 30 * US_PER_DAY},
        .bod = {[CLASS_UNKNOWN] = BOD_SHOW,
                [CLASS_SAFETY] = BOD_BIND,
                [CLASS_CONFIDENTIAL] = BOD_SHOW,
                [CLASS_NON_CRITICAL] = BOD_SHOW},
    };
    return &p;
}

/* --- what a CVSS vector says of single metrics; '\0' = nothing --------------------------------------------------- */

/* The first letter of the value: "AV" of "CVSS:3.1/AV:N/..." is N. */
static char metric(const char *vector, const char *name)
{
    struct slice part, rest = slice_of(vector);
    size_t n = strlen(name);
    while (rest.n > 0) {
        const char *slash = memchr(rest.p, '/', rest.n);
        part = (struct slice){rest.p, slash ? (size_t)(slash - rest.p) : rest.n};
        rest = slash ? (struct slice){slash + 1, rest.n - part.n - 1} : (struct slice){rest.p + rest.n, 0};
        if (part.n > n + 1 && memcmp(part.p, name, n) == 0 && part.p[n] == ':')
            return part.p[n + 1];
    }
    return '\0';
}

/* v2 has Au (N: none) for PR, and no word for what a user must do. */
static bool automatable(const char *v)
{
    char pr = metric(v, "PR"), ui = metric(v, "UI");
    return metric(v, "AV") == 'N' && metric(v, "AC") == 'L' && (pr ? pr : metric(v, "Au")) == 'N' && (ui == 'N' || !ui);
}

/* All of confidentiality, integrity and availability are lost: H in v3 and, of the vulnerable system, v4; C in v2. */
static bool total(const char *v)
{
    static const char *const names[3][2] = {{"VC", "C"}, {"VI", "I"}, {"VA", "A"}};
    for (int i = 0; i < 3; i++) {
        char c = metric(v, names[i][0]);
        c = c ? c : metric(v, names[i][1]);
        if (c != 'H' && c != 'C')
            return false;
    }
    return true;
}

/* --- the decision points ------------------------------------------------------------------------------------------ */

/* Where nobody says anything it is `none`: SSVC's own word for "no evidence". That is no assumption. */
static struct risk_reason exploited(const struct risk_policy *p, const struct vuln_facts *f)
{
    if (f->kev)
        return (struct risk_reason){.value = EXPLOIT_ACTIVE, .source = FROM_KEV, .at = f->kev_added};
    if (f->sighted)
        return (struct risk_reason){.value = EXPLOIT_ACTIVE, .source = FROM_SIGHTING, .at = f->sighted};
    if (f->exploitation >= ADV_EXPLOIT_POC)
        return (struct risk_reason){.value = f->exploitation == ADV_EXPLOIT_ACTIVE ? EXPLOIT_ACTIVE : EXPLOIT_POC,
                                    .source = FROM_CVE_RECORD};
    if (f->scored && f->epss >= p->epss_poc)
        return (struct risk_reason){.value = EXPLOIT_POC, .source = FROM_EPSS};
    return (struct risk_reason){.value = EXPLOIT_NONE,
                                .source = f->exploitation == ADV_EXPLOIT_NONE ? FROM_CVE_RECORD
                                          : f->scored                         ? FROM_EPSS
                                                                              : FROM_NOTHING};
}

static struct risk_reason exposure(const struct fleet_cell *c)
{
    switch (c->exposure) {
    case EXPOSURE_SITE:
        return (struct risk_reason){.value = SYSTEM_CONTROLLED, .source = FROM_INVENTORY};
    case EXPOSURE_ISOLATED:
        return (struct risk_reason){.value = SYSTEM_SMALL, .source = FROM_INVENTORY};
    case EXPOSURE_INTERNET:
        return (struct risk_reason){.value = SYSTEM_OPEN, .source = FROM_INVENTORY};
    case EXPOSURE_UNKNOWN:
    case EXPOSURES:
        break;
    }
    return (struct risk_reason){.value = SYSTEM_OPEN, .assumed = true};
}

static struct risk_reason answer(enum adv_answer said, const char *vector, bool of_vector)
{
    if (said != ADV_UNKNOWN)
        return (struct risk_reason){.value = said == ADV_YES, .source = FROM_CVE_RECORD};
    if (*vector)
        return (struct risk_reason){.value = of_vector, .source = FROM_VECTOR};
    return (struct risk_reason){.value = 1, .assumed = true};
}

static struct risk_reason impact(const struct fleet_cell *c)
{
    switch (c->cls) {
    case CLASS_SAFETY:
        return (struct risk_reason){.value = IMPACT_VERY_HIGH, .source = FROM_INVENTORY};
    case CLASS_CONFIDENTIAL:
        return (struct risk_reason){.value = IMPACT_HIGH, .source = FROM_INVENTORY};
    case CLASS_NON_CRITICAL:
        return (struct risk_reason){.value = c->essential ? IMPACT_MEDIUM : IMPACT_LOW, .source = FROM_INVENTORY};
    case CLASS_UNKNOWN:
    case CLASSES:
        break;
    }
    return (struct risk_reason){.value = IMPACT_HIGH, .assumed = true};
}

bool risk_exploited(const struct vuln_facts *f)
{
    return f->kev || f->sighted || f->exploitation == ADV_EXPLOIT_ACTIVE;
}

/* --- the decision ------------------------------------------------------------------------------------------------- */

static int cvss(const struct vuln_facts *f)
{
    return f->tenths < 0 ? 100 : f->tenths;
}

static void raise(const struct risk_policy *p, const struct vuln_facts *f, struct risk *r)
{
    bool network = !*f->vector || metric(f->vector, "AV") == 'N';
    bool open = r->why[POINT_EXPOSURE].value == SYSTEM_OPEN;
    if (!open || !network)
        return;
    if (p->high_internet && cvss(f) >= HIGH) {
        r->rules |= RISK_R1;
        if (r->tier > TIER_OUT_OF_CYCLE)
            r->tier = TIER_OUT_OF_CYCLE;
    }
    if (p->critical_automatable && cvss(f) >= CRITICAL && r->why[POINT_AUTOMATABLE].value && r->tier > TIER_IMMEDIATE) {
        r->rules |= RISK_R2;
        r->tier = TIER_IMMEDIATE;
    }
}

static int64_t moment(const struct vuln_facts *f, enum risk_clock c)
{
    switch (c) {
    case CLOCK_LEARNED:
        return f->learned;
    case CLOCK_FIX:
        return f->fix;
    case CLOCK_EXPLOITED:
        return f->sighted && (!f->kev || f->sighted < f->kev_added) ? f->sighted : f->kev ? f->kev_added : 0;
    case CLOCK_PUBLISHED:
    case RISK_CLOCKS:
        break;
    }
    return f->published;
}

static void count(const struct risk_policy *p, const struct vuln_facts *f, enum device_class cls, int64_t now,
                  struct risk *r)
{
    const enum risk_clock order[] = {p->clock, CLOCK_PUBLISHED, CLOCK_LEARNED};
    for (size_t i = 0; i < 3 && !r->from; i++) {
        r->clock = order[i];
        r->from = moment(f, order[i]);
    }
    r->tier_us = ssvc_tier_us(r->tier);
    r->target_us = p->target_us[cls];
    r->bod_us = p->bod[cls] == BOD_BIND ? bod_us(r->bod) : 0;
    r->within_us = r->tier_us < r->target_us ? r->tier_us : r->target_us;
    if (r->bod_us && r->bod_us < r->within_us)
        r->within_us = r->bod_us;
    r->due = r->from ? r->from + r->within_us : now;
}

void risk_decide(const struct risk_policy *p, const struct vuln_facts *f, const struct fleet_cell *devices, int64_t now,
                 struct risk *out)
{
    *out = (struct risk){0};
    out->why[POINT_EXPLOITED] = exploited(p, f);
    out->why[POINT_EXPOSURE] = exposure(devices);
    out->why[POINT_AUTOMATABLE] = answer(f->automatable, f->vector, automatable(f->vector));
    out->why[POINT_IMPACT] = impact(devices);
    out->why[POINT_TECHNICAL] = answer(f->total_impact, f->vector, total(f->vector));
    struct ssvc_case c = {.exploitation = (enum ssvc_exploitation)out->why[POINT_EXPLOITED].value,
                          .exposure = (enum ssvc_exposure)out->why[POINT_EXPOSURE].value,
                          .automatable = out->why[POINT_AUTOMATABLE].value != 0,
                          .impact = (enum ssvc_impact)out->why[POINT_IMPACT].value};
    struct bod_case b = {.listed = f->kev,
                         .exposed = c.exposure == SYSTEM_OPEN,
                         .automatable = c.automatable,
                         .total = out->why[POINT_TECHNICAL].value != 0};
    out->by_table = out->tier = ssvc_tier(&c, &out->row);
    out->bod = bod_days(&b, &out->bod_row);
    raise(p, f, out);
    count(p, f, (unsigned)devices->cls < CLASSES ? devices->cls : CLASS_UNKNOWN, now, out);
}

/* --- the order ---------------------------------------------------------------------------------------------------- */

static int cmp(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int risk_order(const struct risk_item *a, const struct risk_item *b)
{
    /* of equal ones the more exposed, the more critical first */
    static const int exposures[EXPOSURES] = {
        [EXPOSURE_INTERNET] = 0, [EXPOSURE_UNKNOWN] = 1, [EXPOSURE_SITE] = 2, [EXPOSURE_ISOLATED] = 3};
    static const int classes[CLASSES] = {
        [CLASS_SAFETY] = 0, [CLASS_CONFIDENTIAL] = 1, [CLASS_UNKNOWN] = 2, [CLASS_NON_CRITICAL] = 3};
    double ea = a->facts->scored ? a->facts->epss : 1, eb = b->facts->scored ? b->facts->epss : 1;
    int o = cmp(a->risk->tier, b->risk->tier);
    o = o ? o : cmp(b->risk->why[POINT_EXPLOITED].value, a->risk->why[POINT_EXPLOITED].value);
    o = o ? o : cmp(b->risk->rules & RISK_R1, a->risk->rules & RISK_R1);
    o = o ? o : cmp(a->risk->due, b->risk->due);
    o = o ? o : (eb > ea) - (eb < ea);
    o = o ? o : cmp(cvss(b->facts), cvss(a->facts));
    o = o ? o : cmp(b->devices, a->devices);
    o = o ? o : strcmp(a->cell->release, b->cell->release);
    o = o ? o : strcmp(a->facts->id, b->facts->id);
    o = o ? o : cmp(exposures[a->cell->exposure], exposures[b->cell->exposure]);
    o = o ? o : cmp(classes[a->cell->cls], classes[b->cell->cls]);
    return o ? o : cmp(b->cell->essential, a->cell->essential);
}

/* --- words -------------------------------------------------------------------------------------------------------- */

const char *risk_value_word(enum risk_point p, int value)
{
    switch (p) {
    case POINT_EXPLOITED:
        return ssvc_exploitation_word((enum ssvc_exploitation)value);
    case POINT_EXPOSURE:
        return ssvc_exposure_word((enum ssvc_exposure)value);
    case POINT_IMPACT:
        return ssvc_impact_word((enum ssvc_impact)value);
    case POINT_TECHNICAL:
        return value ? "total" : "partial";
    case POINT_AUTOMATABLE:
    case POINTS:
        break;
    }
    return value ? "yes" : "no";
}

const char *risk_point_word(enum risk_point p)
{
    return (unsigned)p < POINTS ? POINT_WORDS[p] : "?";
}

const char *risk_source_word(enum risk_source s)
{
    return (unsigned)s < RISK_SOURCES ? SOURCE_WORDS[s] : "?";
}

const char *risk_clock_word(enum risk_clock c)
{
    return (unsigned)c < RISK_CLOCKS ? CLOCK_WORDS[c] : "?";
}

const char *risk_rule_text(unsigned rule)
{
    return rule == RISK_R1   ? "R1 high severity on the internet"
           : rule == RISK_R2 ? "R2 critical and automatable on the internet"
                             : "";
}
