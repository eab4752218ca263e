/* The evidence about rollout 4466 (wave 2 of four runs: 20 canaries, 1,980 others) in each of its states. */
#ifndef ANDON_TESTS_VIEWS_EVIDENCE_H
#define ANDON_TESTS_VIEWS_EVIDENCE_H

#include "fixture.h"

void evidence_healthy(struct fixture *f);
void evidence_watch(struct fixture *f);
void evidence_loop(struct fixture *f); /* a crash loop far beyond what a roll back needs, by one model */
void evidence_dry_run(struct fixture *f);
void evidence_one_device(struct fixture *f); /* enough evidence, but carried by one device */
void evidence_install(struct fixture *f);
void evidence_catching(struct fixture *f);
void evidence_behind(struct fixture *f);
void evidence_off(struct fixture *f);
void evidence_own(struct fixture *f); /* two metrics of the policy's own, one of which decides */
void evidence_far(struct fixture *f); /* of those one is compared by difference and below 0, with a limit, one large */
void evidence_ended(struct fixture *f);   /* well, and the last wave had nobody to be compared with */
void evidence_hostile(struct fixture *f); /* long and hostile names, numbers out of any range */

#endif
