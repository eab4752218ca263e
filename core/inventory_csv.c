#include "core/csv.h"
#include "core/inventory.h"

#include <inttypes.h>
#include <strings.h>

const char *inventory_reported(const struct inventory *v)
{
    return v->signed_said ? "version, state and signature" : "version and state";
}

static bool wanted(const char *model, const char *name)
{
    return !model || strcasecmp(model, name) == 0;
}

static void cells(struct buf *out, const char *const *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_addc(out, ',');
        csv_cell(out, text[i]);
    }
}

static void cell_row(const struct fleet_cell *c, const char *fleet, struct buf *out)
{
    char day[12];
    inventory_day(day, sizeof day, c->end_of_life);
    const char *text[] = {fleet,
                          c->model,
                          c->release,
                          c->cls == CLASS_UNKNOWN ? "" : device_class_word(c->cls),
                          c->exposure == EXPOSURE_UNKNOWN ? "" : exposure_word(c->exposure),
                          c->essential ? "true" : "false",
                          c->mechanism,
                          c->owner,
                          c->function,
                          day};
    cells(out, text, sizeof text / sizeof *text);
    buf_printf(out, ",%" PRId64 "\r\n", c->devices);
}

void inventory_csv(const struct inventory *v, const char *fleet, const char *model, bool names, bool head,
                   struct buf *out)
{
    if (head)
        buf_adds(out, names ? "fleet,model,device\r\n"
                            : "fleet,model,release,class,exposure,essential,mechanism,owner,function,end_of_life,"
                              "devices\r\n");
    for (size_t i = 0; names && i < v->n_models; i++) {
        const struct inv_model *m = &v->models[i];
        for (size_t k = 0; k < m->n_silent && wanted(model, m->name); k++) {
            const char *text[] = {fleet, m->name, m->silent[k]};
            cells(out, text, 3);
            buf_adds(out, "\r\n");
        }
    }
    for (size_t i = 0; !names && i < v->n_cells; i++)
        if (wanted(model, v->cells[i].model))
            cell_row(&v->cells[i], fleet, out);
}
