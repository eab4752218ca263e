/* andon get: what a row says of a roll back, of the size of a harm, and of a device's own state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cli/get.h"
#include "core/clock.h"

struct scene {
    struct session session; /* no log */
    struct get g;
    struct fleet_spec spec;
    struct snapshot snap;
    struct fleet_run run;
};

static void scene_init(struct scene *s, size_t columns)
{
    memset(s, 0, sizeof *s);
    s->spec.name = "emea";
    s->run = (struct fleet_run){.spec = &s->spec, .snap = &s->snap};
    s->session.audit =
        (struct audit_spec){.db_path = "/nonexistent/a.db", .key_path = "/nonexistent/a.key", .origin = "t"};
    s->g.session = &s->session;
    json_begin(&s->g.json);
    json_w_key(&s->g.json.w, "rows");
    json_w_arr(&s->g.json.w);
    table_init(&s->g.table, columns, 0);
}

/* The table, after a line of headings; the JSON stands in s->g.json.buf. */
static char *scene_table(struct scene *s)
{
    struct buf out;
    char *text;

    buf_init(&out, 1 << 16);
    table_print(&s->g.table, &out);
    text = buf_take(&out);
    buf_release(&out);
    return text;
}

static void json_has(const struct scene *s, const char *text)
{
    if (!strstr(s->g.json.buf.data, text))
        fail_msg("'%s' is not in %s", text, s->g.json.buf.data);
}

static void whose_roll_back_it_is(void **state)
{
    struct scene s;
    struct rollout_view v = {.rollout = {.id = "4480",
                                         .name = "andon-rb-4471-1",
                                         .state_word = "running",
                                         .created_by = "andon",
                                         .release = {.name = "hearth", .version = "4.11.9"}},
                             .halted_by = "",
                             .halt_text = "",
                             .rollback_of = "4471",
                             .rollback_by = "m.ito",
                             .rollback_host = "console-2"};

    (void)state;
    scene_init(&s, 8);
    get_rollout(&s.g, &s.run, &v);
    json_has(&s, "\"rollback_of\": \"4471\"");
    json_has(&s, "\"rollback_by\": \"m.ito\"");
    json_has(&s, "\"rollback_host\": \"console-2\"");
    json_has(&s, "\"rollback_claimed\": false");
    v.rollback_claimed = true;
    v.rollback_by = v.rollback_host = "";
    get_rollout(&s.g, &s.run, &v);
    json_has(&s, "\"rollback_by\": null");
    json_has(&s, "\"rollback_host\": null");
    json_has(&s, "\"rollback_claimed\": true");
    free(scene_table(&s));
    buf_release(&s.g.json.buf);
}

/* One size, the same in the table, and no number where there is none. */
static void how_large_a_harm_is(void **state)
{
    struct scene s;
    struct rollout_view v = {.rollout = {.id = "4471"}};
    struct wave_view x = {.verdict = {.rule = ""}};
    char *table;

    (void)state;
    for (int m = 0; m < FIGURES_MAX; m++)
        x.health.value[m] = x.health.against[m] = x.health.ratio[m] = NAN;
    x.health.value[FIGURE_REBOOTS] = 349;
    x.health.against[FIGURE_REBOOTS] = 0;
    x.health.ratio[FIGURE_REBOOTS] = 93.4;
    x.health.value[FIGURE_CPU_MEAN] = 0.45;
    x.health.against[FIGURE_CPU_MEAN] = 0.3;
    x.health.ratio[FIGURE_CPU_MEAN] = 1.5;
    scene_init(&s, 11);
    get_health(&s.g, &s.run, &v, &x);
    json_has(&s, "\"unbounded\": true");
    table = scene_table(&s);
    assert_non_null(strstr(table, ">93x"));
    assert_non_null(strstr(table, "1.50x"));
    assert_null(strstr(table, "93.4"));
    free(table);
    buf_release(&s.g.json.buf);
}

static void a_devices_own_state(void **state)
{
    static const struct device_metric m[METRICS_BUILTIN] = {[ROW_REBOOTS] = {1, NAN}, [ROW_CPU] = {0.25F, NAN}};
    struct scene s;
    struct device_row d = {.id = "em-0001",
                           .status = DEVICE_IN_SYNC,
                           .state = DEV_ODD,
                           .note = "has rebooted",
                           .metric = m,
                           .from = "",
                           .now_release = ""};
    char *table;

    (void)state;
    scene_init(&s, 9);
    get_device(&s.g, &s.run, "4471", 0, &d);
    json_has(&s, "\"state\": \"odd\"");
    json_has(&s, "\"note\": \"has rebooted\"");
    table = scene_table(&s);
    assert_non_null(strstr(table, "odd"));
    free(table);
    json_has(&s, "\"reboots\": 1");
    json_has(&s, "\"cpu\": 0.25");
    json_has(&s, "\"variance\": null");
    json_has(&s, "\"metrics\": {");
    buf_release(&s.g.json.buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whose_roll_back_it_is),
        cmocka_unit_test(how_large_a_harm_is),
        cmocka_unit_test(a_devices_own_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
