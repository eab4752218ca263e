/* What a command works with: configuration, operator, log, engines. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/cosign.h"
#include "audit/host.h"
#include "audit/known.h"
#include "audit/witness.h"
#include "cli/cli.h"
#include "cli/life.h"
#include "cli/trace.h"
#include "conf/config.h"
#include "core/clock.h"
#include "core/text.h"
#include "engine/notary.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

void harden(void)
{
    struct rlimit none = {0, 0};

    /* A descriptor that was closed for us would be the next file that is opened: the log must not become standard
     * output. What is put there fails, as it does on a closed one. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    umask(077);
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGXFSZ, SIG_IGN); /* a log that may grow no further is an error of the log, not the end of a guard */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifndef SANITIZED /* the leak checker traces its own process */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

uint64_t random_seed(void)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        seed = (uint64_t)clock_wall(clock_real()) ^ (uint64_t)getpid() << 32;
    return seed;
}

/* The name that is claimed is in the environment from here on: that is where the log's facts about the host take it. */
void session_operator(struct session *s, const struct args *a)
{
    const struct passwd *pw = getpwuid(getuid());
    const char *named = a->val[OPT_OPERATOR];
    char number[32];

    snprintf(number, sizeof number, "uid-%u", (unsigned)getuid());
    safe_text_into(s->actor.name, sizeof s->actor.name, pw ? pw->pw_name : number, strlen(pw ? pw->pw_name : number));
    s->actor.kind = isatty(STDIN_FILENO) ? ACTOR_PERSON : ACTOR_SCRIPT;
    snprintf(s->user, sizeof s->user, "%s", s->actor.name);
    if (named)
        setenv(HOST_OPERATOR, named, 1);
    named = getenv(HOST_OPERATOR);
    if (named)
        safe_text_into(s->actor.operator_name, sizeof s->actor.operator_name, named, strlen(named));
}

void session_log(struct session *s, const char *db)
{
    struct stat ours, named;
    const char *slash = strrchr(db, '/');
    bool other = stat(db, &named) == 0 &&
                 (stat(s->db, &ours) != 0 || ours.st_dev != named.st_dev || ours.st_ino != named.st_ino);

    if (other)
        snprintf(s->key, sizeof s->key, "%.*saudit.key", slash ? (int)(slash - db) + 1 : 0, db);
    snprintf(s->db, sizeof s->db, "%s", db);
    s->audit.key_beside = s->audit_looks.key_beside = other;
    s->audit.socket = s->audit_looks.socket = NULL; /* a file */
}

/* With a guard that writes the log: everybody else asks it. A log that was named on the command line is a file. */
static void by_the_guard(const struct args *a, struct session *s)
{
    const struct config *c = &s->config;
    bool guard = a->n_pos > 0 && strcmp(a->pos[0], "guard") == 0;

    if (!s->configured || !*c->audit_socket || guard || a->val[OPT_DB])
        return;
    s->audit.socket = c->audit_socket;
    s->audit.spool[0] = c->audit_socket_drop;
    s->audit.spool[1] = spool_path(s->spool[1], sizeof s->spool[1], 0) ? s->spool[1] : NULL;
}

/* Paths of the log: the configuration's, or the XDG places. */
static bool log_paths(const struct args *a, struct session *s, struct err *e)
{
    char host[128] = "localhost";
    const struct config *c = s->configured ? &s->config : NULL;

    if (c && *c->audit_db)
        snprintf(s->db, sizeof s->db, "%s", c->audit_db);
    else if (!state_path(s->db, sizeof s->db, "audit.db"))
        return err_set(e, ERR_IO, "Set HOME or XDG_STATE_HOME.", "there is no place for the audit log");
    if (c && *c->evidence_db && (!*c->audit_socket || access(c->evidence_db, W_OK) == 0)) /* else the guard's */
        snprintf(s->evidence, sizeof s->evidence, "%s", c->evidence_db);
    else if (!state_path(s->evidence, sizeof s->evidence, "evidence.db"))
        return err_set(e, ERR_IO, "Set HOME or XDG_STATE_HOME.", "there is no place for the evidence");
    if (!state_path(s->census, sizeof s->census, "census.db") || !state_path(s->intel, sizeof s->intel, "intel.db"))
        return err_set(e, ERR_IO, "Set HOME or XDG_STATE_HOME.", "there is no place for what is imported");
    if (c && *c->audit_key)
        snprintf(s->key, sizeof s->key, "%s", c->audit_key);
    else if (!config_path(s->key, sizeof s->key, "audit.key"))
        return err_set(e, ERR_IO, "Set HOME or XDG_CONFIG_HOME.", "there is no place for the log's key");
    if (c && *c->audit_origin) {
        snprintf(s->origin, sizeof s->origin, "%s", c->audit_origin);
    } else {
        char safe[128];

        if (gethostname(host, sizeof host - 1) != 0)
            snprintf(host, sizeof host, "localhost");
        safe_text_into(safe, sizeof safe, host, strlen(host));
        snprintf(s->origin, sizeof s->origin, "andon/%s", safe);
    }
    s->audit = (struct audit_spec){.db_path = s->db,
                                   .key_path = s->key,
                                   .origin = s->origin,
                                   .origin_asked = c && *c->audit_origin,
                                   .redactable = c ? c->audit_redactable : 0};
    if (a->val[OPT_DB])
        session_log(s, a->val[OPT_DB]);
    for (int i = 0, n = 0; i < SPOOL_DIRS; i++) {
        bool named = c && *c->audit_spool;

        if (named && i == 0)
            snprintf(s->spool[n], sizeof s->spool[n], "%s", c->audit_spool);
        else if (named || !spool_path(s->spool[n], sizeof s->spool[n], i))
            continue;
        s->audit.spool[n] = s->spool[n];
        n++;
    }
    by_the_guard(a, s);
    s->audit_looks = s->audit;
    s->audit_looks.read_only = true;
    return true;
}

static void trace_all(struct trace *t, struct config *c)
{
    struct fleet_spec *v;

    if (!t || c->n_fleets == 0)
        return;
    v = arena_memdup(&c->arena, c->fleets, c->n_fleets * sizeof *v);
    for (size_t i = 0; i < c->n_fleets; i++)
        trace_fleet(t, &v[i]);
    c->fleets = v;
    trace_notify(t, &c->notify, &c->arena);
}

/* Whose notes count as signed: a key that is none must not pass for one that nobody has used yet. */
static bool check_keys(const struct config *c, struct err *e)
{
    struct known_keys *k = known_keys_new();
    bool ok = true;

    for (size_t i = 0; i < c->n_known_keys && ok; i++)
        if (!known_keys_add(k, c->known_keys[i], false, e)) {
            char what[sizeof e->what];

            snprintf(what, sizeof what, "%s", e->what);
            ok = err_set(e, ERR_SYNTAX, "`andon audit head` prints a log's on the host that writes it.",
                         "%.150s: audit.known_keys[%zu]: %.100s", c->path, i, what);
        }
    known_keys_free(k);
    return ok;
}

/* Who witnesses this log: its receipts count by these keys. */
static bool check_witnesses(struct session *s, struct err *e)
{
    const struct witness_conf *w = &s->config.witness;

    for (size_t i = 0; i < w->n_by; i++) {
        struct cosigner c;
        char what[sizeof e->what];

        s->witness_keys[i] = w->by[i].key;
        if (cosigner_open(&c, w->by[i].key, e)) {
            cosigner_close(&c);
            continue;
        }
        snprintf(what, sizeof what, "%s", e->what);
        return err_set(e, ERR_SYNTAX, "`andon witness key` prints it on the witness's host.",
                       "%.150s: witness.by[%zu].key: %.100s", s->config.path, i, what);
    }
    return true;
}

static bool witness_paths(struct session *s, struct err *e)
{
    const struct witness_conf *w = s->configured ? &s->config.witness : NULL;

    if (w && *w->folder)
        snprintf(s->witness_folder, sizeof s->witness_folder, "%s", w->folder);
    else if (!state_path(s->witness_folder, sizeof s->witness_folder, "witness"))
        return err_set(e, ERR_IO, "Set HOME or XDG_STATE_HOME.", "there is no place for a witness");
    snprintf(s->witness_name, sizeof s->witness_name, w && *w->name ? "%s" : "%s/witness",
             w && *w->name ? w->name : s->origin);
    s->audit.witnesses = s->audit_looks.witnesses = s->witness_keys;
    s->audit.n_witnesses = s->audit_looks.n_witnesses = w ? w->n_by : 0;
    s->audit.stamp_root = s->audit_looks.stamp_root = w ? w->stamps_root : "";
    return true;
}

void session_witness_spec(const struct session *s, struct witness_spec *out)
{
    *out = (struct witness_spec){.folder = s->witness_folder,
                                 .name = s->witness_name,
                                 .logs = s->config.witness.logs,
                                 .n_logs = s->configured ? s->config.witness.n_logs : 0,
                                 .mirror = s->configured && s->config.witness.mirror,
                                 .follow = s->configured && s->config.witness.follow};
}

static bool named(const char *s)
{
    return s && *s;
}

bool session_notary(struct session *s, struct err *e)
{
    const struct witness_conf *w = &s->config.witness;
    struct notary_spec spec = {
        .audit = &s->audit, .conf = w, .clock = clock_real(), .seed = random_seed(), .actor = s->actor};

    if (w->n_by == 0 && !named(w->heads) && !named(w->syslog.url) && !named(w->stamps.url))
        return true;
    s->notary = notary_new(&spec, e);
    return s->notary != NULL;
}

static void waits(struct session *s, const struct policy *p, enum verb v)
{
    if (p->witness.require > 0 && (p->witness.verbs >> v & 1) && p->witness.within_us > s->witness_within)
        s->witness_within = p->witness.within_us;
}

bool session_notary_for(struct session *s, const struct fleet_spec *f, enum verb v, struct err *e)
{
    waits(s, f->policy, v);
    for (size_t i = 0; i < f->n_rules; i++)
        waits(s, f->rules[i].policy, v);
    return s->witness_within == 0 || session_notary(s, e);
}

/* Rules of an inventory that name a product get its cycles. */
static void fill_lives(struct session *s)
{
    struct config *c = &s->config;
    struct fleet_spec *v = c->n_fleets ? arena_memdup(&c->arena, c->fleets, c->n_fleets * sizeof *v) : NULL;
    for (size_t i = 0; i < c->n_fleets; i++) {
        if (!v[i].inventory)
            continue;
        struct inv_rules *r = arena_memdup(&c->arena, v[i].inventory, sizeof *r);
        life_fill(r, s->intel, &c->arena);
        v[i].inventory = r;
    }
    if (v)
        c->fleets = v;
}

int session_open(const struct args *a, struct session *s)
{
    struct err e = {0};

    memset(s, 0, sizeof *s);
    session_operator(s, a);
    if (config_load(a->val[OPT_CONFIG], &s->config, &e))
        s->configured = true;
    else if (e.code != ERR_NOT_FOUND || a->val[OPT_CONFIG]) {
        print_err(a, &e);
        return EXIT_USAGE;
    }
    if (s->configured && (!check_keys(&s->config, &e) || !check_witnesses(s, &e))) {
        print_err(a, &e);
        session_close(s);
        return EXIT_USAGE;
    }
    trace_all(a->trace, &s->config);
    if (s->configured && *s->config.operator_name)
        snprintf(s->user, sizeof s->user, "%s", s->config.operator_name);
    if (!log_paths(a, s, &e) || !witness_paths(s, &e)) {
        session_close(s);
        return print_err(a, &e);
    }
    if (s->configured)
        fill_lives(s);
    return EXIT_OK;
}

int session_need(const struct args *a, struct session *s)
{
    struct err e = {0};
    int rc = session_open(a, s);

    if (rc != EXIT_OK || (s->configured && s->config.n_fleets > 0))
        return rc;
    err_set(&e, ERR_NOT_FOUND, "Run `andon` for what to put there, or `andon drill` to try it without.",
            s->configured ? "the configuration names no fleet" : "there is no configuration");
    session_close(s);
    print_err(a, &e);
    return EXIT_USAGE;
}

void session_close(struct session *s)
{
    notary_free(s->notary);
    s->notary = NULL;
    if (s->configured)
        config_release(&s->config);
    s->configured = false;
}

const struct fleet_spec *session_fleet(const struct session *s, const struct args *a, struct err *e)
{
    const char *names[64];
    size_t n = s->config.n_fleets < 64 ? s->config.n_fleets : 64;
    const char *near;
    char next[120];

    if (!a->val[OPT_FLEET]) {
        if (s->config.n_fleets == 1)
            return &s->config.fleets[0];
        err_set(e, ERR_SYNTAX, "Name it with --fleet, a rollout as FLEET/ID; `andon get fleets` lists them.",
                "there are %zu fleets", s->config.n_fleets);
        return NULL;
    }
    for (size_t i = 0; i < s->config.n_fleets; i++)
        if (strcmp(s->config.fleets[i].name, a->val[OPT_FLEET]) == 0)
            return &s->config.fleets[i];
    for (size_t i = 0; i < n; i++)
        names[i] = s->config.fleets[i].name;
    near = nearest(a->val[OPT_FLEET], names, n);
    snprintf(next, sizeof next, near ? "Did you mean %.80s?" : "`andon get fleets` lists them.", near ? near : "");
    err_set(e, ERR_SYNTAX, next, "there is no fleet %.60s in the configuration", a->val[OPT_FLEET]);
    return NULL;
}

void session_drop_telemetry(struct session *s, const struct fleet_spec *f)
{
    struct config *c = &s->config;
    struct fleet_spec *v = arena_memdup(&c->arena, c->fleets, c->n_fleets * sizeof *v);

    v[f - c->fleets].telemetry.kind = TELEMETRY_NONE;
    c->fleets = v;
}

/* Who tells people: a guard, and a console if the configuration says so; else everybody would be told by each of them.
 * Commands that only look tell nobody. */
static const struct notify_spec *notices(const struct session *s, const struct args *a, bool judge)
{
    const struct notify_spec *n = &s->config.notify;
    bool guard = a->n_pos > 0 && strcmp(a->pos[0], "guard") == 0;

    if (!judge || (!guard && !n->console) || (!n->hook && n->n_webhooks == 0))
        return NULL;
    return n;
}

struct engine *session_engine(const struct session *s, const struct args *a, const struct fleet_spec *f, bool judge,
                              bool observe, struct err *e)
{
    struct engine_spec spec = {.fleet = f,
                               .audit = observe ? &s->audit_looks : &s->audit,
                               .clock = clock_real(),
                               .seed = random_seed(),
                               .actor = s->actor,
                               .judge = judge,
                               .observe_only = observe || a->val[OPT_READ_ONLY],
                               .evidence_db = judge || s->explain ? s->evidence : NULL,
                               .intel_db = s->intel,
                               .census_db = s->census,
                               .risk = &s->config.risk,
                               .notary = observe ? NULL : s->notary,
                               .notify = notices(s, a, judge),
                               .known_keys = s->config.known_keys,
                               .n_known_keys = s->config.n_known_keys};
    struct engine *en = engine_new(&spec, e);

    if (!en)
        return NULL;
    if (!engine_start(en, e)) {
        engine_free(en);
        return NULL;
    }
    return en;
}
