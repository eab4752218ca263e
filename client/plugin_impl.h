/* Inside of the plug-in back end (docs/plugin-protocol.md): plugin.c keeps calls, ids and deadlines, plugin_process.c a
 * program and its pipes, plugin_sandbox.c what it may do, plugin_ops.c and plugin_answer.c the lines' contents.
 *
 * Lines come and go over a link: a program's pipes, or a file that was recorded (replay.c). */
#ifndef ANDON_CLIENT_PLUGIN_IMPL_H
#define ANDON_CLIENT_PLUGIN_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "client/backend.h"
#include "client/plugin.h"
#include "client/secret.h"
#include "core/json.h"

#define PLUGIN_LINE_MAX  ((size_t)1 << 20)
#define PLUGIN_ID_MAX    256 /* bytes of a device's id */
#define PLUGIN_PART_MAX  500 /* items in one line, and ids in one request */
#define PLUGIN_ITEMS_MAX 100000
#define PLUGIN_PARALLEL  6
#define PLUGIN_GRACE_US  (2 * INT64_C(1000000)) /* past a request's deadline, and from the end of input to the end */
#define PLUGIN_LATE      64                     /* ids of requests that were given up, and may still be answered */
#define PLUGIN_TELL_MOST 500
#define PLUGIN_KEY_MAX   64
#define SAY_MAX          119 /* bytes of a sentence (docs/backends.md) */

/* Beside enum cap: requests that a plug-in may lack. */
#define PLUGIN_CAN_DEVICE     (UINT32_C(1) << 30)
#define PLUGIN_CAN_ATTRIBUTES (UINT32_C(1) << 31)

struct plugin;

/* ---- what a call asks and is answered ---- */

enum pcall_phase {
    PCALL_QUEUED,
    PCALL_OPEN,  /* its request has been handed to the link */
    PCALL_ENDED, /* its callback is due with the next turn */
    PCALL_DUE
};

struct pcall {
    struct pcall *next;
    struct plugin *p;
    const struct pcall_op *op;
    enum pcall_phase phase;
    bool urgent;
    bool answered; /* the last line has come */
    int64_t id, deadline, give_up;
    /* what is asked; copies in scratch */
    struct arena scratch;
    const struct release *release; /* NULL = none */
    const struct device_filter *filter;
    const char *const *ids, *const *keys, *const *undo;
    size_t n, n_keys, at, batch; /* ids[at..at + batch) are in the request that is open */
    const char *key, *word;      /* intent id; one device */
    bool force, exact;
    size_t limit;
    /* what is answered */
    struct arena *arena;
    void *out;
    void *items; /* grows, in malloc's memory */
    size_t n_items, room;
    const size_t *order; /* of ids, by their text: an item finds its place */
    char *seen;          /* of ids: an item has spoken of it; never NULL */
    void *values;        /* of attributes: plugin_answer.c's own */
    bool clipped;
    backend_done done;
    void *ctx;
    struct reply reply;
    struct err err;
};

struct pcall_op {
    const char *word;
    bool verb;      /* changes something */
    uint32_t needs; /* of what hello promises (struct plugin's can) */
    void (*ask)(const struct pcall *c, struct json_w *w);
    /* One item of a part or of the answer. NULL: there are none. */
    bool (*item)(struct pcall *c, const struct json_t *o, const char *where, struct err *e);
    /* The last answer is there: into *out. NULL = nothing more. */
    bool (*end)(struct pcall *c, const struct json_t *doc, struct err *e);
    /* The call ends with an error (or without): what became of those of whom nothing was said. NULL = nothing. */
    void (*settle)(struct pcall *c);
};
/* The members of their requests (plugin_ops.c): hello, lists, one device, devices by name. */
void plugin_ask_hello(const struct pcall *c, struct json_w *w);
void plugin_ask_list(const struct pcall *c, struct json_w *w);
void plugin_ask_device(const struct pcall *c, struct json_w *w);
void plugin_ask_devices(const struct pcall *c, struct json_w *w);
extern const struct pcall_op pcall_hello, pcall_releases, pcall_release, pcall_devices, pcall_device, pcall_standing,
    pcall_attributes, pcall_tell, pcall_recall;

/* The members of a request, but for id and deadline. Without its key: what a recording knows it by. */
void pcall_ask(const struct pcall *c, struct json_w *w, bool with_key);
/* A line that belongs to the call: a part, or the answer (then *last). False with *e: it makes no sense. */
bool pcall_take(struct pcall *c, const struct json_t *doc, bool *last, struct err *e);
/* The ids are asked for: sorts them, so that items find their place. */
void pcall_index(struct pcall *c);

/* Members of an answer (plugin_answer.c). Safe text, "" when absent. */
const char *answer_text(const struct pcall *c, const struct json_t *o, const char *key, size_t max);
/* Microseconds since the epoch; what cannot be a time is 0. */
int64_t answer_time(const struct json_t *o, const char *key);
/* A device's own id: any text without NUL, of n bytes. */
bool answer_id(const struct json_t *o, const char *key, const char *where, const char **out, size_t *n, struct err *e);
/* The member's place in a table of n words; false: another word, or none. */
bool answer_word(const struct json_t *o, const char *key, const char *const *words, size_t n, size_t *out);
/* "where.key: expected ..."; false. */
bool answer_bad(struct err *e, const char *where, const char *key, const char *expected);

/* The protocol's word for it. */
const char *plugin_error_word(enum err_code code);

/* ---- the link ---- */

struct plugin_link {
    const struct plugin_link_ops *ops;
};
struct plugin_link_ops {
    /* Begins (again); at once. False with *e: it cannot be. */
    bool (*start)(struct plugin_link *l, struct plugin *p, struct err *e);
    /* Takes a line over, '\n' at its end, for sending; `first`: before what waits. */
    void (*put)(struct plugin_link *l, const char *line, size_t n, int64_t id, bool first);
    /* Carries on: calls plugin_line() for each line that has come. False with *e: it is at its end. */
    bool (*pump)(struct plugin_link *l, struct plugin *p, struct err *e);
    /* A request that has not begun to go out does not; false: it has. */
    bool (*take_back)(struct plugin_link *l, int64_t id);
    /* Has all of the request gone out, so that it may have been carried out? */
    bool (*went)(const struct plugin_link *l, int64_t id);
    void (*wait)(const struct plugin_link *l, struct http_side *s); /* adds its descriptors */
    /* Ends it; `grace_us`: it is asked first, and waited for so long. True: it ended by itself. */
    bool (*stop)(struct plugin_link *l, int64_t grace_us);
    void (*free)(struct plugin_link *l); /* after stop */
};
/* A line has come from the link. False with *e: a breach of the protocol. */
bool plugin_line(struct plugin *p, const char *line, size_t n, struct err *e);

/* The program that the fleet's configuration names, on the clock for its log lines; NULL with *e. */
struct plugin_link *plugin_process_new(const struct fleet_spec *f, struct clock *clock, struct err *e);
/* The secret for the next start; the bytes are copied. NULL = none. */
void plugin_process_secret(struct plugin_link *l, const char *secret);
/* What holds for the program that runs; false: none does. */
bool plugin_process_box(const struct plugin_link *l, struct plugin_box *out);

/* ---- a child (plugin_spawn.c) ---- */

struct sandbox_report {
    unsigned char new_privileges, dies_with_us, limits, landlock;
};
struct plugin_start {
    const char *path; /* absolute */
    char *const *argv;
    const struct plugin_spec *spec;
    const char *ca_file, *secret; /* "", NULL = none */
};
/* Our ends of the pipes, none of which waits; -1 = none. `status` gives a struct sandbox_report, and errno as an int
 * when the program cannot be started. */
struct plugin_child {
    pid_t pid;
    int pidfd, in, out, log, status;
};
/* Whatever happens, what is not -1 is to be closed. */
bool plugin_spawn(const struct plugin_start *s, struct plugin_child *out, struct err *e) ANDON_MUST_USE;
/* Closes it, if it is one, and makes it -1. */
void plugin_shut(int *fd);
/* Waits for its end, so long at most; true: it has ended, and its number is free. */
bool plugin_reap(pid_t pid, int64_t within_us);

/* ---- the sandbox ---- */

/* A Landlock rule set for this program: -1 when the kernel has none; *abi its version. `program` and what `spec` names
 * may be read, the latter's `write` changed too. */
int sandbox_rules(const struct plugin_spec *spec, const char *program, const char *ca_file, int *abi);
/* What a child does to itself between fork and exec: only calls that are safe there. */
void sandbox_enter(pid_t parent, int rules, struct sandbox_report *out);

/* ---- the back end ---- */

struct plugin {
    struct backend base;
    struct backend_ops ops; /* tell_most is what the plug-in says */
    struct http_side side;
    struct clock *clock;
    struct plugin_link *link;
    char name[96]; /* for sentences, safe: "plug-in acme" */
    char *fleet, *url, *user;
    const char *(*options)[2]; /* of `arena` */
    size_t n_options;
    struct arena arena;
    int64_t timeout_us;
    bool recorded; /* the link is a file: no hello, no batches */

    enum { PLUGIN_DOWN, PLUGIN_HELLO, PLUGIN_UP } state;
    int64_t started_at, start_again; /* not before */
    int fails;                       /* starts in a row that came to nothing */
    int silent;                      /* requests in a row that were not answered in time */
    struct err why;                  /* of the last end */
    struct pcall *calls, **tail;
    struct pcall *hello; /* the one that greets, of no caller */
    int64_t next_id;
    int64_t late[PLUGIN_LATE];
    size_t n_late;
    /* from hello */
    struct arena hello_arena;
    struct backend_info info;
    uint32_t can; /* enum cap, and PLUGIN_CAN_... */
    size_t parallel, ids_most;
    /* the secret */
    struct secret_ref ref;
    char *secret;
    struct secret_job *job;
    struct secret_pace pace;
    int secret_fd;
    unsigned again;
    bool renew; /* it has changed: start again when nothing is open */
    struct traced traced;
};
/* plugin_secret.c: the call's answer may be a refusal of the secret; one turn. */
void plugin_secret_refused(struct plugin *p, const struct pcall *c);
void plugin_secret_turn(struct plugin *p);
/* For the loop. */
void plugin_turn(struct http_side *s);
bool plugin_deliver(struct http_side *s);
/* Ends all calls, from here. */
void plugin_end_calls(struct plugin *p);
/* Makes the back end around a link, which it takes over; `what` it is, in sentences ("plug-in "). */
struct plugin *plugin_make(struct http *h, const struct fleet_spec *f, const char *what, struct plugin_link *l);
/* Fills in the calls of the device part. */
void plugin_ops_fill(struct backend_ops *ops);
/* A call that is queued; `copy` its arguments into c->scratch. */
struct pcall *pcall_new(struct plugin *p, const struct pcall_op *op, struct arena *a, void *out, backend_done done,
                        void *ctx);
/* It ends with *e, from the next turn; what it would have sent is not. */
void pcall_refuse(struct pcall *c, const struct err *e);

#endif
