/* The part "inventory": what the fleet consists of, counted by filters (core/inventory.h).
 *
 * Only where somebody looks at it, or where an inventory is configured and this session judges: then hours apart. One
 * question at a time, none while a verb is on its way: a halt never waits for a count. A count that fails leaves the
 * one before. */
#ifndef ANDON_ENGINE_INVENTORY_H
#define ANDON_ENGINE_INVENTORY_H

#include <stdbool.h>
#include <stdint.h>
#include "core/inventory.h"
#include "core/snapshot.h"
#include "engine/parts.h"

struct inventory_run;

struct en_inventory {
    struct inventory_held *held; /* the newest whole one, NULL */
    struct inventory_run *run;   /* the count that goes on, NULL */
    bool wanted, names;          /* somebody looks; and wants names */
    bool again;                  /* somebody asked for a new count */
    int64_t began;               /* the engine */
    int64_t ended;               /* the newest count, well or not; 0 */
    struct err err;              /* why it failed */
};

/* Somebody looks at something else. */
void inventory_look(struct engine *en, const struct focus *f);
/* What is known, into a snapshot. */
void inventory_publish(struct engine *en, struct snapshot *s);
/* Starts a count (inventory_run.c). */
void inventory_begin(struct engine *en);
size_t inventory_asked(const struct engine *en); /* questions so far of the one that goes on */
void inventory_drop(struct engine *en);          /* frees one that goes on */
/* It has ended: with what was counted, or with an error. */
void inventory_ended(struct engine *en, struct inventory_held *h, const struct err *why);

extern const struct part part_inventory;

#endif
