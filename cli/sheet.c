#include "cli/sheet.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "audit/html.h"
#include "cli/cli.h"
#include "core/csv.h"
#include "core/fmt.h"
#include "core/json.h"

/* ---- filling ---- */

void sheet_init(struct sheet *s, const char *id, const char *title, int64_t made)
{
    char iso[FMT_MAX];
    *s = (struct sheet){.id = id};
    arena_init(&s->mem);
    s->title = arena_strdup(&s->mem, title);
    s->made = arena_strdup(&s->mem, fmt_iso(iso, made));
}

void sheet_release(struct sheet *s)
{
    arena_release(&s->mem);
}

/* Room for one more of `size` bytes behind n. */
static void *grown(struct arena *a, void *v, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return v;
    size_t more = *cap ? 2 * *cap : 16;
    char *bigger = arena_alloc(a, more * size);
    if (n > 0)
        memcpy(bigger, v, n * size);
    *cap = more;
    return bigger;
}

struct sheet_part *sheet_part(struct sheet *s, const char *id, const char *title, const char *columns)
{
    s->v = grown(&s->mem, s->v, s->n, &s->cap, sizeof *s->v);
    struct sheet_part *p = &s->v[s->n++];
    *p = (struct sheet_part){.id = id, .title = arena_strdup(&s->mem, title)};
    while (*columns && p->cols < SHEET_COLS) {
        size_t n = strcspn(columns, " "), key = strcspn(columns, ":");
        char *head = arena_strndup(&s->mem, columns + key + 1, n - key - 1);
        for (char *c = head; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        p->keys[p->cols] = arena_strndup(&s->mem, columns, key);
        p->heads[p->cols++] = head;
        columns += n + strspn(columns + n, " ");
    }
    return p;
}

static struct sheet_part *newest(struct sheet *s)
{
    return &s->v[s->n - 1];
}

void sheet_note(struct sheet *s, const char *fmt, ...)
{
    struct sheet_part *p = newest(s);
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    p->notes = grown(&s->mem, p->notes, p->n_notes, &p->cap_notes, sizeof *p->notes);
    p->notes[p->n_notes++] = arena_strdup(&s->mem, text);
}

static struct sheet_cell *next(struct sheet *s)
{
    struct sheet_part *p = newest(s);
    p->cells = grown(&s->mem, p->cells, p->n, &p->cap, sizeof *p->cells);
    return &p->cells[p->n++];
}

void sheet_text(struct sheet *s, const char *text)
{
    *next(s) = (struct sheet_cell){.text = arena_strdup(&s->mem, text)};
}

void sheet_number(struct sheet *s, double number, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    *next(s) = (struct sheet_cell){.text = arena_strdup(&s->mem, text), .is_number = true, .number = number};
}

/* ---- writing ---- */

static void write_text(const struct sheet *s, struct buf *out)
{
    buf_printf(out, "%s\nmade %s\n", s->title, s->made);
    for (size_t i = 0; i < s->n; i++) {
        const struct sheet_part *p = &s->v[i];
        struct table t;
        uint32_t right = 0;
        if (p->machines)
            continue;
        buf_printf(out, "\n%s\n", p->title);
        for (size_t k = 0; k < p->n_notes; k++)
            buf_printf(out, "  %s\n", p->notes[k]);
        if (p->n == 0)
            continue;
        for (size_t k = 0; k < p->cols; k++)
            right |= p->cells[k].is_number ? 1U << k : 0;
        table_init(&t, p->cols, right);
        for (size_t k = 0; k < p->cols; k++)
            table_add(&t, p->heads[k]);
        for (size_t k = 0; k < p->n; k++)
            table_add(&t, p->cells[k].text);
        table_print(&t, out);
    }
}

/* Tables one after the other; each row says of which part it is. */
static void write_csv(const struct sheet *s, struct buf *out)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct sheet_part *p = &s->v[i];
        for (size_t k = 0; k < p->n_notes; k++) {
            csv_cell(out, "note");
            buf_addc(out, ',');
            csv_cell(out, p->id);
            buf_addc(out, ',');
            csv_cell(out, p->notes[k]);
            buf_adds(out, "\r\n");
        }
        if (p->cols == 0)
            continue;
        csv_cell(out, "part");
        for (size_t k = 0; k < p->cols; k++) {
            buf_addc(out, ',');
            csv_cell(out, p->keys[k]);
        }
        for (size_t k = 0; k < p->n; k++) {
            if (k % p->cols == 0) {
                buf_adds(out, "\r\n");
                csv_cell(out, p->id);
            }
            buf_addc(out, ',');
            if (!p->cells[k].is_number)
                csv_cell(out, p->cells[k].text);
            else if (!isnan(p->cells[k].number))
                buf_printf(out, "%.15g", p->cells[k].number);
        }
        buf_adds(out, "\r\n");
    }
}

static void write_json(const struct sheet *s, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out, 1);
    json_w_obj(&w);
    json_w_kstr(&w, "report", s->id);
    json_w_kstr(&w, "made", s->made);
    json_w_key(&w, "parts");
    json_w_obj(&w);
    for (size_t i = 0; i < s->n; i++) {
        const struct sheet_part *p = &s->v[i];
        json_w_key(&w, p->id);
        json_w_obj(&w);
        json_w_key(&w, "notes");
        json_w_arr(&w);
        for (size_t k = 0; k < p->n_notes; k++)
            json_w_str(&w, p->notes[k]);
        json_w_arr_end(&w);
        json_w_key(&w, "rows");
        json_w_arr(&w);
        for (size_t k = 0; k < p->n && p->cols > 0; k++) {
            const struct sheet_cell *c = &p->cells[k];
            if (k % p->cols == 0)
                json_w_obj(&w);
            if (!c->is_number)
                json_w_kstr(&w, p->keys[k % p->cols], c->text);
            else if (isnan(c->number))
                json_w_kstr(&w, p->keys[k % p->cols], NULL);
            else
                json_w_knum(&w, p->keys[k % p->cols], c->number);
            if (k % p->cols == p->cols - 1)
                json_w_obj_end(&w);
        }
        json_w_arr_end(&w);
        json_w_obj_end(&w);
    }
    json_w_obj_end(&w);
    json_w_obj_end(&w);
    buf_addc(out, '\n');
}

static void write_html(const struct sheet *s, struct buf *out)
{
    html_begin(out, s->title);
    html_element(out, "p", "", s->made);
    for (size_t i = 0; i < s->n; i++) {
        const struct sheet_part *p = &s->v[i];
        if (p->machines)
            continue;
        html_element(out, "h2", "", p->title);
        for (size_t k = 0; k < p->n_notes; k++)
            html_element(out, "p", "", p->notes[k]);
        if (p->n == 0 || p->cols == 0)
            continue;
        buf_adds(out, "<table><thead><tr>");
        for (size_t k = 0; k < p->cols; k++)
            html_element(out, "th", "", p->heads[k]);
        buf_adds(out, "</tr></thead><tbody>\n");
        for (size_t k = 0; k < p->n; k++) {
            buf_adds(out, k % p->cols == 0 ? "<tr>" : "");
            html_element(out, "td", "", p->cells[k].text);
            buf_adds(out, k % p->cols == p->cols - 1 ? "</tr>\n" : "");
        }
        buf_adds(out, "</tbody></table>\n");
    }
    html_end(out);
}

bool sheet_write(const struct sheet *s, const char *format, struct buf *out)
{
    static const struct {
        const char *word;
        void (*write)(const struct sheet *s, struct buf *out);
    } formats[] = {{"text", write_text}, {"csv", write_csv}, {"json", write_json}, {"html", write_html}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].word, format) == 0) {
            if (out)
                formats[i].write(s, out);
            return true;
        }
    }
    return false;
}
