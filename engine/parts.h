/* How the parts of the engine hear of each other without knowing each other.
 *
 * engine/main.c has one ordered table of parts. A part announces what has come to pass (parts_seen, ...), and every
 * part of the table that has the hook hears of it, in the table's order; end and free run from the last to the first.
 * The order is part of the behaviour: two watchers of the same answers must come to the same bits. A hook may be NULL.
 */
#ifndef ANDON_ENGINE_PARTS_H
#define ANDON_ENGINE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include "core/model.h"

struct engine;
struct ro;
struct op;
struct sample_list;
struct err;

struct part {
    const char *name;
    /* ---- life ---- */
    void (*init)(struct engine *en);                 /* its own memory */
    bool (*start)(struct engine *en, struct err *e); /* its threads, before the worker's; false with *e ends it all */
    void (*begin)(struct engine *en);                /* the worker's first doing */
    void (*end)(struct engine *en);                  /* the worker's thread has ended */
    void (*free)(struct engine *en);                 /* also after init alone */
    void (*ro_init)(struct ro *ro);                  /* a rollout is heard of for the first time */
    void (*ro_free)(struct ro *ro);
    void (*wave_init)(struct ro *ro, size_t wave); /* a wave of it */
    void (*wave_free)(struct ro *ro, size_t wave);
    /* ---- each turn of the loop ---- */
    void (*drain)(struct engine *en); /* what other threads have done */
    void (*sweep)(struct engine *en); /* what has had its time */
    /* ---- what has come to pass ---- */
    void (*refresh)(struct engine *en); /* somebody wants everything to be read now */
    /* The server shows another rollout (`fresh`) under the number of `old`: nothing that was known of that one applies.
     * `old` hears of nothing any more; what is under way may still point to it. */
    void (*replaced)(struct ro *old, struct ro *fresh);
    void (*polling)(struct engine *en);                  /* the list of rollouts is being asked for */
    void (*seen)(struct ro *ro, enum rollout_state was); /* a newer state; `was` ROLLOUT_UNKNOWN at the first one */
    void (*listed)(struct engine *en);                   /* the list of rollouts, after each of them was seen */
    void (*waves)(struct ro *ro);                        /* its waves */
    void (*alive)(struct ro *ro);                        /* how many of its actions are alive */
    void (*found)(struct engine *en);                    /* devices are watched that were not before */
    void (*devices)(struct ro *ro);                      /* the list of a told wave's devices */
    void (*asking)(struct engine *en);                   /* telemetry is about to be asked for */
    void (*ticked)(struct engine *en, const struct sample_list *l); /* its answer; NULL: it failed */
    void (*learned)(struct ro *ro);                                 /* something that its trial had asked for */
    void (*history)(struct engine *en, struct ro *ro); /* telemetry of the past; NULL: for a trial that is gone */
    void (*ruled)(struct ro *ro);                      /* another policy applies to it than before */
    void (*acknowledged)(struct ro *ro);               /* its halt */
    /* STOP_NOTE_HALT, STOP_NOTE_ACK, STOP_NOTE_CLEAN: its halt's note is to be written, the acknowledgement into it, or
     * to be taken away by who wrote it. Always after the halt's request is on its way. */
    void (*noted)(struct ro *ro, unsigned what);
    void (*looking)(struct ro *ro); /* it runs in spite of a halt or hold: is there an acknowledgement? */
};

/* Calls the hook for each part of en->parts that has it; ANNOUNCE_BACK from the last to the first. */
#define ANNOUNCE(en_, hook, ...)                                                                                       \
    do {                                                                                                               \
        for (const struct part *const *p_ = (en_)->parts; *p_; p_++)                                                   \
            if ((*p_)->hook)                                                                                           \
                (*p_)->hook(__VA_ARGS__);                                                                              \
    } while (0)
#define ANNOUNCE_BACK(en_, hook, ...)                                                                                  \
    do {                                                                                                               \
        const struct part *const *p_ = (en_)->parts;                                                                   \
        while (*p_)                                                                                                    \
            p_++;                                                                                                      \
        while (p_ != (en_)->parts)                                                                                     \
            if ((*--p_)->hook)                                                                                         \
                (*p_)->hook(__VA_ARGS__);                                                                              \
    } while (0)

#endif
