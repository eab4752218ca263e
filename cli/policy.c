/* andon policy check: is the file right, and what does it do. */
#include <stdio.h>
#include <string.h>
#include "cli/approval_health.h"
#include "cli/cli.h"
#include "cli/policy_plan.h"
#include "cli/policy_test.h"
#include "conf/policy.h"
#include "core/fmt.h"

static void limit_text(const struct evidence_policy *p, const struct limit *l)
{
    char a[FMT_MAX], b[FMT_MAX], wave[24] = "";
    const struct figure *f = figure_of(p, (size_t)figure_find(p, l->metric));

    if (l->wave >= 0)
        snprintf(wave, sizeof wave, " in W%d", l->wave);
    printf("  %-14s %s%s when %s", l->id, reaction_word(l->react), l->dry_run ? " (dry run: only said)" : "",
           l->metric);
    if (l->basis == BASIS_RELATIVE)
        printf(f->diff ? " is %s control %+g" : " is %s %gx control", l->under ? "under" : "over", l->value);
    else
        printf(" is %s %s%s%s", l->under ? "under" : "over",
               f->percent ? fmt_percent(a, l->value) : fmt_num(a, l->value), f->percent || !*f->unit ? "" : " ",
               f->percent ? "" : f->unit);
    printf(" for %s, on %d device%s or more%s%s%s\n", fmt_dur(b, l->for_us), l->min_devices,
           l->min_devices == 1 ? "" : "s", wave, l->device_class && *l->device_class ? ", class " : "",
           l->device_class ? l->device_class : "");
}

#define NOTES_MAX 16

static bool a_limit_acts(const struct policy *p)
{
    bool acts = false;

    for (size_t i = 0; i < p->n_limits; i++)
        acts = acts || (!p->limits[i].dry_run && p->limits[i].react >= REACT_PAUSE);
    return acts;
}

static size_t advise_tests(const struct evidence_policy *e, const char **out, bool *acts)
{
    bool level = false, early = false;
    size_t n = 0;

    if (e->tests == TESTS_OFF)
        return 0;
    for (size_t i = 0; i < e->n_levels; i++) {
        level = level || e->level[i].react >= REACT_PAUSE;
        early = early || (e->level[i].react == REACT_ROLLBACK && e->level[i].times < 10);
    }
    *acts = *acts || (level && e->tests == TESTS_ON);
    if (!level)
        out[n++] = "no level pauses or rolls back: the tests never halt";
    if (early)
        out[n++] = "rolls back by itself on less than ten times the evidence of a pause";
    if (e->min_devices < 2)
        out[n++] = "one bad device can halt the fleet: min_devices is 1";
    if (e->alpha > 0.1)
        out[n++] = "more than one good rollout in ten may be halted: people learn to ignore such halts";
    if (e->n_strata == 0)
        out[n++] = "no strata: a canary that is mostly of one model may be halted for that model's sake";
    double sum = 0;
    for (size_t i = 0; i < metric_count(e); i++) {
        struct metric_def d;
        metric_get(e, i, &d);
        sum += d.share;
    }
    if (sum < 1 - 1e-9)
        out[n++] = "the shares do not add up to 1: the rest of alpha is never used";
    return n;
}

/* Things that are allowed and probably not meant. */
static size_t advise(const struct policy *p, const char *out[NOTES_MAX])
{
    bool acts = a_limit_acts(p);
    size_t n = advise_tests(&p->evidence, out, &acts);

    if (!acts)
        out[n++] =
            "neither a limit nor a test pauses or rolls back: this policy never halts by itself, except for lost "
            "telemetry";
    if (p->lost_react < REACT_PAUSE)
        out[n++] = "lost telemetry only holds: the devices of a wave that runs go on unseen";
    return n;
}

static void policy_text(const struct policy *p, const struct policy_plan *v, const char *const *advice, size_t n)
{
    struct buf plan;
    char a[FMT_MAX], b[FMT_MAX], c[FMT_MAX];

    printf("policy %s is valid, sha256 %s\n", p->name, p->digest);
    for (size_t i = 0; i < p->n_limits; i++)
        limit_text(&p->evidence, &p->limits[i]);
    printf(
        "  figures over the last %s; reboots count from %s after the install\n", fmt_dur(a, p->window_us),
        fmt_dur(b, p->evidence.grace_us[ROW_REBOOTS] > p->grace_us ? p->evidence.grace_us[ROW_REBOOTS] : p->grace_us));
    printf("  missing data (under %s report, %d or more silent) holds at the third poll in a row%s%s\n",
           fmt_percent(a, p->min_coverage), p->lost_devices, p->lost_react >= REACT_PAUSE ? ", and halts after " : "",
           p->lost_react >= REACT_PAUSE ? fmt_dur(b, p->lost_pause_us) : "");
    printf("  such a pause ends %s\n", p->lost_resume ? "by itself after 3 good polls" : "when a person resumes it");
    printf("  waves: %s; bake time %s; a halt %s; roll back to %s, drain %s\n",
           p->promotion == PROMOTE_HOLD ? "a person advances" : "the server's own conditions", fmt_dur(a, p->bake_us),
           p->halt_stops ? "stops for good where the server can" : "pauses", p->rollback_to, fmt_dur(c, p->drain_us));
    if (p->min_device_hours > 0)
        printf("  a person advances after %g device-hours of watch at the earliest\n", p->min_device_hours);
    buf_init(&plan, 1 << 20);
    policy_plan_text(p, v, &plan);
    print_out(&plan);
    buf_release(&plan);
    for (size_t i = 0; i < n; i++)
        printf("  note: %s\n", advice[i]);
}

static void policy_json(const struct policy *p, const struct policy_plan *v, const char *const *advice, size_t n)
{
    struct json_out o;

    json_begin(&o);
    json_w_kbool(&o.w, "valid", true);
    json_w_kstr(&o.w, "name", p->name);
    json_w_kstr(&o.w, "sha256", p->digest);
    json_w_key(&o.w, "limits");
    json_w_arr(&o.w);
    for (size_t i = 0; i < p->n_limits; i++) {
        const struct limit *l = &p->limits[i];

        json_w_obj(&o.w);
        json_w_kstr(&o.w, "id", l->id);
        json_w_kstr(&o.w, "metric", l->metric);
        json_w_kbool(&o.w, "below", l->under);
        json_w_kbool(&o.w, "relative", l->basis == BASIS_RELATIVE);
        json_w_knum(&o.w, "value", l->value);
        json_w_knum(&o.w, "for_s", (double)l->for_us / 1e6);
        json_w_kint(&o.w, "min_devices", l->min_devices);
        json_w_kstr(&o.w, "reaction", reaction_word(l->react));
        json_w_kbool(&o.w, "dry_run", l->dry_run);
        json_w_obj_end(&o.w);
    }
    json_w_arr_end(&o.w);
    policy_plan_json(p, v, &o.w);
    json_w_key(&o.w, "notes");
    json_w_arr(&o.w);
    for (size_t i = 0; i < n; i++)
        json_w_str(&o.w, advice[i]);
    json_w_arr_end(&o.w);
    json_end(&o);
}

static int check(const struct args *a, const struct policy *p)
{
    const char *advice[NOTES_MAX];
    struct policy_plan v;
    struct err e = {0};
    char able[200], unable[1000];
    size_t n;
    int rc;

    if (!policy_plan_read(a, p, &v, &rc, &e))
        return rc != EXIT_OK ? rc : print_err(a, &e);
    n = advise(p, advice);
    if (*v.runs && n < NOTES_MAX)
        advice[n++] = v.runs;
    if (p->approval.require > 0 && n < NOTES_MAX && !approval_health(&p->approval, able, &e)) {
        snprintf(unable, sizeof unable, "here nothing can be approved: %s%s%s%s%s", e.what, *e.cause ? ": " : "",
                 e.cause, *e.next ? ". " : "", e.next);
        advice[n++] = unable;
    } else if (p->approval.require > 0 && n < NOTES_MAX) {
        advice[n++] = able;
    }
    if (a->json)
        policy_json(p, &v, advice, n);
    else
        policy_text(p, &v, advice, n);
    return v.blind ? EXIT_FAILED : EXIT_OK;
}

int cmd_policy(const struct args *a)
{
    const struct policy *p;
    struct arena arena;
    struct err e = {0};
    int rc;
    bool test = strcmp(a->pos[1], "test") == 0;

    if (!test && strcmp(a->pos[1], "check") != 0) {
        err_set(&e, ERR_SYNTAX, "andon policy check FILE, andon policy test FILE --history FLEET",
                "policy does not know \"%.40s\"", a->pos[1]);
        return print_err(a, &e);
    }
    arena_init(&arena);
    p = policy_load(a->pos[2], &arena, &e);
    if (p) {
        rc = test ? policy_test(a, p) : check(a, p);
    } else {
        print_err(a, &e);
        rc = e.code == ERR_NOT_FOUND || e.code == ERR_IO ? EXIT_FAILED : EXIT_USAGE;
    }
    arena_release(&arena);
    return rc;
}
