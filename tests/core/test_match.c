/* A release's parts against what is known of one vulnerability. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "core/match.h"

#define COUNT(v)                            (sizeof(v) / sizeof *(v))
#define CPE(part, vendor, product, version) "cpe:2.3:" part ":" vendor ":" product ":" version ":*:*:*:*:*:*:*"

static struct sbom_part part(const char *name, const char *version, const char *purl, const char *cpe)
{
    return (struct sbom_part){.ref = "", .name = name, .version = version, .purl = purl, .cpe = cpe};
}

static struct adv_cpe leaf(const char *criteria, bool vulnerable, const char *start, const char *end)
{
    return (struct adv_cpe){.criteria = criteria, .start = start, .end = end, .vulnerable = vulnerable};
}

struct world {
    struct arena a;
    struct sbom_part parts[8];
    struct sbom sbom;
    struct match_subject subject;
    const struct vex *vex;
    size_t n_vex;
    bool covered;
};

static void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    arena_init(&w->a);
    w->sbom = (struct sbom){.release = "gate:2.0", .self = part("gate", "2.0", "pkg:generic/gate@2.0", "")};
    w->sbom.parts = w->parts;
    w->subject = (struct match_subject){"gate:2.0", &w->sbom, "", ""};
    w->covered = true;
}

static void add(struct world *w, struct sbom_part p)
{
    w->parts[w->sbom.n_parts++] = p;
}

/* The answer to these advisories as one vulnerability; its why, WHY_NONE: no part is concerned. */
static enum finding_why judge(struct world *w, struct finding *f, size_t n, ...)
{
    const struct advisory *advs[8];
    va_list ap;
    va_start(ap, n);
    for (size_t i = 0; i < n; i++)
        advs[i] = va_arg(ap, const struct advisory *);
    va_end(ap);
    struct match *m = match_new(&w->subject, w->vex, w->n_vex, &w->a);
    const char *const *ecosystems;
    for (size_t i = match_ecosystems(m, &ecosystems); w->covered && i-- > 0;)
        match_covered(m, i);
    struct match_group g = {"CVE-2031-0001", advs, n};
    return match_judge(m, &g, f) ? f->why : WHY_NONE;
}

#define NPM(range_events)                                                                                              \
    {                                                                                                                  \
        .ecosystem = "npm", .name = "kelp", .vector = "",                                                              \
        .ranges = &(struct adv_range){VERSION_SEMVER, false, range_events, COUNT(range_events)}, .n_ranges = 1         \
    }

static void test_packages(void **state)
{
    (void)state;
    static const struct adv_event fix2[] = {{ADV_INTRODUCED, "0"}, {ADV_FIXED, "2.0.0"}},
                                  fix3[] = {{ADV_INTRODUCED, "1.5.0"}, {ADV_FIXED, "3.0.0"}},
                                  last[] = {{ADV_INTRODUCED, "0"}, {ADV_LAST_AFFECTED, "1.0.0"}};
    struct adv_affected to2 = NPM(fix2), to3 = NPM(fix3), to1 = NPM(last);
    struct advisory a = {.id = "GHSA-a", .affected = &to2, .n_affected = 1},
                    b = {.id = "GHSA-b", .affected = &to3, .n_affected = 1},
                    c = {.id = "GHSA-c", .affected = &to1, .n_affected = 1};
    struct finding f;
    struct world w;
    world_init(&w);
    add(&w, part("kelp", "1.9.0", "pkg:npm/kelp@1.9.0", ""));
    assert_int_equal(judge(&w, &f, 1, &a), WHY_IN_RANGE);
    assert_int_equal(f.status, FINDING_AFFECTED);
    assert_string_equal(f.fixed_in, "2.0.0");
    assert_string_equal(f.component, "kelp 1.9.0");
    assert_string_equal(f.by, "GHSA-a");
    /* another advisory calls 2.0.0 affected: it is no fix */
    assert_int_equal(judge(&w, &f, 2, &a, &b), WHY_IN_RANGE);
    assert_string_equal(f.fixed_in, "3.0.0");
    assert_string_equal(f.by, "GHSA-a GHSA-b");
    assert_int_equal(judge(&w, &f, 1, &c), WHY_ABOVE_LAST);
    assert_int_equal(f.status, FINDING_NOT_AFFECTED);
    /* withdrawn: says nothing beside a live one, and is the reason when it is alone */
    c.state = ADV_WITHDRAWN;
    assert_int_equal(judge(&w, &f, 1, &c), WHY_WITHDRAWN);
    assert_int_equal(judge(&w, &f, 2, &c, &a), WHY_IN_RANGE);
    assert_string_equal(f.by, "GHSA-a");
    /* the worst of several parts */
    add(&w, part("kelp", "", "pkg:npm/kelp", ""));
    assert_int_equal(judge(&w, &f, 1, &a), WHY_IN_RANGE);
    w.parts[0].version = "2.0.0";
    w.parts[0].purl = "pkg:npm/kelp@2.0.0";
    assert_int_equal(judge(&w, &f, 1, &a), WHY_NO_VERSION);
    assert_int_equal(f.status, FINDING_UNKNOWN);
    arena_release(&w.a);
}

static void test_cve_rejected_or_disputed(void **state)
{
    (void)state;
    static const struct adv_event fix2[] = {{ADV_INTRODUCED, "0"}, {ADV_FIXED, "2.0.0"}};
    struct adv_affected to2 = NPM(fix2);
    struct advisory a = {.id = "GHSA-a", .affected = &to2, .n_affected = 1},
                    cve = {.id = "CVE-2031-0001", .source = ADV_CVE5, .state = ADV_REJECTED};
    struct finding f;
    struct world w;
    world_init(&w);
    add(&w, part("kelp", "1.9.0", "pkg:npm/kelp@1.9.0", ""));
    assert_int_equal(judge(&w, &f, 2, &a, &cve), WHY_REJECTED_ELSEWHERE);
    assert_int_equal(f.status, FINDING_DOUBTFUL);
    assert_true(finding_queued(&f));
    cve.state = ADV_LIVE;
    cve.disputed = true;
    assert_int_equal(judge(&w, &f, 2, &a, &cve), WHY_DISPUTED);
    assert_true(f.disputed);
    arena_release(&w.a);
}

static void test_cpe_trees(void **state)
{
    (void)state;
    struct adv_cpe firmware = leaf(CPE("o", "tallow", "gate_firmware", "*"), true, "", "2.1"),
                   hardware = leaf(CPE("h", "tallow", "gate", "-"), false, "", ""),
                   rtos = leaf(CPE("o", "keel", "rtos", "-"), false, "", ""),
                   http = leaf(CPE("a", "bramble", "http", "*"), true, "1.0", "1.4"),
                   other[] = {leaf(CPE("a", "fern", "http", "*"), true, "", ""),
                              leaf(CPE("a", "bramble", "http", "-"), true, "", "")};
    struct adv_node on_hardware[] = {{false, false, &firmware, 1}, {false, false, &hardware, 1}},
                    on_rtos[] = {{false, false, &http, 1}, {false, false, &rtos, 1}},
                    not_rtos[] = {{false, false, &http, 1}, {false, true, &rtos, 1}}, alone = {false, false, &http, 1},
                    others = {false, false, other, 2};
    struct adv_config hw = {true, false, on_hardware, 2}, os = {true, false, on_rtos, 2},
                      no_os = {true, false, not_rtos, 2}, plain = {false, false, &alone, 1},
                      elsewhere = {false, false, &others, 1}, empty = {true, false, NULL, 0};
    struct advisory nvd = {.id = "CVE-2031-0001", .source = ADV_NVD, .n_configs = 1};
    struct finding f;
    struct world w;
    world_init(&w);
    add(&w, part("http", "1.3", "pkg:generic/http@1.3", CPE("a", "Bramble", "HTTP", "1.3")));
    w.subject.cpe_firmware = CPE("o", "tallow", "gate_firmware", "2.0");

    nvd.configs = &hw;
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_NO_HARDWARE);
    w.subject.cpe_hardware = CPE("h", "tallow", "gate", "-");
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_CPE_HARDWARE);
    assert_int_equal(f.status, FINDING_AFFECTED);
    assert_string_equal(f.fixed_in, "2.1");
    w.subject.cpe_hardware = CPE("h", "tallow", "gate", "rev_b");
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_CPE_HARDWARE);
    w.subject.cpe_hardware = CPE("h", "tallow", "gate_mk2", "-");
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_OTHER_HARDWARE);
    assert_int_equal(f.status, FINDING_NOT_AFFECTED);

    nvd.configs = &plain;
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_CPE);
    assert_string_equal(f.by, "NVD");
    http.end = "1.3";
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_AT_OR_ABOVE_FIX);
    assert_int_equal(f.status, FINDING_FIXED);
    http.end_included = true;
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_CPE);
    assert_string_equal(f.fixed_in, ""); /* the end is affected: no fix is stated */
    http.end_included = false;
    http.end = "1.4";
    http.doubtful = true;
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_CONVERTED);
    assert_int_equal(f.status, FINDING_DOUBTFUL);
    http.doubtful = false;
    http.unordered = true;
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_NO_ORDER);
    http.unordered = false;

    nvd.configs = &os;
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_OTHER_HARDWARE);
    nvd.configs = &no_os;
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_CPE_HARDWARE);
    add(&w, part("rtos", "3", "", CPE("o", "keel", "rtos", "3"))); /* "-" beside "running on" is any version */
    assert_int_not_equal(judge(&w, &f, 1, &nvd), WHY_CPE_HARDWARE);
    assert_int_equal(f.status, FINDING_NOT_AFFECTED);
    nvd.configs = &os;
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_CPE_HARDWARE);

    nvd.configs = &elsewhere;
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_NOT_APPLICABLE);
    assert_int_equal(f.status, FINDING_NOT_AFFECTED);
    nvd.configs = &empty;
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_NONE);
    arena_release(&w.a);
}

static void test_cpe_is_a_guess_for_packages(void **state)
{
    (void)state;
    struct adv_cpe http = leaf(CPE("a", "bramble", "http", "*"), true, "", "9");
    struct adv_node node = {false, false, &http, 1};
    struct adv_config config = {false, false, &node, 1};
    static const struct adv_event fix1[] = {{ADV_INTRODUCED, "0"}, {ADV_FIXED, "1.0"}};
    struct adv_range range = {VERSION_DEB, false, fix1, 2};
    struct adv_affected deb = {.ecosystem = "Debian:12", .name = "http", .vector = "", .ranges = &range, .n_ranges = 1};
    struct advisory nvd = {.id = "CVE-2031-0001", .source = ADV_NVD, .configs = &config, .n_configs = 1},
                    own = {.id = "DEBIAN-CVE-2031-0001", .affected = &deb, .n_affected = 1};
    struct finding f;
    struct world w;
    world_init(&w);
    add(&w, part("http", "1.3-1", "pkg:deb/debian/http@1.3-1?distro=debian-12", CPE("a", "bramble", "http", "1.3")));
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_CPE_GUESS);
    assert_int_equal(f.status, FINDING_DOUBTFUL);
    assert_false(finding_queued(&f));
    /* Debian has judged it */
    assert_int_equal(judge(&w, &f, 2, &nvd, &own), WHY_AT_OR_ABOVE_FIX);
    assert_int_equal(f.status, FINDING_FIXED);
    /* nothing is known of Debian 12 at all: the CPE is all there is */
    w.covered = false;
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_CPE);
    assert_true(finding_queued(&f));
    arena_release(&w.a);
}

static struct vex vex(enum vex_status status, const char *product, const char *component, int64_t at)
{
    return (struct vex){.id = "CVE-2031-0001",
                        .status = status,
                        .why = "",
                        .product = product,
                        .component = component,
                        .document = "VEX-1",
                        .at = at};
}

static void test_statements(void **state)
{
    (void)state;
    static const struct adv_event fix2[] = {{ADV_INTRODUCED, "0"}, {ADV_FIXED, "2.0.0"}};
    struct adv_affected to2 = NPM(fix2);
    struct advisory a = {.id = "GHSA-a", .affected = &to2, .n_affected = 1};
    struct vex v[3];
    struct finding f;
    struct world w;
    world_init(&w);
    add(&w, part("kelp", "1.9.0", "pkg:npm/kelp@1.9.0?arch=arm64", ""));
    w.vex = v;
    w.n_vex = 1;
    const struct {
        const char *product, *component;
        enum vex_fit fit;
    } cases[] = {
        {"pkg:generic/gate@2.0", "pkg:npm/kelp@1.9.0", VEX_FITS},
        {"pkg:generic/g%61te@2%2E0?download_url=x", "pkg:npm/kelp", VEX_FITS},
        {"pkg:generic/gate@2.0", "", VEX_FITS},
        {"gate:2.0", "kelp", VEX_FITS},
        {"gate:2.0", "kelp 1.9.0", VEX_FITS},
        {"gate:2.0", "kelp@1.8.0", VEX_OTHER_COMPONENT},
        {"gate:2.0", "pkg:npm/kelp@1.9.0?arch=amd64", VEX_OTHER_COMPONENT},
        {"pkg:npm/kelp@1.9.0", "", VEX_FITS},
        {"pkg:npm/kelp", "", VEX_OTHER_PRODUCT},
        {"pkg:generic/gate", "pkg:npm/kelp@1.9.0", VEX_NO_VERSION},
        {CPE("o", "tallow", "gate_firmware", "*"), "", VEX_NO_VERSION},
        {CPE("o", "tallow", "gate_firmware", "2.0"), "kelp", VEX_FITS},
        {CPE("o", "tallow", "gate_firmware", "2.1"), "kelp", VEX_OTHER_VERSION},
        {"pkg:generic/gate@2.1", "", VEX_OTHER_VERSION},
        {"pkg:generic/gateway@2.0", "", VEX_OTHER_PRODUCT},
        {"", "", VEX_OTHER_PRODUCT},
    };
    w.subject.cpe_firmware = CPE("o", "tallow", "gate_firmware", "2.0");
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool decided;
        v[0] = vex(VEX_NOT_AFFECTED, cases[i].product, cases[i].component, 1);
        struct match *m = match_new(&w.subject, v, 1, &w.a);
        if (match_vex(m, 0, &decided) != cases[i].fit)
            fail_msg("%s, %s: %s", cases[i].product, cases[i].component, vex_fit_text(match_vex(m, 0, &decided)));
        enum finding_why why = judge(&w, &f, 1, &a);
        assert_int_equal(why, cases[i].fit == VEX_FITS ? WHY_VEX_NOT_AFFECTED : WHY_IN_RANGE);
    }
    /* drafts decide nothing */
    v[0] = vex(VEX_NOT_AFFECTED, "gate:2.0", "kelp", 1);
    v[0].draft = true;
    assert_int_equal(judge(&w, &f, 1, &a), WHY_IN_RANGE);
    /* the newest of a scope, in any order; being looked at takes nothing back */
    w.n_vex = 2;
    v[0] = vex(VEX_INVESTIGATING, "gate:2.0", "kelp", 2);
    v[1] = vex(VEX_NOT_AFFECTED, "gate:2.0", "kelp", 1);
    assert_int_equal(judge(&w, &f, 1, &a), WHY_IN_RANGE);
    v[0].at = 0;
    assert_int_equal(judge(&w, &f, 1, &a), WHY_VEX_NOT_AFFECTED);
    assert_string_equal(f.by, "VEX-1");
    /* the component before the whole, however old */
    v[0] = vex(VEX_AFFECTED, "gate:2.0", "kelp@1.9.0", 1);
    v[1] = vex(VEX_NOT_AFFECTED, "gate:2.0", "", 9);
    assert_int_equal(judge(&w, &f, 1, &a), WHY_IN_RANGE);
    /* a statement about one part says nothing of another */
    add(&w, part("kelp", "1.0.0", "pkg:npm/kelp@1.0.0", ""));
    v[0] = vex(VEX_NOT_AFFECTED, "gate:2.0", "kelp@1.9.0", 1);
    w.n_vex = 1;
    assert_int_equal(judge(&w, &f, 1, &a), WHY_IN_RANGE);
    assert_string_equal(f.component, "kelp 1.0.0");
    /* a maker's word about what no advisory speaks of */
    v[0] = vex(VEX_AFFECTED, "gate:2.0", "", 1);
    assert_int_equal(judge(&w, &f, 0), WHY_VEX_AFFECTED);
    assert_int_equal(f.status, FINDING_AFFECTED);
    /* affected by its maker's word, and the vulnerability has CPEs, which the part has not: no fix is known of it */
    struct adv_cpe http = leaf(CPE("a", "bramble", "http", "*"), true, "", "9");
    struct adv_node node = {false, false, &http, 1};
    struct adv_config config = {false, false, &node, 1};
    struct advisory nvd = {.id = "CVE-2031-0001", .source = ADV_NVD, .configs = &config, .n_configs = 1};
    v[0] = vex(VEX_AFFECTED, "gate:2.0", "kelp@1.0.0", 1);
    assert_int_equal(judge(&w, &f, 1, &nvd), WHY_VEX_AFFECTED);
    assert_string_equal(f.fixed_in, "");
    v[0] = vex(VEX_INVESTIGATING, "gate:2.0", "kelp@1.0.0", 1);
    assert_int_equal(judge(&w, &f, 0), WHY_VEX_INVESTIGATING);
    assert_int_equal(f.status, FINDING_UNKNOWN);
    arena_release(&w.a);
}

static void test_nothing_is_clean_by_silence(void **state)
{
    (void)state;
    static const struct adv_event git[] = {{ADV_INTRODUCED, "0"}};
    struct adv_range commits = {VERSION_NONE, false, git, 1};
    struct adv_affected nameless = {.ecosystem = "", .name = "", .vector = "", .ranges = &commits, .n_ranges = 1};
    struct advisory bare = {.id = "CVE-2031-0001", .source = ADV_CVE5}, osv = {.id = "OSV-1"};
    const struct advisory *advs[] = {&bare, &osv};
    struct match_group g = {"CVE-2031-0001", advs, 1};
    struct finding f;
    struct match_gaps gaps;
    struct world w;
    world_init(&w);
    add(&w, part("plain", "1", "", ""));
    add(&w, part("kelp", "", "pkg:npm/kelp", ""));
    struct match *m = match_new(&w.subject, NULL, 0, &w.a);
    match_gaps(m, &gaps);
    assert_int_equal(gaps.parts, 2);
    assert_int_equal(gaps.no_id, 1);
    assert_int_equal(gaps.no_version, 1);
    match_absent(m, &g, &f);
    assert_int_equal(f.why, WHY_NO_PRODUCT_DATA);
    assert_int_equal(f.status, FINDING_UNKNOWN);
    osv.affected = &nameless;
    osv.n_affected = 1;
    g.n = 2;
    match_absent(m, &g, &f);
    assert_int_equal(f.why, WHY_COMMITS_ONLY);
    nameless.n_ranges = 0;
    match_absent(m, &g, &f);
    assert_int_equal(f.why, WHY_NO_PACKAGE);
    nameless.ecosystem = "npm";
    match_absent(m, &g, &f);
    assert_int_equal(f.why, WHY_NOT_PRESENT);
    assert_int_equal(f.status, FINDING_NOT_AFFECTED);
    w.subject.sbom = NULL;
    m = match_new(&w.subject, NULL, 0, &w.a);
    match_absent(m, &g, &f);
    assert_int_equal(f.why, WHY_NO_SBOM);
    assert_int_equal(f.status, FINDING_UNKNOWN);
    bare.state = ADV_REJECTED;
    g.n = 1;
    match_absent(m, &g, &f);
    assert_int_equal(f.why, WHY_REJECTED);
    arena_release(&w.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packages),   cmocka_unit_test(test_cve_rejected_or_disputed),
        cmocka_unit_test(test_cpe_trees),  cmocka_unit_test(test_cpe_is_a_guess_for_packages),
        cmocka_unit_test(test_statements), cmocka_unit_test(test_nothing_is_clean_by_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
