/* A report in each of its formats. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "audit/csv.h"
#include "audit/html.h"
#include "audit/report.h"
#include "core/csv.h"
#include "core/fmt.h"
#include "core/json.h"

#define LEGAL                                                                                                          \
    "Which entries show what a standard wants is a mapping: a reading of it in our own words, no legal advice, and "   \
    "no "                                                                                                              \
    "statement that anything conforms."

static const char *subject(const struct report_head *h, struct arena *a)
{
    const struct rollout_identity *w = h->who;
    return arena_printf(a, "rollout %s%s%s%s%s%s of the fleet %s", w->id, *w->name || *w->release ? " (" : "", w->name,
                        *w->name && *w->release ? ", release "
                        : *w->release           ? "release "
                                                : "",
                        w->release, *w->name || *w->release ? ")" : "", w->fleet);
}

static const char *summary(const struct report_result *r, struct arena *a)
{
    return arena_printf(a, "%zu MISSING, %zu DEVIATION, %zu found, %zu not asked", r->counts[REPORT_MISSING],
                        r->counts[REPORT_DEVIATION], r->counts[REPORT_FOUND], r->counts[REPORT_NOT_ASKED]);
}

static const char *scope(const struct report_head *h, const struct report_result *r, struct arena *a)
{
    char n[FMT_MAX], m[FMT_MAX];
    return arena_printf(
        a, "%s entries are about it, of %s in the log%s", fmt_count(n, r->entries), fmt_count(m, h->size),
        r->others == 0 ? ""
                       : arena_printf(a, "; %" PRId64 " about another rollout of this number are left out", r->others));
}

static bool is_gap(const struct report_row *row)
{
    return row->state == REPORT_MISSING || row->state == REPORT_DEVIATION;
}

static void text(const struct report_head *h, const struct report_result *r, struct buf *out)
{
    struct arena a;
    char t[FMT_MAX];
    arena_init(&a);
    buf_printf(out, "%s\n%s\n%s\n", h->standard->title, subject(h, &a), scope(h, r, &a));
    buf_printf(out, "log %s, root %s, looked at %s\n" LEGAL "\n", h->origin, h->root, fmt_iso(t, h->made));
    if (*h->standard->about)
        buf_printf(out, "%s\n", h->standard->about);
    buf_printf(out, "\n%s\n", summary(r, &a));
    for (size_t i = 0; i < r->n; i++) {
        const struct report_row *row = &r->rows[i];
        buf_printf(out, "\n%-9s  %s  %s\n           %s\n", report_state_word(row->state), row->item->section,
                   row->item->id, row->item->asks);
        if (*row->value)
            buf_printf(out, "           %s\n", row->value);
        if (*row->note)
            buf_printf(out, "           (%s)\n", row->note);
        if (row->seq)
            buf_printf(out, "           entry %" PRId64 ", %s, leaf %s\n", row->seq, fmt_iso(t, row->t), row->leaf);
        if (is_gap(row) && *row->item->hint)
            buf_printf(out, "           next time: %s\n", row->item->hint);
    }
    if (r->n_steps > 0)
        buf_adds(out, "\nSteps of the runbook, in their order:\n");
    for (size_t i = 0; i < r->n_steps; i++) {
        const struct report_step *s = &r->steps[i];
        buf_printf(out, "\n%-9s  %zu. %s, %s, by %s (entry %" PRId64 ", leaf %s)\n", s->deviates ? "DEVIATION" : "done",
                   i + 1, s->id, fmt_iso(t, s->t), s->who, s->seq, s->leaf);
        if (*s->expected)
            buf_printf(out, "           expected  %s\n", s->expected);
        if (*s->observed)
            buf_printf(out, "           observed  %s\n", s->observed);
        if (*s->skipped)
            buf_printf(out, "           skipped   %s\n", s->skipped);
    }
    arena_release(&a);
}

static void cells(struct buf *out, const char *const *cell, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_adds(out, i ? "," : "");
        csv_cell(out, cell[i]);
    }
    buf_adds(out, "\r\n");
}

static void csv(const struct report_head *h, const struct report_result *r, struct buf *out)
{
    char seq[24], t[FMT_MAX];
    (void)h;
    buf_adds(out, "state,section,id,asks,value,note,entry,time,leaf_hash,next_time\r\n");
    for (size_t i = 0; i < r->n; i++) {
        const struct report_row *row = &r->rows[i];
        snprintf(seq, sizeof seq, "%" PRId64, row->seq);
        const char *const v[] = {report_state_word(row->state),
                                 row->item->section,
                                 row->item->id,
                                 row->item->asks,
                                 row->value,
                                 row->note,
                                 row->seq ? seq : "",
                                 row->seq ? fmt_iso(t, row->t) : "",
                                 row->leaf,
                                 is_gap(row) ? row->item->hint : ""};
        cells(out, v, sizeof v / sizeof *v);
    }
    for (size_t i = 0; i < r->n_steps; i++) {
        const struct report_step *s = &r->steps[i];
        snprintf(seq, sizeof seq, "%" PRId64, s->seq);
        const char *const v[] = {s->deviates ? "DEVIATION" : "done",
                                 "runbook",
                                 s->id,
                                 s->expected,
                                 *s->skipped ? s->skipped : s->observed,
                                 *s->skipped ? "skipped" : "",
                                 seq,
                                 fmt_iso(t, s->t),
                                 s->leaf,
                                 ""};
        cells(out, v, sizeof v / sizeof *v);
    }
}

static void json(const struct report_head *h, const struct report_result *r, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out, 2);
    json_w_obj(&w);
    json_w_kstr(&w, "standard", h->standard->title);
    json_w_kstr(&w, "mapping", h->standard->name);
    json_w_kstr(&w, "fleet", h->who->fleet);
    json_w_kstr(&w, "rollout", h->who->id);
    json_w_kstr(&w, "rollout_name", h->who->name);
    json_w_kstr(&w, "release", h->who->release);
    json_w_ktime(&w, "created", h->who->created_at);
    json_w_kstr(&w, "origin", h->origin);
    json_w_kstr(&w, "root", h->root);
    json_w_kint(&w, "size", h->size);
    json_w_ktime(&w, "made", h->made);
    json_w_kint(&w, "entries", r->entries);
    json_w_kint(&w, "entries_of_others", r->others);
    json_w_kint(&w, "missing", (int64_t)r->counts[REPORT_MISSING]);
    json_w_kint(&w, "deviations", (int64_t)r->counts[REPORT_DEVIATION]);
    json_w_key(&w, "items");
    json_w_arr(&w);
    for (size_t i = 0; i < r->n; i++) {
        const struct report_row *row = &r->rows[i];
        json_w_obj(&w);
        json_w_kstr(&w, "state", report_state_word(row->state));
        json_w_kstr(&w, "id", row->item->id);
        json_w_kstr(&w, "section", row->item->section);
        json_w_kstr(&w, "asks", row->item->asks);
        json_w_kstr(&w, "value", row->value);
        json_w_kstr(&w, "note", row->note);
        json_w_kstr(&w, "hint", row->item->hint);
        if (row->seq) {
            json_w_kint(&w, "entry", row->seq);
            json_w_ktime(&w, "time", row->t);
            json_w_kstr(&w, "leaf", row->leaf);
        }
        json_w_obj_end(&w);
    }
    json_w_arr_end(&w);
    json_w_key(&w, "steps");
    json_w_arr(&w);
    for (size_t i = 0; i < r->n_steps; i++) {
        const struct report_step *s = &r->steps[i];
        json_w_obj(&w);
        json_w_kint(&w, "entry", s->seq);
        json_w_ktime(&w, "time", s->t);
        json_w_kstr(&w, "step", s->id);
        json_w_kstr(&w, "by", s->who);
        json_w_kstr(&w, "expected", s->expected);
        json_w_kstr(&w, "observed", s->observed);
        json_w_kstr(&w, "skipped", *s->skipped ? s->skipped : NULL);
        json_w_kbool(&w, "deviates", s->deviates);
        json_w_kstr(&w, "leaf", s->leaf);
        json_w_obj_end(&w);
    }
    json_w_arr_end(&w);
    json_w_obj_end(&w);
    buf_addc(out, '\n');
}

static void html_rows(const struct report_result *r, struct buf *out)
{
    char t[FMT_MAX];
    buf_adds(out, "<table><thead><tr><th></th><th>Section</th><th>Wanted</th><th>Shown</th><th>Entry</th></tr></thead>"
                  "<tbody>\n");
    for (size_t i = 0; i < r->n; i++) {
        const struct report_row *row = &r->rows[i];
        buf_adds(out, "<tr>");
        html_element(out, "td", is_gap(row) ? "gap" : "n", report_state_word(row->state));
        html_element(out, "td", "", row->item->section);
        html_element(out, "td", "", row->item->asks);
        buf_adds(out, "<td>");
        html_text(out, row->value);
        if (*row->note)
            html_element(out, "div", "note", row->note);
        if (is_gap(row) && *row->item->hint) {
            buf_adds(out, "<div class=\"note\">Next time: ");
            html_text(out, row->item->hint);
            buf_adds(out, "</div>");
        }
        buf_adds(out, "</td><td>");
        if (row->seq) {
            buf_printf(out, "%" PRId64 "<br>%s", row->seq, fmt_iso(t, row->t));
            html_element(out, "div", "hash", row->leaf);
        }
        buf_adds(out, "</td></tr>\n");
    }
    buf_adds(out, "</tbody></table>\n");
}

static void html_steps(const struct report_result *r, struct buf *out)
{
    char t[FMT_MAX];
    buf_adds(out, "<h2>Steps of the runbook, in their order</h2>\n<table><thead><tr><th></th><th>Step</th><th>Expected"
                  "</th><th>Observed</th><th>By</th><th>Entry</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->n_steps; i++) {
        const struct report_step *s = &r->steps[i];
        buf_adds(out, "<tr>");
        html_element(out, "td", s->deviates ? "gap" : "n", s->deviates ? "DEVIATION" : "done");
        html_element(out, "td", "", s->id);
        html_element(out, "td", "", s->expected);
        buf_adds(out, *s->skipped ? "<td>Skipped: " : "<td>");
        html_text(out, *s->skipped ? s->skipped : s->observed);
        buf_adds(out, "</td>");
        html_element(out, "td", "", s->who);
        buf_printf(out, "<td>%" PRId64 "<br>%s", s->seq, fmt_iso(t, s->t));
        html_element(out, "div", "hash", s->leaf);
        buf_adds(out, "</td></tr>\n");
    }
    buf_adds(out, "</tbody></table>\n");
}

static void html(const struct report_head *h, const struct report_result *r, struct buf *out)
{
    struct arena a;
    char t[FMT_MAX];
    arena_init(&a);
    html_begin(out, arena_printf(&a, "%s: %s", h->standard->title, subject(h, &a)));
    html_element(out, "p", "", arena_printf(&a, "%s. %s.", summary(r, &a), scope(h, r, &a)));
    html_element(out, "p", "note", LEGAL);
    html_element(out, "p", "note", h->standard->about);
    html_rows(r, out);
    if (r->n_steps > 0)
        html_steps(r, out);
    html_element(out, "p", "hash",
                 arena_printf(&a, "Log %s, %" PRId64 " entries, root %s, looked at %s.", h->origin, h->size, h->root,
                              fmt_iso(t, h->made)));
    html_end(out);
    arena_release(&a);
}

report_write_fn *report_writer(const char *format)
{
    static const struct {
        const char *word;
        report_write_fn *fn;
    } formats[] = {{"text", text}, {"csv", csv}, {"json", json}, {"html", html}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].word, format) == 0)
            return formats[i].fn;
    }
    return NULL;
}
