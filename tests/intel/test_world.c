/* A whole world: a folder as it is mirrored, imported with the program's own parts, every answer computed and compared
 * with the folder's answers.json. `make test-intel WORLD=path` runs it on any folder of the same form; without one it
 * is the world beside this file, an invented one. Prints each disagreement and ends as run-tests wants it.
 *
 *   osv/ cve5/ nvd.json kev.json epss.csv vex/ sbom/   as `andon intel import` reads them
 *   hardware.json   "NAME:VERSION" -> firmware_cpe, hardware_cpe
 *   inventory.csv   one device a row
 *   answers.json    now, status, cvss, findings_in_order, inventory, same_vulnerability, fix_release
 *   sets.json       versions, cvss, ranges; survival.json */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conf/inventory.h"
#include "core/clock.h"
#include "core/cvss.h"
#include "core/fmt.h"
#include "core/json.h"
#include "core/osv_range.h"
#include "core/queue.h"
#include "core/survival.h"
#include "intel/field.h"
#include "intel/import.h"
#include "intel/match.h"

#define FILE_MAX ((size_t)64 << 20)

struct run {
    const char *folder;
    struct arena a;
    int passed, failed;
    const struct json_t *answers;
    int64_t now;
    struct intel_matcher *matcher;
    struct inventory inventory;
    struct release {
        const char *name, *firmware, *hardware;
        struct intel_answers is;
    } * releases;
    size_t n_releases;
    struct queue_input in;
};

static bool check(struct run *r, bool ok, const char *fmt, ...) ANDON_PRINTF(3, 4);
static bool check(struct run *r, bool ok, const char *fmt, ...)
{
    va_list ap;
    if (ok) {
        r->passed++;
        return true;
    }
    r->failed++;
    va_start(ap, fmt);
    printf("DISAGREE ");
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
    return false;
}

static struct json_t *load(struct run *r, const char *name)
{
    struct err e = {0};
    struct json_t *doc = NULL;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", r->folder, name);
    FILE *f = fopen(path, "rb");
    if (f) {
        char *bytes = xmalloc(FILE_MAX);
        size_t n = fread(bytes, 1, FILE_MAX, f);
        doc = json_parse(bytes, n, FILE_MAX, name, &e);
        free(bytes);
        fclose(f);
    }
    check(r, doc != NULL, "%s: cannot be read: %s", path, f ? e.what : "not there");
    return doc;
}

static const char *text(const struct json_t *obj, const char *key)
{
    const char *s = json_str(obj, key, NULL);
    return s ? s : "";
}

static int64_t time_at(const struct json_t *obj, const char *key)
{
    return field_time(obj, key);
}

/* ---- what there is ---- */

static void say(void *ctx, enum intel_outcome what, const struct intel_source *source, const struct err *err)
{
    struct run *r = ctx;
    if (what == INTEL_REFUSED)
        check(r, false, "import of %s: %s %s", source->name, err->what, err->cause);
}

static struct release *release(struct run *r, const char *name)
{
    for (size_t i = 0; i < r->n_releases; i++)
        if (strcmp(r->releases[i].name, name) == 0)
            return &r->releases[i];
    r->releases = xreallocarray(r->releases, r->n_releases + 1, sizeof *r->releases);
    struct release *is = &r->releases[r->n_releases++];
    *is = (struct release){.name = arena_strdup(&r->a, name), .firmware = "", .hardware = ""};
    return is;
}

/* All releases that any file speaks of. */
static void find_releases(struct run *r)
{
    struct json_t *hardware = load(r, "hardware.json");
    const struct json_t *v;
    const char *name;
    void *it = NULL;
    while (json_each(hardware, &it, &name, &v)) {
        struct release *is = release(r, name);
        is->firmware = arena_strdup(&r->a, text(v, "firmware_cpe"));
        is->hardware = arena_strdup(&r->a, text(v, "hardware_cpe"));
    }
    json_free(hardware);
    it = NULL;
    while (json_each(json_get(r->answers, "status"), &it, &name, &v))
        release(r, name);
    for (size_t i = 0; i < r->inventory.n_cells; i++)
        if (*r->inventory.cells[i].release)
            release(r, r->inventory.cells[i].release);
}

static void judge_all(struct run *r)
{
    struct err e = {0};
    for (size_t i = 0; i < r->n_releases; i++) {
        struct release *is = &r->releases[i];
        const char *asked[1000], *id;
        const struct json_t *v;
        size_t n = 0;
        void *it = NULL;
        while (n < 1000 && json_each(json_get(json_get(r->answers, "status"), is->name), &it, &id, &v))
            asked[n++] = id;
        check(r, intel_match(r->matcher, is->name, is->firmware, is->hardware, asked, n, &r->a, &is->is, &e), "%s: %s",
              is->name, e.what);
    }
}

/* ---- statuses ---- */

static const struct finding *finding_of(const struct release *is, const char *id)
{
    for (size_t i = 0; i < is->is.n; i++)
        if (strcmp(is->is.v[i].id, id) == 0)
            return &is->is.v[i];
    return NULL;
}

/* The words there are fewer: what is fixed is not affected, what is disputed is affected. */
static bool same_status(const struct finding *f, const char *word)
{
    switch (f->status) {
    case FINDING_AFFECTED:
        return strcmp(word, "affected") == 0;
    case FINDING_DOUBTFUL:
        if (f->why == WHY_CPE_GUESS)
            return strcmp(word, "not_affected") == 0;
        return strcmp(word, "doubtful") == 0 || (strcmp(word, "affected") == 0);
    case FINDING_FIXED:
        return strcmp(word, "fixed") == 0 || strcmp(word, "not_affected") == 0;
    case FINDING_NOT_AFFECTED:
        return strcmp(word, "not_affected") == 0;
    case FINDING_UNKNOWN:
        return strcmp(word, "unknown") == 0 ||
               (f->why == WHY_VEX_INVESTIGATING && strcmp(word, "under_investigation") == 0);
    case FINDING_STATUSES:
        break;
    }
    return false;
}

/* Is everybody named that should be? More may say so as well. "OSV" and "cna" only say of what kind an id is. */
static bool same_by(const char *ours, const char *theirs)
{
    char copy[1000], *save = NULL;
    snprintf(copy, sizeof copy, "%s", theirs);
    for (char *w = strtok_r(copy, " ,", &save); w; w = strtok_r(NULL, " ,", &save)) {
        size_t n = strlen(w);
        const char *at = ours;
        if (strcmp(w, "OSV") == 0 || strcmp(w, "cna") == 0)
            continue;
        while ((at = strstr(at, w)) && !((at == ours || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0')))
            at++;
        if (!at)
            return false;
    }
    return true;
}

static void check_status(struct run *r)
{
    const struct json_t *of, *want;
    const char *name, *id;
    void *it = NULL, *in = NULL;
    for (; json_each(json_get(r->answers, "status"), &it, &name, &of); in = NULL)
        while (json_each(of, &in, &id, &want)) {
            const struct finding *f = finding_of(release(r, name), id);
            const char *fixed = text(want, "fixed_in_component"), *by = text(want, "by");
            if (!check(r, f != NULL, "%s %s: no answer, expected %s", name, id, text(want, "status")))
                continue;
            check(r, same_status(f, text(want, "status")), "%s %s: %s (%s; %s), expected %s (%s)", name, id,
                  finding_status_word(f->status), finding_why_text(f->why), f->component, text(want, "status"),
                  text(want, "why"));
            if (*fixed)
                check(r, strcmp(f->fixed_in, fixed) == 0, "%s %s: fixed in \"%s\", expected %s", name, id, f->fixed_in,
                      fixed);
            if (*by)
                check(r, same_by(f->by, by), "%s %s: by \"%s\", expected %s", name, id, f->by, by);
        }
}

/* ---- scores ---- */

/* What is known of it: by a release that it concerns, which its distribution's advisory is found by, else by its id. */
static struct intel_answers ask(struct run *r, const char *id, size_t *at)
{
    struct intel_answers is = {0};
    struct err e = {0};
    for (size_t i = 0; i < r->n_releases; i++)
        for (*at = 0; *at < r->releases[i].is.n; ++*at)
            if (strcmp(r->releases[i].is.v[*at].id, id) == 0 && *r->releases[i].is.v[*at].component)
                return r->releases[i].is;
    *at = 0;
    check(r, intel_match(r->matcher, "", "", "", &id, 1, &r->a, &is, &e), "%s: %s", id, e.what);
    return is;
}

static bool near(double a, double b, double within)
{
    return fabs(a - b) <= within;
}

static void check_scores(struct run *r)
{
    const struct json_t *want;
    const char *id;
    void *it = NULL;
    while (json_each(json_get(r->answers, "cvss"), &it, &id, &want)) {
        size_t at;
        struct intel_answers is = ask(r, id, &at);
        const struct vuln_facts *f = is.n > at ? &is.facts[at] : NULL;
        double score = -0.1;
        if (!check(r, f != NULL, "%s: not found", id))
            continue;
        json_num(want, "score", &score);
        check(r, strcmp(f->vector, text(want, "vector")) == 0, "%s: %s, expected %s", id, f->vector,
              text(want, "vector"));
        check(r, near(f->tenths, score * 10, 0.01), "%s: score %d tenths, expected %.1f", id, f->tenths, score);
    }
}

static void check_same(struct run *r)
{
    const struct json_t *want;
    const char *id;
    void *it = NULL;
    while (json_each(json_get(r->answers, "same_vulnerability"), &it, &id, &want)) {
        size_t at;
        struct intel_answers is = ask(r, id, &at);
        if (!check(r, is.n > at && is.n_members[at] == json_len(want), "%s: %zu other ids, expected %zu", id,
                   is.n > at ? is.n_members[at] : 0, json_len(want)))
            continue;
        for (size_t i = 0; i < json_len(want); i++) {
            bool has = false;
            for (size_t k = 0; k < is.n_members[at]; k++)
                has |= strcmp(is.members[at][k], json_str_value(json_at(want, i), NULL)) == 0;
            check(r, has, "%s: %s is not the same", id, json_str_value(json_at(want, i), NULL));
        }
    }
}

/* ---- what first ---- */

static int newer(const void *pa, const void *pb)
{
    const struct queue_release *x = pa, *y = pb;
    int order = strcmp(x->line, y->line);
    if (order == 0 && !version_compare(VERSION_GENERIC, slice_of(strrchr(x->name, ':') + 1),
                                       slice_of(strrchr(y->name, ':') + 1), &order))
        order = strcmp(x->name, y->name);
    return order;
}

/* Devices that a decision cannot tell apart are one finding. */
static void merge_cells(struct run *r)
{
    struct fleet_cell *v = ARENA_ARRAY(&r->a, struct fleet_cell, r->inventory.n_cells);
    size_t n = 0;
    for (size_t i = 0; i < r->inventory.n_cells; i++) {
        const struct fleet_cell *c = &r->inventory.cells[i];
        size_t k = 0;
        while (k < n && !(strcmp(v[k].release, c->release) == 0 && v[k].cls == c->cls && v[k].exposure == c->exposure &&
                          v[k].essential == c->essential))
            k++;
        if (k < n)
            v[k].devices += c->devices;
        else
            v[n++] = *c;
    }
    r->in.cells = v;
    r->in.n_cells = n;
}

static void make_input(struct run *r)
{
    struct queue_release *rel = ARENA_ARRAY(&r->a, struct queue_release, r->n_releases);
    struct risk_policy *policy = ARENA_NEW(&r->a, struct risk_policy);
    size_t all = 0, n = 0;
    for (size_t i = 0; i < r->n_releases; i++) {
        const struct release *is = &r->releases[i];
        const char *colon = strrchr(is->name, ':');
        rel[i] = (struct queue_release){.name = is->name, .blind = "", .judged = true, .offered = true, .rollout = ""};
        rel[i].line = arena_strndup(&r->a, is->name, colon ? (size_t)(colon - is->name) : 0);
        all += is->is.n;
    }
    qsort(rel, r->n_releases, sizeof *rel, newer);
    for (size_t i = 0; i < r->n_releases; i++)
        rel[i].order = (int64_t)i;
    struct finding *f = ARENA_ARRAY(&r->a, struct finding, all);
    struct vuln_facts *facts = ARENA_ARRAY(&r->a, struct vuln_facts, all);
    size_t n_facts = 0;
    for (size_t i = 0; i < r->n_releases; i++)
        for (size_t k = 0; k < r->releases[i].is.n; k++) {
            bool known = false;
            if (!finding_queued(&r->releases[i].is.v[k]))
                continue;
            f[n++] = r->releases[i].is.v[k];
            for (size_t j = 0; j < n_facts; j++)
                known |= strcmp(facts[j].id, f[n - 1].id) == 0;
            if (!known)
                facts[n_facts++] = r->releases[i].is.facts[k];
        }
    *policy = *risk_policy_default(); /* the directive's days stand beside the others there */
    for (size_t i = 0; i < CLASSES; i++)
        policy->bod[i] = BOD_SHOW;
    r->in = (struct queue_input){.now = r->now,
                                 .policy = policy,
                                 .releases = rel,
                                 .n_releases = r->n_releases,
                                 .findings = f,
                                 .n_findings = n,
                                 .facts = facts,
                                 .n_facts = n_facts};
    merge_cells(r);
}

static const char *exposure_of(enum exposure x)
{
    return x == EXPOSURE_UNKNOWN ? "unknown" : exposure_word(x);
}

static const char *class_of(enum device_class c)
{
    return c == CLASS_UNKNOWN ? "unknown" : device_class_word(c);
}

static bool same_rules(const struct json_t *want, unsigned rules)
{
    size_t n = json_len(want), ours = 0;
    for (unsigned bit = 1; bit <= RISK_R2; bit <<= 1) {
        bool has = false;
        if (!(rules & bit))
            continue;
        ours++;
        for (size_t i = 0; i < n; i++) {
            const char *s = json_str_value(json_at(want, i), NULL);
            has |= s && strncmp(s, risk_rule_text(bit), 2) == 0; /* "R1" */
        }
        if (!has)
            return false;
    }
    return ours == n;
}

static void check_order(struct run *r)
{
    const struct json_t *list = json_get(r->answers, "findings_in_order");
    const struct queue_item *v;
    size_t n = queue_items(&r->in, &r->a, &v);
    if (!list)
        return;
    check(r, n == json_len(list), "%zu findings, expected %zu", n, json_len(list));
    for (size_t i = 0; i < json_len(list) && i < n; i++) {
        const struct json_t *want = json_at(list, i);
        const struct risk_item *is = &v[i].item;
        const struct risk *k = is->risk;
        int64_t devices = -1;
        double score = -0.1, epss = -1;
        json_int(want, "devices", &devices);
        json_num(want, "score", &score);
        json_num(want, "epss", &epss);
        const char *pairs[][3] = {
            {"release", v[i].finding->release, text(want, "release")},
            {"vulnerability", v[i].finding->id, text(want, "cve")},
            {"class", class_of(is->cell->cls), text(want, "device_class")},
            {"exposure", exposure_of(is->cell->exposure), text(want, "exposure")},
            {"exploitation", risk_value_word(POINT_EXPLOITED, k->why[POINT_EXPLOITED].value),
             text(want, "exploitation")},
            {"automatable", risk_value_word(POINT_AUTOMATABLE, k->why[POINT_AUTOMATABLE].value),
             text(want, "automatable")},
            {"technical impact", risk_value_word(POINT_TECHNICAL, k->why[POINT_TECHNICAL].value),
             text(want, "technical_impact")},
            {"tier", ssvc_tier_word(k->tier), text(want, "tier")},
            {"BOD 26-04", bod_word(k->bod), text(want, "bod_26_04")},
        };
        for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++)
            check(r, strcmp(pairs[p][1], pairs[p][2]) == 0, "finding %zu (%s %s): %s %s, expected %s", i + 1,
                  v[i].finding->release, v[i].finding->id, pairs[p][0], pairs[p][1], pairs[p][2]);
        check(r, is->devices == devices, "finding %zu: %lld devices, expected %lld", i + 1, (long long)is->devices,
              (long long)devices);
        check(r, k->due == time_at(want, "due"), "finding %zu (%s): due %lld, expected %s", i + 1, v[i].finding->id,
              (long long)k->due, text(want, "due"));
        check(r, near(is->facts->tenths, score * 10, 0.01), "finding %zu: score %d tenths, expected %.1f", i + 1,
              is->facts->tenths, score);
        check(r, near(is->facts->scored ? is->facts->epss : -1, epss, 1e-9), "finding %zu: EPSS %g, expected %g", i + 1,
              is->facts->epss, epss);
        check(r, same_rules(json_get(want, "rules"), k->rules), "finding %zu (%s): rules %u", i + 1, v[i].finding->id,
              k->rules);
    }
}

static bool same_ids(const struct json_t *want, const char *const *v, size_t n)
{
    size_t hits = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < json_len(want); k++) {
            const char *s = json_str_value(json_at(want, k), NULL);
            hits += s && strcmp(s, v[i]) == 0;
        }
    return hits == n && n == json_len(want);
}

static void check_fixes(struct run *r)
{
    const struct json_t *want;
    const char *from;
    void *it = NULL;
    struct queue q;
    queue_make(&r->in, &r->a, &q);
    while (json_each(json_get(r->answers, "fix_release"), &it, &from, &want)) {
        const struct queue_row *row = NULL;
        for (size_t i = 0; i < q.n && !row; i++)
            if (q.rows[i].kind == QUEUE_STEP && strcmp(q.rows[i].from, from) == 0)
                row = &q.rows[i];
        if (!check(r, row != NULL, "%s: no step from it", from))
            continue;
        check(r, strcmp(row->to->name, text(want, "to")) == 0, "%s: to %s, expected %s", from, row->to->name,
              text(want, "to"));
        check(r, same_ids(json_get(want, "closes"), row->closes, row->n_closes), "%s: closes %zu others", from,
              row->n_closes);
        check(r, same_ids(json_get(want, "opens"), row->opens, row->n_opens), "%s: opens %zu others", from,
              row->n_opens);
    }
}

/* ---- inventory ---- */

static void check_inventory(struct run *r)
{
    const struct inventory *v = &r->inventory;
    const struct json_t *want = json_get(r->answers, "inventory"), *empty = json_get(want, "empty"), *n;
    static const struct {
        const char *key;
        enum inv_field field;
    } fields[] = {{"owner", INV_OWNER},         {"exposure", INV_EXPOSURE}, {"end_of_life", INV_LIFE},
                  {"last_report", INV_REPORT},  {"model", INV_MODEL},       {"os", INV_OS},
                  {"mechanism", INV_MECHANISM}, {"function", INV_FUNCTION}, {"site", INV_LOCATION},
                  {"class", INV_CLASS},         {"release", INV_FIRMWARE}};
    int64_t devices = -1, reporting = -1;
    double share = -1;
    bool blind = false;
    const char *key;
    void *it = NULL;
    if (!want)
        return;
    json_int(want, "devices", &devices);
    json_int(want, "reporting_24h", &reporting);
    json_num(want, "share", &share);
    json_bool(want, "blind_spot", &blind);
    check(r, v->n.devices == devices, "%lld devices, expected %lld", (long long)v->n.devices, (long long)devices);
    check(r, v->n.all == reporting, "%lld report, expected %lld", (long long)v->n.all, (long long)reporting);
    check(r, near(inventory_share(&v->n), share, 1e-6), "share %f, expected %f", inventory_share(&v->n), share);
    check(r, inventory_blind(v, &v->n) == blind, "blind spot: expected %d", blind);
    while (json_each(empty, &it, &key, &n)) {
        double number = -1;
        size_t i = 0;
        while (i < sizeof fields / sizeof *fields && strcmp(fields[i].key, key) != 0)
            i++;
        json_num_value(n, &number);
        if (check(r, i < sizeof fields / sizeof *fields, "empty %s: no such field", key))
            check(r, near((double)v->empty[fields[i].field], number, 0), "%lld empty %s, expected %.0f",
                  (long long)v->empty[fields[i].field], key, number);
    }
    check(r, same_ids(json_get(want, "past_end_of_life"), v->past, v->n_past), "%zu past end of life, expected %zu",
          v->n_past, json_len(json_get(want, "past_end_of_life")));
}

/* ---- sets of cases ---- */

static enum version_scheme scheme_of(const char *word)
{
    for (int s = 0; s < VERSION_SCHEMES; s++)
        if (strcmp(version_scheme_word((enum version_scheme)s), word) == 0)
            return (enum version_scheme)s;
    return VERSION_NONE;
}

static void check_versions(struct run *r, const struct json_t *list)
{
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json_t *c = json_at(list, i);
        int64_t want = 9;
        int order = 9;
        json_int(c, "cmp", &want);
        bool ok = version_compare(scheme_of(text(c, "scheme")), slice_of(text(c, "a")), slice_of(text(c, "b")), &order);
        check(r, ok && (order > 0) - (order < 0) == want, "%s: %s against %s is %d, expected %lld", text(c, "scheme"),
              text(c, "a"), text(c, "b"), ok ? order : 9, (long long)want);
    }
}

static void check_ranges(struct run *r, const struct json_t *list)
{
    static const char *const words[] = {"introduced", "fixed", "last_affected", "limit"};
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json_t *c = json_at(list, i), *events = json_get(c, "events");
        struct adv_event v[100];
        size_t n = 0;
        bool want = false;
        json_bool(c, "affected", &want);
        for (size_t k = 0; k < json_len(events); k++)
            for (int w = 0; w < 4; w++)
                if (json_str(json_at(events, k), words[w], NULL) && n < 100)
                    v[n++] = (struct adv_event){(enum adv_event_kind)w, json_str(json_at(events, k), words[w], NULL)};
        struct adv_range range = {scheme_of(text(c, "scheme")), false, v, n};
        check(r, (osv_range_judge(&range, text(c, "version")).affected == ADV_YES) == want,
              "range %zu: %s %s, expected %d", i, text(c, "scheme"), text(c, "version"), want);
    }
}

static void check_vectors(struct run *r, const struct json_t *list)
{
    static const char *const keys[] = {"base", "temporal", "environmental", "score"};
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json_t *c = json_at(list, i);
        const char *vector = text(c, "vector");
        bool valid = true;
        struct cvss v;
        json_bool(c, "valid", &valid);
        bool ok = cvss_score(slice_of(vector), &v);
        if (!check(r, ok == valid, "%s: valid %d, expected %d", vector, ok, valid) || !ok)
            continue;
        int is[4] = {v.base, v.temporal, v.environmental, v.environmental};
        for (size_t k = 0; k < 4; k++) {
            double want;
            if (json_num(c, keys[k], &want))
                check(r, near(is[k], want * 10, 0.01), "%s: %s %d tenths, expected %.1f", vector, keys[k], is[k], want);
        }
    }
}

#define DAY ((double)US_PER_DAY)

static double number(const struct json_t *list, size_t i)
{
    double v = 0;
    json_num_value(json_at(list, i), &v);
    return v;
}

static void check_curve(struct run *r, const struct json_t *c)
{
    const struct json_t *t = json_get(c, "t"), *e = json_get(c, "e"), *entry = json_get(c, "entry"),
                        *want = json_get(c, "answer"), *at = json_get(want, "S"), *ci = json_get(want, "ci_7"), *v;
    const char *name = text(c, "name"), *day;
    struct spell *spells = ARENA_ARRAY(&r->a, struct spell, json_len(t));
    struct survival k;
    int64_t n = 0, patched = 0, open = 0;
    double x, low, high, tau = 0;
    void *it = NULL;
    for (size_t i = 0; i < json_len(t); i++)
        spells[i] = (struct spell){llround(number(entry, i) * DAY), llround(number(t, i) * DAY), number(e, i) > 0};
    survival_make(spells, json_len(t), &r->a, &k);
    json_int(want, "n", &n);
    json_int(want, "patched", &patched);
    json_int(want, "open", &open);
    check(r, k.pairs == (size_t)n && k.patched == (size_t)patched && k.pairs - k.patched == (size_t)open,
          "%s: %zu pairs, %zu patched", name, k.pairs, k.patched);
    bool few, reached = json_num(want, "median", &x);
    int64_t median = survival_median(&k, &few);
    check(r, reached ? near((double)median / DAY, x, 1e-9) : median == TIME_NEVER, "%s: median %f", name,
          (double)median / DAY);
    json_num(want, "tau", &tau);
    if (json_num(want, "rmst", &x))
        check(r, near(survival_mean(&k, llround(tau * DAY)) / DAY, x, 1e-9), "%s: mean to %g d is %f, expected %f",
              name, tau, survival_mean(&k, llround(tau * DAY)) / DAY, x);
    if (json_num(want, "naive_mean_patched_only", &x))
        check(r, near(survival_patched_only(&k) / DAY, x, 1e-9), "%s: patched only %f, expected %f", name,
              survival_patched_only(&k) / DAY, x);
    if (json_num(want, "exposure_device_days", &x))
        check(r, near(k.exposed_us / DAY, x, 1e-6), "%s: exposure %f, expected %f", name, k.exposed_us / DAY, x);
    while (json_each(at, &it, &day, &v))
        if (json_num_value(v, &x))
            check(r, near(survival_share(&k, strtol(day, NULL, 10) * US_PER_DAY, false), x, 1e-9),
                  "%s: S(%s) = %f, expected %f", name, day,
                  survival_share(&k, strtol(day, NULL, 10) * US_PER_DAY, false), x);
    /* the quantile is 1.96 by the documentation and 1.959964 to others */
    if (json_len(ci) == 2 && survival_interval(&k, 7 * US_PER_DAY, false, &low, &high))
        check(r, near(low, number(ci, 0), 2e-5) && near(high, number(ci, 1), 2e-5), "%s: at 7 d %f-%f, expected %f-%f",
              name, low, high, number(ci, 0), number(ci, 1));
}

static void check_sets(struct run *r)
{
    struct json_t *sets = load(r, "sets.json"), *curves = load(r, "survival.json");
    check_versions(r, json_get(sets, "versions"));
    check_vectors(r, json_get(sets, "cvss"));
    check_ranges(r, json_get(sets, "ranges"));
    for (size_t i = 0; i < json_len(curves); i++)
        check_curve(r, json_at(curves, i));
    json_free(sets);
    json_free(curves);
}

/* ---- the whole ---- */

static bool import(struct run *r, const char *path)
{
    struct err e = {0};
    size_t refused = 0;
    struct intel_store *s = intel_open(path, true, &e);
    struct intel_import spec = {.folder = r->folder, .now = r->now, .say = say, .ctx = r};
    bool ok = s && intel_import(s, &spec, &refused, &e);
    ok = check(r, ok && refused == 0, "import: %s %s", e.what, e.cause);
    intel_close(s);
    return ok;
}

static void check_world(struct run *r, const char *path)
{
    struct err e = {0};
    struct intel_store *s = intel_open(path, false, &e);
    struct inv_rules rules = {.file = "", .model_attribute = "", .rows = {.file = ""}};
    char csv[4096];
    snprintf(csv, sizeof csv, "%s/inventory.csv", r->folder);
    if (!check(r, s != NULL, "%s", e.what))
        return;
    if (check(r, inventory_rows_load(csv, &r->a, &rules.rows, &e), "%s", e.what))
        inventory_of_rows(&rules, r->now, &r->a, &r->inventory);
    r->matcher = intel_matcher_new(s, NULL, 0, &e);
    if (check(r, r->matcher != NULL, "%s", e.what)) {
        find_releases(r);
        judge_all(r);
        make_input(r);
        check_status(r);
        check_scores(r);
        check_same(r);
        check_order(r);
        check_fixes(r);
        check_inventory(r);
        intel_matcher_free(r->matcher);
    }
    intel_close(s);
}

int main(int argc, char **argv)
{
    struct run r = {0};
    char dir[] = "/tmp/andon-world-XXXXXX", path[100];
    r.folder = argc > 1 ? argv[1] : getenv("ANDON_WORLD") ? getenv("ANDON_WORLD") : "tests/intel/world";
    arena_init(&r.a);
    struct json_t *answers = load(&r, "answers.json");
    if (answers && check(&r, mkdtemp(dir) != NULL, "no temporary folder")) {
        snprintf(path, sizeof path, "%s/intel.db", dir);
        r.answers = answers;
        r.now = time_at(answers, "now");
        if (import(&r, path))
            check_world(&r, path);
        check_sets(&r);
        static const char *const ends[] = {"", "-wal", "-shm"};
        for (size_t i = 0; i < 3; i++) {
            snprintf(path, sizeof path, "%s/intel.db%s", dir, ends[i]);
            unlink(path);
        }
        rmdir(dir);
    }
    json_free(answers);
    free(r.releases);
    arena_release(&r.a);
    printf("%d passed, %d failed\n", r.passed, r.failed);
    return r.failed > 0;
}
