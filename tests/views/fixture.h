/* One incident for all view tests: rollout 4471, hearth 4.12.1, halted in wave 2; around it a board with every state.
 * All numbers are fixed; the clock stands at 2031-03-14T12:41:07Z. */
#ifndef ANDON_TESTS_VIEWS_FIXTURE_H
#define ANDON_TESTS_VIEWS_FIXTURE_H

#include "views/view.h"

#define NOW INT64_C(1931258467000000)

struct fixture {
    struct snapshot *s; /* emea: most of the board */
    struct snapshot *both[2];
    struct audit_row rows[12];
    struct audit_page page;
    struct view_data d;
};
void fixture_init(struct fixture *f);
/* The same with names from an enemy: ESC, bidi controls, wide glyphs, 10 kB. Safe text as a client would make it,
 * but also some that nobody has cleaned, to see the canvas hold. */
void fixture_hostile(struct fixture *f);
void fixture_release(struct fixture *f);
struct rollout_view *fixture_rollout(struct fixture *f, const char *id);
/* A second fleet, without production, read-only. */
void fixture_second_fleet(struct fixture *f);
/* The fleet server has not answered for 34 s. */
void fixture_stale(struct fixture *f);
/* As if the engine had read what the console asked for. */
void fixture_focus(struct fixture *f, const char *rollout, int wave, const char *device);
/* The server has been asked for this release, and has it. */
void fixture_target(struct fixture *f, const char *to);

#endif
