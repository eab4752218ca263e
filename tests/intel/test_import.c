/* A folder into the store and back: each source whole or not at all, what is refused, what is remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "core/clock.h"
#include "world.h"

#define OSV_TERN                                                                                                       \
    "{'id':'MEW-2030-7','modified':'2030-03-16T08:00:00Z','published':'2030-03-01T00:00:00Z',"                         \
    "'aliases':['CVE-2030-40007'],'summary':'tern: reads past the end of a header',"                                   \
    "'severity':[{'type':'CVSS_V3','score':'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H'}],"                          \
    "'affected':[{'package':{'ecosystem':'PyPI','name':'Sea_Tern'},"                                                   \
    "'ranges':[{'type':'ECOSYSTEM','events':[{'introduced':'0'},{'fixed':'1.4.2'}]}],'versions':['1.4.1','2.0']}]}"
#define KEV_ONE                                                                                                        \
    "{'title':'t','catalogVersion':'2030.03.16','dateReleased':'2030-03-16T15:00:00.0000Z','count':2,"                 \
    "'vulnerabilities':[{'cveID':'CVE-2030-40007','dateAdded':'2030-03-10','dueDate':'2030-03-31',"                    \
    "'knownRansomwareCampaignUse':'Known'},{'cveID':'CVE-2029-1234','dateAdded':'2029-05-01',"                         \
    "'knownRansomwareCampaignUse':'Unknown'}]}"
#define KEV_LESS                                                                                                       \
    "{'dateReleased':'2030-03-17T15:00:00Z','count':1,'vulnerabilities':[{'cveID':'CVE-2030-40007',"                   \
    "'dateAdded':'2030-03-10','knownRansomwareCampaignUse':'Unknown'}]}"
#define EPSS_ONE                                                                                                       \
    "#model_version:v2025.03.14,score_date:2030-03-16T00:00:00+0000\ncve,epss,percentile\n"                            \
    "CVE-2030-40007,0.91207,0.99710\nCVE-2029-1234,9e-05,0.00120\n"

static int begin(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    world_begin(w);
    *state = w;
    return 0;
}

static int end(void **state)
{
    world_end(*state);
    free(*state);
    return 0;
}

static const struct advisory *package(struct world *w, struct intel_store *s, const char *eco, const char *name)
{
    struct intel_found f;
    struct err e = {0};
    intel_found_init(&f, &w->a);
    assert_true(intel_by_package(s, eco, name, &f, &e));
    const struct advisory *v = f.n ? f.v[0] : NULL;
    assert_true(f.n <= 1);
    intel_found_release(&f);
    return v;
}

static void test_all_comes_back(void **state)
{
    struct world *w = *state;
    struct adv_listed l;
    struct err e = {0};
    bool has;
    world_file(w, "osv/PyPI/MEW-2030-7.json", OSV_TERN);
    world_file(w, "kev.json", KEV_ONE);
    world_file(w, "epss.csv", EPSS_ONE);
    world_file(w, "README", "not ours");
    world_file(w, "osv/PyPI/all.zip.part", "half");
    assert_int_equal(world_import(w), 0);
    assert_string_equal(
        w->said, "imported epss\nimported kev\nimported osv/PyPI\nignored README\nignored osv/PyPI/all.zip.part\n");
    struct intel_store *s = world_open(w);
    const struct advisory *v = package(w, s, "PyPI", "sea-tern");
    assert_non_null(v);
    assert_string_equal(v->id, "MEW-2030-7");
    assert_string_equal(v->summary, "tern: reads past the end of a header");
    assert_string_equal(v->scores[0].vector, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H");
    assert_string_equal(v->affected[0].ranges[0].events[1].version, "1.4.2");
    assert_int_equal(v->affected[0].ranges[0].events[1].kind, ADV_FIXED);
    assert_int_equal(v->affected[0].n_versions, 1); /* 1.4.1 is in the range */
    assert_string_equal(v->affected[0].versions[0], "2.0");
    assert_int_equal(v->learned, w->now / US_PER_S * US_PER_S);
    assert_null(package(w, s, "PyPI", "tern"));
    assert_true(intel_listed(s, "CVE-2029-1234", &l, &has, &e) && has);
    assert_true(l.scored && l.epss == 9e-05 && l.percentile == 0.0012 && !l.ransomware && l.kev_until == 0);
    assert_true(intel_listed(s, "CVE-2030-40007", &l, &has, &e) && has);
    assert_true(l.scored && l.epss == 0.91207 && l.ransomware && l.kev_added == INT64_C(1899331200000000));
    assert_true(intel_listed(s, "CVE-2030-1", &l, &has, &e) && !has);
    assert_true(intel_has_ecosystem(s, "PyPI", &has, &e) && has);
    assert_true(intel_has_ecosystem(s, "npm", &has, &e) && !has);
    intel_close(s);
    assert_int_equal(world_import(w), 0);
    assert_non_null(strstr(w->said, "unchanged kev"));
}

/* An alias is found from its other side, and the group is whole. */
static void test_groups(void **state)
{
    struct world *w = *state;
    struct intel_found f;
    struct err e = {0};
    world_file(w, "osv/a.json", OSV_TERN);
    world_file(w, "osv/b.json",
               "{'id':'PORT-7','modified':'2030-03-16T08:00:00Z','upstream':['CVE-2030-40007'],"
               "'affected':[{'package':{'ecosystem':'Debian:12','name':'tern'},'ranges':[]}]}");
    assert_int_equal(world_import(w), 0);
    struct intel_store *s = world_open(w);
    intel_found_init(&f, &w->a);
    assert_true(intel_by_package(s, "Debian:12", "tern", &f, &e) && f.n == 1);
    assert_true(intel_by_group(s, &f, &e) && f.n == 2 && !f.cut);
    assert_string_equal(f.v[1]->id, "MEW-2030-7");
    intel_found_release(&f);
    intel_close(s);
}

/* A ring of more ids than a group may have is followed so far, and said to be cut. */
static void test_ring(void **state)
{
    enum { N = 3000 };
    struct world *w = *state;
    struct intel_found f;
    struct err e = {0};
    struct intel_store *s = intel_open(w->db, true, &e);
    struct intel_source src = {
        .name = "osv", .kind = INTEL_OSV, .imported = WORLD_NOW, .checked = WORLD_NOW, .note = ""};
    assert_true(s && intel_begin(s, &src, &e));
    for (int i = 0; i < N; i++) {
        struct adv_ref ref = {ADV_ALIAS, arena_printf(&w->a, "R-%d", (i + 1) % N)};
        struct advisory v = {.id = arena_printf(&w->a, "R-%d", i), .modified = 1, .refs = &ref, .n_refs = 1};
        assert_true(intel_put_advisory(s, &v, &e));
    }
    assert_true(intel_commit(s, &src, &e));
    intel_found_init(&f, &w->a);
    assert_true(intel_by_id(s, "R-7", &f, &e) && f.n == 2 && !f.cut);
    assert_true(intel_by_group(s, &f, &e) && f.cut);
    assert_true(f.n > INTEL_GROUP_MAX && f.n <= 2 + 2 * INTEL_GROUP_MAX);
    intel_found_release(&f);
    intel_close(s);
}

/* Of one id twice in a source, and of two sources, the newest is found, by what it names and by what an older named. */
static void test_newest_of_an_id(void **state)
{
    struct world *w = *state;
    struct intel_found f;
    struct err e = {0};
    world_file(
        w, "osv/a/1.json",
        "{'id':'T-1','modified':'2030-01-01T00:00:00Z','affected':[{'package':{'ecosystem':'npm','name':'old'}}]}");
    world_file(
        w, "osv/b/1.json",
        "{'id':'T-1','modified':'2030-01-02T00:00:00Z','affected':[{'package':{'ecosystem':'npm','name':'new'}}]}");
    assert_int_equal(world_import(w), 0);
    struct intel_store *s = world_open(w);
    intel_found_init(&f, &w->a);
    assert_true(intel_by_package(s, "npm", "old", &f, &e) && f.n == 1);
    assert_string_equal(f.v[0]->affected[0].name, "new");
    intel_found_release(&f);
    intel_close(s);
}

static void test_fewer_is_refused(void **state)
{
    struct world *w = *state;
    struct adv_listed l;
    struct err e = {0};
    bool has;
    world_file(w, "kev.json", KEV_ONE);
    assert_int_equal(world_import(w), 0);
    world_file(w, "kev.json", KEV_LESS);
    assert_int_equal(world_import(w), 1);
    assert_string_equal(w->said, "refused kev: kev: 1 records, and it had 2 last time\n");
    struct intel_store *s = world_open(w);
    assert_true(intel_listed(s, "CVE-2029-1234", &l, &has, &e) && has && l.kev_until == 0);
    intel_close(s);
    w->force = true;
    w->now += US_PER_DAY;
    assert_int_equal(world_import(w), 0);
    s = world_open(w);
    assert_true(intel_listed(s, "CVE-2029-1234", &l, &has, &e) && has);
    assert_int_equal(l.kev_until, w->now); /* was in KEV until */
    assert_true(intel_listed(s, "CVE-2030-40007", &l, &has, &e) && has && l.kev_until == 0 && !l.ransomware);
    intel_close(s);
    world_file(w, "kev.json", KEV_ONE);
    assert_int_equal(world_import(w), 0);
    s = world_open(w);
    assert_true(intel_listed(s, "CVE-2029-1234", &l, &has, &e) && has && l.kev_until == 0);
    intel_close(s);
}

/* What is broken is refused in a sentence that says where, and what was there stays. */
static void test_broken(void **state)
{
    static const struct {
        const char *path, *text, *said;
    } cases[] = {
        {"osv/a.json", "{'id':'MEW-2030-7','modified':'2030-03-16T0",
         "osv: osv/a.json: OSV record: not acceptable JSON"},
        {"osv/a.json", "{'id':'','modified':'2030-03-16T08:00:00Z'}", "osv: osv/a.json: OSV record: it has no id"},
        {"osv/a.json", "{'id':'A','id':'B','modified':'2030-03-16T08:00:00Z'}", "not acceptable JSON"},
        {"osv/a.json", "", "no record in it"},
        {"kev.json", "{'dateReleased':'2030-03-17T15:00:00Z','count':3,'vulnerabilities':[]}",
         "its count is 3, and it has 0"},
        {"kev.json", "{'dateReleased':'2030-03-17T15:00:00Z','count':1,'vulnerabilities':[{'cveID':'CVE-2030-1'",
         "kev.json"},
        {"epss.csv", "cve,epss,percentile\nCVE-2029-1234,0.5,0.5\n", "does not tell the day"},
        {"epss.csv", "#score_date:2030-03-16\ncve,epss,percentile\nCVE-2029-1234,1.5,0.5\n", "two figures"},
        {"epss.csv", "#score_date:2030-03-16\ncve,pct\n", "columns"},
        {"sbom/gate_1.cdx.json", "{'bomFormat':'CycloneDX','components':[{'name':'a'", "SBOM"},
        {"sbom/gate.cdx.json", "{'bomFormat':'CycloneDX','components':[]}", "tells no release"},
        {"sbom/gate_1.json", "{'spdxVersion':'SPDX-2.3','packages':[]}", "neither CycloneDX nor"},
    };
    struct world *w = *state;
    world_file(w, "osv/a.json", OSV_TERN);
    assert_int_equal(world_import(w), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world_file(w, cases[i].path, cases[i].text);
        assert_int_equal(world_import(w), 1);
        if (!strstr(w->said, cases[i].said))
            fail_msg("%s does not say %s", w->said, cases[i].said);
        struct intel_store *s = world_open(w);
        assert_non_null(package(w, s, "PyPI", "sea-tern"));
        intel_close(s);
        world_remove(w, cases[i].path);
    }
}

static void test_depth(void **state)
{
    struct world *w = *state;
    enum { DEEP = 10000 };
    char *text = malloc(2 * DEEP + 100);
    int n = sprintf(text, "{\"id\":\"A\",\"modified\":\"2030-03-16T08:00:00Z\",\"affected\":");
    memset(text + n, '[', DEEP);
    memset(text + n + DEEP, ']', DEEP);
    text[n + 2 * DEEP] = '}';
    world_bytes(w, "osv/a.json", text, (size_t)n + 2 * DEEP + 1);
    free(text);
    assert_int_equal(world_import(w), 1);
    assert_non_null(strstr(w->said, "nested deeper than"));
}

static void test_sbom(void **state)
{
    struct world *w = *state;
    const struct sbom *v;
    struct err e = {0};
    world_file(w, "sbom/gate%5Fb_2.8.4.cdx.json",
               "{'bomFormat':'CycloneDX','specVersion':'1.6','metadata':{'timestamp':'2030-01-01T00:00:00Z',"
               "'component':{'bom-ref':'g','name':'gate_b','version':'2.8.4','purl':'pkg:generic/gate_b@2.8.4'}},"
               "'components':[{'bom-ref':'x','name':'tern','purl':'pkg:pypi/sea-tern@1.4.1','components':["
               "{'name':'gull','group':'@shore','version':'3'}]},{'bom-ref':'y','name':'knot','version':'1'}],"
               "'vulnerabilities':[{'id':'CVE-2030-40007','analysis':{'state':'not_affected','justification':"
               "'code_not_reachable'},'affects':[{'ref':'x'}]},{'id':'CVE-2030-2','affects':[{'ref':'x'}]},"
               "{'id':'CVE-2030-3','analysis':{'state':'resolved'},'affects':[{'ref':'g'},{'ref':'elsewhere'}]}]}");
    world_file(w, "sbom/lock_1.spdx.json",
               "{'spdxVersion':'SPDX-2.3','creationInfo':{'created':'2030-01-02T00:00:00Z'},'packages':["
               "{'SPDXID':'SPDXRef-l','name':'lock','versionInfo':'1'},{'SPDXID':'SPDXRef-t','name':'tern',"
               "'versionInfo':'1.4.1','externalRefs':[{'referenceCategory':'PACKAGE-MANAGER','referenceType':'purl',"
               "'referenceLocator':'pkg:pypi/sea-tern@1.4.1'},{'referenceCategory':'SECURITY','referenceType':"
               "'cpe23Type','referenceLocator':'cpe:2.3:a:sea:tern:1.4.1:*:*:*:*:*:*:*'}]}],'files':[{'fileName':'x'}],"
               "'relationships':[{'spdxElementId':'SPDXRef-DOCUMENT','relationshipType':'DESCRIBES',"
               "'relatedSpdxElement':'SPDXRef-l'}]}");
    assert_int_equal(world_import(w), 0);
    struct intel_store *s = world_open(w);
    assert_true(intel_sbom(s, "gate_b:2.8.4", &w->a, &v, &e));
    assert_non_null(v);
    assert_string_equal(v->format, "CycloneDX 1.6");
    assert_int_equal(strlen(v->sha256), 64);
    assert_int_equal(v->n_parts, 3);
    assert_string_equal(v->parts[0].version, "1.4.1"); /* only in the purl */
    assert_string_equal(v->parts[1].name, "@shore/gull");
    assert_string_equal(v->self.version, "2.8.4");
    assert_int_equal(v->n_vex, 3);
    assert_int_equal(v->vex[0].status, VEX_NOT_AFFECTED);
    assert_string_equal(v->vex[0].why, "code_not_reachable");
    assert_string_equal(v->vex[0].product, "pkg:generic/gate_b@2.8.4");
    assert_string_equal(v->vex[0].component, "pkg:pypi/sea-tern@1.4.1");
    assert_int_equal(v->vex[1].status, VEX_FIXED);
    assert_string_equal(v->vex[1].component, "");
    assert_string_equal(v->vex[2].product, ""); /* of another document */
    assert_true(intel_sbom(s, "lock:1", &w->a, &v, &e));
    assert_string_equal(v->format, "SPDX 2.3");
    assert_int_equal(v->n_parts, 1);
    assert_string_equal(v->self.name, "lock");
    assert_string_equal(v->parts[0].purl, "pkg:pypi/sea-tern@1.4.1");
    assert_string_equal(v->parts[0].cpe, "cpe:2.3:a:sea:tern:1.4.1:*:*:*:*:*:*:*");
    assert_true(intel_sbom(s, "lock:2", &w->a, &v, &e));
    assert_null(v);
    intel_close(s);
}

static void test_links_and_nothing(void **state)
{
    struct world *w = *state;
    struct err e = {0};
    char link[200];
    assert_null(intel_open(w->db, false, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    snprintf(link, sizeof link, "%s/kev.json", w->dir);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(world_import(w), 0);
    assert_string_equal(w->said, "ignored kev.json\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_comes_back, begin, end),
        cmocka_unit_test_setup_teardown(test_groups, begin, end),
        cmocka_unit_test_setup_teardown(test_ring, begin, end),
        cmocka_unit_test_setup_teardown(test_newest_of_an_id, begin, end),
        cmocka_unit_test_setup_teardown(test_fewer_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_broken, begin, end),
        cmocka_unit_test_setup_teardown(test_depth, begin, end),
        cmocka_unit_test_setup_teardown(test_sbom, begin, end),
        cmocka_unit_test_setup_teardown(test_links_and_nothing, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
