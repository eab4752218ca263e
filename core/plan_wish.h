/* What somebody asks for when a plan is to be made (core/plan.h), as it was typed: the words of `andon plan create` and
 * of the console's dialog, read by one function. Pure values. */
#ifndef ANDON_CORE_PLAN_WISH_H
#define ANDON_CORE_PLAN_WISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/plan.h"

#define PLAN_WORD_BYTES 512

/* The order is that of the dialog's fields. */
enum plan_field {
    PLAN_F_RELEASE,
    PLAN_F_TARGET,
    PLAN_F_WAVES,
    PLAN_F_STRATA,
    PLAN_F_ORDER,
    PLAN_F_NAME,
    PLAN_F_SUCCESS,
    PLAN_F_FAILURE,
    PLAN_F_COUNT
};
struct plan_wish {
    char word[PLAN_F_COUNT][PLAN_WORD_BYTES]; /* by enum plan_field; "" = nothing was said */
    uint64_t number;                          /* of whoever asks, so that an answer is known by it */
};

enum plan_among { PLAN_AMONG_ALL, PLAN_AMONG_FILE, PLAN_AMONG_RELEASE, PLAN_AMONG_ATTRIBUTE };
struct plan_target {
    enum plan_among among;
    const char *value;     /* path, NAME:VERSION, or the attribute's value; "" */
    const char *attribute; /* "" */
};

/* Everything of the plan that the words say by themselves: name (NULL = none was said), sizes, attributes and their
 * order, conditions, and which devices are meant, in words; *t is where to ask for these. All in the arena. Release,
 * devices, salt and time are not touched. False with *e: which word is wrong, and how it is written. */
bool plan_wish_read(const struct plan_wish *w, struct arena *a, struct wave_plan *p, struct plan_target *t,
                    struct err *e) ANDON_MUST_USE;

/* "rev-a (12), rev-b (3), not known (1)": how many of a wave's devices have which value; nothing without strata. */
void plan_strata_text(const struct wave_plan *p, size_t wave, struct buf *out);
/* Its first `most` devices, as safe text, and "..." when there are more. */
void plan_ids_text(const struct wave_plan *p, size_t wave, size_t most, struct buf *out);

#endif
