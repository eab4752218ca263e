/* andon queue: what to roll out next, and why. */
#include "cli/queue.h"

#include <inttypes.h>

/* What is exploited on devices of the maker's own is proposed in the log, once: a person declares, or does not. False:
 * the log could not be written. */
static bool propose(const struct queue_world *w, struct arena *mem, struct err *e)
{
    const struct queue_item *items;
    struct cra_cases said = w->said.cra; /* with those that are proposed now */
    size_t n = queue_items(&w->o->in, mem, &items);
    for (size_t i = 0; i < n; i++) {
        const struct vuln_facts *f = items[i].item.facts;
        struct entry en;
        struct receipt r;
        if (!cra_proposes(&said, f, items[i].item.devices))
            continue;
        entry_init(&en, ENTRY_CRA);
        en.result = "proposed";
        entry_str(&en, "vulnerability", f->id);
        if (!risk_log_rule(&w->session, "cra", &en, &r, e))
            return false;
        cra_take(&said, mem,
                 &(struct cra_said){.what = "proposed",
                                    .id = f->id,
                                    .by = "",
                                    .stage = "",
                                    .reference = "",
                                    .sha256 = "",
                                    .at = en.t,
                                    .seq = r.seq});
        fprintf(stderr,
                "andon: %s is exploited and affects devices: awareness (CRA article 14) is proposed, entry %" PRId64
                "; declare it with `andon cra aware`\n",
                f->id, r.seq);
    }
    return true;
}

int cmd_queue(const struct args *a)
{
    struct queue_world w;
    struct err e = {0};
    struct json_out o;
    struct buf out;
    int64_t why = 0;
    int rc = EXIT_OK;

    if (!a->val[OPT_CSV] && (a->val[OPT_RULES] || a->val[OPT_NOW])) {
        err_set(&e, ERR_SYNTAX, "A fleet's rules are named by `inventory:` in the configuration.",
                "--rules and --now go with --csv");
        return print_err(a, &e);
    }
    if (!args_int(a, OPT_WHY, 1, 1000000, 0, &why, &e))
        return print_err(a, &e);
    bool ok = queue_world_open(a, &w, &rc, &e);
    bool makers = ok && !a->val[OPT_CSV] && !a->val[OPT_READ_ONLY] && w.session.config.manufacturer;
    ok = ok && (!makers || propose(&w, &w.mem, &e));
    if (ok && why > (int64_t)w.o->q.n)
        ok = err_set(&e, ERR_NOT_FOUND, "`andon queue` numbers them.", "the queue has %zu rows", w.o->q.n);
    if (!ok) {
        rc = rc != EXIT_OK ? rc : e.code == ERR_NOT_FOUND ? (print_err(a, &e), EXIT_FAILED) : print_err(a, &e);
    } else if (a->json) {
        json_begin(&o);
        queue_json(w.o, (size_t)why, &o.w);
        json_end(&o);
    } else {
        buf_init(&out, (size_t)64 << 20);
        if (why)
            queue_why_text(w.o, (size_t)why, &out);
        else
            queue_text(w.o, a->val[OPT_ASCII] != NULL, &out);
        print_out(&out);
        buf_release(&out);
    }
    queue_world_free(&w);
    return rc;
}
