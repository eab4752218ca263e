/* A plan: a rollout whose waves are kept by andon, for servers that have none (client/own_waves.h).
 *
 * It says which devices are in which wave, each by name: picked at random from a salt that stands in it, so that
 * anybody can pick them again and see that nobody has chosen them by hand. It is made once and never changed; its
 * canonical JSON is a blob in the log, and its id is the beginning of that blob's SHA-256. What became of it
 * (core/plan_state.h) is told by later entries. Pure values; a plan's strings live in the arena it was made in. */
#ifndef ANDON_CORE_PLAN_H
#define ANDON_CORE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/model.h"

/* Limits; past one it is ERR_LIMIT. */
#define PLAN_DEVICES_MAX 100000
#define PLAN_WAVES_MAX   100
#define PLAN_VALUES_MAX  1000 /* different values of one attribute */
#define PLAN_RAW_MAX     512  /* bytes of a device's id */
/* Devices of one wave that telemetry is asked about: of a larger one so many, picked at random (hawkBit's groups hold
 * no more). All are told, counted and rolled back. */
#define PLAN_WATCHED_MAX 20000
#define PLAN_BYTES_MAX   ((size_t)48 << 20)

#define PLAN_PREFIX   "plan-" /* no server's rollout is called so: own_waves leaves out one that is */
#define PLAN_TYPED    9       /* characters of an id that a roll back asks to be typed: "plan-3de7" */
#define PLAN_ID_BYTES 22      /* the prefix, 16 hexadecimal digits, the NUL */

/* How large a wave is to be. */
enum plan_measure { PLAN_COUNT, PLAN_SHARE, PLAN_REST };
struct plan_size {
    enum plan_measure measure;
    int64_t devices; /* PLAN_COUNT */
    int bp;          /* PLAN_SHARE: of all devices, in hundredths of a percent, 1..10000 */
};

struct plan_wave {
    size_t first, n; /* devices raw_ids[first] to raw_ids[first + n - 1] */
};

struct wave_plan {
    char id[PLAN_ID_BYTES];     /* "" until plan_write() or plan_read() */
    const char *name;           /* at most 128 bytes, safe text */
    const char *description;    /* "" */
    const char *target;         /* which devices were asked for, in words; "" */
    struct release release;     /* what they get */
    uint64_t salt;              /* of the picks */
    int64_t created_at;         /* wall clock */
    int success_bp, failure_bp; /* hundredths of a percent of a wave, 0 = no such condition. Success: so many have it,
                                 * and the next wave begins by itself; failure: more than so many failed, and it is
                                 * paused */
    const char *strata, *order; /* attributes, "" = none */
    /* Values of the two; of `order` in the order of exposure, least first. Devices whose value is not known or not
     * named have the index n_..., and come last of all by exposure. */
    const char **strata_values, **order_values;
    size_t n_strata, n_order;
    struct plan_wave waves[PLAN_WAVES_MAX];
    size_t n_waves;
    struct plan_size sizes[PLAN_WAVES_MAX]; /* as they were asked for */
    const char **raw_ids;                   /* wave after wave, in the order in which they are told */
    uint16_t *stratum, *exposure;           /* of each; NULL = no such attribute */
    size_t n;
};

/* "1%,10%,rest", "5,50,rest", "2.5%,rest": shares are of all devices, each wave's own. Only the last may be "rest". */
bool plan_sizes(const char *text, struct plan_size out[PLAN_WAVES_MAX], size_t *n, struct err *e) ANDON_MUST_USE;

/* Puts the devices into waves. The plan has name, release, salt, sizes, attributes and their values; raw_ids, stratum
 * and exposure in any order (arrays of its arena, which are sorted in place). The order of what is handed in makes no
 * difference. Devices of least exposure come first; among equals each wave has of each stratum its share, give or take
 * one, picked at random. ERR_RANGE: an id twice, waves without a device, devices without a wave. */
bool plan_pick(struct wave_plan *p, struct arena *a, struct err *e) ANDON_MUST_USE;
/* Does picking again, from its own salt, sizes and attributes, put every device where it is? */
bool plan_picked(const struct wave_plan *p);
/* How many of a wave's devices have the stratum (n_strata: not known). */
size_t plan_in_stratum(const struct wave_plan *p, size_t wave, size_t stratum);
/* The wave of a device by its place in raw_ids. */
size_t plan_wave_of(const struct wave_plan *p, size_t device);

/* Canonical JSON (keys in RFC 8785 order, integers and strings; ids with anything but plain ASCII are written with
 * %XX), appended to *out; sets p->id. */
bool plan_write(struct wave_plan *p, struct buf *out, struct err *e) ANDON_MUST_USE;
/* Reads it back into the arena. Strict: only what plan_write() writes, byte for byte; anything else is ERR_SYNTAX,
 * ERR_RANGE or ERR_LIMIT, and *p is not to be used. */
bool plan_read(struct wave_plan *p, const char *bytes, size_t n, struct arena *a, struct err *e) ANDON_MUST_USE;
/* Is it the id of a plan (and of no server's rollout)? */
bool plan_is_id(const char *id);

#endif
