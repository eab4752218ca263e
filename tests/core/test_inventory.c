/* What a fleet consists of: who says what, who goes before whom, and what stays unknown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/inventory.h"

/* 2031-03-07T00:00:00Z */
#define NOW (INT64_C(1930608000) * US_PER_S)

static const struct inv_word zones[] = {{"dmz", "internet"}, {"wan", "internet"}, {"lan", "site"}};
static const struct inv_word valid[] = {{"ok", "verified"}};
static const struct inv_word old_gate[] = {{"rev", "C"}};

static struct inv_rule rules_v[] = {
    {.line = 3,
     .model = "gate",
     .release = "",
     .attributes = old_gate,
     .n_attributes = 1,
     .says = {[INV_OWNER] = {SAYS_VALUE, .line = 4, .text = "legacy", .source = "inventory.yaml:4"}},
     .cpe_firmware = "",
     .cpe_hardware = "cpe:2.3:h:tallow:gate:c"},
    {.line = 5,
     .model = "Gate",
     .release = "",
     .essential_said = true,
     .essential = true,
     .says = {[INV_CLASS] = {SAYS_VALUE, .text = "non-critical", .source = "inventory.yaml:6"},
              [INV_EXPOSURE] = {SAYS_ATTRIBUTE, .text = "zone", .words = zones, .n_words = 3,
                                .source = "attribute zone"},
              [INV_OWNER] = {SAYS_VALUE, .text = "net-ops", .source = "inventory.yaml:7"},
              [INV_LOCATION] = {SAYS_ATTRIBUTE, .text = "site", .source = "attribute site"},
              [INV_SIGNATURE] = {SAYS_ATTRIBUTE, .text = "fw", .words = valid, .n_words = 1, .source = "attribute fw"},
              [INV_LIFE] = {SAYS_PRODUCT, .text = "wrt", .cycle = "os", .cycle_attribute = true,
                            .source = "endoflife wrt"}},
     .cpe_firmware = "cpe:2.3:o:tallow:gate_firmware",
     .cpe_hardware = "cpe:2.3:h:tallow:gate"},
};

static int64_t life(void *ctx, const char *product, const char *cycle)
{
    (void)ctx;
    assert_string_equal(product, "wrt");
    return strcmp(cycle, "21") == 0 ? NOW - 3 * US_PER_DAY : 0;
}

static struct inv_rules rules(void)
{
    for (size_t i = 0; i < 2; i++)
        for (int f = 0; f < INV_FIELDS; f++)
            if (!rules_v[i].says[f].source)
                rules_v[i].says[f].source = rules_v[i].says[f].text = rules_v[i].says[f].cycle = "";
    return (struct inv_rules){.file = "inventory.yaml",
                              .v = rules_v,
                              .n = 2,
                              .model_attribute = "hw",
                              .rows = {.file = "inventory.csv"},
                              .life = life};
}

static struct inv_row row(const char *device, const char *model, const char *owner, const char *exposure)
{
    struct inv_row r = {.device = device};
    for (int f = 0; f < INV_FIELDS; f++)
        r.field[f] = "";
    r.field[INV_MODEL] = model;
    r.field[INV_OWNER] = owner;
    r.field[INV_EXPOSURE] = exposure;
    return r;
}

/* What must be asked before a device's kind is known: one thing after the other, and nothing that does not matter. */
static void what_is_needed_is_asked_in_turn(void **state)
{
    struct inv_rules r = rules();
    struct inv_attribute at[4] = {{"HW", "gate"}, {"rev", "D"}, {"zone", "lan"}, {"os", "22"}};
    struct inv_subject s = {.release = "gate:2.8.4", .attribute = at, .server = true};
    (void)state;
    assert_string_equal(inventory_needs(&r, &s), "hw");
    s.n_attributes = 1;
    assert_string_equal(inventory_needs(&r, &s), "rev");
    s.n_attributes = 2;
    assert_string_equal(inventory_needs(&r, &s), "zone");
    s.n_attributes = 3;
    assert_string_equal(inventory_needs(&r, &s), "os");
    s.n_attributes = 4;
    assert_null(inventory_needs(&r, &s));
    at[0].value = "valve"; /* no rule speaks of it */
    s.n_attributes = 1;
    assert_null(inventory_needs(&r, &s));
    s.n_attributes = 0;
    s.server = false;
    assert_null(inventory_needs(&r, &s));
}

static void words_that_the_rules_know(void **state)
{
    struct inv_rules r = rules();
    (void)state;
    assert_string_equal(inventory_word(&r, "hw", 0), "gate");
    assert_string_equal(inventory_word(&r, "hw", 1), "Gate");
    assert_null(inventory_word(&r, "hw", 2));
    assert_string_equal(inventory_word(&r, "ZONE", 2), "lan");
    assert_null(inventory_word(&r, "zone", 3));
    assert_string_equal(inventory_word(&r, "rev", 0), "C");
    assert_null(inventory_word(&r, "site", 0));
}

static void the_first_rule_that_says_it(void **state)
{
    struct inv_rules r = rules();
    struct inv_attribute at[] = {{"hw", "GATE"}, {"rev", "c"}, {"zone", "WAN"}, {"os", "21"}, {"fw", "no"}};
    struct inv_subject s = {.release = "gate:2.8.4", .attribute = at, .n_attributes = 5, .server = true};
    struct inv_record k;
    struct arena a;
    (void)state;
    arena_init(&a);
    inventory_combine(&r, &s, &a, &k);
    assert_string_equal(k.field[INV_MODEL].value, "GATE");
    assert_string_equal(k.field[INV_MODEL].source, "attribute hw");
    assert_string_equal(k.field[INV_OWNER].value, "legacy");
    assert_string_equal(k.field[INV_OWNER].source, "inventory.yaml:4");
    assert_int_equal(k.cls, CLASS_NON_CRITICAL);
    assert_int_equal(k.exposure, EXPOSURE_INTERNET);
    assert_true(k.essential);
    assert_string_equal(k.field[INV_SIGNATURE].value, "invalid");
    assert_true(k.end_of_life == NOW - 3 * US_PER_DAY);
    assert_true(k.field[INV_LOCATION].apart); /* never asked for: it is no part of the kind */
    assert_string_equal(k.cpe_hardware, "cpe:2.3:h:tallow:gate:c");
    assert_string_equal(k.cpe_firmware, "cpe:2.3:o:tallow:gate_firmware");
    at[1].value = "d";
    at[2].value = "moon"; /* a value that nobody has written down is not known */
    at[4].value = "OK";
    inventory_combine(&r, &s, &a, &k);
    assert_string_equal(k.field[INV_OWNER].value, "net-ops");
    assert_int_equal(k.exposure, EXPOSURE_UNKNOWN);
    assert_string_equal(k.field[INV_EXPOSURE].source, "attribute zone");
    assert_string_equal(k.field[INV_SIGNATURE].value, "verified");
    arena_release(&a);
}

/* The device's word, then its row's, then the rule's; the row's release is never taken. */
static void who_goes_before_whom(void **state)
{
    struct inv_rules r = rules();
    struct inv_attribute at[] = {{"hw", "gate"}, {"rev", ""}, {"zone", "lan"}, {"os", ""}};
    struct inv_row w = row("g1", "valve", "ward", "internet");
    struct inv_subject s = {.release = "gate:2.8.4", .attribute = at, .n_attributes = 4, .server = true, .row = &w};
    struct inv_record k;
    struct arena a;
    (void)state;
    arena_init(&a);
    w.field[INV_FIRMWARE] = "gate:2.9.0";
    inventory_combine(&r, &s, &a, &k);
    assert_string_equal(k.field[INV_MODEL].value, "gate");
    assert_string_equal(k.field[INV_FIRMWARE].value, "gate:2.8.4");
    assert_string_equal(k.field[INV_OWNER].value, "ward");
    assert_int_equal(k.exposure, EXPOSURE_SITE);
    assert_int_equal(k.n_conflicts, 3);
    assert_int_equal(k.conflict[0].field, INV_MODEL);
    assert_int_equal(k.conflict[1].field, INV_FIRMWARE);
    assert_int_equal(k.conflict[2].field, INV_EXPOSURE);
    assert_string_equal(k.conflict[2].overlay, "internet");
    assert_string_equal(k.conflict[2].device, "site");
    at[2].value = ""; /* the device does not say: its row may */
    w.field[INV_MODEL] = "GATE";
    w.field[INV_FIRMWARE] = "";
    inventory_combine(&r, &s, &a, &k);
    assert_int_equal(k.exposure, EXPOSURE_INTERNET);
    assert_int_equal(k.n_conflicts, 0);
    at[0].value = "";
    inventory_combine(&r, &s, &a, &k);
    assert_string_equal(k.field[INV_MODEL].value, "GATE");
    s.row = NULL;
    inventory_combine(&r, &s, &a, &k);
    assert_string_equal(k.field[INV_MODEL].value, ""); /* not the release's name: the devices are to say it */
    r.model_attribute = "";
    inventory_combine(&r, &s, &a, &k);
    assert_string_equal(k.field[INV_MODEL].value, "gate");
    arena_release(&a);
}

static void groups_are_summed(void **state)
{
    struct inv_rules r = rules();
    struct inv_attribute at[] = {{"hw", "gate"}, {"rev", ""}, {"zone", "dmz"}, {"os", "21"}};
    struct inv_subject s = {.release = "gate:2.8.4", .attribute = at, .n_attributes = 4, .server = true};
    struct inv_record k;
    struct inventory_held *h = inventory_new(&r);
    struct inventory *v = &h->v;
    struct arena a;
    (void)state;
    arena_init(&a);
    inventory_combine(&r, &s, &a, &k);
    inventory_add(v, &k, &(struct inv_counts){90, 90, 88, 80, 80}, NULL, NOW);
    at[0].value = "GATE"; /* the same model */
    at[3].value = "22";
    inventory_combine(&r, &s, &a, &k);
    inventory_add(v, &k, &(struct inv_counts){10, 10, 10, 10, 10}, "", NOW);
    at[0].value = at[2].value = "";
    s.release = "";
    inventory_combine(&r, &s, &a, &k);
    inventory_add(v, &k, &(struct inv_counts){5, 0, 5, 0, 0}, NULL, NOW);
    inventory_add(v, &k, &(struct inv_counts){0, 0, 0, 0, 0}, NULL, NOW);
    inventory_told(v, "gate", INV_LOCATION, NULL, "attribute site", 97, 3);
    inventory_finish(v, NOW);
    assert_int_equal(v->n_models, 2);
    assert_string_equal(v->models[0].name, "gate");
    assert_string_equal(v->models[1].name, "");
    assert_int_equal(v->models[0].n.devices, 100);
    assert_int_equal(v->models[0].field[INV_LOCATION].known, 97);
    assert_int_equal(v->empty[INV_LOCATION], 3);
    assert_int_equal(v->empty[INV_MODEL], 5);
    assert_int_equal(v->empty[INV_FIRMWARE], 5);
    assert_int_equal(v->empty[INV_OWNER], 0);
    assert_true(v->sourced[INV_OWNER] && !v->sourced[INV_MAKER]);
    assert_int_equal(v->past_life, 90);
    assert_int_equal(v->n_past, 0); /* nobody is known by name */
    assert_int_equal(v->models[0].exposure[EXPOSURE_INTERNET], 100);
    assert_int_equal(v->n_cells, 3); /* of two ends of life, and what nothing is known of */
    assert_true(inventory_share(&v->n) > 0.857 && inventory_share(&v->n) < 0.8572);
    assert_true(inventory_blind(v, &v->n) && inventory_blind(v, &v->models[0].n));
    assert_false(inventory_blind(v, &(struct inv_counts){0, 0, 0, 0, 0}));
    assert_false(inventory_blind(v, &(struct inv_counts){100, 95, 95, 95, 95}));
    assert_true(inventory_blind(v, &(struct inv_counts){1000, 949, 949, 949, 949}));
    assert_true(v->signed_said);
    assert_string_equal(inventory_reported(v), "version, state and signature");
    inventory_unref(h);
    arena_release(&a);
}

/* Each device its own owner, cell and model: what a hostile file may hold. */
static void many_kinds_stay_bounded(void **state)
{
    struct inv_rules r = {.file = "", .model_attribute = "", .rows = {.file = "f.csv"}};
    struct inv_record k = {.cpe_firmware = "", .cpe_hardware = ""};
    struct inventory_held *h = inventory_new(&r);
    struct inventory *v = &h->v;
    char owner[20], model[20];
    (void)state;
    for (int f = 0; f < INV_FIELDS; f++)
        k.field[f] = (struct inv_said){.value = "", .source = "f.csv"};
    for (int i = 0; i < 20000; i++) {
        snprintf(owner, sizeof owner, "o%d", i);
        snprintf(model, sizeof model, "m%d", i % 5000);
        k.field[INV_OWNER].value = owner;
        k.field[INV_MODEL].value = i % 2 ? "one" : model;
        k.conflict[0] = (struct inv_conflict){.field = INV_OWNER,
                                              .overlay = owner,
                                              .overlay_source = "f.csv",
                                              .device = "x",
                                              .device_source = "attribute o"};
        k.n_conflicts = i < 3000;
        inventory_add(v, &k, &(struct inv_counts){1, 1, 1, 1, 1}, "d", NOW);
    }
    inventory_finish(v, NOW);
    assert_int_equal(v->n.devices, 20000);
    assert_int_equal(v->n_cells, 20000);
    assert_int_equal(v->n_models, 2501);
    const struct inv_model *one = inventory_model(v, "ONE");
    assert_int_equal(one->n.devices, 10000);
    assert_int_equal(one->field[INV_OWNER].n, INV_VALUES);
    assert_int_equal(one->field[INV_OWNER].others, 10000 - INV_VALUES);
    assert_int_equal(v->n_conflicts, INV_CONFLICTS_KEPT);
    assert_int_equal(v->more_conflicts, 3000 - INV_CONFLICTS_KEPT);
    inventory_unref(h);
}

static void rows_alone(void **state)
{
    struct inv_row v[] = {row("a", "gate", "x", "site"), row("b", "gate", "X", ""), row("c", "valve", "", "isolated")};
    struct inv_rules r = {.file = "", .model_attribute = "", .within_us = {[CLASS_SAFETY] = US_PER_HOUR}};
    struct inventory inv;
    struct arena a;
    (void)state;
    arena_init(&a);
    for (size_t i = 0; i < 3; i++) {
        v[i].field[INV_FIRMWARE] = i < 2 ? "gate:1" : "";
        v[i].last_report = NOW - 2 * US_PER_HOUR;
        v[i].field[INV_REPORT] = "t";
    }
    v[0].field[INV_CLASS] = "Safety-Critical"; /* silent: two hours are more than one */
    v[1].field[INV_LIFE] = "2031-03-06";
    assert_true(inventory_date("2031-03-06", &v[1].end_of_life)); /* yesterday of NOW */
    r.rows = (struct inv_rows){.file = "f.csv", .v = v, .n = 3};
    for (int f = 0; f < INV_FIELDS; f++)
        r.rows.has[f] = f != INV_MAKER && f != INV_SIGNATURE;
    inventory_of_rows(&r, NOW, &a, &inv);
    assert_int_equal(inv.n.devices, 3);
    assert_int_equal(inv.n.state, 2);
    assert_int_equal(inv.n.version, 1);
    assert_int_equal(inv.n.all, 1); /* of the signature there is no source: it is left out, and not said */
    assert_false(inv.signed_said);
    assert_int_equal(inv.models[0].field[INV_OWNER].n, 1); /* x and X are one */
    assert_int_equal(inv.empty[INV_OWNER], 1);
    assert_int_equal(inv.empty[INV_CLASS], 2);
    assert_int_equal(inv.models[0].n_silent, 1);
    assert_string_equal(inv.models[0].silent[0], "a");
    assert_string_equal(inv.models[1].silent[0], "c"); /* without a release */
    assert_int_equal(inv.n_past, 1);
    assert_string_equal(inv.past[0], "b");
    struct buf csv;
    buf_init(&csv, 10000);
    inventory_csv(&inv, "prod", "valve", false, true, &csv);
    assert_string_equal(csv.data, "fleet,model,release,class,exposure,essential,mechanism,owner,function,end_of_life,"
                                  "devices\r\n\"prod\",\"valve\",\"\",\"\",\"isolated\",\"false\",\"\",\"\",\"\",\"\",1"
                                  "\r\n");
    buf_clear(&csv);
    inventory_csv(&inv, "prod", NULL, true, false, &csv);
    assert_string_equal(csv.data, "\"prod\",\"gate\",\"a\"\r\n\"prod\",\"valve\",\"c\"\r\n");
    buf_release(&csv);
    arena_release(&a);
}

static void days(void **state)
{
    int64_t t;
    char day[12];
    (void)state;
    assert_true(inventory_date("2031-03-06", &t));
    inventory_day(day, sizeof day, t);
    assert_string_equal(day, "2031-03-06");
    inventory_day(day, sizeof day, 0);
    assert_string_equal(day, "");
    assert_false(inventory_date("2031-3-06", &t));
    assert_false(inventory_date("2031-02-30", &t));
    assert_false(inventory_date("2031-03-06T00:00:00Z", &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_needed_is_asked_in_turn),
        cmocka_unit_test(words_that_the_rules_know),
        cmocka_unit_test(the_first_rule_that_says_it),
        cmocka_unit_test(who_goes_before_whom),
        cmocka_unit_test(groups_are_summed),
        cmocka_unit_test(many_kinds_stay_bounded),
        cmocka_unit_test(rows_alone),
        cmocka_unit_test(days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
