/* andon plan create: which devices, in which wave; shown, confirmed, and written to the log. Nothing is told. */
#include "cli/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/ask.h"
#include "client/plan_make.h"
#include "core/fmt.h"
#include "core/text.h"
#include "engine/plans.h"

#define ASK_US (60 * US_PER_S)

struct making {
    const struct args *a;
    const struct session *s;
    const struct fleet_spec *f;
    struct arena arena;
    struct http *http;
    struct backend *b;
    int64_t timeout;
    struct plan_wish wish;
    struct wave_plan p;
};

/* The ids of a file, one on each line. */
static bool read_ids(struct making *m, const char *path, struct plan_named *out, struct err *e)
{
    const char **v = ARENA_ARRAY(&m->arena, const char *, PLAN_DEVICES_MAX + 1);
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    ssize_t n = 0;
    bool ok = f || err_errno(e, ERR_IO, "It holds the id of a device on each line.", "%.200s cannot be read", path);
    *out = (struct plan_named){.raw_ids = v};
    while (ok && out->n <= PLAN_DEVICES_MAX && (n = getline(&line, &size, f)) >= 0) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            n--;
        if (n > 0 && memchr(line, '\0', (size_t)n))
            ok = err_set(e, ERR_SYNTAX, "It holds the id of a device on each line.", "%.200s is no text", path);
        else if (n > 0)
            v[out->n++] = arena_strndup(&m->arena, line, (size_t)n);
    }
    free(line);
    if (f)
        fclose(f);
    return ok;
}

static bool read_words(struct making *m, struct err *e)
{
    static const enum opt from[PLAN_F_COUNT] = {
        [PLAN_F_TARGET] = OPT_TARGET,  [PLAN_F_WAVES] = OPT_WAVES, [PLAN_F_STRATA] = OPT_STRATA,
        [PLAN_F_ORDER] = OPT_ORDER,    [PLAN_F_NAME] = OPT_NAME,   [PLAN_F_SUCCESS] = OPT_SUCCESS,
        [PLAN_F_FAILURE] = OPT_FAILURE};
    for (int k = 0; k < PLAN_F_COUNT; k++) {
        const char *word = k == PLAN_F_RELEASE ? m->a->pos[2] : args_str(m->a, from[k]);
        if (strlen(word) >= PLAN_WORD_BYTES)
            return err_set(e, ERR_LIMIT, "", "a word is longer than %d bytes", PLAN_WORD_BYTES - 1);
        snprintf(m->wish.word[k], sizeof m->wish.word[k], "%s", word);
    }
    return args_dur(m->a, OPT_TIMEOUT, ASK_US, &m->timeout, e);
}

static bool find_out(struct making *m, struct err *e)
{
    static const char file[] = "file:";
    const char *target = m->wish.word[PLAN_F_TARGET];
    struct plan_named named = {.n = 0};
    bool of_file = strncmp(target, file, sizeof file - 1) == 0;
    struct ask *q = ARENA_NEW(&m->arena, struct ask);
    if (of_file && !read_ids(m, target + sizeof file - 1, &named, e))
        return false;
    m->http = http_new(clock_real(), random_seed());
    m->b = backend_open(m->http, m->f, e);
    if (!m->b)
        return false;
    plan_make(m->b, &m->wish, of_file ? &named : NULL, random_seed(), clock_wall(clock_real()), &m->arena, &m->p,
              ask_done, q);
    if (ask_wait(m->http, q, m->timeout))
        return true;
    *e = q->err;
    return false;
}

static void show(const struct making *m, FILE *to, bool json)
{
    const struct wave_plan *p = &m->p;
    struct buf b;
    char n[FMT_MAX];
    if (json) {
        struct json_out o;
        json_begin(&o);
        json_w_kstr(&o.w, "id", *p->id ? p->id : NULL);
        json_w_kstr(&o.w, "fleet", m->f->name);
        json_w_kstr(&o.w, "name", p->name);
        json_w_kstr(&o.w, "release", p->release.name);
        json_w_kstr(&o.w, "version", p->release.version);
        json_w_kint(&o.w, "devices", (int64_t)p->n);
        plan_waves_json(p, false, &o.w);
        json_end(&o);
        return;
    }
    buf_init(&b, (size_t)16 << 20);
    buf_printf(&b, "Plan for %s: %s:%s to %s devices (%s) in %zu waves\n", m->f->name, p->release.name,
               p->release.version, fmt_count(n, (int64_t)p->n), p->target, p->n_waves);
    plan_waves_text(p, &b);
    buf_adds(&b, p->success_bp ? "  each wave begins by itself when the one before it has come so far\n"
                               : "  each wave waits for an advance; nobody is told before the plan is started\n");
    fputs(b.data, to);
    buf_release(&b);
}

/* ---- into the log ---- */

static bool store(struct making *m, struct err *e)
{
    struct audit_log *l = NULL;
    struct entry en;
    struct buf b;
    size_t refused;
    buf_init(&b, PLAN_BYTES_MAX);
    bool ok = plan_write(&m->p, &b, e) && (l = audit_open(&m->s->audit, e)) != NULL;
    if (ok) {
        char release[2 * NAME_MAX_BYTES];
        plans_entry(&m->p, m->f->name, release, sizeof release, &en);
        en.mono = clock_boot(clock_real());
        en.actor = m->s->actor;
        en.reason = args_str(m->a, OPT_REASON);
        entry_str(&en, "process", "command");
        struct audit_blob blob = {.key = PLAN_BLOB_KEY, .bytes = b.data, .n = b.len};
        struct audit_item it = {.entry = &en, .blobs = &blob, .n_blobs = 1};
        ok = audit_append_all(l, &it, 1, &refused, e);
    }
    audit_close(l);
    buf_release(&b);
    return ok;
}

static int confirmed(const struct making *m, struct err *e)
{
    char line[20] = "";
    if (m->a->val[OPT_YES])
        return EXIT_OK;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        err_set(e, ERR_SYNTAX, "Look at it with --preview, then give --yes.", "plan create needs --yes");
        return EXIT_USAGE;
    }
    show(m, stderr, false);
    fputs("Keep this plan? [y/N] ", stderr);
    if (fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y'))
        return EXIT_OK;
    err_set(e, ERR_CANCELLED, "", "nothing was stored");
    return EXIT_REFUSED;
}

/* -1: *e says why not. */
static int decide(struct making *m, struct err *e)
{
    const struct args *a = m->a;
    if (a->val[OPT_PREVIEW]) {
        show(m, stdout, a->json);
        return EXIT_OK;
    }
    if (a->val[OPT_READ_ONLY] || m->f->read_only) {
        err_set(e, ERR_REFUSED, "--preview only shows it.", "read-only: no plan is stored");
        return -1;
    }
    int rc = confirmed(m, e);
    if (rc != EXIT_OK)
        return rc;
    if (!store(m, e))
        return -1;
    if (a->json)
        show(m, stdout, true);
    else
        printf("%s\nstart it: andon start %s\n", m->p.id, m->p.id);
    return EXIT_OK;
}

static int create(const struct args *a, const struct session *s)
{
    struct making m = {.a = a, .s = s};
    struct err e = {0};
    int rc = -1;
    arena_init(&m.arena);
    m.f = session_fleet(s, a, &e);
    if (m.f && read_words(&m, &e) && find_out(&m, &e))
        rc = decide(&m, &e);
    if (rc != EXIT_OK) {
        int told = print_err(a, &e);
        rc = rc < 0 ? told : rc;
    }
    backend_free(m.b);
    http_free(m.http);
    arena_release(&m.arena);
    return rc;
}

int cmd_plan(const struct args *a)
{
    struct session s;
    struct err e = {0};
    int rc;
    bool creates = strcmp(a->pos[1], "create") == 0;
    if (strcmp(a->pos[1], "step") == 0)
        return plan_step(a);
    if (!creates && strcmp(a->pos[1], "show") != 0) {
        err_set(&e, ERR_SYNTAX, "", "plan knows create RELEASE, show ID and step N");
        return print_err(a, &e);
    }
    rc = session_need(a, &s);
    if (rc != EXIT_OK)
        return rc;
    rc = creates ? create(a, &s) : plan_show(a, &s);
    session_close(&s);
    return rc;
}
