#include "cli/inventory.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include "core/fmt.h"

static bool wanted(const struct inventory_said *s, const struct inv_model *m)
{
    return !s->model || strcasecmp(s->model, m->name) == 0;
}

static const char *or_unknown(const char *text)
{
    return *text ? text : "?";
}

/* ---- text ---- */

static void share_text(const struct inventory_said *s, const struct inv_counts *n, struct buf *out)
{
    char all[FMT_MAX], devices[FMT_MAX], left[FMT_MAX];
    const struct inventory *v = s->v;
    if (n->devices == 0) {
        buf_adds(out, "no devices\n");
        return;
    }
    buf_printf(out, "%s%s of %s devices (%.1f%%) report %s in time; the target is %g%%.",
               inventory_blind(v, n) ? "BLIND SPOT: " : "", fmt_count(all, n->all), fmt_count(devices, n->devices),
               inventory_share(n) * 100, inventory_reported(v), v->target * 100);
    if (n->all < n->devices)
        buf_printf(out, " %s do not%s", fmt_count(left, n->devices - n->all),
                   s->names ? "." : ": andon inventory --blind names them.");
    buf_adds(out, "\n");
    buf_printf(out, "  version %.1f%%   state %.1f%%   ", 100.0 * (double)n->version / (double)n->devices,
               100.0 * (double)n->state / (double)n->devices);
    if (v->signed_said)
        buf_printf(out, "signature %.1f%%\n", 100.0 * (double)n->signature / (double)n->devices);
    else
        buf_adds(out, "signature: no source says whether it was valid\n");
}

static const char *of_most(const struct inv_fact *f, char *out, size_t size)
{
    if (f->n == 0 && f->known == 0)
        snprintf(out, size, "?");
    else if (f->n == 0)
        snprintf(out, size, "by device");
    else
        snprintf(out, size, "%.60s%s", f->v[0].text, f->n > 1 || f->others ? " ..." : "");
    return out;
}

static void models_text(const struct inventory_said *s, struct buf *out)
{
    static const char *const heads[] = {"MODEL",    "OS",         "CLASS", "DEVICES",   "REPORT", "RELEASES",
                                        "INTERNET", "EXPOSURE ?", "OWNER", "SUPPORTED", NULL};
    struct table t;
    char text[80];
    table_init(&t, 10, 1U << 3 | 1U << 4 | 1U << 5 | 1U << 6 | 1U << 7);
    for (size_t i = 0; heads[i]; i++)
        table_add(&t, heads[i]);
    for (size_t i = 0; i < s->v->n_models; i++) {
        const struct inv_model *m = &s->v->models[i];
        char day[12];
        if (!wanted(s, m))
            continue;
        inventory_day(day, sizeof day, m->end_of_life);
        table_add(&t, or_unknown(m->name));
        table_add(&t, of_most(&m->field[INV_OS], text, sizeof text));
        table_add(&t, of_most(&m->field[INV_CLASS], text, sizeof text));
        table_add(&t, fmt_count(text, m->n.devices));
        table_addf(&t, "%.1f%%%s", inventory_share(&m->n) * 100, inventory_blind(s->v, &m->n) ? " X" : "");
        table_addf(&t, "%zu", m->field[INV_FIRMWARE].n);
        table_add(&t, fmt_count(text, m->exposure[EXPOSURE_INTERNET]));
        table_add(&t, fmt_count(text, m->exposure[EXPOSURE_UNKNOWN]));
        table_add(&t, of_most(&m->field[INV_OWNER], text, sizeof text));
        table_addf(&t, "%s%s", *day ? day : "?", m->past_life ? " past" : "");
    }
    table_print(&t, out);
}

static void values_text(const struct inv_fact *f, struct buf *out)
{
    char n[FMT_MAX];
    for (size_t i = 0; i < f->n && i < 8; i++)
        buf_printf(out, "%s%s %s", i ? "   " : "", f->v[i].text, fmt_count(n, f->v[i].devices));
    if (f->n > 8 || f->others)
        buf_printf(out, "   and %zu more", f->n > 8 ? f->n - 8 + (f->others > 0) : (size_t)1);
}

static void fields_text(const struct inventory_said *s, const struct inv_model *m, struct buf *out)
{
    struct table t;
    char known[FMT_MAX], devices[FMT_MAX];
    buf_printf(out, "\n%s\n", or_unknown(m->name));
    table_init(&t, 4, 0);
    for (int f = 0; f < INV_FIELDS; f++) {
        const struct inv_fact *fact = &m->field[f];
        struct buf values;
        buf_init(&values, 8192);
        values_text(fact, &values);
        table_addf(&t, "  %s", inv_field_word((enum inv_field)f));
        table_add(&t, *values.data ? values.data : fact->known ? "by device" : "?");
        table_add(&t, *fact->source ? fact->source : "no source");
        table_addf(&t, "%s of %s", fmt_count(known, fact->known), fmt_count(devices, m->n.devices));
        buf_release(&values);
    }
    table_print(&t, out);
    for (size_t i = 0; s->names && i < m->n_silent; i++)
        buf_printf(out, "%s%s\n", i == 0 ? "  do not report:\n    " : "    ", m->silent[i]);
}

static void empty_text(const struct inventory_said *s, struct buf *out)
{
    char n[FMT_MAX];
    bool any = false;
    for (int f = 0; f < INV_FIELDS; f++) {
        if (!s->v->sourced[f] || s->v->empty[f] == 0)
            continue;
        buf_printf(out, "%s%s %s", any ? "   " : "\nempty: ", inv_field_word((enum inv_field)f),
                   fmt_count(n, s->v->empty[f]));
        any = true;
    }
    buf_adds(out, any ? "   (unknown counts as the worse)\n" : "");
    any = false;
    for (int f = 0; f < INV_FIELDS; f++) {
        if (s->v->sourced[f])
            continue;
        buf_printf(out, "%s%s", any ? ", " : "no source: ", inv_field_word((enum inv_field)f));
        any = true;
    }
    buf_adds(out, any ? "\n" : "");
    if (s->v->past_life)
        buf_printf(out, "past end of life: %s devices", fmt_count(n, s->v->past_life));
    for (size_t i = 0; i < s->v->n_past && i < 20; i++)
        buf_printf(out, "%s%s", i ? ", " : ": ", s->v->past[i]);
    buf_adds(out, s->v->n_past > 20 ? ", ...\n" : s->v->past_life ? "\n" : "");
}

static void conflicts_text(const struct inventory_said *s, struct buf *out)
{
    char n[FMT_MAX];
    for (size_t i = 0; i < s->v->n_conflicts; i++) {
        const struct inv_conflict *c = &s->v->conflicts[i];
        if (s->model && strcasecmp(s->model, c->model) != 0)
            continue;
        buf_printf(out, "conflict: %s of %s: %s says %s, %s says %s (used): %s devices%s%s\n", inv_field_word(c->field),
                   or_unknown(c->model), c->overlay_source, c->overlay, c->device_source, c->device,
                   fmt_count(n, c->devices), *c->example ? ", such as " : "", c->example);
    }
    if (s->v->more_conflicts)
        buf_printf(out, "conflicts of %s more devices are not listed\n", fmt_count(n, s->v->more_conflicts));
}

void inventory_text(const struct inventory_said *s, struct buf *out)
{
    char t[FMT_MAX];
    const struct inv_model *m = s->model ? inventory_model(s->v, s->model) : NULL;
    buf_printf(out, "%s%s%s, %s\n", s->fleet, *s->fleet ? ": " : "", s->source, fmt_iso(t, s->v->at));
    if (*s->note)
        buf_printf(out, "%s\n", s->note);
    share_text(s, m ? &m->n : &s->v->n, out);
    buf_adds(out, "\n");
    models_text(s, out);
    for (size_t i = 0; i < s->v->n_models; i++)
        if ((s->model || s->names) && wanted(s, &s->v->models[i]))
            fields_text(s, &s->v->models[i], out);
    if (!s->model)
        empty_text(s, out);
    conflicts_text(s, out);
}

/* ---- JSON ---- */

static void counts_json(const struct inventory_said *s, const struct inv_counts *n, struct json_w *w)
{
    json_w_kint(w, "devices", n->devices);
    json_w_key(w, "reporting");
    json_w_obj(w);
    json_w_kint(w, "version", n->version);
    json_w_kint(w, "state", n->state);
    json_w_key(w, "signature");
    if (s->v->signed_said)
        json_w_int(w, n->signature);
    else
        json_w_null(w);
    json_w_kint(w, "all", n->all);
    json_w_obj_end(w);
    json_w_key(w, "share");
    if (n->devices > 0)
        json_w_num(w, inventory_share(n));
    else
        json_w_null(w);
    json_w_kbool(w, "blind_spot", inventory_blind(s->v, n));
}

static void day_json(struct json_w *w, const char *key, int64_t t)
{
    char day[12];
    inventory_day(day, sizeof day, t);
    json_w_kstr(w, key, t ? day : NULL);
}

static void fact_json(const struct inv_fact *f, struct json_w *w)
{
    json_w_obj(w);
    json_w_kstr(w, "source", *f->source ? f->source : NULL);
    json_w_kint(w, "known", f->known);
    json_w_key(w, "values");
    json_w_arr(w);
    for (size_t i = 0; i < f->n; i++) {
        json_w_obj(w);
        json_w_kstr(w, "value", f->v[i].text);
        json_w_kint(w, "devices", f->v[i].devices);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
    json_w_kint(w, "others", f->others);
    json_w_obj_end(w);
}

static void strings_json(struct json_w *w, const char *key, const char *const *v, size_t n)
{
    json_w_key(w, key);
    json_w_arr(w);
    for (size_t i = 0; i < n; i++)
        json_w_str(w, v[i]);
    json_w_arr_end(w);
}

static void model_json(const struct inventory_said *s, const struct inv_model *m, struct json_w *w)
{
    json_w_obj(w);
    json_w_kstr(w, "model", *m->name ? m->name : NULL);
    counts_json(s, &m->n, w);
    json_w_key(w, "class");
    json_w_obj(w);
    for (int c = CLASS_SAFETY; c < CLASSES; c++)
        json_w_kint(w, device_class_word((enum device_class)c), m->cls[c]);
    json_w_kint(w, "unknown", m->cls[CLASS_UNKNOWN]);
    json_w_obj_end(w);
    json_w_key(w, "exposure");
    json_w_obj(w);
    for (int x = EXPOSURE_INTERNET; x < EXPOSURES; x++)
        json_w_kint(w, exposure_word((enum exposure)x), m->exposure[x]);
    json_w_kint(w, "unknown", m->exposure[EXPOSURE_UNKNOWN]);
    json_w_obj_end(w);
    day_json(w, "end_of_life", m->end_of_life);
    json_w_kint(w, "past_end_of_life", m->past_life);
    json_w_key(w, "fields");
    json_w_obj(w);
    for (int f = 0; f < INV_FIELDS; f++) {
        json_w_key(w, inv_field_word((enum inv_field)f));
        fact_json(&m->field[f], w);
    }
    json_w_obj_end(w);
    if (s->names)
        strings_json(w, "not_reporting", m->silent, m->n_silent);
    json_w_obj_end(w);
}

static void cell_json(const struct fleet_cell *c, struct json_w *w)
{
    json_w_obj(w);
    json_w_kstr(w, "release", *c->release ? c->release : NULL);
    json_w_kstr(w, "model", *c->model ? c->model : NULL);
    json_w_kstr(w, "class", c->cls == CLASS_UNKNOWN ? NULL : device_class_word(c->cls));
    json_w_kstr(w, "exposure", c->exposure == EXPOSURE_UNKNOWN ? NULL : exposure_word(c->exposure));
    json_w_kbool(w, "essential", c->essential);
    day_json(w, "end_of_life", c->end_of_life);
    json_w_kint(w, "devices", c->devices);
    json_w_obj_end(w);
}

static void conflict_json(const struct inv_conflict *c, struct json_w *w)
{
    json_w_obj(w);
    json_w_kstr(w, "field", inv_field_word(c->field));
    json_w_kstr(w, "model", c->model);
    json_w_kstr(w, "overlay", c->overlay);
    json_w_kstr(w, "overlay_source", c->overlay_source);
    json_w_kstr(w, "device", c->device);
    json_w_kstr(w, "device_source", c->device_source);
    json_w_kint(w, "devices", c->devices);
    json_w_kstr(w, "example", *c->example ? c->example : NULL);
    json_w_obj_end(w);
}

static void empty_json(const struct inventory *v, struct json_w *w)
{
    json_w_key(w, "empty");
    json_w_obj(w);
    for (int f = 0; f < INV_FIELDS; f++)
        if (v->sourced[f] && v->empty[f])
            json_w_kint(w, inv_field_word((enum inv_field)f), v->empty[f]);
    json_w_obj_end(w);
    json_w_key(w, "no_source");
    json_w_arr(w);
    for (int f = 0; f < INV_FIELDS; f++)
        if (!v->sourced[f])
            json_w_str(w, inv_field_word((enum inv_field)f));
    json_w_arr_end(w);
}

void inventory_json(const struct inventory_said *s, struct json_w *w)
{
    const struct inventory *v = s->v;
    json_w_obj(w);
    json_w_kstr(w, "fleet", *s->fleet ? s->fleet : NULL);
    json_w_ktime(w, "at", v->at);
    json_w_kstr(w, "source", s->source);
    json_w_kstr(w, "note", *s->note ? s->note : NULL);
    counts_json(s, &v->n, w);
    json_w_knum(w, "target", v->target);
    empty_json(v, w);
    json_w_kint(w, "past_end_of_life_devices", v->past_life);
    strings_json(w, "past_end_of_life", v->past, v->n_past);
    json_w_key(w, "models");
    json_w_arr(w);
    for (size_t i = 0; i < v->n_models; i++)
        if (wanted(s, &v->models[i]))
            model_json(s, &v->models[i], w);
    json_w_arr_end(w);
    json_w_key(w, "cells");
    json_w_arr(w);
    for (size_t i = 0; i < v->n_cells; i++)
        if (!s->model || strcasecmp(s->model, v->cells[i].model) == 0)
            cell_json(&v->cells[i], w);
    json_w_arr_end(w);
    json_w_key(w, "conflicts");
    json_w_arr(w);
    for (size_t i = 0; i < v->n_conflicts; i++)
        conflict_json(&v->conflicts[i], w);
    json_w_arr_end(w);
    json_w_obj_end(w);
}
