/* Each reader on small records of its own: the traps of each format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "intel/cve.h"
#include "intel/eol.h"
#include "intel/field.h"
#include "intel/lists.h"
#include "intel/osv.h"
#include "intel/others.h"
#include "intel/statements.h"
#include "world.h"

static int begin(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    arena_init(&w->a);
    *state = w;
    return 0;
}

static int end(void **state)
{
    arena_release(&((struct world *)*state)->a);
    free(*state);
    return 0;
}

typedef bool reader(const char *bytes, size_t n, struct arena *a, struct advisory *out, struct err *e);

static struct advisory read_one(struct world *w, reader *read, const char *text)
{
    struct advisory v;
    struct err e = {0};
    const char *json = world_json(w, text);
    if (!read(json, strlen(json), &w->a, &v, &e))
        fail_msg("%s: %s", e.what, e.cause);
    return v;
}

static void refused(struct world *w, reader *read, const char *text)
{
    struct advisory v;
    struct err e = {0};
    const char *json = world_json(w, text);
    assert_false(read(json, strlen(json), &w->a, &v, &e));
    assert_true(*e.what);
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        int64_t s;
    } cases[] = {
        {"1970-01-02", 86400},
        {"2030-03-17T17:46:40Z", 1900000000},
        {"2030-03-17T17:46:40", 1900000000}, /* NVD: no zone */
        {"2030-03-17T17:46:40.000", 1900000000},
        {"2030-03-17T17:46:40.0000Z", 1900000000}, /* KEV */
        {"2030-03-17T17:46:40+0000", 1900000000},  /* EPSS */
        {"2030-03-17T18:46:40+01:00", 1900000000},
        {"2030-03-17T16:16:40-01:30", 1900000000},
        {"2030-02-30x", 0},
        {"2030-13-01", 0},
        {"2030-03-17T25:00:00Z", 0},
        {"2030-03-17T17:46:40.Z", 0},
        {"", 0},
        {"yesterday", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (field_time_of(slice_of(cases[i].text)) != cases[i].s * 1000000)
            fail_msg("%s", cases[i].text);
    assert_int_equal(field_time_of(slice_of("2030-03-17T17:46:40.123456789Z")), INT64_C(1900000000123456));
}

/* A type of range that is not known, and commits, cannot be judged; a severity of a package is its own; a score that is
 * a word is none; what is withdrawn is not live. */
static void test_osv(void **state)
{
    struct world *w = *state;
    struct advisory v = read_one(
        w, osv_read,
        "{'id':'A-1','modified':'2030-01-01T00:00:00Z','withdrawn':'2030-01-02T00:00:00Z','details':'long text',"
        "'aliases':['CVE-2030-1',7,'no blank'],'related':['B'],'upstream':['CVE-2030-2'],"
        "'severity':[{'type':'CVSS_V4','score':'CVSS:4.0/x'},{'type':'Ubuntu','score':'high'}],"
        "'affected':[{'package':{'ecosystem':'Debian:12','name':'Tern'},'severity':[{'type':'CVSS_V3','score':'CVSS:3."
        "1/y'}],"
        "'ranges':[{'type':'GIT','repo':'r','events':[{'introduced':'0'},{'fixed':'abc'}]},{'type':'FANCY','events':[]}"
        ","
        "{'type':'ECOSYSTEM','events':[{'fixed':'2'},{'introduced':'1'},{'last_affected':'3','limit':'4'}]}],"
        "'versions':['1.5','9']},{'ranges':[{'type':'GIT','events':[]}],'versions':['v1']}]}");
    assert_int_equal(v.state, ADV_WITHDRAWN);
    assert_string_equal(v.summary, "long text");
    assert_int_equal(v.n_refs, 3);
    assert_int_equal(v.refs[1].kind, ADV_UPSTREAM);
    assert_int_equal(v.n_scores, 1);
    assert_string_equal(v.affected[0].name, "Tern");
    assert_string_equal(v.affected[0].vector, "CVSS:3.1/y");
    assert_int_equal(v.affected[0].n_ranges, 3);
    assert_int_equal(v.affected[0].ranges[0].scheme, VERSION_NONE);
    assert_int_equal(v.affected[0].ranges[0].n_events, 0);
    assert_int_equal(v.affected[0].ranges[1].scheme, VERSION_NONE);
    assert_int_equal(v.affected[0].ranges[2].scheme, VERSION_DEB);
    assert_int_equal(v.affected[0].ranges[2].n_events, 4);
    assert_int_equal(v.affected[0].ranges[2].events[0].kind, ADV_FIXED); /* as in the file */
    assert_string_equal(v.affected[1].ecosystem, "");
    assert_int_equal(v.affected[1].n_versions, 0); /* of no package */
    refused(w, osv_read, "{'id':'A 1','modified':'2030-01-01T00:00:00Z'}");
    refused(w, osv_read, "{'id':'A-1'}");
    refused(w, osv_read, "[]");
}

/* A version of a megabyte is kept as one that has no order. */
static void test_long_version(void **state)
{
    struct world *w = *state;
    struct buf b;
    struct advisory v;
    struct err e = {0};
    buf_init(&b, 1 << 22);
    buf_adds(&b,
             "{\"id\":\"A\",\"modified\":\"2030-01-01T00:00:00Z\",\"affected\":[{\"package\":{\"ecosystem\":\"npm\","
             "\"name\":\"x\"},\"ranges\":[{\"type\":\"SEMVER\",\"events\":[{\"introduced\":\"0\"},{\"fixed\":\"");
    for (int i = 0; i < 1 << 20; i++)
        buf_addc(&b, '1');
    buf_adds(&b, "\"}]}],\"versions\":[\"1.0.0\"]}]}");
    assert_true(osv_read(b.data, b.len, &w->a, &v, &e));
    buf_release(&b);
    const char *fixed = v.affected[0].ranges[0].events[1].version;
    assert_true(strlen(fixed) > VERSION_MAX && strlen(fixed) < 300);
    int order;
    assert_false(version_compare(VERSION_SEMVER, slice_of("1.0.0"), slice_of(fixed), &order));
    assert_int_equal(v.affected[0].n_versions, 1); /* nothing includes it for certain */
}

static const struct adv_cpe *cpe(const struct advisory *v, size_t config, size_t i)
{
    assert_true(v->n_configs > config && v->configs[config].nodes[0].n_cpes > i);
    return &v->configs[config].nodes[0].cpes[i];
}

static void test_cve5(void **state)
{
    struct world *w = *state;
    struct advisory v = read_one(
        w, cve5_read,
        "{'cveMetadata':{'cveId':'CVE-2030-5','state':'PUBLISHED','datePublished':'2030-01-01T00:00:00Z'},"
        "'containers':{'cna':{'title':'gull: x','tags':['disputed'],'affected':["
        "{'vendor':'n/a','product':'n/a','versions':[{'version':'n/a','status':'affected'}]},"
        "{'vendor':'Shore Ltd.','product':'Gull/One','versions':["
        "{'version':'1.0','status':'affected','lessThan':'1.3.0*','versionType':'semver'},"
        "{'version':'2.1','status':'affected','lessThanOrEqual':'2.1','versionType':'semver'},"
        "{'version':'3.0','status':'affected'},{'version':'3.1','status':'unaffected'},"
        "{'version':'abc','status':'affected','lessThan':'def','versionType':'git'},"
        "{'version':'4','status':'affected','lessThan':'*','versionType':'semver'},"
        "{'version':'5','status':'affected','lessThan':'6','versionType':'semver','changes':[{'at':'5.5','status':'"
        "unaffected'}]}"
        "]}],'metrics':[{'cvssV3_1':{'vectorString':'CVSS:3.1/a','baseScore':9.8}},{'cvssV4_0':{'baseScore':7.25}}]},"
        "'adp':[{'title':'CISA ADP Vulnrichment','metrics':[{'other':{'type':'ssvc','content':{'options':["
        "{'Exploitation':'poc'},{'Automatable':'yes'},{'Technical Impact':'partial'}]}}},"
        "{'other':{'type':'kev','content':{'dateAdded':'2030-02-01'}}}]}]}}");
    assert_int_equal(v.n_configs, 1); /* n/a is no product */
    assert_int_equal(v.configs[0].nodes[0].n_cpes, 6);
    assert_string_equal(cpe(&v, 0, 0)->criteria, "cpe:2.3:*:shore_ltd.:gull\\/one:*:*:*:*:*:*:*:*");
    assert_string_equal(cpe(&v, 0, 0)->start, "1.0");
    assert_string_equal(cpe(&v, 0, 0)->end, "1.3.0.999999999");
    assert_true(cpe(&v, 0, 0)->doubtful);
    assert_string_equal(cpe(&v, 0, 1)->start, ""); /* an old conversion of "up to 2.1" */
    assert_string_equal(cpe(&v, 0, 1)->end, "2.1");
    assert_true(cpe(&v, 0, 1)->end_included && cpe(&v, 0, 1)->doubtful);
    assert_string_equal(cpe(&v, 0, 2)->criteria, "cpe:2.3:*:shore_ltd.:gull\\/one:3.0:*:*:*:*:*:*:*");
    assert_true(cpe(&v, 0, 3)->unordered && !cpe(&v, 0, 0)->unordered);
    assert_string_equal(cpe(&v, 0, 4)->end, "");
    assert_false(cpe(&v, 0, 4)->doubtful);
    assert_string_equal(cpe(&v, 0, 5)->end, "5.5");
    assert_false(cpe(&v, 0, 5)->end_included);
    assert_true(v.disputed && v.kev && v.kev_added && v.automatable == ADV_YES && v.total_impact == ADV_NO);
    assert_int_equal(v.exploitation, ADV_EXPLOIT_POC);
    assert_int_equal(v.n_scores, 2);
    assert_true(v.scores[0].primary && !v.scores[0].stated && v.scores[1].stated);
    assert_int_equal(v.scores[1].tenths, 73);
    assert_true(v.modified == v.published && v.modified != 0);
    v = read_one(
        w, cve5_read,
        "{'cveMetadata':{'cveId':'CVE-2030-6','state':'REJECTED'},'containers':{'cna':{'rejectedReasons':[]}}}");
    assert_int_equal(v.state, ADV_REJECTED);
    refused(w, cve5_read, "{'cveMetadata':{'cveId':'CVE-2030-6','state':'PUBLISHED'}}");
}

/* Affected by default: what is listed is what is not, from the lowest on; a wildcard ends above all that it means. */
static void test_cve5_default(void **state)
{
    struct world *w = *state;
    struct advisory v = read_one(
        w, cve5_read,
        "{'cveMetadata':{'cveId':'CVE-2030-5','state':'PUBLISHED','dateUpdated':'2030-01-01T00:00:00Z'},"
        "'containers':{'cna':{'affected':[{'vendor':'reef','product':'kernel','defaultStatus':'affected',"
        "'cpes':['cpe:2.3:o:reef:kernel:*:*:*:*:*:*:*:*'],'versions':[{'version':'5.10','status':'affected'},"
        "{'version':'0','lessThan':'5.10','status':'unaffected','versionType':'semver'},"
        "{'version':'5.10.209','lessThanOrEqual':'5.10.*','status':'unaffected','versionType':'semver'},"
        "{'version':'6.8','lessThanOrEqual':'*','status':'unaffected','versionType':'original_commit_for_fix'}]}]}}}");
    assert_int_equal(v.configs[0].nodes[0].n_cpes, 2);
    assert_string_equal(cpe(&v, 0, 0)->criteria, "cpe:2.3:o:reef:kernel:*:*:*:*:*:*:*:*");
    assert_string_equal(cpe(&v, 0, 0)->start, "5.10");
    assert_string_equal(cpe(&v, 0, 0)->end, "5.10.209");
    assert_false(cpe(&v, 0, 0)->start_excluded || cpe(&v, 0, 0)->end_included);
    assert_string_equal(cpe(&v, 0, 1)->start, "5.10.999999999");
    assert_true(cpe(&v, 0, 1)->start_excluded);
    assert_string_equal(cpe(&v, 0, 1)->end, "6.8");
}

static void test_nvd(void **state)
{
    struct world *w = *state;
    struct err e = {0};
    int64_t released;
    struct advisory v = read_one(
        w, nvd_read,
        "{'cve':{'id':'CVE-2030-7','published':'2030-01-01T00:00:00.000','lastModified':'2030-01-02T00:00:00.000',"
        "'vulnStatus':'Deferred','cveTags':[{'sourceIdentifier':'x','tags':['disputed','unsupported-when-assigned']}],"
        "'descriptions':[{'lang':'es','value':'no'},{'lang':'en','value':'yes'}],"
        "'metrics':{'cvssMetricV2':[{'source':'nvd@example.invalid','type':'Primary','cvssData':{'vectorString':'AV:N'}"
        "}],"
        "'cvssMetricV31':[{'source':'cna@example.invalid','type':'Secondary','cvssData':{'vectorString':'CVSS:3.1/"
        "z'}}]},"
        "'configurations':[{'operator':'AND','nodes':[{'operator':'OR','negate':true,'cpeMatch':[{'vulnerable':true,"
        "'criteria':'cpe:2.3:o:shore:gull_firmware:*:*:*:*:*:*:*:*','versionStartExcluding':'1','versionEndIncluding':'"
        "2'}]},"
        "{'operator':'OR','cpeMatch':[{'vulnerable':false,'criteria':'cpe:2.3:h:shore:gull:-:*:*:*:*:*:*:*'}]}]}]}}");
    assert_true(v.disputed && v.unsupported && !v.hosted);
    assert_string_equal(v.summary, "yes");
    assert_int_equal(v.n_scores, 2);
    assert_string_equal(v.scores[0].vector, "CVSS:3.1/z"); /* the newest kind first */
    assert_false(v.scores[0].primary);
    assert_true(v.configs[0].all && v.configs[0].nodes[0].negate && !v.configs[0].nodes[0].all);
    assert_true(cpe(&v, 0, 0)->start_excluded && cpe(&v, 0, 0)->end_included && cpe(&v, 0, 0)->vulnerable);
    assert_false(v.configs[0].nodes[1].cpes[0].vulnerable);
    v = read_one(w, nvd_read,
                 "{'cve':{'id':'CVE-2030-8','lastModified':'2030-01-02T00:00:00.000','vulnStatus':'Rejected'}}");
    assert_int_equal(v.state, ADV_REJECTED);
    refused(w, nvd_read, "{'cve':{'id':'CVE-2030-8'}}");
    const char *page = world_json(w, "{'resultsPerPage':2,'startIndex':0,'totalResults':2,'timestamp':'2030-01-01'}");
    assert_true(nvd_end(page, strlen(page), 2, &released, &e) && released);
    assert_false(nvd_end(page, strlen(page), 1, &released, &e));
    page = world_json(w, "{'resultsPerPage':2000,'startIndex':0,'totalResults':300000}"); /* one page of many */
    assert_true(nvd_end(page, strlen(page), 2000, &released, &e));
}

static size_t said(struct world *w, const char *text, const struct vex **v)
{
    struct err e = {0};
    size_t n;
    const char *json = world_json(w, text);
    if (!statements_read(json, strlen(json), &w->a, v, &n, &e))
        fail_msg("%s: %s", e.what, e.cause);
    return n;
}

#define CSAF_HEAD(status, category)                                                                                    \
    "{'document':{'category':'" category "','tracking':{'id':'D-1','status':'" status                                  \
    "','current_release_date':'2030-01-01T00:00:00Z'}},"

static void test_csaf(void **state)
{
    static const char rest[] =
        "'product_tree':{'branches':[{'category':'vendor','name':'reef','branches':[{'category':'product_name','name':"
        "'pump','branches':[{'category':'product_version','name':'2.4','product':{'product_id':'P','name':'pump 2.4'}},"
        "{'category':'product_version_range','name':'vers:generic/<2.0','product':{'product_id':'R','name':'pump "
        "old'}}]}]},"
        "{'category':'product_version','name':'1','product':{'product_id':'C','product_identification_helper':{'purl':"
        "'pkg:generic/gull@1'}}}],'relationships':[{'category':'default_component_of','product_reference':'C',"
        "'relates_to_product_reference':'P','full_product_name':{'product_id':'P:C'}},{'category':'installed_on',"
        "'product_reference':'X','relates_to_product_reference':'P','full_product_name':{'product_id':'P:X'}}],"
        "'product_groups':[{'group_id':'G','product_ids':['P:C']}]},"
        "'vulnerabilities':[{'cve':'CVE-2030-9','product_status':{'known_not_affected':['P:C','P:X'],'fixed':['P'],"
        "'last_affected':['R'],'recommended':['P']},'flags':[{'label':'component_not_present','product_ids':['Z']},"
        "{'label':'vulnerable_code_not_present','group_ids':['G']}]}]}";
    struct world *w = *state;
    const struct vex *v;
    char text[2000];
    snprintf(text, sizeof text, "%s%s", CSAF_HEAD("final", "csaf_vex"), rest);
    assert_int_equal(said(w, text, &v), 4);
    assert_int_equal(v[0].status, VEX_AFFECTED); /* by the table's order */
    assert_string_equal(v[0].product, "");       /* a range is no version: it never suppresses */
    assert_int_equal(v[1].status, VEX_NOT_AFFECTED);
    assert_string_equal(v[1].product, "pkg:generic/pump@2.4");
    assert_string_equal(v[1].component, "pkg:generic/gull@1");
    assert_string_equal(v[1].why, "vulnerable_code_not_present");
    assert_string_equal(v[1].document, "D-1");
    assert_string_equal(v[2].product, ""); /* a component that is not named is not the whole product */
    assert_int_equal(v[3].status, VEX_FIXED);
    assert_string_equal(v[3].component, "");
    assert_false(v[3].draft);
    snprintf(text, sizeof text, "%s%s", CSAF_HEAD("interim", "csaf_vex"), rest);
    assert_int_equal(said(w, text, &v), 4);
    assert_true(v[1].draft);
    snprintf(text, sizeof text, "%s%s", CSAF_HEAD("final", "csaf_withdrawn"), rest);
    assert_int_equal(said(w, text, &v), 0);
}

static void test_openvex(void **state)
{
    struct world *w = *state;
    const struct vex *v;
    struct err e = {0};
    size_t n;
    assert_int_equal(
        said(w,
             "{'@id':'D-2','timestamp':'2030-01-01T00:00:00Z','statements':[{'vulnerability':{'name':'CVE-2030-9'},"
             "'products':[{'@id':'https://example.invalid/p','identifiers':{'purl':'pkg:generic/pump@2.4'},"
             "'subcomponents':[{'@id':'pkg:generic/a@1'},{'@id':'pkg:generic/b@1'}]}],'status':'not_affected',"
             "'justification':'component_not_present'},{'vulnerability':'CVE-2030-10','timestamp':'2030-01-05T00:00:"
             "00Z',"
             "'products':[{'@id':'pkg:generic/pump'}],'status':'fixed'},{'vulnerability':{'name':'CVE-2030-11'},"
             "'status':'affected'},{'vulnerability':{'name':'CVE-2030-12'},'status':'perhaps'}]}",
             &v),
        4);
    assert_string_equal(v[0].product, "pkg:generic/pump@2.4");
    assert_string_equal(v[1].component, "pkg:generic/b@1");
    assert_string_equal(v[1].why, "component_not_present");
    assert_true(v[0].at && v[2].at - v[0].at == INT64_C(4) * 86400 * 1000000); /* inherits, or its own */
    assert_string_equal(v[2].id, "CVE-2030-10");
    assert_string_equal(v[3].product, "");
    assert_false(statements_read("{}", 2, &w->a, &v, &n, &e));
}

static void test_eol_and_others(void **state)
{
    struct world *w = *state;
    const struct intel_life *l;
    const struct intel_other *o;
    struct err e = {0};
    size_t n;
    const char *text = world_json(w, "[{'cycle':'22','eol':'2030-05-01','support':true},{'cycle':'23','eol':false},"
                                     "{'cycle':'21','eol':true}]");
    assert_true(eol_read(text, strlen(text), "reef.json", &w->a, &l, &n, &e));
    assert_int_equal(n, 3);
    assert_string_equal(l[0].product, "reef");
    assert_true(l[0].end_of_security && !l[0].ended && l[1].endless && !l[1].ended && l[2].ended && !l[2].endless);
    text = world_json(w, "{'result':{'name':'shoal','releases':[{'name':'9','isEol':false,'eolFrom':'2031-01-01',"
                         "'eoasFrom':'2030-01-01'},{'name':'8','isEol':true}]}}");
    assert_true(eol_read(text, strlen(text), "x.json", &w->a, &l, &n, &e));
    assert_string_equal(l[0].product, "shoal");
    assert_true(n == 2 && l[0].end_of_security > l[0].end_of_support && !l[0].endless && l[1].ended);
    assert_false(eol_read("[]", 2, "x.json", &w->a, &l, &n, &e));
    text = world_json(w, "{'matches':[{'vulnerability':{'id':'CVE-2030-9','severity':'High','fix':{'versions':['2']}},"
                         "'artifact':{'name':'gull','version':'1','purl':'pkg:generic/gull@1'}}]}");
    assert_true(others_read(text, strlen(text), &w->a, &o, &n, &e) && n == 1);
    assert_string_equal(o->tool, "grype");
    assert_string_equal(o->fixed_in, "2");
    text = world_json(w, "{'results':[{'packages':[{'package':{'name':'gull','version':'1'},'vulnerabilities':["
                         "{'id':'A-1'},{'id':'A-2'}]}]}]}");
    assert_true(others_read(text, strlen(text), &w->a, &o, &n, &e) && n == 2);
    assert_string_equal(o->tool, "osv-scanner");
    text = world_json(w, "{'Results':[{'Vulnerabilities':[{'VulnerabilityID':'CVE-2030-9','PkgName':'gull',"
                         "'InstalledVersion':'1','Severity':'LOW'}]},{'Target':'x'}]}");
    assert_true(others_read(text, strlen(text), &w->a, &o, &n, &e) && n == 1);
    assert_string_equal(o->component, "gull");
    assert_false(others_read("{}", 2, &w->a, &o, &n, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test_setup_teardown(test_osv, begin, end),
        cmocka_unit_test_setup_teardown(test_long_version, begin, end),
        cmocka_unit_test_setup_teardown(test_cve5, begin, end),
        cmocka_unit_test_setup_teardown(test_cve5_default, begin, end),
        cmocka_unit_test_setup_teardown(test_nvd, begin, end),
        cmocka_unit_test_setup_teardown(test_csaf, begin, end),
        cmocka_unit_test_setup_teardown(test_openvex, begin, end),
        cmocka_unit_test_setup_teardown(test_eol_and_others, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
