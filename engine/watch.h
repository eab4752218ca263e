/* The part "watch": which devices are watched, and since when they count: joins the fleet's lists with telemetry.
 *
 * Told devices are canaries from their install on (plus a grace in which the reboot of the install itself does not
 * count), or, when they never report one, from when they are overdue (core/install.h). Control is the devices of the
 * waves that have not started, counted over the same calendar window. Devices of coming waves are watched from before
 * they are told: so there is a baseline of their own, and it is known which release they came from. */
#ifndef ANDON_ENGINE_WATCH_H
#define ANDON_ENGINE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/telemetry.h"
#include "core/arena.h"
#include "core/boots.h"
#include "core/health.h"
#include "core/install.h"
#include "core/model.h"
#include "engine/parts.h"

struct from_scan;

struct dev {
    struct track track;
    const char *id, *raw_id;
    enum device_status status;
    int64_t installed_at, last_seen;
    int64_t asked_at;          /* telemetry was first asked about it (by a poll that has ended), 0 = not yet */
    struct boot_counter boots; /* sources that give the time of the last boot: boots are counted here */
    int64_t installed_before;  /* installed_at as it was before its wave was told; -1 not known */
    int64_t contact_us;        /* between two contacts with the fleet server, 0 = it does not say */
    int64_t reached_at;        /* the earliest contact that was seen since its wave was told, 0 = none */
    bool overdue, enrolled;
    struct ro *canary_of; /* told by this rollout (the newest) */
    int wave;
    const char *from; /* "name:version" it came from, "" */
};

struct en_watch {
    struct watch_set *set;
    struct track_shape shape; /* of the ticks */
    struct dev *devs;         /* by index in the set */
    size_t n_devs, cap_devs;
    size_t n_asked;      /* the first so many have asked_at */
    uint64_t changes;    /* counted up when anything of a device may have changed */
    bool naming;         /* names of devices are being read */
    int64_t names_again; /* not before, after an error */
    struct arena dev_arena;
};

#define CONTROL_BEGIN (-1) /* nothing was read yet */
#define CONTROL_END   (-2) /* every wave was read */
struct ro_watch {
    uint32_t *control; /* devices of the waves that have not started: indices into en->watch.devs */
    size_t n_control;
    bool control_loading;
    struct err unlisted;            /* why the devices of a told wave cannot be listed: nothing of them is judged */
    int control_next;               /* wave to read next, from the last one down; see CONTROL_* */
    struct from_scan *from_scan;    /* that is under way, NULL */
    bool from_wanted, from_loading; /* the fleet's release lists are to be read: new devices are watched */
};

struct wv_watch {
    int64_t told_at;  /* as the server says, 0 = it has not said yet */
    int64_t usual_us; /* how long installs take in the waves up to this one, 0 = not known (core/install.h) */
    bool listed, listing, part_said;
    struct counts listed_counts;    /* of the wave when its devices were asked for */
    int64_t list_asked, list_as_of; /* the same; the list is as good as one asked for at this time */
    int64_t list_errors;            /* devices that had failed by the counts of then */
    int64_t listed_at;
    uint32_t *members;             /* indices into en->watch.devs */
    int64_t of;                    /* devices that the wave has: all of them, or of so many a part is listed */
    size_t n_members, had_release; /* of them: in sync, with an install of before the rollout: nobody told them */
    int64_t first_counts_from, first_listed;
};

/* When the wave was told, by the server's own word. */
void watch_told(struct ro *ro, size_t wave, int64_t at);
/* What has become of a device of a told wave (core/install.h), by what its list says. */
enum install_state watch_install(const struct ro *ro, size_t wave, const struct dev *d, int64_t now);
int64_t watch_overdue_at(const struct ro *ro, size_t wave, const struct dev *d); /* since when; TIME_NEVER */
/* When time alone will change that; TIME_NEVER. */
int64_t watch_install_turns(const struct ro *ro, size_t wave, const struct dev *d, int64_t now);
/* Of all devices of a told wave that are its own. */
void watch_installs(const struct ro *ro, size_t wave, int64_t now, struct install_counts *out);
/* A wave's list was read: who is in touch, and how long installs take. */
void watch_listed(struct ro *ro, size_t wave);

/* "W1: 20,000 of its 50,000 devices are watched, picked at random"; false: all of them are. */
#define WATCH_TEXT 160
bool watch_part(const struct ro *ro, size_t wave, char out[WATCH_TEXT]);

/* The device as it is listed is watched from now on: its index in en->watch.devs. */
size_t watch_dev(struct engine *en, const struct device *d);
size_t watch_raw(struct engine *en, const char *raw_id); /* nothing more is known of it */
/* A sample into the device's track: a row of a tick. Reboots are as the source gives them, a count or the time of the
 * last boot. */
void watch_sample(struct engine *en, size_t dev, int64_t at, const double *row, size_t columns);
/* The columns that a policy's own metrics are in, -1 = none: no query, or one whose values are kept as another kind. */
void watch_columns(const struct engine *en, const struct evidence_policy *p, int8_t out[METRICS_OWN]);
/* What does not count of a rollout's canaries, or of its control; ro NULL: by the fleet's policy. */
void watch_excuse(const struct engine *en, const struct ro *ro, bool canary, struct health_excuse *out);
/* With nothing under way and no rollout under way, nothing needs to be watched: first it is asked, then who is in a
 * wave or in control is forgotten, then the devices themselves. */
bool watch_idle(const struct engine *en);
void watch_drop(struct engine *en);
void watch_clear(struct engine *en);
/* For a rehearsal: a wave's whole list, as good as one of any time; when a device installed; from when on it counts. */
void watch_whole(struct ro *ro, size_t wave, const struct device_list *list);
void watch_installed(struct engine *en, size_t dev, int64_t at);
void watch_counts(struct engine *en, size_t dev, int64_t from, bool canary);

/* Devices that telemetry can be asked about, the first so many of the set. */
size_t watch_known(const struct engine *en);
void watch_ask_names(struct engine *en); /* of those that are new */

extern const struct part part_watch;

#endif
