/* Ends of life as the imported data has them (endoflife.date), for rules that name a product: read once, when a command
 * begins, so that who counts devices looks into memory and at no file. */
#ifndef ANDON_CLI_LIFE_H
#define ANDON_CLI_LIFE_H

#include "core/arena.h"
#include "core/inventory.h"

/* Rules that name no product are left as they are. Else r->life answers from what is in the store, as it is now; a
 * store that cannot be read is said on standard error, and nothing is known then. Lives in the arena. */
void life_fill(struct inv_rules *r, const char *intel_db, struct arena *a);

#endif
