/* The page for people, written. */
#include <inttypes.h>
#include <stdio.h>
#include "audit/html.h"
#include "audit/page_inner.h"
#include "core/fmt.h"

static void people(const struct page *p, struct buf *out)
{
    if (p->n_person == 0)
        return;
    buf_adds(out,
             "<h2>People who acted</h2>\n<table><thead><tr><th>Name</th><th>Known by</th><th>Entries</th></tr></thead>"
             "<tbody>\n");
    for (size_t i = 0; i < p->n_person; i++) {
        buf_adds(out, "<tr>");
        html_element(out, "td", "", p->person[i].who);
        html_element(out, "td", "", p->person[i].source);
        buf_printf(out, "<td class=\"n\">%" PRId64 "</td></tr>\n", p->person[i].n);
    }
    buf_adds(out, "</tbody></table>\n");
}

static void kinds(const struct page *p, struct buf *out)
{
    buf_adds(out, "<h2>Entries by kind</h2>\n<table><tbody>\n");
    for (int k = 0; k <= ENTRY_KIND_COUNT; k++) {
        if (p->kinds[k] > 0)
            buf_printf(out, "<tr><td>%s</td><td class=\"n\">%" PRId64 "</td></tr>\n",
                       k == ENTRY_KIND_COUNT ? "of a newer andon" : entry_kind_word((enum entry_kind)k), p->kinds[k]);
    }
    buf_adds(out, "</tbody></table>\n");
}

static void table(const struct rollout_part *r, struct buf *out)
{
    buf_adds(out, "<table><thead><tr><th>Entry</th><th>Time (UTC)</th><th>Kind</th><th>What it says</th></tr></thead>"
                  "<tbody>\n");
    buf_add(out, r->rows.data, r->rows.len);
    buf_adds(out, "</tbody></table>\n");
}

static void overview(const struct page *p, struct buf *out)
{
    char t[FMT_MAX];
    if (p->n_part == 0)
        return;
    buf_adds(out, "<h2>Rollouts</h2>\n<table><thead><tr><th>Rollout</th><th>Name</th><th>Release</th><th>Fleet</th>"
                  "<th>Entries</th><th>First</th><th>Last</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < p->n_part; i++) {
        const struct rollout_part *r = &p->part[i];
        buf_adds(out, "<tr>");
        html_element(out, "td", "", r->id.id);
        html_element(out, "td", "", r->id.name);
        html_element(out, "td", "", r->id.release);
        html_element(out, "td", "", r->id.fleet);
        buf_printf(out, "<td class=\"n\">%" PRId64 "</td><td class=\"n\">%s</td>", r->n, fmt_iso(t, r->first_t));
        buf_printf(out, "<td class=\"n\">%s</td></tr>\n", fmt_iso(t, r->last_t));
    }
    buf_adds(out, "</tbody></table>\n");
}

static void rollout(const struct rollout_part *r, struct buf *out)
{
    char a[FMT_MAX], b[FMT_MAX], c[FMT_MAX];
    struct buf title;
    buf_init(&title, 1 << 16);
    buf_printf(&title, "Rollout %s of the fleet %s", r->id.id, r->id.fleet);
    html_element(out, "h2", "", title.data);
    buf_release(&title);
    buf_adds(out, "\n<dl>");
    if (*r->id.name) {
        html_element(out, "dt", "", "Name");
        html_element(out, "dd", "", r->id.name);
    }
    if (*r->id.release) {
        html_element(out, "dt", "", "Release");
        html_element(out, "dd", "", r->id.release);
    }
    if (r->id.created_at)
        buf_printf(out, "<dt>Made by the server</dt><dd>%s</dd>", fmt_iso(a, r->id.created_at));
    buf_printf(out, "<dt>Entries</dt><dd>%s, from %s to %s%s</dd></dl>\n", fmt_count(a, r->n), fmt_iso(b, r->first_t),
               fmt_iso(c, r->last_t), r->shown < r->n ? "; only the first are shown here" : "");
    table(r, out);
}

void page_write(const struct page *p, struct buf *out)
{
    char a[FMT_MAX], b[FMT_MAX], c[FMT_MAX];
    html_begin(out, "What the audit log says");
    buf_adds(out, "<p>");
    html_text(out, *p->origin ? p->origin : "(the log's first entry is not here)");
    buf_printf(out,
               ": %s entries, from %s to %s. This page is made from them, for reading; what counts is "
               "<code>entries.jsonl</code> and what signs it: verify the folder first, as README says. Notices, "
               "receipts and sessions are only counted.</p>\n",
               fmt_count(a, p->n), fmt_iso(b, p->first_t), fmt_iso(c, p->last_t));
    buf_adds(out, "<h2>What is missing, open or out of the ordinary</h2>\n");
    if (p->n_gaps == 0)
        buf_adds(out, "<p>Nothing that these entries show.</p>\n");
    else
        buf_adds(out, "<ol>\n");
    buf_add(out, p->gaps.data, p->gaps.len);
    buf_adds(out, p->n_gaps ? "</ol>\n" : "");
    overview(p, out);
    for (size_t i = 0; i < p->n_part; i++) {
        if (p->part[i].shown > 0)
            rollout(&p->part[i], out);
    }
    if (p->rest.n > 0) {
        buf_adds(out, "<h2>About no rollout</h2>\n");
        table(&p->rest, out);
    }
    people(p, out);
    kinds(p, out);
    html_end(out);
}
