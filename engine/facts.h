/* The part "facts": what the fleet server says: who it is, its rollouts, their waves, how many actions are alive. */
#ifndef ANDON_ENGINE_FACTS_H
#define ANDON_ENGINE_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/backend.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/identity.h"
#include "core/model.h"
#include "core/plan.h"
#include "core/skew.h"
#include "engine/parts.h"

#define ROLLOUTS_MAX     1000 /* rollouts read at each poll */
#define WAVE_DEVICES_MAX ((size_t)PLAN_WATCHED_MAX)
#define FLEET_LIST_MAX   ((size_t)200000)

/* How a connection has done lately; telemetry's has one too. */
struct link {
    int64_t last_ok, rtt, next_try, asked_at;
    int failures;
    bool busy;
    struct err err;
    struct skew skew; /* of the server's clock */
};

struct en_facts {
    struct arena info_arena;
    struct backend_info info;
    bool info_known, probing;
    struct link link;
    struct ro **ros; /* in the server's order */
    size_t n_ros;
    struct ro **all; /* every one that was ever seen */
    size_t n_all, cap_all;
    struct ro **past; /* whose number another rollout has by now: what is under way may still point to them */
    size_t n_past;
    bool rollouts_known, rollouts_clipped;
    int n_ended_read;
};

struct ro_facts {
    struct arena arena; /* of r */
    struct rollout r;
    bool known, gone, past;
    /* Which rollout it is: as the server shows it, and until then as the log says (ro_named), at wall clock `t`. */
    struct identity_mark mark;
    char release[IDENTITY_RELEASE_BYTES];
    bool by_number;   /* ro_by_number */
    int64_t other_at; /* engine clock: known since then that another one had its number before, 0 */
    int64_t seen_at;  /* when the newest answer about it was asked for */
    struct arena wave_arena;
    struct wave *waves;
    size_t n_waves;
    bool waves_known, waves_loading, waves_wanted;
    struct err waves_error;           /* why the newest try to read them failed */
    int64_t waves_at;                 /* read at */
    int64_t waves_asked, waves_as_of; /* the newest was asked for at; nothing has changed up to */
    int current;                      /* newest wave that was told, -1 */
    struct inflight inflight;
    int64_t inflight_at; /* asked for at */
    bool inflight_loading;
};

struct wv_facts {
    bool told;
    int64_t told_at, running_since, ended_at; /* engine clock */
    int64_t told_after;                       /* it was not told before this time */
};

/* ---- facts.c ---- */
struct ro *ro_find(struct engine *en, const char *id);
struct ro *ro_get(struct engine *en, const char *id);             /* makes it when it is new */
void ro_take(struct ro *ro, const struct rollout *r, int64_t at); /* an answer about it, asked for at `at` */
void ro_put(struct ro *ro, const struct rollout *r);              /* the same, and nobody hears of it: a rehearsal */
/* ---- facts_who.c: which rollout it is ---- */
/* Was that about this rollout? Until the server has shown it, as far as the log has told. */
enum identity_answer ro_about(const struct ro *ro, const struct identity_mark *m);
/* What the log says of a rollout that the server has not shown yet: by that it is known which one is meant. */
void ro_named(struct ro *ro, const struct identity_mark *m);
/* A person halts a number of which the server has shown nothing yet: whatever it shows under it is meant, not what the
 * log remembers under it. */
void ro_by_number(struct ro *ro);
void ro_identify(struct ro *ro);                                /* the server has shown it: ro->facts.r is new */
bool ro_is_other(const struct ro *ro, const struct rollout *r); /* the server shows another one under its number */
void ro_had_other(struct ro *ro);                               /* another one had its number: known since now */
/* ---- facts.c ---- */
void ro_lost(struct ro *ro); /* the server does not know it any more */
/* A copy that is whole: each sentence is "" at least. */
void facts_info(struct arena *a, const struct backend_info *from, struct backend_info *to);
void rollout_copy(struct arena *a, struct rollout *to, const struct rollout *from);
void link_ok(struct engine *en, struct link *l, const struct reply *r);
void link_bad(struct engine *en, struct link *l, const struct err *e);
bool link_fresh(const struct engine *en);  /* the server has answered within fresh_us() */
int64_t fresh_us(const struct engine *en); /* fresh_limit_us() of the fleet */
/* ---- facts_waves.c ---- */
void ro_read(struct ro *ro); /* its waves, soon */
void waves_take(struct ro *ro, const struct wave_list *list);
void waves_as_of(struct ro *ro, int64_t t); /* nothing has changed up to t: a rehearsal */
void inflight_read(struct ro *ro);

extern const struct part part_facts;

#endif
