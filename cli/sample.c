#include "cli/sample.h"

#include <math.h>
#include <string.h>
#include "core/text.h"

#define LABEL_MAX 160 /* bytes of a label's value */

static const char *suffix(const struct family *f)
{
    return f->type == COUNTER ? "_total" : f->type == INFO ? "_info" : "";
}

/* In the older format a family is called as its samples are, and an info is a gauge that is 1. */
static void head(struct page *p)
{
    static const char *const types[] = {"gauge", "counter", "info"};
    const struct family *f = p->family;
    const char *end = p->openmetrics ? "" : suffix(f), *type = types[f->type];
    if (f->type == INFO && !p->openmetrics)
        type = "gauge";
    buf_printf(p->out, "# TYPE %s%s %s\n", f->name, end, type);
    if (p->openmetrics && *f->unit)
        buf_printf(p->out, "# UNIT %s %s\n", f->name, f->unit);
    buf_printf(p->out, "# HELP %s%s %s\n", f->name, end, f->help);
    p->begun = true;
}

void sample_begin(struct page *p)
{
    if (!p->begun)
        head(p);
    buf_printf(p->out, "%s%s", p->family->name, suffix(p->family));
    p->labels = false;
}

void sample_label(struct page *p, const char *name, const char *value)
{
    char safe[LABEL_MAX];
    safe_text_into(safe, sizeof safe, value ? value : "", value ? strlen(value) : 0);
    buf_printf(p->out, "%s%s=\"", p->labels ? "," : "{", name);
    for (const char *c = safe; *c; c++) {
        if (*c == '\\' || *c == '"')
            buf_addc(p->out, '\\');
        buf_addc(p->out, *c);
    }
    buf_addc(p->out, '"');
    p->labels = true;
}

/* Numbers as the C locale writes them: a guard never asks for another one. */
void sample_end(struct page *p, double v)
{
    buf_adds(p->out, p->labels ? "} " : " ");
    if (isinf(v))
        buf_adds(p->out, v > 0 ? "+Inf\n" : "-Inf\n");
    else
        buf_printf(p->out, "%.15g\n", v);
}
