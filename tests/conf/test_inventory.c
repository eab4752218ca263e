/* The operator's inventory: rules and rows, every refusal with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "conf/inventory.h"
#include "core/clock.h"
#include "tests/conf/tempdir.h"

static const char RULES[] = "model: {attribute: hw}\n"
                            "devices: rows.csv\n"
                            "report_within: {safety-critical: 1h}\n"
                            "report_share: 90\n"
                            "rules:\n"
                            "- match: {model: gate, release: \"gate:2.*\", attributes: {net.zone: dmz}}\n"
                            "  os: linux 6.1 (debian 12)\n"
                            "  class: confidentiality-sensitive\n"
                            "  exposure: {attribute: net.zone, internet: [dmz, wan], site: [lan], isolated: [cell]}\n"
                            "  owner: net-ops\n"
                            "  location: {attribute: site}\n"
                            "  essential: true\n"
                            "  signature: {attribute: fw.signed, valid: [\"true\", \"ok\"]}\n"
                            "  cpe: {firmware: \"cpe:2.3:o:tallow:gate_firmware:{version}:*:*:*:*:*:*:*\"}\n"
                            "  end_of_life: 2034-06-30\n"
                            "  replace_lead_time: 90d\n"
                            "- end_of_life: {endoflife: openwrt, cycle: \"attribute:os.cycle\"}\n";

static void the_rules_as_written(void **state)
{
    struct inv_rules r;
    struct err e = {0};
    struct arena a;
    arena_init(&a);
    tempdir_write(*state, "rows.csv", "device,Model,class\ng1,gate,\nv1,valve,Safety-Critical\n", 0600);
    bool ok = inventory_load(tempdir_write(*state, "inventory.yaml", RULES, 0600), &a, &r, &e);
    assert_string_equal(e.what, "");
    assert_true(ok);
    assert_string_equal(r.file, "inventory.yaml");
    assert_string_equal(r.model_attribute, "hw");
    assert_true(r.target > 0.899 && r.target < 0.901);
    assert_true(inventory_within(&r, CLASS_SAFETY) == US_PER_HOUR);
    assert_true(inventory_within(&r, CLASS_NON_CRITICAL) == 24 * US_PER_HOUR);
    assert_int_equal(r.n, 2);
    const struct inv_rule *u = &r.v[0];
    assert_string_equal(u->model, "gate");
    assert_string_equal(u->release, "gate:2.*");
    assert_string_equal(u->attributes[0].value, "net.zone");
    assert_string_equal(u->attributes[0].means, "dmz");
    assert_string_equal(u->says[INV_OS].text, "linux 6.1 (debian 12)");
    assert_string_equal(u->says[INV_OS].source, "inventory.yaml:7");
    assert_string_equal(u->says[INV_CLASS].text, "confidentiality-sensitive");
    assert_int_equal(u->says[INV_EXPOSURE].kind, SAYS_ATTRIBUTE);
    assert_int_equal(u->says[INV_EXPOSURE].n_words, 4);
    assert_string_equal(u->says[INV_EXPOSURE].words[2].means, "site");
    assert_string_equal(u->says[INV_EXPOSURE].source, "attribute net.zone");
    assert_true(u->essential && u->essential_said);
    assert_int_equal(u->says[INV_SIGNATURE].n_words, 2);
    assert_string_equal(u->says[INV_LIFE].text, "2034-06-30");
    assert_string_equal(u->says[INV_LEAD].text, "90d");
    assert_int_equal(u->says[INV_MAKER].kind, SAYS_NOTHING);
    assert_int_equal(r.v[1].says[INV_LIFE].kind, SAYS_PRODUCT);
    assert_true(r.v[1].says[INV_LIFE].cycle_attribute);
    assert_string_equal(r.v[1].says[INV_LIFE].cycle, "os.cycle");
    assert_int_equal(r.rows.n, 2);
    assert_string_equal(r.rows.file, "rows.csv");
    assert_true(r.rows.has[INV_MODEL] && r.rows.has[INV_CLASS] && !r.rows.has[INV_OWNER]);
    arena_release(&a);
}

static void wrong_rules(void **state)
{
    static const struct {
        const char *yaml, *what;
    } cases[] = {
        {"rulez: []\n", "x.yaml:1: rulez: unknown key (did you mean rules?)"},
        {"rules:\n- match: {model: a}\n",
         "x.yaml:2: rules[0]: the rule says nothing: give it a field such as class or owner"},
        {"rules:\n- class: vital\n", "x.yaml:2: rules[0].class: expected safety-critical, confidentiality-sensitive or "
                                     "non-critical, found 'vital'"},
        {"rules:\n- exposure: {attribute: z, site: [a], internet: [A]}\n",
         "x.yaml:2: rules[0].exposure.site[0]: 'a' means internet already"},
        {"rules:\n- owner: {attribute: \"a b\"}\n",
         "x.yaml:2: rules[0].owner.attribute: expected an attribute's name: 1 to 64 letters, digits, '.', '_' or '-'"},
        {"rules:\n- end_of_life: 2034-6-30\n", "x.yaml:2: rules[0].end_of_life: expected a day such as 2034-06-30, or "
                                               "{endoflife: PRODUCT, cycle: NAME}"},
        {"rules:\n- replace_lead_time: soon\n",
         "x.yaml:2: rules[0].replace_lead_time: expected a duration such as 90d"},
        {"rules:\n- cpe: {firmware: \"cpe:/o:a\"}\n",
         "x.yaml:2: rules[0].cpe.firmware: expected a CPE 2.3 name: cpe:2.3:o:VENDOR:PRODUCT:..."},
        {"rules:\n- owner: \"\"\n",
         "x.yaml:2: rules[0].owner: expected a text, or {attribute: NAME}; leave the key out for nothing"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct inv_rules r;
        struct err e = {0};
        struct arena a;
        const char *devices;
        arena_init(&a);
        assert_false(inventory_parse("x.yaml", cases[i].yaml, strlen(cases[i].yaml), &a, &r, &devices, &e));
        assert_string_equal(e.what, cases[i].what);
        arena_release(&a);
    }
}

static void wrong_rows(void **state)
{
    static const struct {
        const char *csv, *what;
    } cases[] = {
        {"", "d/x.csv: there is no line"},
        {"model\n", "d/x.csv:1: the column device is missing"},
        {"device,colour\n", "d/x.csv:1: there is no column \"colour\""},
        {"device,site,location\n", "d/x.csv:1: the column location is there twice"},
        {"device,model\na\n", "d/x.csv:2: there are 1 cells, and 2 columns"},
        {"device,model\na,b,c\n", "d/x.csv:2: there are 3 cells, and 2 columns"},
        {"device,model\n,b\n", "d/x.csv:2: the device is empty"},
        {"device,model\n\"a\tb\",b\n", "d/x.csv:2: the device holds a control character"},
        {"device,model\na,x\nb,y\n\na,z\n", "d/x.csv:5: the device a has a row in line 2 too"},
        {"device,class\na,vital\n",
         "d/x.csv:2: class: expected safety-critical, confidentiality-sensitive, non-critical "
         "or nothing, found vital"},
        {"device,exposure\na,moon\n", "d/x.csv:2: exposure: expected internet, site, isolated or nothing, found moon"},
        {"device,signature\na,ok\n", "d/x.csv:2: signature: expected verified, invalid or nothing, found ok"},
        {"device,end_of_life\na,2034\n",
         "d/x.csv:2: end_of_life: expected a day such as 2034-06-30 or nothing, found 2034"},
        {"device,last_report\na,now\n",
         "d/x.csv:2: last_report: expected a time such as 2031-03-14T11:50:00Z or nothing, found now"},
        {"device,model\na,\"b\n", "d/x.csv:2: a quote is never closed"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct inv_rows r;
        struct err e = {0};
        struct arena a;
        arena_init(&a);
        assert_false(inventory_rows_parse("d/x.csv", cases[i].csv, strlen(cases[i].csv), &a, &r, &e));
        assert_string_equal(e.what, cases[i].what);
        arena_release(&a);
    }
}

/* They say what counts as safety-critical: not everybody may. */
static void files_of_others_are_refused(void **state)
{
    struct inv_rules r;
    struct err e = {0};
    struct arena a;
    arena_init(&a);
    const char *yaml = tempdir_write(*state, "inventory.yaml", "devices: rows.csv\n", 0600);
    assert_false(inventory_load(yaml, &a, &r, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(e.cause, "named in inventory.yaml");
    assert_int_equal(chmod(tempdir_write(*state, "rows.csv", "device\na\n", 0600), 0666), 0);
    assert_false(inventory_load(yaml, &a, &r, &e));
    assert_int_equal(e.code, ERR_REFUSED);
    assert_true(inventory_rows_load(tempdir_write(*state, "other.csv", "device\na\n", 0600), &a, &r.rows, &e));
    assert_int_equal(r.rows.n, 1);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_rules_as_written, tempdir_setup, tempdir_teardown),
        cmocka_unit_test(wrong_rules),
        cmocka_unit_test(wrong_rows),
        cmocka_unit_test_setup_teardown(files_of_others_are_refused, tempdir_setup, tempdir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
