/* The part "detail": what a screen wants in detail: the devices of a wave, one device, and the devices that a roll back
 * would touch. Read while somebody looks at them. */
#ifndef ANDON_ENGINE_DETAIL_H
#define ANDON_ENGINE_DETAIL_H

#include "core/snapshot.h"
#include "engine/parts.h"

struct detail;

struct en_detail {
    struct focus focus;
    struct detail *data; /* NULL until somebody looks at something */
};

/* Somebody looks at something else. */
void detail_change(struct engine *en, const struct focus *to);
/* What is known of it, into a snapshot. */
void detail_publish(struct engine *en, struct snapshot *s);

extern const struct part part_detail;

#endif
