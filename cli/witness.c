/* andon witness: a witness for other hosts' logs, alone; its key; what it has seen. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "audit/witness.h"
#include "cli/cli.h"
#include "cli/witness_serve.h"
#include "core/clock.h"
#include "core/fmt.h"

/* --- serving --- */

static void told(void *ctx, const char *level, const char *event, const char *text)
{
    char t[FMT_MAX];

    (void)ctx;
    fprintf(stderr, "%s level=%s fleet=- event=%s text=\"%s\"\n", fmt_iso(t, clock_wall(clock_real())), level, event,
            text);
}

static int serve(const struct args *a, const struct session *s)
{
    struct witness_serve *w;
    struct err e = {0};
    sigset_t set;
    int got, forks;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL); /* before threads exist: they inherit it */
    w = witness_serve_open(s, told, NULL, &e);
    if (!w)
        return print_err(a, &e);
    printf("witness %s\nlistens at %s\n", witness_serve_vkey(w), witness_serve_address(w));
    fflush(stdout);
    while (sigwait(&set, &got) == EINTR)
        ;
    forks = witness_serve_forks(w);
    witness_serve_close(w);
    if (forks == 0)
        return EXIT_OK;
    err_set(&e, ERR_TAMPERED, "`andon witness show` names the files with both heads.",
            "%d checkpoint%s refused as a fork", forks, forks == 1 ? " was" : "s were");
    return print_err(a, &e);
}

/* --- looking --- */

struct looking {
    struct table table;
    struct json_out o;
    bool json;
    int logs, forks, bad;
    char first[400]; /* of the forks */
};

static void on_seen(void *ctx, const struct witness_seen *s)
{
    static const char *const log_word[] = {[LOG_UNKNOWN] = "unknown", [LOG_SIGNED] = "right", [LOG_UNSIGNED] = "wrong"};
    struct looking *l = ctx;
    char t[FMT_MAX], n[FMT_MAX];

    l->logs++;
    l->bad += !s->whole || s->log == LOG_UNSIGNED;
    if (l->json) {
        json_w_obj(&l->o.w);
        json_w_kstr(&l->o.w, "origin", s->origin);
        json_w_kint(&l->o.w, "size", s->size);
        json_w_kstr(&l->o.w, "root", s->root);
        json_w_ktime(&l->o.w, "cosigned", s->t);
        json_w_kbool(&l->o.w, "signature", s->whole);
        json_w_kstr(&l->o.w, "log_signature", log_word[s->log]);
        json_w_obj_end(&l->o.w);
        return;
    }
    table_add(&l->table, *s->origin ? s->origin : "(cannot be read)");
    table_add(&l->table, fmt_count(n, s->size));
    table_add(&l->table, s->t > 0 ? fmt_iso(t, s->t) : "-");
    table_add(&l->table, !s->whole                ? "NOT SIGNED BY THIS WITNESS"
                         : s->log == LOG_UNSIGNED ? "NOT SIGNED BY THE LOG"
                                                  : s->root);
    table_add(&l->table, s->log == LOG_UNKNOWN ? "not checked: its key is not among `logs`" : log_word[s->log]);
}

static void on_fork(void *ctx, const char *path, const char *text)
{
    struct looking *l = ctx;

    l->forks++;
    snprintf(l->first, sizeof l->first, "%s", text);
    if (!l->json)
        printf("FORK  %s\n      %s\n", text, path);
}

static void nothing(void *ctx, const char *path, const char *text)
{
    (void)ctx;
    (void)path;
    (void)text;
}

static void ignore(void *ctx, const struct witness_seen *s)
{
    (void)ctx;
    (void)s;
}

static int show(const struct args *a, const struct session *s)
{
    static const char *const heads[] = {"LOG", "ENTRIES", "COSIGNED", "ROOT", "LOG'S SIGNATURE"};
    struct looking l = {.json = a->json};
    struct witness_spec spec;
    struct err e = {0};
    struct buf out;
    bool ok;

    session_witness_spec(s, &spec);
    table_init(&l.table, 5, 2);
    for (size_t i = 0; i < 5; i++)
        table_add(&l.table, heads[i]);
    if (a->json) {
        json_begin(&l.o);
        json_w_kstr(&l.o.w, "folder", spec.folder);
        json_w_key(&l.o.w, "logs");
        json_w_arr(&l.o.w);
    }
    ok = witness_list(&spec, on_seen, a->json ? nothing : on_fork, &l, &e);
    if (a->json) {
        json_w_arr_end(&l.o.w);
        (void)!witness_list(&spec, ignore, on_fork, &l, &e);
        json_w_kint(&l.o.w, "forks", l.forks);
        json_end(&l.o);
    }
    buf_init(&out, (size_t)1 << 20);
    table_print(&l.table, &out);
    if (!a->json && ok)
        print_out(&out);
    buf_release(&out);
    if (!ok)
        return print_err(a, &e);
    return l.forks > 0 || l.bad > 0 ? EXIT_FAILED : EXIT_OK;
}

static int key(const struct args *a, const struct session *s)
{
    struct witness_spec spec;
    struct err e = {0};
    struct buf vkey;
    bool ok;

    session_witness_spec(s, &spec);
    buf_init(&vkey, 512);
    ok = witness_key(&spec, &vkey, &e);
    if (ok && a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kstr(&o.w, "vkey", vkey.data);
        json_end(&o);
    } else if (ok) {
        printf("%s\n", vkey.data);
    }
    buf_release(&vkey);
    return ok ? EXIT_OK : print_err(a, &e);
}

int cmd_witness(const struct args *a)
{
    static const struct {
        const char *word;
        int (*run)(const struct args *a, const struct session *s);
    } words[] = {{"serve", serve}, {"key", key}, {"show", show}};
    const char *word = a->n_pos > 1 ? a->pos[1] : "serve";
    struct session s;
    struct err e = {0};
    int rc = session_open(a, &s);

    if (rc != EXIT_OK)
        return rc;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].word, word) == 0) {
            rc = words[i].run(a, &s);
            session_close(&s);
            return rc;
        }
    session_close(&s);
    err_set(&e, ERR_SYNTAX, "Run `andon help witness`.", "witness does not know \"%.40s\"", word);
    print_err(a, &e);
    return EXIT_USAGE;
}
