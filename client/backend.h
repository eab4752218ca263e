/* A fleet back end behind one interface, in two parts that a server may serve alone: the device part (who has what,
 * tell, recall) and the rollout part. A server without rollouts gets its rollout part from andon's own waves
 * (client/own_waves.h), which is a back end around a back end, as are record, replay and fault.
 *
 * Every call but `probe`, `free`, `release`, `releases` and `devices` may be missing (NULL), and one that is there may
 * be beyond the server or its user (enum cap): callers ask first, skip the step and say so.
 *
 * Every call is asynchronous: it returns at once, writes its result into *out (memory from the given arena) and ends
 * in `done`, called from http_run() on the engine's thread. `err` is NULL on success. *out and the arena must live
 * until then. An HTTP success is not an outcome: callers read the state back. Every back end says what it can do
 * (enum cap), and finds it out from the server instead of assuming it. */
#ifndef ANDON_CLIENT_BACKEND_H
#define ANDON_CLIENT_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/http.h"
#include "core/arena.h"
#include "core/config.h"
#include "core/err.h"
#include "core/model.h"

struct backend;

/* A request that may have changed something, and what came back: the log's facts of what was sent. No secret is among
 * them: the endpoint's own URL, headers and bodies are left out. */
struct request_facts {
    char method[8];
    const char *path;       /* after the endpoint's URL, with its query; valid during `done` */
    char body_sha256[65];   /* of what was sent, hex; "" = no body */
    char answer_sha256[65]; /* of the answer's body, hex; "" = no answer came */
    char request_id[80];    /* as the server calls it, "" */
    const char *error;      /* err_word of why no answer came, "" */
    int status;             /* 0 = no answer came */
    int64_t sent_at, answered_at;
    int64_t server_date; /* 0 = it said none */
};
#define REPLY_REQUESTS 8 /* of one call; no call makes more that change something */

struct reply {
    const struct err *err; /* NULL = success */
    int status;            /* HTTP status of the (last) answer, 0 */
    int64_t sent_at, answered_at;
    /* The Date of one of the answers, 0 = none, and when that one was sent for and had come: of several the one that
     * tells the server's clock best. */
    int64_t server_date, date_sent, date_answered;
    bool maybe_sent; /* a verb that failed may still have taken effect */
    char request_id[80];
    struct request_facts requests[REPLY_REQUESTS]; /* what was sent, or may have been, that changes something */
    size_t n_requests;
};
typedef void (*backend_done)(void *ctx, const struct reply *r);
/* One answer's Date into the reply. */
void reply_date(struct reply *r, const struct http_answer *a);

struct rollout_list {
    struct rollout *v;
    size_t n;
    bool clipped;
};
struct wave_list {
    struct wave *v;
    size_t n;
};
struct device_list {
    struct device *v;
    size_t n;
    int64_t total;
};
struct release_list {
    struct release *v;
    size_t n;
};

/* Actions of a rollout that are still alive on devices (CAP_ACTION_LIST). */
struct inflight {
    int64_t running;   /* told, going on */
    int64_t canceling; /* recalled by a stop, not answered yet: hawkBit counts them as running */
    int64_t scheduled;
    int64_t lost; /* cut off: they may install it all the same, and the server will not learn of it */
    bool known;
};

struct device_action {
    const char *id, *release, *status, *type;
    int64_t at;
    const char *rollout;
    bool active;
};
struct device_info { /* one device */
    struct device device;
    struct release installed, assigned; /* id "" = none */
    const char *(*attributes)[2];
    size_t n_attributes;
    struct device_action *actions; /* newest first */
    size_t n_actions;
    struct {
        int64_t t;
        const char *type;
        const char *text;
    } * history; /* status entries of the newest actions, newest first */
    size_t n_history;
};

/* Which devices, without any server's query language: the client encodes it. Those with `installed` or `assigned`
 * (either; NULL = not asked), that bear all `equals`, less `exclude`, and besides them `include`. With neither
 * release nor attribute: all devices, less `exclude` - unless `only_include` says that the named ones are all. */
struct device_filter {
    const struct release *installed, *assigned;
    const char *const (*equals)[2]; /* attribute, value */
    size_t n_equals;
    const char *const *exclude, *const *include; /* raw ids, any bytes but NUL */
    size_t n_exclude, n_include;
    bool only_include;
};

/* Which devices, by what the server keeps of them: those of which all of this is so. Attributes and their values in any
 * case. With nothing in it: all. */
struct find_filter {
    const struct release *installed; /* NULL = not asked */
    const char *const (*equals)[2];  /* attribute, value */
    const char *const (
        *differs)[2];       /* it has another value; whether also one that has none is found differs: ask with `has` */
    const char *const *has; /* attributes */
    const char *const *among; /* raw ids, NULL = not asked */
    size_t n_equals, n_differs, n_has, n_among;
    int64_t seen_since;   /* last contact then or later; 0 = not asked */
    int64_t silent_since; /* none since then, or never; 0 = not asked */
};

/* Which of the devices were told, of those named in a call of tell() or recall(). */
enum tell_outcome {
    TELL_NOT_KNOWN = 0, /* may have been told: the answer was lost, or said nothing about this one */
    TELL_DONE,          /* the server said yes; whether it did is told by standing() */
    TELL_REFUSED,       /* the server said no, and did nothing to this one */
    TELL_NOT_SENT       /* this one was in no request that left */
};
struct tell_result {
    enum tell_outcome outcome;
    const char *why;  /* in the arena, "" */
    const char *undo; /* what recall() of this device needs to know (such as the feed it had), "" = nothing */
};

/* A filter as the server takes it, in as many parts as that needs: texts that only the back end itself reads. */
struct filter_part {
    const char *text;
    bool broad;   /* it finds devices by release or attribute too, and not only those that it names */
    size_t named; /* so many of `include` */
};
struct filter_parts {
    struct filter_part *v;
    size_t n;
    const char **unnamed; /* of `include`: whose id no filter of this server can say; they are in none of the parts */
    size_t n_unnamed;
};

struct rollout_spec { /* for a roll back */
    const char *name; /* at most 128 characters */
    const char *description;
    const char *release_id;
    int n_waves; /* 1.. */
    /* Either one part's text and the shares of the waves, of the whole, which sum to 100. */
    const char *filter;
    const double *percent;
    /* Or, with filter NULL, the devices of each wave (raw ids), none in two: for a back end without filter_parts(). */
    const struct wave_members {
        const char *const *raw_ids;
        size_t n;
    } * members;
    double error_percent; /* 0..99 */
    double success_percent;
};

enum backend_verb {
    BV_START,
    BV_PAUSE,
    BV_RESUME,
    BV_TRIGGER_NEXT,
    BV_APPROVE,
    BV_DENY,
    BV_STOP,
    BV_STOP_FORCE, /* also cuts off what devices have begun: only of a rollout that strength_can() says can (verb.h) */
    BV_RETRY,
    BV_DELETE
};

/* Inventory attributes of devices: value v[i * n_keys + k] of device i and key k, an index into names, -1 = not known.
 */
struct attribute_table {
    int32_t *v;
    size_t n, n_keys;
    const char **names; /* distinct values, safe text */
    size_t n_names;
};

/* Notes that any client of the server may leave beside a release, for all others to read. They are claims: whoever may
 * write to the server may write, replace and remove them. */
#define NOTE_KEY_MAX      128  /* bytes: letters, digits, '.', '_' and '-' */
#define NOTE_VALUE_MAX    4000 /* characters, counted as UTF-16 units (hawkBit's column) */
#define NOTES_MAX         100  /* of one release that are taken; hawkBit keeps no more */
#define NOTE_RELEASES_MAX 64   /* releases in one call */

struct note {
    const char *release_id;
    const char *key;
    const char *value; /* as it came, n bytes (a NUL follows): not safe text. U+0000 and halves of surrogate pairs have
                        * become U+FFFD */
    size_t n;
    bool whole; /* false: the value is no text or longer than NOTE_VALUE_MAX, and was not taken: "" */
};
struct note_list {
    struct note *v; /* in the order of the releases asked for, then of keys */
    size_t n;
    size_t
        left_out; /* keys with the prefix that are none of andon's (other characters, too long), or beyond NOTES_MAX */
};

struct auto_assign {
    const char *id, *name, *filter;
};
struct auto_assign_list {
    struct auto_assign *v;
    size_t n;
};

struct backend_ops {
    const char *kind;
    void (*free)(struct backend *b);
    /* Finds out version, user and capabilities. Repeatable. */
    void (*probe)(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx);
    /* All rollouts, newest first, at most `limit`. Release names are filled where the server gives them. */
    void (*rollouts)(struct backend *b, size_t limit, struct arena *a, struct rollout_list *out, backend_done done,
                     void *ctx);
    void (*rollout)(struct backend *b, const char *id, struct arena *a, struct rollout *out, backend_done done,
                    void *ctx);
    /* All waves with counts, in order. */
    void (*waves)(struct backend *b, const char *rollout, struct arena *a, struct wave_list *out, backend_done done,
                  void *ctx);
    /* Devices of one wave, pages in parallel, at most `limit`: of a wave of andon's own a random sample, always the
     * same, of a server's the first that it lists; `total` says how many it has. */
    void (*wave_devices)(struct backend *b, const char *rollout, const char *wave, size_t limit, struct arena *a,
                         struct device_list *out, backend_done done, void *ctx);
    /* Devices by the filter (NULL: all), in the server's order, pages in parallel, at most `limit`. ERR_RANGE: this
     * server has no filter that finds these and no others. The filter is read before the call returns. */
    void (*devices)(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                    struct device_list *out, backend_done done, void *ctx);
    /* The filter as create_rollout() takes it. Asks nobody, and answers at once. False with *e filled when it cannot be
     * written so that it finds these and no others (ERR_RANGE), or is too long to be taken in parts (ERR_LIMIT: what is
     * excluded does not fit into one): then the devices are to be named, all of them. NULL: rollouts are created with
     * their members. */
    bool (*filter_parts)(struct backend *b, const struct device_filter *f, struct arena *a, struct filter_parts *out,
                         struct err *e) ANDON_MUST_USE;
    /* How many devices the filter finds (out->total), and the first `limit` of them: one request where that is small.
     * Never reads the others: a server that would have to list all of them has no such call. ERR_RANGE: the filter
     * cannot be written, or (ERR_SYNTAX) the server does not take it. The filter is read before the call returns. */
    void (*find)(struct backend *b, const struct find_filter *f, size_t limit, struct arena *a, struct device_list *out,
                 backend_done done, void *ctx);
    void (*inflight)(struct backend *b, const char *rollout, struct arena *a, struct inflight *out, backend_done done,
                     void *ctx);
    /* A release by id, or by name and version (id == NULL), as safe text, exactly. ERR_NOT_FOUND says that the server
     * was asked and has none; ERR_STATE, by name, that it is there and cannot be given to a device (incomplete, or
     * invalidated); every other error, that it is not known whether it has (ERR_RANGE: two are shown alike).
     * Names with quotes, '*', '\' and invisible characters are found too; devices() may refuse some of them
     * (ERR_RANGE), for there a filter must mean only this one. */
    void (*release)(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                    struct release *out, backend_done done, void *ctx);
    void (*releases)(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                     void *ctx);
    /* One device with its releases, attributes and newest actions. `raw_id` as the server knows it. */
    void (*device)(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
                   void *ctx);
    /* A verb on a rollout. Pause and stops are urgent; where there is no stop by force, it is a stop. `remark` for
     * approve and deny, "" else. */
    void (*verb)(struct backend *b, const char *rollout, enum backend_verb v, const char *remark, backend_done done,
                 void *ctx);
    /* Creates (does not start). *id_out from the arena. ERR_CONFLICT when the name is taken. */
    void (*create_rollout)(struct backend *b, const struct rollout_spec *spec, struct arena *a, const char **id_out,
                           backend_done done, void *ctx);
    void (*cancel_action)(struct backend *b, const char *raw_device, const char *action, bool force, backend_done done,
                          void *ctx);
    /* Assigns a release to one device; offline = record it as already installed (no action on the device). */
    void (*assign)(struct backend *b, const char *raw_device, const char *release_id, bool offline, backend_done done,
                   void *ctx);
    /* Target filters that auto-assign the given release, and switching one off. */
    void (*auto_assigns)(struct backend *b, const char *release_id, struct arena *a, struct auto_assign_list *out,
                         backend_done done, void *ctx);
    void (*auto_assign_off)(struct backend *b, const char *filter_id, backend_done done, void *ctx);
    /* ---- devices by name: what a server without rollouts serves, and andon's own waves are made of ---- */

    /* Where each of the devices (raw ids) stands with the release: out[i] of raw_ids[i], in as few requests as the
     * server allows, streamed, in memory for n devices and not for the fleet. By what devices report, never by a
     * counter of the server's. A device that no answer spoke of is AT_UNKNOWN; AT_ABSENT is said only when the server
     * was asked and has no such device. Changes nothing on any server, not even by asking for a device that is not
     * there. An error leaves *out as far as it came: AT_UNKNOWN for the rest. */
    void (*standing)(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, struct arena *a,
                     struct device_standing *out, backend_done done, void *ctx);
    /* Gives the release to the devices, at most tell_most of them, in one request where the server has one. `key` is
     * andon's intent id (at most 64 of [a-z0-9-]): where the server can hold it, the same key twice has one effect.
     * out[i] says what became of each: also when the call as a whole failed. Never repeated by the client itself. */
    void (*tell)(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                 struct arena *a, struct tell_result *out, backend_done done, void *ctx);
    /* Takes it back from devices that have not begun; `key` is that of the tell(), `undo` (NULL, or one for each, NULL
     * or "" = none) what it gave. `force`: also from those that have begun, whose outcome may then be lost
     * (CAP_FORCE). Urgent; may be repeated. TELL_NOT_SENT beside others and without an error: more than one call takes,
     * ask again for these. */
    void (*recall)(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                   const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
                   void *ctx);
    size_t tell_most;   /* devices in one tell(), 1.. */
    size_t recall_most; /* devices in one recall(), 0 = as in one tell() */
    size_t create_most; /* devices that one create_rollout() may name, 0 = as many as there are */

    /* When the wave was told, on the server's clock: when the action of the given device (any of the wave, first in the
     * server's order) was started for this rollout. 0 when the server cannot say, and before the wave is told. The same
     * answer whenever it is asked after that. */
    void (*told_at)(struct backend *b, const char *rollout, const char *raw_device, struct arena *a, int64_t *out,
                    backend_done done, void *ctx);
    /* Attributes `keys` of the devices (raw ids), with as few requests as the server allows; at most `limit` devices
     * are asked for one by one, the rest stay -1. Keys, and values of one key, that differ only in ASCII case are the
     * same: hawkBit's filters make no difference either. `exact`: values are told as they stand, byte for byte as far
     * as they are safe text, by asking for each device; two that differ are two. The arguments are copied; *out must
     * live until `done`. */
    void (*attributes)(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys, size_t n_keys,
                       size_t limit, bool exact, struct arena *a, struct attribute_table *out, backend_done done,
                       void *ctx);

    /* Notes. All three are NULL where the back end has none; a server may still lack them (CAP_NOTES, CAP_NOTES_PUT).
     * ERR_FORBIDDEN: the user of this fleet may not. Nobody waits for them on a halt's way.
     *
     * All notes of the releases whose key begins with `prefix`. One request a release, in parallel, of some
     * milliseconds each; the same release is asked for once. So a watcher calls this once a poll with the releases of
     * the rollouts that are active, mostly one or two, and sees another's note with the next poll. A release that is
     * not on the server has no notes. The arguments are copied. */
    void (*notes)(struct backend *b, const char *const *release_ids, size_t n, const char *prefix, struct arena *a,
                  struct note_list *out, backend_done done, void *ctx);
    /* Writes the note, new or in the place of the one under its key: the last writer wins. One request to replace, two
     * for a new one. May be repeated. `value` is UTF-8 text of n bytes without NUL. Not sent: ERR_LIMIT (too long),
     * ERR_RANGE (no such key or text). ERR_NOT_FOUND: the release is not there. ERR_QUOTA: it has too many notes. */
    void (*note_put)(struct backend *b, const char *release_id, const char *key, const char *value, size_t n,
                     backend_done done, void *ctx);
    /* Done also when it is not there. One request. */
    void (*note_delete)(struct backend *b, const char *release_id, const char *key, backend_done done, void *ctx);
};

struct backend {
    const struct backend_ops *ops;
    struct http *http;
};

/* Opens the back end of fleet `spec`. NULL with *e filled: unknown kind, bad URL, secret not to be had. */
struct backend *backend_open(struct http *h, const struct fleet_spec *spec, struct err *e);
static inline void backend_free(struct backend *b)
{
    if (b)
        b->ops->free(b);
}
const char *backend_verb_word(enum backend_verb v);

#endif
