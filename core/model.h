/* The words that all rooms share: fleet, release, rollout, wave, device.
 *
 * These are plain values. Strings live in the arena of whoever made them, have passed safe_text(), and are never
 * NULL ("" when unknown). Ids are the back end's own, as text: hawkBit's numbers in decimal, other back ends' names.
 * An id is kept byte for byte in `id` fields only when it is plain (printable ASCII without blanks); the client
 * refuses others. Times are microseconds since the epoch, 0 when unknown. */
#ifndef ANDON_CORE_MODEL_H
#define ANDON_CORE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_MAX         72  /* longest rollout or wave id, with the NUL */
#define NAME_MAX_BYTES 512 /* names are clipped to this, with a visible "…" */

enum rollout_state {
    ROLLOUT_UNKNOWN = 0, /* a state word that andon does not know; shown as it came */
    ROLLOUT_CREATING,
    ROLLOUT_WAITING_APPROVAL,
    ROLLOUT_DENIED,
    ROLLOUT_READY,
    ROLLOUT_STARTING,
    ROLLOUT_RUNNING,
    ROLLOUT_PAUSED,
    ROLLOUT_STOPPING,
    ROLLOUT_STOPPED,
    ROLLOUT_FINISHED, /* ended; says nothing about success: look at the counts */
    ROLLOUT_DELETING,
    ROLLOUT_DELETED
};

enum wave_state {
    WAVE_UNKNOWN = 0,
    WAVE_CREATING,
    WAVE_READY,     /* rollout not started */
    WAVE_SCHEDULED, /* waits for the waves before it */
    WAVE_RUNNING,
    WAVE_FINISHED,
    WAVE_ERROR /* over its error threshold; final on hawkBit */
};

/* What the back end has done about the devices of a rollout or wave (hawkBit totalTargetsPerStatus). */
struct counts {
    int64_t notstarted, scheduled, running, finished, error, cancelled;
    bool known; /* false: the server did not say */
};

struct release {
    const char *id;      /* the server's own */
    const char *name;    /* "hearth" */
    const char *version; /* "4.12.1" */
    int64_t order; /* rises from release to release where the server orders them (CAP_DOWNGRADE), 0 = it does not */
};

/* A condition on a wave, already judged: hawkBit accepts nonsense and then never fires. */
struct condition {
    bool present;
    bool can_fire;    /* false: "100" for errors, a mistyped expression, another kind than THRESHOLD */
    double percent;   /* 0..100 when it parses */
    const char *text; /* the expression as the server holds it */
};

struct wave {
    const char *id;
    const char *name;
    int index; /* 0 = canary */
    enum wave_state state;
    const char *state_word; /* the server's own */
    int64_t total;          /* devices in it */
    struct counts counts;
    struct condition success;   /* starts the next wave; does not hold it */
    struct condition failure;   /* pauses the rollout */
    const char *success_action; /* "NEXTGROUP", "PAUSE", "" */
    bool dynamic;
    int64_t last_modified;
};

struct rollout {
    const char *id;
    const char *name;
    const char *description;
    enum rollout_state state;
    const char *state_word;
    struct release release; /* name/version may be "" until resolved */
    const char *filter;     /* target filter query */
    int64_t total;
    struct counts counts;
    int64_t created_at, last_modified, start_at;
    const char *created_by;
    const char *approval_by; /* who approved or denied, "" */
    const char *approval_remark;
    bool deleted;
    bool dynamic;
    uint32_t caps; /* enum cap of this one, where it is not the server that keeps it: CAP_OWN_WAVES; 0 = the server's */
};

enum device_status { /* hawkBit updateStatus: a claim, not the truth */
                     DEVICE_UNKNOWN = 0,
                     DEVICE_REGISTERED,
                     DEVICE_PENDING,
                     DEVICE_IN_SYNC,
                     DEVICE_ERROR
};

struct device {
    const char *id;     /* safe text, for the screen */
    const char *raw_id; /* as the server knows it, for requests; may hold any byte but NUL */
    const char *name;
    enum device_status status;
    const char *address;
    int64_t installed_at; /* when the device last reported an install */
    int64_t last_seen;    /* last contact with the fleet server */
    int64_t contact_us;   /* how long it leaves between two contacts, as the server expects; 0 = it does not say */
    bool overdue;
};

/* Where a device stands with one release, as the server shows it. */
enum standing_at {
    AT_UNKNOWN = 0, /* the server did not say; never to be counted as any of the others */
    AT_ABSENT,      /* the server does not know the device */
    AT_OTHER,       /* neither told nor has it */
    AT_TOLD,        /* told, and has not begun as far as the server knows */
    AT_BUSY,        /* downloads or installs it */
    AT_INSTALLED,   /* says that it runs it */
    AT_FAILED,      /* said that this release did not install */
    AT_RECALLED,    /* was told and recalled before it had begun */
    AT_LOST         /* recalled or cut off, and may install it all the same: its report will not be taken */
};

struct device_standing {
    enum standing_at at;
    int64_t told_at, ended_at; /* on the server's clock, 0 = it does not say */
    int64_t last_seen;
};

/* What a server can do. A bit is set only when the server has shown it. */
enum cap {
    CAP_WAVES = 1 << 0, /* keeps waves itself */
    CAP_PAUSE = 1 << 1,
    CAP_TRIGGER_NEXT = 1 << 2, /* start the next wave on request; without it, advance = resume of andon's own hold */
    CAP_STOP = 1 << 3,         /* end for good, recalling what was told */
    CAP_RETRY = 1 << 4,
    CAP_APPROVE = 1 << 5,
    CAP_ACTION_LIST = 1 << 6, /* list the actions of a rollout over all devices */
    CAP_WAVE_COUNTS = 1 << 7, /* per-status counts in the list of waves (else one request a wave) */
    CAP_INVALIDATE = 1 << 8,
    CAP_CANCEL = 1 << 9,
    CAP_NOTES = 1 << 10,       /* keeps notes beside a release, and this user may read them */
    CAP_NOTES_PUT = 1 << 11,   /* and may write them */
    CAP_ROLLOUTS = 1 << 12,    /* keeps rollouts itself; without it, andon's own waves are the only ones */
    CAP_TELL = 1 << 13,        /* gives a release to devices that are named */
    CAP_RECALL = 1 << 14,      /* takes it back from devices that have not begun */
    CAP_DOWNGRADE = 1 << 15,   /* devices may be given a release of a lower order */
    CAP_OWN_WAVES = 1 << 16,   /* waves are kept by andon (client/own_waves.h) */
    CAP_OFFLINE = 1 << 17,     /* a release can be recorded as installed without telling the device */
    CAP_AUTO_ASSIGN = 1 << 18, /* hands releases to new devices by itself, and can be told not to */
    CAP_FORCE = 1 << 19        /* a stop can also cut off what devices have begun (and lose its outcome) */
};

/* Of these it is the server that decides, whoever keeps the rollout. */
#define CAPS_OF_SERVER                                                                                                 \
    (CAP_NOTES | CAP_NOTES_PUT | CAP_TELL | CAP_RECALL | CAP_DOWNGRADE | CAP_OFFLINE | CAP_AUTO_ASSIGN | CAP_FORCE)

/* What a server's peculiarity means for a verb: shown in its preview, before a key is pressed. */
enum backend_say { SAY_PAUSE, SAY_STOP, SAY_ROLLBACK, SAY_RECALL, SAY_COUNTS, SAY_COUNT };

struct backend_info {
    const char *kind;            /* "hawkbit" */
    const char *version;         /* as far as it can be told: "0.3", "1.x", "?" */
    uint32_t caps;               /* enum cap */
    const char *user;            /* who the server says we are, "" */
    const char *says[SAY_COUNT]; /* sentences, NULL or "" = nothing to say */
};

/* Both known and the same, or both unknown. */
bool counts_equal(const struct counts *a, const struct counts *b);
const char *rollout_state_word(enum rollout_state s); /* "running" */
const char *wave_state_word(enum wave_state s);
const char *device_status_word(enum device_status s);
/* Terminal: nothing more happens by itself (stopped, finished, denied, deleted). */
bool rollout_state_ended(enum rollout_state s);
/* Devices may be told something new without a person's doing (running, starting). */
bool rollout_state_active(enum rollout_state s);

#endif
