/* andon drill: the embedded fleet, with a console on it, without (headless, in virtual time), or alone (--serve).
 *
 * From here on nothing knows that the fleet is not real: the engine gets an ordinary fleet, a clock and a log. */
#include "conf/inventory.h"
#include "drill/drill.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/cli.h"
#include "cli/drill_intel.h"
#include "cli/drill_report.h"
#include "cli/trace.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"
#include "drill/shipped.h"
#include "tui/console.h"

#define HEADLESS_MAX_S 600 /* of real time: something hangs */

struct drill_run {
    const struct args *args;
    struct arena arena;
    const struct scenario *scenario;
    uint64_t seed;
    double speed;
    int port;
    struct drill *drill;
    struct fleet_spec fleet; /* the drill's, as it is traced */
    struct session session;  /* operator only */
    char dir[400], db[440], key[440];
    bool keep;
    struct audit_spec audit;
    struct drill_intel intel;
    /* headless */
    bool over;             /* the engine's thread only */
    int over_fd;           /* eventfd: the drill is over, last is filled */
    struct snapshot *last; /* at its end */
    struct drill_result result;
    int64_t started; /* real time */
};

static void ending_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

static bool read_speed(const struct args *a, double *out, struct err *e)
{
    char *end;

    if (!a->val[OPT_SPEED])
        return true;
    errno = 0;
    *out = strtod(a->val[OPT_SPEED], &end);
    if (errno || *end || end == a->val[OPT_SPEED] || !(*out >= 0.01) || !(*out <= 10000))
        return err_set(e, ERR_SYNTAX, "", "--speed: expected a number from 0.01 to 10000, found %.40s",
                       a->val[OPT_SPEED]);
    return true;
}

/* A private folder for the drill's log: a drill's entries have no place in the real one. */
static bool make_log(struct drill_run *r, struct err *e)
{
    const char *tmp = getenv("TMPDIR");

    if (r->args->val[OPT_KEEP_LOG]) {
        r->keep = true;
        snprintf(r->dir, sizeof r->dir, "%s", r->args->val[OPT_KEEP_LOG]);
        if (mkdir(r->dir, 0700) != 0 && errno != EEXIST)
            return err_errno(e, ERR_IO, "Name a folder that can be made.", "the folder %.200s cannot be made", r->dir);
    } else {
        snprintf(r->dir, sizeof r->dir, "%.300s/andon-drill-XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
        if (!mkdtemp(r->dir))
            return err_errno(e, ERR_IO, "Is there room in TMPDIR?", "no folder for the drill's log");
    }
    snprintf(r->db, sizeof r->db, "%s/audit.db", r->dir);
    /* Another world has the same rollouts again: what its log says of them is not true of these. */
    if (r->keep && access(r->db, F_OK) == 0)
        return err_set(e, ERR_SYNTAX, "Name a new folder, or move that log away.",
                       "%.200s holds the log of another drill: each drill has one of its own", r->dir);
    snprintf(r->key, sizeof r->key, "%s/audit.key", r->dir);
    r->audit = (struct audit_spec){.db_path = r->db, .key_path = r->key, .origin = "andon/drill"};
    return true;
}

static void remove_log(struct drill_run *r)
{
    DIR *d = r->keep || !*r->dir ? NULL : opendir(r->dir);
    struct dirent *de;

    if (!d)
        return;
    while ((de = readdir(d)))
        if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
            unlinkat(dirfd(d), de->d_name, 0);
    closedir(d);
    rmdir(r->dir);
}

/* What could not be published is said, and the drill goes on without: then it is not passed. */
static void publish(struct drill_run *r)
{
    struct err e = {0};

    if (drill_publishes(r->drill) && !drill_intel_publish(&r->intel, &e))
        fprintf(stderr, "andon: the advisory is not published: %s\n", e.what);
}

/* Called by the engine when nothing is left to do at this moment of the drill's time. */
static bool on_idle(void *ctx, struct engine *en, const struct snapshot *s)
{
    struct drill_run *r = ctx;
    struct intent in;
    bool busy = false;

    if (r->over)
        return true; /* time has ended */
    publish(r);
    while (drill_operator(r->drill, s, &in)) {
        engine_submit(en, &in);
        busy = true;
    }
    if (busy || !drill_over(r->drill, s))
        return busy;
    r->last = snapshot_ref((struct snapshot *)s);
    r->over = true;
    (void)!write(r->over_fd, &(uint64_t){1}, sizeof(uint64_t));
    return true;
}

/* With a console a person acts and ends it; what cannot be told afterwards is looked at. Never over by itself. */
static bool on_look(void *ctx, const struct snapshot *s)
{
    struct drill_run *r = ctx;

    publish(r);
    if (s)
        drill_look(r->drill, s);
    return false;
}

/* Only where somebody may look at it: counts are requests too, and a headless drill is the same whoever runs it. */
static bool take_inventory(struct drill_run *r, struct err *e)
{
    struct inv_rules *rules = ARENA_NEW(&r->arena, struct inv_rules);
    const char *devices;
    size_t n;
    const char *text = drill_inventory_text(&n);

    r->fleet.inventory = rules;
    return inventory_parse("drill/inventory.yaml", text, n, &r->arena, rules, &devices, e);
}

static bool start_engine(struct drill_run *r, struct engine **out, bool headless, struct err *e)
{
    struct engine_spec spec = {.fleet = &r->fleet,
                               .audit = &r->audit,
                               .clock = drill_clock(r->drill),
                               .seed = r->seed,
                               .actor = r->session.actor,
                               .judge = true,
                               .observe_only = r->args->val[OPT_READ_ONLY] != NULL};

    r->fleet = *drill_fleet(r->drill);
    trace_fleet(r->args->trace, &r->fleet);
    if (!drill_intel_begin(&r->intel, r->scenario, spec.clock, e))
        return false;
    if (*r->intel.db)
        spec.intel_db = r->intel.db;
    if ((!headless || r->scenario->advisory.there) && !take_inventory(r, e))
        return false;
    r->audit.clock = spec.clock;
    *out = engine_new(&spec, e);
    if (!*out)
        return false;
    if (headless)
        engine_on_idle(*out, on_idle, r);
    if (engine_start(*out, e))
        return true;
    engine_free(*out);
    return false;
}

/* Scores by the drill's own log, verifies it, and prints how it went. The engine has been stopped. */
static int conclude(struct drill_run *r)
{
    struct audit_report log = {0};
    struct err e = {0};
    const char *log_error = NULL;
    bool told = drill_report_halts(r->drill, &r->audit, &e);
    double wall = (double)(clock_now(clock_real()) - r->started) / (double)US_PER_S;

    drill_score(r->drill, r->last, &r->result);
    snapshot_unref(r->last);
    r->audit.read_only = true;
    if (!told) {
        log_error = e.what;
    } else if (!audit_verify(&r->audit, NULL, &log, &e)) {
        log.ok = false;
        log_error = e.what;
    }
    struct drill_report report = {.result = &r->result,
                                  .scenario = r->scenario->name,
                                  .seed = r->seed,
                                  .log = &log,
                                  .log_error = log_error,
                                  .kept_dir = r->keep ? r->dir : NULL,
                                  .kept_db = r->keep ? r->db : NULL,
                                  .wall = wall};
    (r->args->json ? drill_report_json : drill_report_text)(&report);
    return r->result.passed && log.ok ? EXIT_OK : EXIT_FAILED;
}

/* Waits for the end of the drill: 1, a signal (its number is negated), or for too long (0). */
static int wait_over(struct drill_run *r)
{
    struct pollfd p[2] = {{.fd = r->over_fd, .events = POLLIN}, {.events = POLLIN}};
    struct signalfd_siginfo si;
    sigset_t set;
    int rc = 0;

    ending_signals(&set);
    p[1].fd = signalfd(-1, &set, SFD_CLOEXEC);
    while (poll(p, 2, HEADLESS_MAX_S * 1000) < 0 && errno == EINTR)
        ;
    if (p[0].revents)
        rc = 1;
    else if (p[1].revents && read(p[1].fd, &si, sizeof si) == (ssize_t)sizeof si)
        rc = -(int)si.ssi_signo;
    close(p[1].fd);
    return rc;
}

static int headless(struct drill_run *r, struct err *e)
{
    struct engine *en;
    int how;

    r->over_fd = eventfd(0, EFD_CLOEXEC);
    if (!start_engine(r, &en, true, e)) {
        close(r->over_fd);
        return -1;
    }
    how = wait_over(r);
    engine_stop(en);
    engine_free(en);
    close(r->over_fd);
    if (how == 1)
        return conclude(r);
    if (how < 0)
        return 128 - how;
    err_set(e, ERR_TIMEOUT, "", "the drill did not end within %d s of real time", HEADLESS_MAX_S);
    return -1;
}

/* A scenario with a lead-in opens on a fleet that has been watched for a while: that while is lived through now, in
 * virtual time. 0 = it is over; a signal's number; -1 when it does not end. */
static int live_lead_in(struct drill_run *r, struct err *e)
{
    const struct timespec none = {0};
    char b[FMT_MAX];
    sigset_t set;
    int sig;

    if (r->speed <= 0 || r->scenario->lead_in_us == 0)
        return 0;
    ending_signals(&set);
    fprintf(stderr, "%s of history is being made ...\n", fmt_dur(b, r->scenario->lead_in_us));
    for (int i = 0; i < HEADLESS_MAX_S * 10; i++) {
        if (drill_wait_begun(r->drill, US_PER_S / 10))
            return 0;
        sig = sigtimedwait(&set, NULL, &none);
        if (sig > 0)
            return sig;
    }
    err_set(e, ERR_TIMEOUT, "", "the drill's history was not made within %d s", HEADLESS_MAX_S);
    return -1;
}

static int with_console(struct drill_run *r, struct err *e)
{
    struct engine *en;
    struct console_setup setup;
    int rc;

    if (!start_engine(r, &en, false, e))
        return -1;
    rc = live_lead_in(r, e);
    if (rc != 0) {
        engine_stop(en);
        engine_free(en);
        return rc > 0 ? 128 + rc : -1;
    }
    setup = (struct console_setup){.args = r->args,
                                   .engines = &en,
                                   .n_engines = 1,
                                   .clock = drill_clock(r->drill),
                                   .user = r->session.user,
                                   .actor = r->session.actor,
                                   .audit = &r->audit,
                                   .over = on_look,
                                   .over_ctx = r};
    rc = console_open(&setup);
    if (rc == EXIT_OK)
        r->last = engine_snapshot(en);
    engine_stop(en);
    engine_free(en);
    if (rc == EXIT_OK)
        conclude(r); /* what a person did is not scored by the exit code */
    return rc;
}

/* The server alone: for tests and for who wants to look at it with curl. Says where it is, as one line of JSON. */
static int serve(struct drill_run *r, struct err *e)
{
    const struct fleet_spec *f = drill_fleet(r->drill);
    char password[128];
    struct buf out;
    struct json_w w;
    sigset_t set;
    ssize_t n;
    int sig, fd = open(f->endpoint.secret.path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        err_errno(e, ERR_IO, "", "the drill's password cannot be read");
        return -1;
    }
    n = pread(fd, password, sizeof password - 1, 0);
    close(fd);
    password[n > 0 ? n : 0] = '\0';
    password[strcspn(password, "\n")] = '\0';
    buf_init(&out, 4096);
    json_w_init(&w, &out, 0);
    json_w_obj(&w);
    json_w_kstr(&w, "url", f->endpoint.url);
    json_w_kint(&w, "port", drill_port(r->drill));
    json_w_kstr(&w, "user", f->endpoint.user);
    json_w_kstr(&w, "password", password);
    json_w_kstr(&w, "metrics", f->telemetry.endpoint.url);
    json_w_obj_end(&w);
    buf_addc(&out, '\n');
    print_out(&out);
    buf_release(&out);
    if (ferror(stdout)) /* nobody was told where it is */
        return EXIT_OK;
    ending_signals(&set);
    sigwait(&set, &sig);
    return EXIT_OK;
}

static int list(const struct args *a)
{
    struct arena arena;
    struct table t;
    struct json_out o;
    struct buf out;

    arena_init(&arena);
    json_begin(&o);
    json_w_key(&o.w, "scenarios");
    json_w_arr(&o.w);
    table_init(&t, 2, 0);
    for (const char *const *n = drill_scenario_names(); *n; n++) {
        const struct scenario *s = drill_scenario(*n, &arena, NULL);

        json_w_obj(&o.w);
        json_w_kstr(&o.w, "name", *n);
        json_w_kstr(&o.w, "description", s ? s->description : "");
        json_w_obj_end(&o.w);
        table_add(&t, *n);
        table_add(&t, s ? s->description : "");
    }
    json_w_arr_end(&o.w);
    buf_init(&out, 1 << 20);
    table_print(&t, &out);
    if (a->json) {
        json_end(&o);
    } else {
        print_out(&out);
        buf_release(&o.buf);
    }
    buf_release(&out);
    arena_release(&arena);
    return EXIT_OK;
}

static bool prepare(struct drill_run *r, struct err *e)
{
    const struct args *a = r->args;
    int64_t seed, port;

    if (!args_int(a, OPT_SEED, 0, INT64_MAX, 1, &seed, e) || !args_int(a, OPT_PORT, 0, 65535, 0, &port, e))
        return false;
    r->seed = (uint64_t)seed;
    r->port = (int)port;
    r->scenario = drill_scenario(a->n_pos > 1 ? a->pos[1] : "crash-loop", &r->arena, e);
    if (!r->scenario)
        return false;
    /* Headless time is virtual unless a speed is named; a server alone has nobody who could move time on. */
    r->speed = a->val[OPT_HEADLESS] ? 0 : a->val[OPT_SERVE] ? 1 : r->scenario->speed;
    return read_speed(a, &r->speed, e);
}

/* What ends a drill is waited for, so that its folder is always removed. Before any thread exists. */
static void block_signals(const struct drill_run *r)
{
    sigset_t set;

    if (!r->args->val[OPT_HEADLESS] && !r->args->val[OPT_SERVE]) {
        console_prepare();
        return;
    }
    ending_signals(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

int cmd_drill(const struct args *a)
{
    struct drill_run r = {.args = a};
    struct err e = {0};
    int rc = -1;

    if (a->val[OPT_LIST])
        return list(a);
    arena_init(&r.arena);
    r.started = clock_now(clock_real());
    session_operator(&r.session, a);
    if (prepare(&r, &e) && (a->val[OPT_SERVE] || make_log(&r, &e))) {
        struct drill_spec spec = {.scenario = r.scenario,
                                  .seed = r.seed,
                                  .speed = r.speed,
                                  .port = r.port,
                                  .no_lead_in = a->val[OPT_SERVE] != NULL};

        block_signals(&r);
        r.drill = drill_start(&spec, &e);
        if (r.drill) {
            rc = a->val[OPT_SERVE] ? serve(&r, &e) : a->val[OPT_HEADLESS] ? headless(&r, &e) : with_console(&r, &e);
            drill_stop(r.drill);
        }
    }
    if (rc == -1) {
        rc = print_err(a, &e);
        if (!r.scenario)
            rc = EXIT_USAGE;
        else if (rc == EXIT_UNREACHABLE)
            rc = EXIT_FAILED; /* no server of anybody's is involved */
    }
    remove_log(&r);
    drill_intel_end(&r.intel);
    arena_release(&r.arena);
    return rc;
}
