/* What real servers answered, recording by recording, where those stand beside the checkout (ANDON_SHARED, or
 * ../shared): everything decodes, no state word is unknown, and each refusal gets its meaning. Skipped elsewhere. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "client/hawkbit_impl.h"

struct tally {
    int rollouts, waves, devices, releases, actions, errors, files;
};

static struct arena arena;

static bool find_folder(char *out, size_t size)
{
    const char *own = getenv("ANDON_SHARED");
    const char *const places[] = {own ? own : "", "../shared"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(out, size, "%s/facts/hawkbit", places[i]);
        if (places[i][0] && access(out, R_OK) == 0)
            return true;
    }
    return false;
}

static struct json_t *load(const char *path)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = xmalloc(1 << 20);
    size_t n = fread(text, 1, 1 << 20, f);
    fclose(f);
    struct err e = {0};
    struct json_t *doc = json_parse(text, n, 1 << 20, path, &e);
    if (!doc)
        fail_msg("%s", e.what);
    free(text);
    return doc;
}

/* "/rest/v1/rollouts/7/deploygroups?x=1" -> "/rest/v1/rollouts/#/deploygroups" */
static void shape_of(const char *path, char *out, size_t size)
{
    size_t n = 0;
    const char *before = "";
    for (const char *p = path; *p && *p != '?' && n + 2 < size;) {
        size_t len = strcspn(p, "/?");
        bool digits = len > 0 && strspn(p, "0123456789") == len;
        bool device = strncmp(before, "targets/", 8) == 0 && len > 0;
        before = p;
        if (digits || device)
            out[n++] = '#';
        else
            for (size_t i = 0; i < len && n + 2 < size; i++)
                out[n++] = p[i];
        p += len;
        if (*p == '/') {
            out[n++] = '/';
            p++;
        }
    }
    out[n] = '\0';
}

/* --- one object of each kind, checked against the recording's own members --- */

static bool same(const struct json_t *o, const char *key, const char *text)
{
    const char *s = json_str(o, key, NULL);
    return s ? strcmp(s, text) == 0 : text[0] == '\0';
}

static void check_counts(const struct json_t *o, const struct counts *c, int64_t total, const char *where)
{
    const struct json_t *t = json_get(o, "totalTargetsPerStatus");
    int64_t n = -1;
    if (c->known != json_is_obj(t))
        fail_msg("%s: counts", where);
    if (!c->known)
        return;
    assert_true(json_int(t, "finished", &n) && n == c->finished);
    assert_true(json_int(t, "error", &n) && n == c->error);
    assert_true(json_int(t, "running", &n) && n == c->running);
    if (c->notstarted + c->scheduled + c->running + c->finished + c->error + c->cancelled != total)
        fail_msg("%s: counts do not add up to the total", where);
}

static void check_rollout(const struct json_t *o, const char *where, struct tally *t)
{
    struct rollout r;
    struct err e = {0};
    int64_t n = 0;
    if (!hb_decode_rollout(o, &arena, &r, where, &e))
        fail_msg("%s", e.what);
    assert_true(json_int(o, "id", &n) && n == strtoll(r.id, NULL, 10));
    assert_true(same(o, "name", r.name) && same(o, "status", r.state_word));
    if (r.state == ROLLOUT_UNKNOWN)
        fail_msg("%s: state %s", where, r.state_word);
    assert_true(json_int(o, "totalTargets", &n) && n == r.total);
    assert_true(json_int(o, "distributionSetId", &n) && n == strtoll(r.release.id, NULL, 10));
    assert_true(json_int(o, "createdAt", &n) && n * 1000 == r.created_at);
    check_counts(o, &r.counts, r.total, where);
    t->rollouts++;
}

static void check_wave(const struct json_t *o, const char *where, struct tally *t)
{
    struct wave w;
    struct err e = {0};
    int64_t n = 0;
    if (!hb_decode_wave(o, &arena, &w, where, &e))
        fail_msg("%s", e.what);
    assert_true(same(o, "name", w.name) && same(o, "status", w.state_word));
    if (w.state == WAVE_UNKNOWN)
        fail_msg("%s: state %s", where, w.state_word);
    assert_true(json_int(o, "totalTargets", &n) && n == w.total);
    assert_true(w.success.present);
    assert_true(same(json_get(o, "errorCondition"), "expression", w.failure.text));
    check_counts(o, &w.counts, w.total, where);
    t->waves++;
}

static void check_device(const struct json_t *o, const char *where, struct tally *t)
{
    struct device d;
    struct err e = {0};
    if (!hb_decode_device(o, &arena, &d, where, &e))
        fail_msg("%s", e.what);
    assert_true(same(o, "controllerId", d.raw_id) && same(o, "name", d.name));
    static const struct {
        const char *word;
        enum device_status status;
    } words[] = {{"in_sync", DEVICE_IN_SYNC},
                 {"pending", DEVICE_PENDING},
                 {"error", DEVICE_ERROR},
                 {"unknown", DEVICE_UNKNOWN},
                 {"registered", DEVICE_REGISTERED}};
    bool known = false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        known = known || (same(o, "updateStatus", words[i].word) && d.status == words[i].status);
    assert_true(known);
    assert_int_equal(d.installed_at, hb_time(o, "installedAt"));
    t->devices++;
}

static void check_release(const struct json_t *o, const char *where, struct tally *t)
{
    struct release r;
    struct err e = {0};
    if (!hb_decode_release(o, &arena, &r, where, &e))
        fail_msg("%s", e.what);
    assert_true(same(o, "name", r.name) && same(o, "version", r.version));
    t->releases++;
}

static void check_action(const struct json_t *o, const char *where, struct tally *t)
{
    struct device_action a;
    struct err e = {0};
    if (!hb_decode_action(o, &arena, &a, where, &e))
        fail_msg("%s", e.what);
    assert_true(same(o, "status", a.status) && same(o, "type", a.type));
    assert_true(a.at > 0);
    t->actions++;
}

typedef void (*check_fn)(const struct json_t *o, const char *where, struct tally *t);

static const struct {
    const char *shape;
    check_fn check;
    bool list;
} kinds[] = {
    {"/rest/v1/rollouts", check_rollout, true},
    {"/rest/v1/rollouts/#", check_rollout, false},
    {"/rest/v1/rollouts/#/deploygroups", check_wave, true},
    {"/rest/v1/rollouts/#/deploygroups/#", check_wave, false},
    {"/rest/v1/rollouts/#/deploygroups/#/targets", check_device, true},
    {"/rest/v1/targets", check_device, true},
    {"/rest/v1/targets/#", check_device, false},
    {"/rest/v1/distributionsets/#/installedTargets", check_device, true},
    {"/rest/v1/distributionsets", check_release, true},
    {"/rest/v1/distributionsets/#", check_release, false},
    {"/rest/v1/targets/#/assignedDS", check_release, false},
    {"/rest/v1/targets/#/installedDS", check_release, false},
    {"/rest/v1/targets/#/actions", check_action, true},
    {"/rest/v1/targets/#/actions/#", check_action, false},
    {"/rest/v1/actions", check_action, true},
};

static void check_answer(const char *shape, const struct json_t *body, const char *file, struct tally *t)
{
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if (strcmp(kinds[k].shape, shape) != 0)
            continue;
        const struct json_t *content = json_get(body, "content");
        if (!kinds[k].list) {
            kinds[k].check(body, file, t);
            return;
        }
        for (size_t i = 0; i < json_len(content); i++)
            if (json_is_obj(json_at(content, i))) /* long lists end in "... 5 more" */
                kinds[k].check(json_at(content, i), file, t);
        return;
    }
}

/* --- refusals --- */

/* What a status and an error code mean, written down a second time and not by status alone. */
static enum err_code meaning(int status, const char *code, bool empty, bool verb)
{
    switch (status) {
    case 400:
        return strcasestr(code, "illegalstate")                  ? ERR_STATE
               : strcasestr(code, "rsql")                        ? ERR_SYNTAX
               : strcasestr(code, "distributionset")             ? ERR_STATE
               : strcasestr(code, "constraintviolation") && verb ? ERR_STATE
               : strcasestr(code, "constraintviolation")         ? ERR_RANGE
                                                                 : ERR_PROTOCOL;
    case 401:
        return ERR_AUTH;
    case 403:
        return strcasestr(code, "quota") ? ERR_QUOTA : ERR_FORBIDDEN;
    case 404:
        return code[0] ? ERR_NOT_FOUND : ERR_UNSUPPORTED;
    case 405:
        return code[0] ? ERR_STATE : ERR_UNSUPPORTED;
    case 409:
        return ERR_CONFLICT;
    case 410:
    case 423:
        return ERR_STATE;
    case 429:
        return empty ? ERR_THROTTLED : ERR_QUOTA;
    default:
        return ERR_PROTOCOL;
    }
}

static void check_refusal(int status, bool verb, const struct json_t *body, const char *file, struct tally *t)
{
    struct http_answer a = {.status = status};
    struct err e = {0};
    const char *code = json_str(body, "errorCode", NULL), *message = json_str(body, "message", NULL);
    struct json_w w;
    buf_init(&a.body, 65536);
    if (json_is_obj(body)) {
        json_w_init(&w, &a.body, 0);
        json_w_obj(&w);
        if (code)
            json_w_kstr(&w, "errorCode", code);
        if (message)
            json_w_kstr(&w, "message", message);
        json_w_obj_end(&w);
    }
    hb_error(&a, "h:80", "X", verb, &e);
    enum err_code wanted = meaning(status, code ? code : "", a.body.len == 0, verb);
    if (e.code != wanted)
        fail_msg("%s: %s, not %s", file, err_word(e.code), err_word(wanted));
    assert_true(e.what[0] && e.next[0]);
    buf_release(&a.body);
    t->errors++;
}

static void check_file(const char *path, struct tally *t)
{
    struct json_t *doc = load(path);
    const struct json_t *q = json_get(doc, "request"), *s = json_get(doc, "response");
    const char *where = json_str(q, "path", NULL), *method = json_str(q, "method", NULL);
    int64_t status = 0;
    char shape[300];
    if (where && strncmp(where, "/rest/v1/", 9) == 0 && json_int(s, "status", &status)) {
        shape_of(where, shape, sizeof shape);
        bool create = strcmp(shape, "/rest/v1/rollouts") == 0;
        if (status >= 400)
            check_refusal((int)status, strcmp(method, "GET") != 0 && !create, json_get(s, "body"), path, t);
        else if (strcmp(method, "GET") == 0 || (create && status == 201))
            check_answer(create && status == 201 ? "/rest/v1/rollouts/#" : shape, json_get(s, "body"), path, t);
        t->files++;
    }
    json_free(doc);
}

static void check_version(const char *version, struct tally *t)
{
    char folder[4000], path[4400];
    *t = (struct tally){0};
    if (!find_folder(folder, sizeof folder))
        skip();
    snprintf(path, sizeof path, "%s/%s", folder, version);
    DIR *d = opendir(path);
    if (!d)
        skip();
    arena_init(&arena);
    for (struct dirent *f; (f = readdir(d));) {
        size_t n = strlen(f->d_name);
        if (n < 6 || strcmp(f->d_name + n - 5, ".json") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s/%s", folder, version, f->d_name);
        check_file(path, t);
    }
    closedir(d);
    arena_release(&arena);
    print_message("%s: %d files: %d rollouts, %d waves, %d devices, %d releases, %d actions, %d refusals\n", version,
                  t->files, t->rollouts, t->waves, t->devices, t->releases, t->actions, t->errors);
    /* A folder that has lost its content proves nothing. */
    assert_true(t->rollouts > 20 && t->waves > 10 && t->devices > 10 && t->releases > 5 && t->actions > 10);
    assert_true(t->errors > 50);
}

/* Runs everywhere: what recordings are sorted by. */
static void test_shapes(void **state)
{
    static const struct {
        const char *path, *shape;
    } cases[] = {
        {"/rest/v1/rollouts/7/deploygroups?x=1", "/rest/v1/rollouts/#/deploygroups"},
        {"/rest/v1/targets/hp-00000/actions/201", "/rest/v1/targets/#/actions/#"},
        {"/rest/v1/targets?q=a/7", "/rest/v1/targets"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char shape[300];
        shape_of(cases[i].path, shape, sizeof shape);
        assert_string_equal(shape, cases[i].shape);
    }
}

static void test_new(void **state)
{
    struct tally t;
    (void)state;
    check_version("1.1.0", &t);
}

static void test_old(void **state)
{
    struct tally t;
    (void)state;
    check_version("0.3.0M7", &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
