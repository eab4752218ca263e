/* The inside of the part "detail". Private to engine/detail*.c. */
#ifndef ANDON_ENGINE_DETAIL_DATA_H
#define ANDON_ENGINE_DETAIL_DATA_H

#include "engine/worker.h"

#define ORIGINS_MAX 24

struct detail {
    /* the wave's devices */
    struct arena rows_arena;
    struct device *rows;
    size_t n_rows;
    int64_t rows_total, rows_at, asked_at;
    struct err rows_error;
    /* one device */
    struct arena device_arena;
    struct device_info info;
    int64_t device_at, device_asked_at;
    char device_error[320];
    /* told devices of the rollout */
    struct arena told_arena;
    struct preview_device *told;
    size_t n_told, cap_told, told_wave;
    bool told_known, told_busy;
    int64_t told_at;
    struct err told_error;
    /* where a sample of them came from, by their own histories: read once for each rollout */
    struct arena origin_arena;
    struct origin {
        const char *raw_id, *from;
    } origins[ORIGINS_MAX];
    size_t n_origins, n_asking;
    struct origin picks[ORIGINS_MAX]; /* of told devices whose origin is not known */
    size_t n_picks;
    int64_t n_unknown, n_known;
    struct target_ask target; /* of focus.to */
    int64_t target_asked;
    uint64_t serial; /* answers to an older focus are dropped */
};

#endif
