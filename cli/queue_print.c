#include <inttypes.h>
#include <string.h>
#include "cli/queue.h"
#include "core/clock.h"
#include "core/fmt.h"

static void add_row(const struct outlook *o, const struct queue_row *r, size_t number, bool ascii, struct arena *a,
                    struct table *t)
{
    char due[FMT_MAX] = "", n[FMT_MAX], net[FMT_MAX], score[FMT_MAX] = "?";
    if (r->kind != QUEUE_BLIND) {
        outlook_due(due, r->worst.risk->due, o->in.now);
        outlook_score(score, r->worst.facts);
    }
    table_addf(t, "%zu", number);
    table_add(t, outlook_tier(r, ascii));
    table_add(t, due);
    table_add(t, outlook_step(a, r, ascii));
    table_add(t, fmt_count(n, r->devices));
    table_add(t, fmt_count(net, r->exposed[EXPOSURE_INTERNET]));
    table_add(t, outlook_worst(a, r));
    table_add(t, score);
    table_add(t, outlook_state(a, r, ascii));
}

/* What is behind it, and what it does not see. */
static void footer(const struct outlook *o, struct buf *out)
{
    char t[FMT_MAX];
    buf_printf(out, "devices of %s\ndata ", o->of);
    for (size_t i = 0; i < o->n_sources; i++)
        buf_printf(out, "  %s %s%s", o->sources[i].name, o->sources[i].age < 0 ? "?" : fmt_dur(t, o->sources[i].age),
                   o->sources[i].stale ? " (old)" : "");
    buf_printf(out, "  SBOM %zu of %zu releases on devices\n", o->releases - o->without_sbom, o->releases);
    outlook_unseen(o, out);
    buf_addc(out, '\n');
    if (o->cut)
        buf_adds(out, "a release has more than can be looked at: not all is here\n");
}

void queue_text(const struct outlook *o, bool ascii, struct buf *out)
{
    static const char *const heads[] = {"#", "TIER", "DUE", "STEP", "DEVICES", "INTERNET", "WORST", "CVSS", "STATE"};
    struct table t;
    struct arena a;
    bool bad;
    arena_init(&a);
    outlook_headline(o, ascii, &bad, out);
    buf_addc(out, '\n');
    table_init(&t, 9, 1U | 1U << 4 | 1U << 5 | 1U << 7);
    for (size_t i = 0; i < 9; i++)
        table_add(&t, heads[i]);
    for (size_t i = 0; i < o->q.n; i++)
        add_row(o, &o->q.rows[i], i + 1, ascii, &a, &t);
    table_print(&t, out);
    if (o->q.n == 0)
        buf_adds(out, o->in.n_cells ? "nothing is known against what could be judged\n" : "there are no devices\n");
    footer(o, out);
    arena_release(&a);
}

void queue_why_text(const struct outlook *o, size_t number, struct buf *out)
{
    struct outlook_line v[OUTLOOK_LINES];
    struct arena a;
    arena_init(&a);
    size_t n = outlook_why(o, number - 1, true, &a, v);
    buf_printf(out, "why %zu stands there: %s\n", number, outlook_step(&a, &o->q.rows[number - 1], true));
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "  %-12s ", v[i].label);
        if (*v[i].value)
            buf_printf(out, "%-11s", v[i].value);
        buf_printf(out, "%s%s%s\n", v[i].text, *v[i].text && *v[i].says ? "; " : "", v[i].says);
    }
    footer(o, out);
    arena_release(&a);
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

void queue_json(const struct outlook *w, size_t only, struct json_w *j)
{
    json_w_ktime(j, "at", w->in.now);
    json_w_kstr(j, "devices_of", w->of);
    json_w_kint(j, "exploited_devices", w->q.exploited_devices);
    json_w_ktime(j, "exploited_due", w->q.exploited_due);
    json_w_kint(j, "blind_devices", w->q.blind_devices);
    json_w_kint(j, "not_judged", (int64_t)w->q.n_unknown);
    json_w_kint(j, "parts_without_version", (int64_t)w->gaps.no_version);
    json_w_kint(j, "parts_without_id", (int64_t)w->gaps.no_id);
    json_w_kint(j, "releases", (int64_t)w->releases);
    json_w_kint(j, "releases_without_sbom", (int64_t)w->without_sbom);
    json_w_kbool(j, "complete", !w->cut);
    json_w_key(j, "sources");
    json_w_arr(j);
    for (size_t i = 0; i < w->n_sources; i++) {
        json_w_obj(j);
        json_w_kstr(j, "source", w->sources[i].name);
        json_w_kstr(j, "sha256", w->sources[i].sha256);
        json_w_kbool(j, "stale", w->sources[i].stale);
        json_w_obj_end(j);
    }
    json_w_arr_end(j);
    json_w_key(j, "rows");
    json_w_arr(j);
    for (size_t i = 0; i < w->q.n; i++) {
        if (only == 0 || only == i + 1)
            queue_row_json(&w->in, &w->q.rows[i], i + 1, j);
    }
    json_w_arr_end(j);
}
