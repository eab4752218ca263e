/* What to roll out next, on the fleet of the drawings. */
#ifndef ANDON_TESTS_VIEWS_OUTLOOK_H
#define ANDON_TESTS_VIEWS_OUTLOOK_H

#include "fixture.h"

void outlook_drawn(struct fixture *f);            /* with counts of devices */
void outlook_exploited_before(struct fixture *f); /* the release that a roll back goes to has what is exploited */
void outlook_patched(struct fixture *f);          /* with censuses of twenty valves and some gates */
void outlook_hostile(struct fixture *f);          /* names as long and as evil as they may be, and no devices counted */
void outlook_failed(struct fixture *f);           /* nothing was ever imported */

#endif
