/* What a fleet consists of: as counts, never as a list of its devices, and each field with who says it.
 *
 * Three sources, in order of authority: what the back end knows (the installed release, the last contact, attributes),
 * the operator's rules and rows (conf/inventory.h), nothing. A row speaks of one device and so goes before a rule. What
 * a device says and its row says otherwise is a conflict: the device's word is used, and both are listed. Values that
 * differ only in case are one. Unknown stays unknown: it is counted, and never one of the known.
 *
 * Devices come in as groups that are alike (inventory_add), be it one row of a file or the count of a filter. Pure. */
#ifndef ANDON_CORE_INVENTORY_H
#define ANDON_CORE_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"

enum device_class {
    CLASS_UNKNOWN = 0, /* counts as the worse: confidentiality-sensitive */
    CLASS_SAFETY,
    CLASS_CONFIDENTIAL,
    CLASS_NON_CRITICAL,
    CLASSES
};

enum exposure {
    EXPOSURE_UNKNOWN = 0, /* counts as internet */
    EXPOSURE_INTERNET,
    EXPOSURE_SITE,
    EXPOSURE_ISOLATED,
    EXPOSURES
};

/* "safety-critical"; "?" for unknown. */
const char *device_class_word(enum device_class c);
const char *exposure_word(enum exposure x);
/* The word's, in any case; unknown for another. */
enum device_class device_class_from(const char *word);
enum exposure exposure_from(const char *word);

/* Devices that are alike in all that a decision looks at. */
struct fleet_cell {
    const char *release; /* "NAME:VERSION", "" = not known which */
    const char *model;
    enum device_class cls;
    enum exposure exposure;
    bool essential; /* of a non-critical one: raises its human impact by one */
    int64_t devices;
    int64_t end_of_life;                      /* the last day that is supported, 00:00 UTC; 0 = not known */
    int64_t lead_us;                          /* how long a replacement takes; 0 = not known */
    const char *owner, *function, *mechanism; /* "" = not known, or not told apart by count */
    const char *cpe_firmware, *cpe_hardware;  /* CPE 2.3, "{version}" for the release's; "" = none */
};

enum inv_field {
    INV_MODEL,
    INV_MAKER,
    INV_OS,
    INV_FIRMWARE, /* the installed release: only the back end's; of rows alone, theirs */
    INV_MECHANISM,
    INV_OWNER,
    INV_FUNCTION,
    INV_LOCATION,
    INV_CLASS,
    INV_EXPOSURE,
    INV_SIGNATURE, /* "verified", "invalid" */
    INV_LIFE,
    INV_LEAD,
    INV_REPORT, /* when it reported last */
    INV_FIELDS
};
/* "end_of_life": as in the files and in JSON. */
const char *inv_field_word(enum inv_field f);

/* ---- what the operator says ---- */

enum inv_says_kind {
    SAYS_NOTHING = 0,
    SAYS_VALUE,
    SAYS_ATTRIBUTE, /* the back end's attribute `text` has it */
    SAYS_PRODUCT    /* INV_LIFE: of the product `text`, its cycle `cycle` */
};
struct inv_word { /* what an attribute's value means */
    const char *value, *means;
};
struct inv_says {
    enum inv_says_kind kind;
    int line;
    const char *text;
    const char *source;           /* for people: "inventory.yaml:14", "attribute hw", "endoflife openwrt" */
    const char *cycle;            /* SAYS_PRODUCT */
    bool cycle_attribute;         /* `cycle` is an attribute's name */
    const struct inv_word *words; /* SAYS_ATTRIBUTE; none: its value is meant */
    size_t n_words;
};
struct inv_rule {
    int line;
    const char *model, *release;       /* of "NAME:VERSION"; with * and ?, "" = any; in any case */
    const struct inv_word *attributes; /* that a device must have: name (value) and value (means) */
    size_t n_attributes;
    struct inv_says says[INV_FIELDS];
    bool essential, essential_said;
    const char *cpe_firmware, *cpe_hardware; /* "" = not said */
};
/* One device's row. Fields "" = empty. */
struct inv_row {
    int line;
    const char *device; /* its id as the back end knows it */
    const char *field[INV_FIELDS];
    int64_t last_report, end_of_life, lead_us; /* of the fields; 0 = empty */
};
struct inv_rows {
    const char *file; /* its name for people */
    const struct inv_row *v;
    size_t n;
    bool has[INV_FIELDS]; /* the file has the column */
};

#define INV_REPORT_WITHIN (24 * INT64_C(3600000000))
struct inv_rules {
    const char *file; /* its name for people, "" = there is none */
    const struct inv_rule *v;
    size_t n;
    const char *model_attribute; /* "" = the model is the release's name */
    int64_t within_us[CLASSES];  /* a device that did not report for so long does not report; 0 = INV_REPORT_WITHIN */
    double target;               /* share that has to report, 0..1; 0 = 0.95 */
    struct inv_rows rows;
    /* The last day that a product's cycle is supported (00:00 UTC), 0 = not known; NULL = nobody knows. */
    int64_t (*life)(void *ctx, const char *product, const char *cycle);
    void *life_ctx;
};
/* How long a device of this class may be silent, us; the target. */
int64_t inventory_within(const struct inv_rules *r, enum device_class c);
double inventory_target(const struct inv_rules *r);

/* ---- one kind of device ---- */

struct inv_attribute {
    const char *name;
    const char *value; /* "" = it has none, or none that is known here */
};
/* What is known of devices that are alike, before the operator's words. */
struct inv_subject {
    const char *release;                   /* that the back end says is installed, "NAME:VERSION", "" = none */
    const struct inv_attribute *attribute; /* asked for */
    size_t n_attributes;
    const struct inv_row *row; /* NULL = none */
    bool server;               /* a back end is asked; false: there are only rows */
};
struct inv_said {
    const char *value;  /* "" = not known */
    const char *source; /* who says it, or was asked and does not know; "" = nobody was asked */
    bool apart;         /* the source knows it by device: counted by inventory_told() */
};
#define INV_CONFLICTS 8
struct inv_conflict {
    enum inv_field field;
    const char *model, *overlay, *overlay_source, *device, *device_source;
    int64_t devices;
    const char *example; /* one of them, "" = not by name */
};
struct inv_record {
    struct inv_said field[INV_FIELDS];
    enum device_class cls;
    enum exposure exposure;
    bool essential;
    int64_t end_of_life, lead_us;
    const char *cpe_firmware, *cpe_hardware;
    struct inv_conflict conflict[INV_CONFLICTS];
    size_t n_conflicts;
};
/* The attribute that must be known before it can be told what kind of device this is (model, class, exposure, life, and
 * which rules apply); NULL = it can be. */
const char *inventory_needs(const struct inv_rules *r, const struct inv_subject *s);
/* The values of the attribute that the rules speak of: the i-th, NULL behind the last. */
const char *inventory_word(const struct inv_rules *r, const char *attribute, size_t i);
/* What the sources say together. An attribute that was not asked for is `apart`. Strings live in the arena or in what
 * was handed in. */
void inventory_combine(const struct inv_rules *r, const struct inv_subject *s, struct arena *a, struct inv_record *out);

/* ---- the whole ---- */

/* Of so many devices, so many say in time which release they have, what state they are in, whether its signature was
 * valid, and all of that of which there is a source at all. */
struct inv_counts {
    int64_t devices, version, state, signature, all;
};
struct inv_value {
    const char *text;
    int64_t devices;
};
#define INV_VALUES 256 /* of one field of one model that are told apart */
struct inv_fact {
    struct inv_value *v; /* most devices first */
    size_t n, cap;
    int64_t others;          /* devices with a value that is none of them */
    const char *source;      /* of most of what is known, or who was asked; "" = there is none */
    int64_t source_n, known; /* devices */
};
struct inv_model {
    const char *name; /* "" = not known */
    struct inv_counts n;
    struct inv_fact field[INV_FIELDS];
    int64_t cls[CLASSES], exposure[EXPOSURES];
    int64_t past_life;
    const char *newest;  /* the release that was added first: a back end's are, newest first; "" */
    int64_t on_newest;   /* devices */
    int64_t end_of_life; /* the earliest known, 0 */
    bool signed_said;    /* somebody says whether signatures are valid */
    /* Ids of those that do not report, as far as they were asked for: safe text, in the order of their coming. */
    const char **silent;
    size_t n_silent, cap_silent;
};
#define INV_CONFLICTS_KEPT 1000
struct inv_index { /* where something stands, by hash */
    uint32_t *slot;
    size_t cap;
};
struct inventory {
    struct arena *a;
    struct inv_index by_model, by_cell;
    int64_t at; /* when it was counted; 0 = not yet */
    double target;
    struct inv_counts n;
    bool signed_said;
    struct inv_model *models; /* after inventory_finish(): most devices first, what has no model last */
    size_t n_models, cap_models;
    struct fleet_cell *cells;
    size_t n_cells, cap_cells;
    struct inv_conflict *conflicts;
    size_t n_conflicts, cap_conflicts;
    int64_t more_conflicts;    /* devices of those that are not kept */
    int64_t empty[INV_FIELDS]; /* devices of which a source was asked and knows nothing */
    bool sourced[INV_FIELDS];
    int64_t past_life;
    const char **past; /* names of those that are past their end of life, as far as devices are known by name */
    size_t n_past, cap_past;
};
/* A whole one, for all who look at it: immutable, reference-counted, thread-safe. */
struct inventory_held {
    int refs;
    struct arena arena;
    struct inventory v;
    bool names;       /* devices that do not report were asked for by name */
    const char *note; /* what could not be counted, and why; "" */
};
struct inventory_held *inventory_new(const struct inv_rules *r); /* refs = 1 */
struct inventory_held *inventory_ref(struct inventory_held *h);  /* NULL is fine */
void inventory_unref(struct inventory_held *h);
/* Devices that are alike; `id` NULL or "" = only counted. `now` for what is past its end of life. */
void inventory_add(struct inventory *v, const struct inv_record *k, const struct inv_counts *n, const char *id,
                   int64_t now);
/* Of a field that is `apart`: so many devices of this model have this value (NULL: one that is not told), so many have
 * none. */
void inventory_told(struct inventory *v, const char *model, enum inv_field f, const char *value, const char *source,
                    int64_t devices, int64_t none);
/* A device that does not report, by name. */
void inventory_silent(struct inventory *v, const char *model, const char *id);
void inventory_finish(struct inventory *v, int64_t now);
/* From rows alone, without a back end. */
void inventory_of_rows(const struct inv_rules *r, int64_t now, struct arena *a, struct inventory *out);
/* Of those that should: what does (0..1; 0 of none), and whether that is under the target. */
double inventory_share(const struct inv_counts *n);
bool inventory_blind(const struct inventory *v, const struct inv_counts *n);
/* The model of that name, in any case; NULL. */
const struct inv_model *inventory_model(const struct inventory *v, const char *name);
/* As a table: a row for each kind of device, or, `names`, one for each device that does not report and is known by
 * name. `head` writes the line of columns. `model` NULL = all. */
void inventory_csv(const struct inventory *v, const char *fleet, const char *model, bool names, bool head,
                   struct buf *out);
/* "version, state and signature": what there is a source of. */
const char *inventory_reported(const struct inventory *v);
/* "2034-06-30" as its 00:00 UTC; false for anything else. */
bool inventory_date(const char *s, int64_t *out) ANDON_MUST_USE;
/* Into out (at least 11 bytes): "2034-06-30", "" for 0. */
void inventory_day(char *out, size_t size, int64_t t);

#endif
