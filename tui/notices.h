/* What rings the terminal besides a halt: lost telemetry, a gate that waits for a person, a roll back that has begun or
 * is through. Pure: from snapshots to what is new since the last look. */
#ifndef ANDON_TUI_NOTICES_H
#define ANDON_TUI_NOTICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/notice.h"
#include "core/snapshot.h"

#define NOTICES_KEPT  64                           /* more at the same time do not ring */
#define NOTICES_AGAIN (10 * 60 * INT64_C(1000000)) /* what comes and goes rings at most this often */

/* A plain value, all zero at first. */
struct notices {
    struct {
        struct notice n;
        int64_t told;
        bool standing, seen;
    } v[NOTICES_KEPT];
    size_t n;
    bool looked;
};

/* Fills at most `max` of what is new by these snapshots (NULL elements are left out), returns how many. Each thing is
 * told once while it stands. What stands at the first look is not news: the operator has just opened the screen. `now`
 * is the engines' clock. */
size_t notices_new(struct notices *b, struct snapshot *const *snaps, size_t n_snaps, int64_t now, struct notice *out,
                   size_t max);

#endif
