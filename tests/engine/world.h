/* A fleet server in memory, for tests of the engine: rollouts, waves, devices and their actions as hawkBit's facts
 * describe them, on a virtual clock, behind the real backend interface, with faults that a test can switch on. A play
 * runs one engine on it: a script looks at each snapshot before time moves, and hands in what a person would. */
#ifndef ANDON_TESTS_ENGINE_WORLD_H
#define ANDON_TESTS_ENGINE_WORLD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "client/join.h"
#include "client/telemetry.h"
#include "engine/engine.h"
#include "engine/scribe.h"

#define W_DEVICES  64
#define W_ROLLOUTS 12
#define W_WAVES    48
#define W_LOG      4000
#define W_NOTES    16

struct w_device {
    char id[64];
    int installed, assigned;     /* index of release, -1 none */
    int action, action_rollout;  /* release that is being installed, -1 none; index of its rollout */
    bool canceling, cancel_deaf; /* recalled; never answers the recall */
    int64_t action_at, installed_at;
    enum device_status status;
    bool offline, fails, late; /* late: reports the recalled release once more after it was rolled back */
    bool hangs;                /* is in touch, and never done with its install */
    double reboots, cpu, variance;
    double own[METRICS_OWN], own_new[METRICS_OWN]; /* what the fleet measures of its own, and on the new release */
    double reboots_per_s_new;                      /* on the new release */
    int64_t reboots_from;                          /* and only from then on */
    int64_t reboots_to;                            /* and only until then; 0 = for ever */
    double boots_before;                           /* in the day before */
    bool silent;
    bool restarts; /* once, for its install */
    int model;     /* attribute "model": 0 "rev-A", 1 "rev-B", -1 not known */
};

struct w_wave {
    enum wave_state state;
    int64_t told_at;
    int first, n; /* devices */
    int members[W_DEVICES];
};

struct w_rollout {
    char id[16], name[160], description[200], filter[1100];
    enum rollout_state state;
    int release;
    struct w_wave waves[W_WAVES];
    int n_waves;
    double error_percent;
    int64_t changed_at, created_at; /* created_at 0: a minute before the beginning */
    bool deleted;
};

/* A note beside a release, as any client may have left it. */
struct w_text {
    char release[16], key[80];
    char value[NOTE_VALUE_MAX + 1];
    size_t n;
};

struct w_call {
    int64_t due;
    uint64_t seq;
    backend_done done;
    void *ctx;
    struct err err;
    bool failed, maybe;
    int64_t sent;
    int64_t ahead;  /* of who answers */
    char path[100]; /* of what changes something: "/pause 10"; else "" */
};

/* What one device showed at one scrape. */
struct w_sample {
    bool there;
    int64_t t;
    double reboots, cpu, variance, own[METRICS_OWN];
};

struct world {
    struct backend backend; /* first */
    struct telemetry telemetry;
    struct clock clock;
    _Atomic int64_t now;
    uint32_t caps;
    const struct backend_ops *ops; /* the calls that the server has; NULL = all */
    const char *says;              /* of a roll back, NULL */
    struct release releases[4];
    int n_releases;
    struct w_device devices[W_DEVICES];
    bool more_rollouts; /* than it lists */
    size_t stands_for;  /* a device counts as so many where a list is cut at its limit; 0 = it never is */
    int n_devices;
    struct w_rollout rollouts[W_ROLLOUTS];
    int n_rollouts;
    struct w_call calls[2000];
    size_t n_calls;
    uint64_t seq;
    /* what was asked for: "pause 10" at a time */
    struct {
        int64_t t;
        char what[100];
    } log[W_LOG];
    size_t n_log;
    char changing[100]; /* the next call's path */
    /* faults */
    int64_t answer_us, install_us, step_us;
    int64_t list_us;     /* the list of rollouts takes so much longer: it shows what was when it was asked for */
    bool down;           /* every request fails */
    bool verbs_lost;     /* verbs are answered with a network error, and take effect */
    bool verbs_dropped;  /* verbs are answered with a network error, and take no effect */
    bool pause_ignored;  /* 200, and nothing happens */
    bool name_taken;     /* another client has made andon-rb-<id>-1 */
    bool devices_denied; /* a wave's devices may not be read */
    bool releases_down;  /* nobody can be asked for a release */
    bool fails_back;     /* what fails does so with the old release too */
    bool telemetry_down;
    struct w_text notes[W_NOTES];
    int n_notes;
    bool notes_refused;                   /* writing is: 403 */
    bool notes_dropped;                   /* writing is answered with a network error, and takes no effect */
    bool notes_lost;                      /* the same, and takes effect */
    bool notes_down;                      /* reading fails */
    int64_t notes_us;                     /* both take so much longer */
    void (*at_note_put)(struct world *w); /* just before a note is written: somebody else is faster */
    /* history: scrapes at 1 s after each multiple of 10 s, kept from the start whether or not anybody asks */
    bool history;         /* the source has it: range and past */
    bool no_told;         /* the server does not say when a wave was told */
    bool lists_backwards; /* a wave's devices, in another order */
    bool past_down;       /* baselines cannot be read */
    bool past_empty;      /* it knows nothing of the time before */
    size_t range_limit;   /* rows of one answer, 0 = any */
    int64_t told_skew;    /* the server's clock is so much behind when it says when a wave was told */
    bool dated;           /* answers have a Date */
    int64_t store_ahead;  /* telemetry's clock, before everybody else's: of its samples, its history and its Date */
    bool by_serial;       /* telemetry knows device i as SNi, the attribute serial */
    int64_t serials_us;   /* attributes are answered so much later */
    struct join join;     /* of that */
    bool noisy;           /* figures move, as a function of device and time */
    bool activates;       /* the first of its own is a number that goes up with every second boot */
    struct w_sample *samples;
    size_t n_samples, cap_samples; /* rows of W_DEVICES */
    int64_t first_sample;
    bool auto_on;                                  /* an auto-assignment of release 1 exists */
    void (*each_turn)(struct world *w, void *arg); /* also while requests are under way */
    void *each_turn_arg;
    /* the log */
    struct log_ops log_ops;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool log_hangs, log_fails, log_shut; /* shut: it cannot be opened */
    bool log_refuses;                    /* halts, for good: as a guard does what is not its client's to write */
    int log_fail_after;                  /* appends that still succeed; -1 = all */
    bool dead;                           /* the process has been killed: nothing more reaches the server or the log */
    char die_at[100];                    /* dies when a request begins with this, after it took effect */
    char die_before[100];                /* dies before it takes effect */
    char dir[64], db[96], key[96], evidence[96];
    struct audit_spec audit;
    const char *known_keys[4];
    size_t n_known_keys;
    struct engine_seam seam;
    struct policy policy;
    struct fleet_spec fleet;
};

struct play;
/* Called before time moves; true when it handed something in. Sets p->done at the end. */
typedef bool (*script_fn)(struct play *p, const struct snapshot *s);
struct play {
    struct world *w;
    struct engine *en;
    script_fn script;
    bool done; /* the script's, on the worker's thread */
    bool over; /* under the world's lock */
    int stage;
    uint64_t ticket;
    int64_t limit, t;
    struct snapshot *last; /* the newest snapshot at the end */
    bool judge, no_log, read_only;
    bool looks;           /* only observes, and reads the log */
    const char *intel_db; /* what was imported, NULL */
    bool kept;            /* with evidence.db */
    char *bytes;          /* of the trial of rollout 10 at the end, NULL = there is none; free() */
    size_t n_bytes;
    int64_t tick;
    int escalations;
};

/* n devices on release 0 ("hearth:1.0"), and rollout "10" of release 1 ("hearth:2.0") over them in waves of the given
 * sizes, running its first wave. */
void world_init(struct world *w, const int *waves, int n_waves);
void world_release(struct world *w);
/* Plays until the script is done; fails the test when virtual time passes `limit` seconds. */
void world_play(struct world *w, struct play *p, script_fn script, int64_t limit_s);
void play_release(struct play *p);
/* Time goes on with nobody watching. */
void world_alone(struct world *w, int64_t seconds);
/* What stands under the key beside the release, NULL; and writing it as another client does (n 0: away with it). */
const struct w_text *world_note(const struct world *w, const char *release, const char *key);
void world_put_note(struct world *w, const char *release, const char *key, const char *value, size_t n);
int world_asked(const struct world *w, const char *what);        /* how often */
int64_t world_asked_at(const struct world *w, const char *what); /* when first, -1 never */
struct intent world_intent(enum verb v, const char *rollout);
const struct op_view *op_of(const struct snapshot *s, uint64_t ticket);
bool op_over(const struct snapshot *s, uint64_t ticket);
struct w_rollout *world_rollout(struct world *w, const char *id);
/* The entries of the log of one kind ("" = any), "kind verb rollout result" in order, NUL-terminated text. */
char *world_entries(struct world *w, const char *kind);
char *world_field(struct world *w, const char *kind, const char *name); /* a field of each, in lines; free() */
void world_unhang(struct world *w);

#endif
