/* andon inventory: what the fleet consists of, who says so, and what nobody knows. */
#include "cli/fleets.h"
#include "cli/inventory.h"

#include <string.h>
#include "cli/life.h"
#include "conf/config.h"
#include "conf/inventory.h"
#include "core/clock.h"
#include "core/fmt.h"

/* Prints one and ends the list. */
struct printing {
    const struct args *args;
    struct buf text;
    struct json_out json;
    size_t n;
};

static void begin(struct printing *p, const struct args *a)
{
    *p = (struct printing){.args = a};
    buf_init(&p->text, (size_t)256 << 20);
    json_begin(&p->json);
    json_w_key(&p->json.w, "inventory");
    json_w_arr(&p->json.w);
}

static void add(struct printing *p, const struct inventory_said *s)
{
    if (p->args->json)
        inventory_json(s, &p->json.w);
    else if (p->args->csv)
        inventory_csv(s->v, s->fleet, s->model, s->names, p->n == 0, &p->text);
    else
        inventory_text(s, &p->text);
    p->n++;
}

static void end(struct printing *p, bool ok)
{
    json_w_arr_end(&p->json.w);
    if (ok && p->args->json) {
        json_end(&p->json);
    } else {
        buf_release(&p->json.buf);
        if (ok)
            print_out(&p->text);
    }
    buf_release(&p->text);
}

/* A model that is not there is an error: an empty table would say that it has no devices. */
static bool known_model(const struct inventory *v, const char *model, struct err *e)
{
    return !model || inventory_model(v, model) ||
           err_set(e, ERR_NOT_FOUND, "`andon inventory` lists them.", "there is no model \"%.60s\"", model);
}

static bool time_of(const struct args *a, int64_t *now, struct err *e)
{
    const char *s = a->val[OPT_NOW];
    *now = clock_wall(clock_real());
    return !s || fmt_iso_parse(s, now) ||
           err_set(e, ERR_SYNTAX, "", "--now: expected a time like 2031-03-14T12:00:00Z, found %.40s", s);
}

/* Rows alone, with the rules where they are named: no server is asked. */
static bool of_rows(const struct args *a, struct err *e)
{
    struct arena mem;
    struct inv_rules rules = {.file = "", .model_attribute = "", .rows = {.file = ""}};
    struct inventory v;
    struct printing p;
    int64_t now;
    arena_init(&mem);
    bool ok = time_of(a, &now, e) && (!a->val[OPT_RULES] || inventory_load(a->val[OPT_RULES], &mem, &rules, e)) &&
              inventory_rows_load(a->val[OPT_CSV], &mem, &rules.rows, e);
    if (ok) {
        char path[512];
        if (state_path(path, sizeof path, "intel.db"))
            life_fill(&rules, path, &mem);
        inventory_of_rows(&rules, now, &mem, &v);
        ok = known_model(&v, a->val[OPT_MODEL], e);
    }
    if (ok) {
        begin(&p, a);
        add(&p, &(struct inventory_said){.v = &v,
                                         .fleet = "",
                                         .source = rules.rows.file,
                                         .model = a->val[OPT_MODEL],
                                         .names = a->val[OPT_BLIND] != NULL,
                                         .note = ""});
        end(&p, true);
    }
    arena_release(&mem);
    return ok;
}

struct counted {
    bool names;
};

/* A whole count of this session, or why there is none. */
static bool counted(const struct snapshot *s, void *ctx)
{
    const struct counted *c = ctx;
    const struct inventory_held *h = s->inventory.held;
    return s->inventory.error || (h && (h->names || !c->names));
}

static bool print_fleet(struct printing *p, const struct fleet_run *r, const struct counted *c, struct err *e)
{
    const struct args *a = p->args;
    const struct inventory_held *h = r->snap ? r->snap->inventory.held : NULL;
    if (!r->snap || !r->snap->rollouts_known) {
        fleet_error(r, e);
        return false;
    }
    if (r->snap->inventory.error) {
        *e = *r->snap->inventory.error;
        return false;
    }
    if (!h || (c->names && !h->names))
        return err_set(e, ERR_TIMEOUT, "Give it more time with --timeout.", "%s: the count was not done in time",
                       r->spec->name);
    if (!known_model(&h->v, a->val[OPT_MODEL], e))
        return false;
    add(p, &(struct inventory_said){.v = &h->v,
                                    .fleet = r->spec->name,
                                    .source = "counted by the fleet server",
                                    .model = a->val[OPT_MODEL],
                                    .names = c->names,
                                    .note = h->note});
    return true;
}

static int of_fleets(const struct args *a, struct session *s, struct err *e)
{
    struct focus f = {.wave = -1, .inventory = true, .inventory_names = a->val[OPT_BLIND] != NULL};
    struct counted c = {.names = f.inventory_names};
    struct fleets fleets;
    struct printing p;
    int64_t timeout;
    int rc = EXIT_OK;

    if (!args_dur(a, OPT_TIMEOUT, 10 * US_PER_MIN, &timeout, e))
        return print_err(a, e);
    for (size_t i = 0; i < s->config.n_fleets; i++)
        session_drop_telemetry(s, &s->config.fleets[i]);
    if (!fleets_open(s, a, false, true, &fleets, e))
        return print_err(a, e);
    fleets_wait(&fleets, timeout < 30 * US_PER_S ? timeout : 30 * US_PER_S);
    for (size_t i = 0; i < fleets.n; i++)
        if (fleets.v[i].en)
            engine_focus(fleets.v[i].en, &f);
    begin(&p, a);
    for (size_t i = 0; i < fleets.n; i++) {
        if (fleets.v[i].snap && fleets.v[i].snap->rollouts_known)
            (void)fleet_until(&fleets.v[i], timeout, counted, &c);
        if (!print_fleet(&p, &fleets.v[i], &c, e)) /* the others are shown */
            rc = e->code == ERR_NOT_FOUND ? (print_err(NULL, e), EXIT_FAILED) : print_err(NULL, e);
    }
    end(&p, p.n > 0);
    fleets_close(&fleets);
    return rc;
}

int cmd_inventory(const struct args *a)
{
    struct err e = {0};
    struct session s;
    if (a->val[OPT_CSV]) {
        if (of_rows(a, &e))
            return EXIT_OK;
        return e.code == ERR_NOT_FOUND ? (print_err(a, &e), EXIT_FAILED) : print_err(a, &e);
    }
    if (a->val[OPT_RULES] || a->val[OPT_NOW]) {
        err_set(&e, ERR_SYNTAX, "A fleet's rules are named by `inventory:` in the configuration.",
                "--rules and --now go with --csv");
        return print_err(a, &e);
    }
    int rc = session_need(a, &s);
    if (rc != EXIT_OK)
        return rc;
    rc = of_fleets(a, &s, &e);
    session_close(&s);
    return rc;
}
