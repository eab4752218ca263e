/* inventory.csv: a row for each device. */
#include "conf/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "core/csv.h"
#include "core/fmt.h"
#include "core/text.h"

#define DEVICE      INV_FIELDS /* the column of ids */
#define COLUMNS_MAX (INV_FIELDS + 1)
#define CELL_MAX    256

static const struct column {
    const char *word;
    int field;
} columns[] = {{"device", DEVICE},
               {"model", INV_MODEL},
               {"maker", INV_MAKER},
               {"os", INV_OS},
               {"release", INV_FIRMWARE},
               {"mechanism", INV_MECHANISM},
               {"owner", INV_OWNER},
               {"function", INV_FUNCTION},
               {"site", INV_LOCATION},
               {"location", INV_LOCATION},
               {"class", INV_CLASS},
               {"exposure", INV_EXPOSURE},
               {"signature", INV_SIGNATURE},
               {"end_of_life", INV_LIFE},
               {"replace_lead_time", INV_LEAD},
               {"last_report", INV_REPORT}};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

struct table {
    struct csv csv;
    struct arena *a;
    struct err *e;
    int field[COLUMNS_MAX]; /* of each column */
    size_t n;
};

static bool ANDON_PRINTF(3, 4) bad(struct table *t, const char *next, const char *fmt, ...)
{
    char what[240];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(t->e, ERR_SYNTAX, next, "%s:%d: %s", t->csv.name, t->csv.line, what);
}

static const char *shown(struct table *t, struct slice s)
{
    return safe_text(t->a, s.p, s.n, 60);
}

static bool read_head(struct table *t, struct inv_rows *out)
{
    static const char next[] =
        "The first line names the columns: device,model,os,release,mechanism,owner,function,site,"
        "class,exposure,end_of_life,last_report.";
    struct slice cell[COLUMNS_MAX];
    bool device = false;
    if (!csv_next(&t->csv, t->a, cell, COLUMNS_MAX, &t->n, t->e))
        return t->e->code != ERR_NONE ? false : err_set(t->e, ERR_SYNTAX, next, "%s: there is no line", t->csv.name);
    for (size_t i = 0; i < t->n; i++) {
        size_t k = 0;
        while (k < N_COLUMNS && !slice_is_nocase(cell[i], columns[k].word))
            k++;
        if (k == N_COLUMNS)
            return bad(t, next, "there is no column \"%s\"", shown(t, cell[i]));
        for (size_t j = 0; j < i; j++)
            if (t->field[j] == columns[k].field)
                return bad(t, "", "the column %s is there twice", columns[k].word);
        t->field[i] = columns[k].field;
        device = device || t->field[i] == DEVICE;
        if (t->field[i] != DEVICE)
            out->has[t->field[i]] = true;
    }
    return device || bad(t, next, "the column device is missing");
}

/* As the server knows it: byte for byte, but nothing that no server has. */
static bool read_device(struct table *t, struct slice s, struct inv_row *out)
{
    if (s.n == 0)
        return bad(t, "", "the device is empty");
    if (s.n > CELL_MAX)
        return bad(t, "", "the device is longer than %d bytes", CELL_MAX);
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return bad(t, "", "the device holds a control character");
    out->device = arena_strndup(t->a, s.p, s.n);
    return true;
}

static bool read_value(struct table *t, enum inv_field f, struct slice s, struct inv_row *out)
{
    const char *v = out->field[f] = safe_text(t->a, s.p, s.n, CELL_MAX);
    if (!*v)
        return true;
    if (f == INV_CLASS && device_class_from(v) == CLASS_UNKNOWN)
        return bad(t, "",
                   "class: expected safety-critical, confidentiality-sensitive, non-critical or nothing, found %s",
                   shown(t, s));
    if (f == INV_EXPOSURE && exposure_from(v) == EXPOSURE_UNKNOWN)
        return bad(t, "", "exposure: expected internet, site, isolated or nothing, found %s", shown(t, s));
    if (f == INV_SIGNATURE && strcasecmp(v, "verified") != 0 && strcasecmp(v, "invalid") != 0)
        return bad(t, "", "signature: expected verified, invalid or nothing, found %s", shown(t, s));
    if (f == INV_LIFE && !inventory_date(v, &out->end_of_life))
        return bad(t, "", "end_of_life: expected a day such as 2034-06-30 or nothing, found %s", shown(t, s));
    if (f == INV_REPORT && !fmt_iso_parse(v, &out->last_report))
        return bad(t, "", "last_report: expected a time such as 2031-03-14T11:50:00Z or nothing, found %s",
                   shown(t, s));
    if (f == INV_LEAD && !fmt_dur_parse(v, &out->lead_us))
        return bad(t, "", "replace_lead_time: expected a duration such as 90d or nothing, found %s", shown(t, s));
    return true;
}

static bool read_row(struct table *t, const struct slice *cell, struct inv_row *out)
{
    *out = (struct inv_row){.line = t->csv.line};
    for (int f = 0; f < INV_FIELDS; f++)
        out->field[f] = "";
    for (size_t i = 0; i < t->n; i++) {
        int f = t->field[i];
        if (f == DEVICE ? !read_device(t, cell[i], out) : !read_value(t, (enum inv_field)f, cell[i], out))
            return false;
    }
    return true;
}

struct sorted {
    const struct inv_row *row;
};

static int by_device(const void *a, const void *b)
{
    const struct inv_row *x = ((const struct sorted *)a)->row, *y = ((const struct sorted *)b)->row;
    int c = strcmp(x->device, y->device);
    return c ? c : (x->line > y->line) - (x->line < y->line);
}

/* A device has one row: whichever of two were taken, the other would be wrong without anybody seeing it. */
static bool each_once(struct table *t, const struct inv_rows *rows)
{
    struct sorted *v = xcalloc(rows->n + 1, sizeof *v);
    bool ok = true;
    for (size_t i = 0; i < rows->n; i++)
        v[i].row = &rows->v[i];
    qsort(v, rows->n, sizeof *v, by_device);
    for (size_t i = 1; i < rows->n && ok; i++) {
        const char *id = v[i].row->device;
        t->csv.line = v[i].row->line;
        if (strcmp(id, v[i - 1].row->device) == 0)
            ok = bad(t, "", "the device %s has a row in line %d too", shown(t, slice_of(id)), v[i - 1].row->line);
    }
    free(v);
    return ok;
}

bool inventory_rows_parse(const char *name, const char *bytes, size_t n, struct arena *a, struct inv_rows *out,
                          struct err *e)
{
    struct table t = {.a = a, .e = e};
    struct slice cell[COLUMNS_MAX];
    const char *slash = strrchr(name, '/');
    size_t cells, cap = 0;
    struct inv_row *v = NULL;
    csv_open(&t.csv, name, bytes, n);
    *out =
        (struct inv_rows){.file = safe_text(a, slash ? slash + 1 : name, strlen(slash ? slash + 1 : name), CELL_MAX)};
    if (!read_head(&t, out))
        return false;
    while (csv_next(&t.csv, a, cell, COLUMNS_MAX, &cells, e)) {
        bool ok = cells == t.n || bad(&t, "", "there are %zu cells, and %zu columns", cells, t.n);
        if (ok && out->n == INVENTORY_ROWS_MAX)
            ok = bad(&t, "Give it as several fleets.", "there are more than %zu rows", INVENTORY_ROWS_MAX);
        if (ok && (!v || out->n == cap)) {
            cap = cap ? cap * 2 : 256;
            v = xreallocarray(v, cap, sizeof *v);
        }
        if (!ok || !read_row(&t, cell, &v[out->n])) {
            free(v);
            return false;
        }
        out->n++;
    }
    if (e->code == ERR_NONE && out->n)
        out->v = arena_memdup(a, v, out->n * sizeof *v);
    free(v);
    return e->code == ERR_NONE && each_once(&t, out);
}
