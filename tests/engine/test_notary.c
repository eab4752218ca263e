/* The notary against a witness of andon's own behind a server that can be told to misbehave: what is mirrored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "audit/mirror.h"
#include "audit/witness.h"
#include "core/digest.h"
#include "engine/notary.h"
#include "web/web.h"

#define UNSENDABLE "no"
#define LAST       "the last one"

struct rig {
    char dir[64], db[120], key[120], folder[120], url[120], hash[SHA256_HEX];
    struct witness *w; /* of the server's thread */
    struct web *web;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    size_t refused;
    bool had;
};

static void on_request(void *ctx, const struct web_request *r, struct web_answer *out)
{
    struct rig *g = ctx;
    struct witness_answer a = {.type = ""};
    uint64_t size;
    uint8_t root[32];
    struct slice note;
    struct mirror *m = witness_mirror(g->w, g->hash, &size, root, &note);
    const char *what = strlen(r->path) > 66 ? r->path + 66 : "";
    out->status = 404;
    if (strcmp(r->path, "/add-checkpoint") == 0) {
        buf_init(&a.body, WITNESS_BODY_MAX);
        witness_add(g->w, r->body, &a);
        out->status = a.status;
        buf_add(&out->body, a.body.data, a.body.len);
        buf_release(&a.body);
    } else if (strcmp(what, "checkpoint") == 0) {
        out->status = witness_checkpoint(g->w, g->hash, &out->body) ? 200 : 404;
    } else if (strcmp(what, "mirror") == 0) {
        buf_printf(&out->body, "%llu\n", (unsigned long long)mirror_size(m));
        out->status = 200;
    } else if (strcmp(what, "entries") == 0) {
        out->status = mirror_add(m, r->body, size, root, note, &out->body);
    } else if (strncmp(what, "missing", 7) == 0) {
        mirror_missing(m, what[7] ? what + 8 : NULL, &out->body);
        out->status = 200;
    } else if (strcmp(what, "blob") == 0 && slice_starts(r->body, UNSENDABLE)) {
        g->refused++;
        out->status = 413;
    } else if (strcmp(what, "blob") == 0) {
        out->status = mirror_put_blob(m, r->body);
        pthread_mutex_lock(&g->lock);
        g->had = g->had || slice_is(r->body, LAST);
        pthread_cond_signal(&g->cond);
        pthread_mutex_unlock(&g->lock);
    }
}

static void put(struct audit_log *l, const char *bytes, int i)
{
    struct entry en;
    struct err e = {0};
    char digest[65];
    assert_true(audit_put_blob(l, bytes, strlen(bytes), digest, &e));
    entry_init(&en, ENTRY_CONFIG);
    en.actor = (struct actor){.kind = ACTOR_SCRIPT, .name = "test"};
    en.t = en.mono = 1900000000000000 + i;
    entry_str(&en, "policy.blob", digest);
    assert_true(audit_append(l, &en, NULL, &e));
}

/* More blobs than one answer names cannot be sent: those behind them are mirrored all the same. */
static void what_cannot_be_sent_hides_nothing(void **state)
{
    enum { MANY = 2 * MIRROR_NAMES + 1 };
    struct rig g = {.dir = "/tmp/andon-notary-XXXXXX"};
    struct err e = {0};
    const char *logs[1];
    char name[40];
    (void)state;
    assert_non_null(mkdtemp(g.dir));
    snprintf(g.db, sizeof g.db, "%s/audit.db", g.dir);
    snprintf(g.key, sizeof g.key, "%s/audit.key", g.dir);
    snprintf(g.folder, sizeof g.folder, "%s/w", g.dir);
    struct audit_spec audit = {.db_path = g.db, .key_path = g.key, .origin = "andon/a"};
    struct audit_log *l = audit_open(&audit, &e);
    assert_non_null(l);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, UNSENDABLE " %d", i);
        put(l, name, i);
    }
    put(l, LAST, MANY);
    logs[0] = audit_vkey(l);
    g.w = witness_open(
        &(struct witness_spec){.folder = g.folder, .name = "b/w", .logs = logs, .n_logs = 1, .mirror = true}, &e);
    assert_non_null(g.w);
    sha256_hex("andon/a", 7, g.hash);
    pthread_mutex_init(&g.lock, NULL);
    pthread_cond_init(&g.cond, NULL);
    g.web = web_open(&(struct web_spec){.at = "127.0.0.1:0", .post_max = MIRROR_POST, .cert_file = "", .key_file = ""},
                     on_request, &g, &e);
    assert_non_null(g.web);
    snprintf(g.url, sizeof g.url, "http://%s", web_address(g.web));
    const struct witness_by by = {.endpoint = {.url = g.url}, .key = witness_vkey(g.w), .mirror = true};
    const struct witness_conf conf = {.by = &by, .n_by = 1};
    struct notary *n = notary_new(&(struct notary_spec){.audit = &audit,
                                                        .conf = &conf,
                                                        .clock = clock_real(),
                                                        .seed = 7,
                                                        .actor = {.kind = ACTOR_SCRIPT, .name = "test"}},
                                  &e);
    assert_non_null(n);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 90;
    pthread_mutex_lock(&g.lock);
    for (int rc = 0; !g.had && rc == 0;)
        rc = pthread_cond_timedwait(&g.cond, &g.lock, &until);
    pthread_mutex_unlock(&g.lock);
    struct notary_view view;
    notary_look(n, &view);
    notary_free(n);
    if (!g.had)
        fail_msg("it never came: %s; %zu refused, %lld signed for", view.v[0].problem, g.refused,
                 (long long)view.v[0].size);
    web_close(g.web);
    assert_int_equal(g.refused, MANY);
    witness_close(g.w);
    audit_close(l);
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", g.dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_cannot_be_sent_hides_nothing)};
    return cmocka_run_group_tests_name("notary", tests, NULL, NULL);
}
