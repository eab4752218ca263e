/* The command line: what every subcommand shares.
 *
 * main.c finds the command in a table, options.c reads the options (global ones stand before or after it), and one
 * file for each group carries it out. Exit codes are part of the interface (docs/man/andon.1). Everything below cli/
 * reports errors; only here is something printed and is the process ended. */
#ifndef ANDON_CLI_CLI_H
#define ANDON_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "audit/log.h"
#include "core/buf.h"
#include "core/config.h"
#include "core/err.h"
#include "core/intent.h"
#include "core/json.h"
#include "core/snapshot.h"
#include "engine/engine.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,      /* the command failed; a drill was not passed; a log does not verify */
    EXIT_USAGE = 2,       /* the command line or the configuration is wrong */
    EXIT_REFUSED = 3,     /* andon refuses; with guard: it ended while a halt could not be had */
    EXIT_UNREACHABLE = 4, /* the fleet server does not answer, or refuses the credentials */
    EXIT_UNKNOWN = 5,     /* it can't be told: what became of what was sent, what a log is; a person must look */
    EXIT_TRACELESS = 6,   /* the halt is done, but neither log nor spool has it: a person must write it down */
    EXIT_OUTPUT = 7       /* done, but standard output could not be written */
};

enum opt {
    OPT_CONFIG,
    OPT_THEME,
    OPT_COLOR,
    OPT_ASCII,
    OPT_PLAIN,
    OPT_READ_ONLY,
    OPT_OPERATOR,
    OPT_OUTPUT,
    OPT_LOCAL_TIME,
    OPT_HELP,
    OPT_VERSION,
    OPT_FLEET,
    OPT_REASON,
    OPT_REMARK,
    OPT_YES,
    OPT_CONFIRM,
    OPT_TO,
    OPT_WAVES,
    OPT_WAIT,
    OPT_TIMEOUT,
    OPT_PREVIEW,
    OPT_ALL,
    OPT_SEED,
    OPT_SPEED,
    OPT_HEADLESS,
    OPT_SERVE,
    OPT_PORT,
    OPT_LIST,
    OPT_KEEP_LOG,
    OPT_KIND,
    OPT_ROLLOUT,
    OPT_ACTOR,
    OPT_SINCE,
    OPT_UNTIL,
    OPT_LIMIT,
    OPT_DB,
    OPT_VKEY,
    OPT_HEADS,
    OPT_WAVE,
    OPT_EXPORT,
    OPT_METRICS,
    OPT_HISTORY,
    OPT_DEVICES,
    OPT_WAVE_SIZES,
    OPT_STRATA,
    OPT_HOURS,
    OPT_TRACE,
    OPT_WITNESS,
    OPT_VERB,
    OPT_RESULT,
    OPT_CORR,
    OPT_DEVICE,
    OPT_LATE,
    OPT_OPEN,
    OPT_FORMAT,
    OPT_FOR,
    OPT_MAPPING,
    OPT_EXPECTED,
    OPT_OBSERVED,
    OPT_SKIPPED,
    OPT_INCREMENTAL,
    OPT_PRINT,
    OPT_KEY,
    OPT_SIGNATURE,
    OPT_RELEASE,
    OPT_TARGET,
    OPT_ORDER,
    OPT_NAME,
    OPT_SUCCESS,
    OPT_FAILURE,
    OPT_PLAY,
    OPT_REDACTED,
    OPT_CONTROL,
    OPT_AT,
    OPT_BY,
    OPT_REFERENCE,
    OPT_TEXT,
    OPT_WHY,
    OPT_FORCE,
    OPT_STOP,
    OPT_MODEL,
    OPT_BLIND,
    OPT_CSV,
    OPT_RULES,
    OPT_NOW,
    OPT_STATUS,
    OPT_COMPONENT,
    OPT_JUSTIFICATION,
    OPT_VEX_UNUSED,
    OPT_CLOCK,
    OPT_HORIZON,
    OPT_COUNT
};

typedef unsigned __int128 optset; /* a bit for each option: 64 are not enough for long */
#define OPT(o) ((optset)1 << (o))
_Static_assert(OPT_COUNT <= 128, "an option without a bit");
#define OPTS_GLOBAL                                                                                                    \
    (OPT(OPT_CONFIG) | OPT(OPT_THEME) | OPT(OPT_COLOR) | OPT(OPT_ASCII) | OPT(OPT_PLAIN) | OPT(OPT_READ_ONLY) |        \
     OPT(OPT_OUTPUT) | OPT(OPT_LOCAL_TIME) | OPT(OPT_HELP) | OPT(OPT_VERSION) | OPT(OPT_TRACE) | OPT(OPT_OPERATOR))
#define ARGS_MAX 64

/* A command line, read. Strings are argv's own. */
struct args {
    const char *val[OPT_COUNT]; /* NULL = not given; "" for a flag */
    const char *pos[ARGS_MAX];  /* words that are no options; pos[0] is the command */
    size_t n_pos;
    bool json;           /* -o json */
    bool csv;            /* -o csv, of commands that print a table for others */
    struct trace *trace; /* NULL: nothing is traced (cli/trace.h) */
};

struct command {
    const char *name;
    const char *args;    /* "ROLLOUT" */
    const char *summary; /* one line */
    optset opts;         /* besides OPTS_GLOBAL */
    size_t min, max;     /* words after the command */
    int (*run)(const struct args *a);
};
/* The i-th command, verbs among them as core/verb.h lists them; false behind the last. */
bool command_at(size_t i, struct command *out);
bool command_find(const char *name, struct command *out); /* false = none of that name */
/* The i-th word that `audit` knows, run being NULL; false behind the last. */
bool audit_command_at(size_t i, struct command *out);
/* What `audit` ends with after this error. */
int audit_exit(const struct err *e);

/* options.c */
/* False with *e (ERR_SYNTAX) on an unknown option or a missing value. Only the syntax: see args_check. */
bool args_read(int argc, char **argv, struct args *out, struct err *e) ANDON_MUST_USE;
/* Are the options and words those that the command takes? */
bool args_check(const struct args *a, const struct command *c, struct err *e) ANDON_MUST_USE;
bool args_int(const struct args *a, enum opt o, int64_t min, int64_t max, int64_t dflt, int64_t *out,
              struct err *e) ANDON_MUST_USE;
bool args_dur(const struct args *a, enum opt o, int64_t dflt, int64_t *out, struct err *e) ANDON_MUST_USE;
const char *args_str(const struct args *a, enum opt o); /* "" when not given */
/* "1,2,5-7" into a mask of wave indices. */
bool args_waves(const char *text, uint64_t mask[WAVES_MAX / 64], struct err *e) ANDON_MUST_USE;
void options_help(struct buf *out, optset opts);
/* The known word nearest to `s` if it is near at all, else NULL. */
const char *nearest(const char *s, const char *const *words, size_t n);

/* session.c: what a command works with */
struct session {
    struct config config; /* valid when configured */
    bool configured;
    struct actor actor; /* who is running this */
    char user[64];      /* display name */
    char db[512], key[512], origin[256];
    char census[512];            /* where devices stayed (audit/stays.h) */
    char intel[512];             /* what was imported (intel/store.h) */
    char evidence[512];          /* the trials' database (audit/history.h) */
    char spool[SPOOL_DIRS][512]; /* audit/spool.h */
    bool explain;                /* engines that only observe gather the evidence all the same */
    char witness_folder[512], witness_name[300];
    const char *witness_keys[WITNESSES_MAX]; /* of those who witness this log */
    int64_t witness_within;                  /* for so long a verb of this session may wait for a witness */
    struct notary *notary;                   /* session_notary(); NULL: nobody has it witnessed here */
    struct audit_spec audit;
    struct audit_spec audit_looks; /* the same for engines that only observe: never written */
};
/* Loads the configuration (none is not an error: !configured) and works out the paths of the log. On failure the error
 * has been printed and an exit code returned; 0 = go on. */
int session_open(const struct args *a, struct session *s);
/* The same, but a configuration with at least one fleet is needed. */
int session_need(const struct args *a, struct session *s);
void session_close(struct session *s);
/* Has the log witnessed from now on by whom the configuration names (engine/notary.h), and has the engines of the
 * session know of it; nothing happens when it names nobody. Before the engines; session_close() ends it, after them. */
bool session_notary(struct session *s, struct err *e) ANDON_MUST_USE;
/* The same for a command, which needs it only where a policy of the fleet has this verb wait for a witness. */
bool session_notary_for(struct session *s, const struct fleet_spec *f, enum verb v, struct err *e) ANDON_MUST_USE;
struct witness_spec;
/* The witness of this host, as `witness:` says; borrows from the session. */
void session_witness_spec(const struct session *s, struct witness_spec *out);
/* Takes this file for the log. The configured key is the configured log's; another log's is beside it, or not known
 * here (audit_spec's key_beside): compared with ours it would be called tampered with. */
void session_log(struct session *s, const char *db);
/* Only who is running this. */
void session_operator(struct session *s, const struct args *a);
/* The fleet named by --fleet, or the only one. NULL with *e filled. */
const struct fleet_spec *session_fleet(const struct session *s, const struct args *a, struct err *e);
/* No telemetry is read for this fleet of the session: for what asks nothing of health. */
void session_drop_telemetry(struct session *s, const struct fleet_spec *f);
uint64_t random_seed(void);
/* Limits what a crash or a child could give away: no core file, not dumpable, no new privileges, umask 077. */
void harden(void);

/* Starts an engine on a fleet: NULL with *e filled. `judge` as in engine_spec. Read-only by --read-only is applied. */
struct engine *session_engine(const struct session *s, const struct args *a, const struct fleet_spec *f, bool judge,
                              bool observe, struct err *e);

/* print.c */
/* "andon: what: cause\n  next\n" on standard error, or a JSON object on standard output with -o json. Returns the exit
 * code that fits the error. */
int print_err(const struct args *a, const struct err *e);
int err_exit(const struct err *e);
/* What a command that would end with `rc` ends with when this is all that is left of its halt, and a sentence about it;
 * NULL when there is nothing to say. Only a success changes. */
int trail_exit(int rc, enum trail t, const char **text);
void print_out(const struct buf *b); /* to standard output, at once; whether it went is told by print_end */
/* The end of every command: closes standard output. `rc` when all of it was written, or when the reader of a pipe has
 * gone away (`| head`), which is no error; else what is wrong is said, and EXIT_OUTPUT in the place of EXIT_OK. */
int print_end(int rc);
/* Text in columns: cells are added row by row, printed with two blanks between. Text must be safe. */
struct table {
    size_t cols, n; /* n cells */
    char **cells;
    uint32_t right; /* bit: the column is right-aligned */
};
void table_init(struct table *t, size_t cols, uint32_t right);
void table_add(struct table *t, const char *text);
void table_addf(struct table *t, const char *fmt, ...) ANDON_PRINTF(2, 3);
void table_print(struct table *t, struct buf *out); /* and frees */
/* Opens a JSON answer; json_end prints it. */
struct json_out {
    struct buf buf;
    struct json_w w;
};
void json_begin(struct json_out *o);
void json_end(struct json_out *o);
/* What a verb would do, and what there is to know beside it. */
void print_preview(FILE *to, const struct preview *p);

/* The commands, one file for each group. */
int cmd_console(const struct args *a);
int cmd_drill(const struct args *a);
int cmd_guard(const struct args *a);
int cmd_get(const struct args *a);
int cmd_explain(const struct args *a);
int cmd_inventory(const struct args *a);
int cmd_verb(const struct args *a);
int cmd_approval(const struct args *a);
int cmd_audit(const struct args *a);
int cmd_notify(const struct args *a);
int cmd_doctor(const struct args *a);
int cmd_policy(const struct args *a);
int cmd_plan(const struct args *a);
int cmd_backend(const struct args *a);
int cmd_replay(const struct args *a);
int cmd_intel(const struct args *a);
int cmd_vulns(const struct args *a);
int cmd_vex(const struct args *a);
int cmd_witness(const struct args *a);
int cmd_queue(const struct args *a);
int cmd_census(const struct args *a);
int cmd_report(const struct args *a);
int cmd_accept(const struct args *a);
int cmd_cra(const struct args *a);
int cmd_help(const struct args *a);
int cmd_version(const struct args *a);

/* console.c: also used by drill.c. `engines` are started. Returns an exit code. */
struct console_setup {
    const struct args *args;
    struct engine *const *engines;
    size_t n_engines;
    const struct config *config; /* or NULL */
    struct clock *clock;
    const char *user;
    struct actor actor;
    const struct audit_spec *audit; /* NULL = none */
    const char *start_help[3];
    bool (*over)(void *ctx, const struct snapshot *s);
    void *over_ctx;
};
int console_open(const struct console_setup *s);

#endif
