/* Inside the part "inventory": one count (inventory_run.c), release by release, each divided by what has to be known
 * before it can be told what kind of device it is (inventory_divide.c), each kind asked about in full
 * (inventory_kind.c). One question after the other. */
#ifndef ANDON_ENGINE_INVENTORY_RUN_H
#define ANDON_ENGINE_INVENTORY_RUN_H

#include "engine/worker.h"

#define INV_DEPTH 8  /* attributes that divide one kind */
#define INV_ASKED 64 /* of one attribute, each asked for */

/* Devices of which this is so. */
struct kind {
    const struct release *release; /* NULL = of any */
    struct inv_attribute attribute[INV_DEPTH];
    size_t n_attributes;
    const char *(*differs)[2]; /* values that were asked for already, where it has another or none */
    size_t n_differs;
    const char *has[INV_DEPTH + 1]; /* attributes that it has, whatever their value */
    size_t n_has;
    int64_t devices;
};

/* One question about the kind at hand. */
struct question {
    const char *has, *equals[2]; /* "" = not asked */
    const char *const *among;
    size_t n_among;
    bool seen;
    int64_t answer; /* -1 = the server does not take it */
};

struct row_group { /* rows that say the same */
    const struct inv_row *row;
    const char *const *ids;
    size_t n;
};

struct inventory_run {
    struct engine *en;
    struct inventory_held *held;
    struct arena a;
    const struct inv_rules *rules;
    struct release *releases;
    size_t n_releases, at_release;
    struct kind *todo; /* a stack */
    size_t n_todo, cap_todo;
    struct kind now;
    /* dividing it */
    const char *by;
    const char *values[INV_ASKED];
    size_t n_values, word;
    int64_t left;
    /* asking about it */
    struct question *q;
    size_t n_q, at_q;
    /* Of the release at hand: what no filter finds, since it has no value of an attribute; who of the others is seen.
     */
    struct kind *unfound;
    size_t n_unfound, cap_unfound;
    int64_t seen;
    struct row_group *groups;
    size_t n_groups;
    void (*then)(struct inventory_run *r, int64_t devices, const struct device_list *l);
    struct find_filter filter; /* of the question that waits */
    size_t limit;
    int64_t total, of_releases;
    size_t asked, kinds;
};

/* ---- inventory_run.c ---- */
/* The next of what there is to do; after the last the count ends. */
void inventory_next(struct inventory_run *r);
void inventory_end(struct inventory_run *r, const struct err *why);
void inventory_end_why(struct inventory_run *r, enum err_code code, const char *what);
void inventory_note(struct inventory_run *r, const char *text); /* what could not be counted; said once */
/* The filter of the kind, with room for one more attribute. */
struct find_filter inventory_filter(struct inventory_run *r, const struct kind *k);
void inventory_has(struct find_filter *f, const char *name);
void inventory_also(struct find_filter *f, const char *name, const char *value);
/* Asks how many there are, with the first `limit` of them; -1 = the server does not take the filter. */
void inventory_ask(struct inventory_run *r, const struct find_filter *f, size_t limit,
                   void (*then)(struct inventory_run *r, int64_t devices, const struct device_list *l));
void inventory_unfound(struct inventory_run *r, const struct kind *k);
void inventory_push(struct inventory_run *r, const struct kind *k);
struct inv_subject inventory_subject(struct inventory_run *r, const struct kind *k);
/* ---- inventory_divide.c ---- */
void inventory_divide(struct inventory_run *r, const char *by); /* the kind at hand */
/* ---- inventory_kind.c ---- */
void inventory_ask_kind(struct inventory_run *r); /* the same */

#endif
