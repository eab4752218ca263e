/* andon vulns: which vulnerabilities the releases have, as far as that can be told, and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/said.h"
#include "cli/cli.h"
#include "cli/vex.h"
#include "conf/config.h"
#include "core/fmt.h"
#include "core/groups.h"
#include "core/text.h"
#include "core/vex.h"
#include "intel/match.h"

struct vulns {
    const struct args *a;
    struct session session;
    struct arena mem;
    struct intel_store *store;
    struct intel_matcher *matcher;
    const char **releases;
    struct intel_answers *is; /* of each */
    size_t n;
    const char *id; /* the one that is asked for, or NULL */
};

/* ---- computing ---- */

/* The rules of the fleets, first match: CPEs of the firmware and of what it runs on. */
static void cpes_of(struct vulns *v, const char *release, const char **firmware, const char **hardware)
{
    *firmware = *hardware = "";
    for (size_t i = 0; v->session.configured && i < v->session.config.n_fleets && !**firmware; i++) {
        const struct inv_rules *rules = v->session.config.fleets[i].inventory;
        struct inv_record k;
        struct inv_subject s = {.release = release};
        if (!rules)
            continue;
        inventory_combine(rules, &s, &v->mem, &k);
        *firmware = k.cpe_firmware;
        *hardware = k.cpe_hardware;
    }
    const char *colon = strrchr(release, ':');
    if (colon)
        *firmware = match_cpe_of(*firmware, colon + 1, &v->mem);
}

static bool judge(struct vulns *v, struct err *e)
{
    v->is = ARENA_ARRAY(&v->mem, struct intel_answers, v->n);
    for (size_t i = 0; i < v->n; i++) {
        const char *firmware, *hardware;
        cpes_of(v, v->releases[i], &firmware, &hardware);
        if (!intel_match(v->matcher, v->releases[i], firmware, hardware, &v->id, v->id ? 1 : 0, &v->mem, &v->is[i], e))
            return false;
    }
    return true;
}

/* The releases that are asked for: one, or all that have an SBOM. */
static bool choose(struct vulns *v, struct err *e)
{
    const char *word = v->a->n_pos > 1 ? v->a->pos[1] : NULL;
    if (word && strchr(word, ':')) {
        v->releases = ARENA_ARRAY(&v->mem, const char *, 1);
        v->releases[0] = safe_text(&v->mem, word, strlen(word), 400);
        v->n = 1;
        return true;
    }
    if (word)
        v->id = safe_text(&v->mem, word, strlen(word), ADV_ID_MAX - 1);
    return intel_releases(v->store, &v->mem, &v->releases, &v->n, e);
}

/* Is this one among what is to be shown? Of one release or one vulnerability, all; else what is not settled. */
static bool shown(const struct vulns *v, const struct intel_answers *is, size_t i)
{
    if (v->id) {
        bool same = strcmp(is->v[i].id, v->id) == 0;
        for (size_t k = 0; k < is->n_members[i] && !same; k++)
            same = strcmp(is->members[i][k], v->id) == 0;
        return same;
    }
    return v->a->n_pos > 1 || (is->v[i].status != FINDING_FIXED && is->v[i].status != FINDING_NOT_AFFECTED);
}

/* ---- telling ---- */

static void score_text(char *out, size_t size, const struct vuln_facts *f)
{
    if (f->tenths < 0)
        snprintf(out, size, "?");
    else
        snprintf(out, size, "%d.%d", f->tenths / 10, f->tenths % 10);
}

static void gaps_text(const char *release, const struct intel_answers *is, struct buf *out)
{
    const struct match_gaps *g = &is->gaps;
    if (g->no_sbom)
        buf_printf(out, "%s: no SBOM; only its firmware's CPE could be judged, all else is unknown\n", release);
    else if (g->no_version + g->no_id + g->no_release > 0)
        buf_printf(
            out,
            "%s: of %zu parts not judged: %zu without a version, %zu without a purl or CPE that is known, %zu of "
            "a distribution release that is not said\n",
            release, g->parts, g->no_version, g->no_id, g->no_release);
    if (is->cut)
        buf_printf(out, "%s: more was found than can be looked at: not all is here\n", release);
}

/* ---- what other scanners say ---- */

/* Ours for the same id, by any of its names; NULL: we have none. */
static const struct finding *ours(const struct intel_answers *is, const char *id)
{
    for (size_t i = 0; i < is->n; i++) {
        if (strcmp(is->v[i].id, id) == 0)
            return &is->v[i];
        for (size_t k = 0; k < is->n_members[i]; k++)
            if (strcmp(is->members[i][k], id) == 0)
                return &is->v[i];
    }
    return NULL;
}

/* One that a scanner found and we do not call affected, or the other way round, is worth a look. */
static bool agrees(const struct finding *f)
{
    return f && finding_queued(f);
}

static bool others_of(struct vulns *v, size_t r, const struct intel_other **out, size_t *n)
{
    struct err why = {0};
    *n = 0;
    return intel_others(v->store, v->releases[r], &v->mem, out, n, &why);
}

static void others_text(struct vulns *v, struct buf *out)
{
    static const char *const heads[] = {"RELEASE", "SCANNER", "VULNERABILITY", "COMPONENT", "SEVERITY", "WE SAY"};
    struct table t;
    size_t rows = 0, differ = 0;
    table_init(&t, 6, 0);
    for (size_t i = 0; i < 6; i++)
        table_add(&t, heads[i]);
    for (size_t r = 0; r < v->n; r++) {
        const struct intel_other *x;
        size_t n;
        if (!others_of(v, r, &x, &n))
            buf_printf(out, "%s: what other scanners found cannot be read\n", v->releases[r]);
        for (size_t i = 0; i < n; i++) {
            const struct finding *f = ours(&v->is[r], x[i].id);
            if (v->id && (!f || strcmp(f->id, v->id) != 0) && strcmp(x[i].id, v->id) != 0)
                continue;
            rows++;
            differ += !agrees(f);
            if (!v->id && v->a->n_pos < 2 && agrees(f))
                continue;
            table_add(&t, v->releases[r]);
            table_add(&t, x[i].tool);
            table_add(&t, x[i].id);
            table_addf(&t, "%s%s%s", x[i].component, *x[i].version ? " " : "", x[i].version);
            table_add(&t, x[i].severity);
            if (f)
                table_addf(&t, "%s: %s", finding_status_word(f->status), finding_why_text(f->why));
            else
                table_add(&t, "nothing: no source that was imported has it for this release");
        }
    }
    if (rows > 0)
        buf_printf(out, "other scanners: %zu findings, %zu of them on what we do not call affected\n", rows, differ);
    struct buf table;
    bool any = t.n > 6;
    buf_init(&table, (size_t)64 << 20);
    table_print(&t, &table);
    if (any)
        buf_add(out, table.data, table.len);
    buf_release(&table);
}

static void print_text(struct vulns *v)
{
    static const char *const heads[] = {"RELEASE",  "VULNERABILITY", "STATUS", "COMPONENT",
                                        "FIXED IN", "CVSS",          "KEV",    "BECAUSE"};
    struct table t;
    struct buf out;
    char score[16];
    size_t rows = 0;
    table_init(&t, 8, 1U << 5);
    for (size_t i = 0; i < 8; i++)
        table_add(&t, heads[i]);
    for (size_t r = 0; r < v->n; r++)
        for (size_t i = 0; i < v->is[r].n; i++) {
            const struct finding *f = &v->is[r].v[i];
            if (!shown(v, &v->is[r], i))
                continue;
            score_text(score, sizeof score, &v->is[r].facts[i]);
            table_add(&t, v->releases[r]);
            table_add(&t, f->id);
            table_add(&t, finding_status_word(f->status));
            table_add(&t, *f->component ? f->component : "-");
            table_add(&t, *f->fixed_in ? f->fixed_in : "-");
            table_add(&t, score);
            table_add(&t, v->is[r].facts[i].kev ? "yes" : "");
            table_addf(&t, "%s%s%s", finding_why_text(f->why), *f->by ? ": " : "", f->by);
            rows++;
        }
    buf_init(&out, (size_t)256 << 20);
    table_print(&t, &out);
    if (v->n == 0)
        buf_adds(&out, "no release has an SBOM: nothing can be judged (see andon-intel(1))\n");
    else if (rows == 0)
        buf_adds(&out, v->id ? "no source has it\n" : "nothing is known against what could be judged\n");
    for (size_t r = 0; r < v->n; r++)
        gaps_text(v->releases[r], &v->is[r], &out);
    others_text(v, &out);
    print_out(&out);
    buf_release(&out);
}

static void finding_json(const struct finding *f, const struct vuln_facts *k, const char *const *ids, size_t n_ids,
                         struct json_w *w)
{
    json_w_obj(w);
    json_w_kstr(w, "id", f->id);
    json_w_key(w, "also");
    json_w_arr(w);
    for (size_t i = 0; i < n_ids; i++)
        json_w_str(w, ids[i]);
    json_w_arr_end(w);
    json_w_kstr(w, "status", finding_status_word(f->status));
    json_w_kstr(w, "why", finding_why_word(f->why));
    json_w_kstr(w, "because", finding_why_text(f->why));
    json_w_kstr(w, "by", f->by);
    json_w_kstr(w, "component", f->component);
    json_w_kstr(w, "version", f->version);
    json_w_kstr(w, "fixed_in", *f->fixed_in ? f->fixed_in : NULL);
    json_w_kbool(w, "queued", finding_queued(f));
    json_w_kbool(w, "disputed", f->disputed);
    json_w_kstr(w, "summary", k->summary);
    json_w_ktime(w, "published", k->published);
    json_w_ktime(w, "learned", k->learned);
    json_w_kstr(w, "vector", *k->vector ? k->vector : NULL);
    json_w_key(w, "score");
    if (k->tenths < 0)
        json_w_null(w);
    else
        json_w_num(w, k->tenths / 10.0);
    json_w_kstr(w, "scored_by", k->scored_by);
    json_w_kbool(w, "kev", k->kev);
    json_w_ktime(w, "kev_added", k->kev_added);
    json_w_key(w, "epss");
    if (k->scored)
        json_w_num(w, k->epss);
    else
        json_w_null(w);
    json_w_obj_end(w);
}

static void others_json(struct vulns *v, size_t r, struct json_w *w)
{
    const struct intel_other *x;
    size_t n;
    json_w_key(w, "other_scanners");
    if (!others_of(v, r, &x, &n)) {
        json_w_null(w);
        return;
    }
    json_w_arr(w);
    for (size_t i = 0; i < n; i++) {
        const struct finding *f = ours(&v->is[r], x[i].id);
        json_w_obj(w);
        json_w_kstr(w, "scanner", x[i].tool);
        json_w_kstr(w, "id", x[i].id);
        json_w_kstr(w, "component", x[i].component);
        json_w_kstr(w, "version", x[i].version);
        json_w_kstr(w, "fixed_in", *x[i].fixed_in ? x[i].fixed_in : NULL);
        json_w_kstr(w, "severity", x[i].severity);
        json_w_kstr(w, "ours", f ? finding_status_word(f->status) : NULL);
        json_w_kbool(w, "agree", agrees(f));
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
}

static void print_json(struct vulns *v)
{
    struct json_out o;
    json_begin(&o);
    json_w_key(&o.w, "releases");
    json_w_arr(&o.w);
    for (size_t r = 0; r < v->n; r++) {
        const struct intel_answers *is = &v->is[r];
        json_w_obj(&o.w);
        json_w_kstr(&o.w, "release", v->releases[r]);
        json_w_kstr(&o.w, "sbom", is->sbom ? is->sbom->sha256 : NULL);
        json_w_kint(&o.w, "parts", (int64_t)is->gaps.parts);
        json_w_kint(&o.w, "without_version", (int64_t)is->gaps.no_version);
        json_w_kint(&o.w, "without_id", (int64_t)is->gaps.no_id);
        json_w_kint(&o.w, "without_distribution_release", (int64_t)is->gaps.no_release);
        json_w_kbool(&o.w, "complete", !is->cut);
        json_w_key(&o.w, "findings");
        json_w_arr(&o.w);
        for (size_t i = 0; i < is->n; i++)
            if (shown(v, is, i))
                finding_json(&is->v[i], &is->facts[i], is->members[i], is->n_members[i], &o.w);
        json_w_arr_end(&o.w);
        others_json(v, r, &o.w);
        json_w_obj_end(&o.w);
    }
    json_w_arr_end(&o.w);
    json_end(&o);
}

/* ---- statements that decided nothing ---- */

static const char *unused_text(const struct intel_said *s)
{
    return s->fit == VEX_FITS ? "a newer or a closer one holds, or nothing is known of it there" : vex_fit_text(s->fit);
}

static void print_unused(const struct vulns *v)
{
    static const char *const heads[] = {"VULNERABILITY", "STATUS",   "PRODUCT",
                                        "COMPONENT",     "DOCUMENT", "UNUSED BECAUSE"};
    struct intel_said s;
    if (v->a->json) {
        struct json_out o;
        json_begin(&o);
        json_w_key(&o.w, "unused");
        json_w_arr(&o.w);
        for (size_t i = 0; intel_said_at(v->matcher, i, &s); i++)
            if (!s.decided) {
                vex_json(s.vex, &o.w, false);
                json_w_kstr(&o.w, "because", unused_text(&s));
                json_w_obj_end(&o.w);
            }
        json_w_arr_end(&o.w);
        json_end(&o);
        return;
    }
    struct table t;
    struct buf out;
    size_t n = 0;
    table_init(&t, 6, 0);
    for (size_t i = 0; i < 6; i++)
        table_add(&t, heads[i]);
    for (size_t i = 0; intel_said_at(v->matcher, i, &s); i++) {
        if (s.decided)
            continue;
        table_add(&t, s.vex->id);
        table_add(&t, vex_status_word(s.vex->status));
        table_add(&t, *s.vex->product ? s.vex->product : "-");
        table_add(&t, *s.vex->component ? s.vex->component : "-");
        table_add(&t, s.vex->document);
        table_add(&t, unused_text(&s));
        n++;
    }
    buf_init(&out, (size_t)256 << 20);
    table_print(&t, &out);
    if (n == 0)
        buf_adds(&out, "every statement decides something, or there is none\n");
    print_out(&out);
    buf_release(&out);
}

static bool run(struct vulns *v, struct err *e)
{
    struct said said;
    if (!(v->store = intel_open(v->session.intel, false, e)) ||
        !said_read(&v->session.audit_looks, &v->mem, &said, e) ||
        !(v->matcher = intel_matcher_new(v->store, said.vex, said.n_vex, e)) || !choose(v, e) || !judge(v, e))
        return false;
    if (v->a->val[OPT_VEX_UNUSED])
        print_unused(v);
    else if (v->a->json)
        print_json(v);
    else
        print_text(v);
    return true;
}

int cmd_vulns(const struct args *a)
{
    struct vulns v = {.a = a};
    struct err e = {0};
    if (a->val[OPT_VEX_UNUSED] && a->n_pos > 1) {
        err_set(&e, ERR_SYNTAX, "", "--vex-unused is about all releases");
        return print_err(a, &e);
    }
    int rc = session_open(a, &v.session);
    if (rc != 0)
        return rc;
    arena_init(&v.mem);
    if (!run(&v, &e))
        rc = print_err(a, &e);
    intel_matcher_free(v.matcher);
    intel_close(v.store);
    arena_release(&v.mem);
    session_close(&v.session);
    return rc;
}
