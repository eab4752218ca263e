/* The drill's answers compared, field by field, with answers recorded from a real hawkBit 1.1.0, where they stand
 * beside the checkout (ANDON_SHARED, or ../shared): status, error code, type of content, presence and type of every
 * field, and the values that do not depend on ids and times. Skipped, and counted as skipped, where they do not. */
#include <ctype.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "talk.h"

struct tally {
    int compared, differ;
    char report[20000];
};

static char root[600];

static bool have_recordings(void)
{
    const char *env = getenv("ANDON_SHARED");
    snprintf(root, sizeof root, "%s/facts/hawkbit/1.1.0", env && *env ? env : "../shared");
    char probe[700];
    snprintf(probe, sizeof probe, "%s/00-userinfo.json", root);
    FILE *f = fopen(probe, "re");
    if (f)
        fclose(f);
    return f != NULL;
}

static struct json_t *load(const char *name)
{
    char path[900];
    snprintf(path, sizeof path, "%s/%s.json", root, name);
    FILE *f = fopen(path, "re");
    if (!f)
        return NULL;
    struct buf b;
    buf_init(&b, 16 << 20);
    char chunk[8192];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        buf_add(&b, chunk, n);
    fclose(f);
    struct json_t *doc = json_parse(b.data, b.len, b.len, name, NULL);
    buf_release(&b);
    return doc;
}

static void differ(struct tally *y, const char *name, const char *at, const char *fmt, ...) ANDON_PRINTF(4, 5);
static void differ(struct tally *y, const char *name, const char *at, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t n = strlen(y->report);
    snprintf(y->report + n, sizeof y->report - n, "%s%s: %s\n", name, at, text);
    y->differ++;
}

static const char *kind(const struct json_t *v)
{
    double num;
    if (!v)
        return "absent";
    if (json_is_obj(v))
        return "object";
    if (json_is_arr(v))
        return "array";
    if (json_str_value(v, NULL))
        return "string";
    return json_num_value(v, &num) ? "number" : "bool or null";
}

/* Words whose value says something; the rest are names, ids, times. */
static bool telling(const char *key)
{
    static const char *const keys[] = {"errorCode", "exceptionClass", "error",  "message",  "action", "condition",
                                       "forceType", "updateStatus",   "tenant", "username", "weight", "typeName",
                                       NULL};
    for (int i = 0; keys[i]; i++)
        if (!strcmp(keys[i], key))
            return true;
    return false;
}

/* Ids and names in messages differ: digits and what stands in braces are blanked. */
static void blank(char out[400], const char *s)
{
    size_t n = 0;
    for (bool brace = false; *s && n < 398; s++) {
        brace = *s == '{' ? true : *s == '}' ? false : brace;
        if (brace && *s != '{')
            continue;
        if (isdigit((unsigned char)*s) && n > 0 && out[n - 1] == '#')
            continue;
        out[n++] = isdigit((unsigned char)*s) ? '#' : *s;
    }
    out[n] = 0;
}

static void same_shape(struct tally *y, const char *name, const char *at, const struct json_t *rec,
                       const struct json_t *got);

static void same_members(struct tally *y, const char *name, const char *at, const struct json_t *rec,
                         const struct json_t *got)
{
    void *it = NULL;
    const char *key;
    const struct json_t *v;
    while (json_each(rec, &it, &key, &v)) {
        char sub[300];
        snprintf(sub, sizeof sub, "%.200s.%.80s", at, key);
        const struct json_t *other = json_get(got, key);
        if (!other) {
            differ(y, name, sub, "%s missing", kind(v));
            continue;
        }
        same_shape(y, name, sub, v, other);
        const char *a = json_str_value(v, NULL), *b = json_str_value(other, NULL);
        if (a && b && telling(key)) {
            char x[400], z[400];
            blank(x, a);
            blank(z, b);
            if (strcmp(x, z) != 0)
                differ(y, name, sub, "'%.120s', here '%.120s'", a, b);
        }
    }
    it = NULL;
    while (json_each(got, &it, &key, &v))
        if (!json_get(rec, key))
            differ(y, name, at, "here has '%s', the recording not", key);
}

static void same_shape(struct tally *y, const char *name, const char *at, const struct json_t *rec,
                       const struct json_t *got)
{
    const char *a = kind(rec), *b = kind(got);
    if (strcmp(a, b) != 0) {
        differ(y, name, at, "%s, here %s", a, b);
    } else if (json_is_obj(rec)) {
        same_members(y, name, at, rec, got);
    } else if (json_is_arr(rec) && json_len(rec) > 0 && json_is_obj(json_at(rec, 0))) {
        char sub[300];
        snprintf(sub, sizeof sub, "%.200s[0]", at);
        if (json_len(got) == 0)
            differ(y, name, at, "%s, here %s", "items", "none");
        else
            same_shape(y, name, sub, json_at(rec, 0), json_at(got, 0));
    }
}

/* Compares the newest answer with a recording. */
static void compare(struct talk *t, struct tally *y, const char *name)
{
    struct json_t *doc = load(name);
    if (!doc) {
        differ(y, name, "", "no such recording");
        return;
    }
    const struct json_t *resp = json_get(doc, "response"), *body = json_get(resp, "body");
    int64_t status = 0;
    json_int(resp, "status", &status);
    char a[32], b[32], h[100];
    snprintf(a, sizeof a, "%d", (int)status);
    snprintf(b, sizeof b, "%d", t->status);
    if (status != t->status)
        differ(y, name, "", "status %s, here %s", a, b);
    const char *type = json_str(json_get(resp, "headers"), "Content-Type", NULL),
               *mine = talk_header(t, "Content-Type", h, sizeof h);
    if ((type != NULL) != (mine != NULL) || (type && strcmp(type, mine) != 0))
        differ(y, name, " Content-Type", "%s, here %s", type ? type : "none", mine ? mine : "none");
    bool has = json_is_obj(body) || json_is_arr(body);
    if (has != (t->json != NULL))
        differ(y, name, "", "%s, here %s", has ? "a JSON body" : "no JSON body", t->json ? "one" : "none");
    else if (has)
        same_shape(y, name, "", body, t->json);
    y->compared++;
    json_free(doc);
}

static void ask(struct talk *t, struct tally *y, const char *name, const char *method, const char *path,
                const char *body)
{
    talk(t, method, path, body);
    compare(t, y, name);
}

static void finish(struct tally *y)
{
    print_message("compared with %d recordings, %d differences\n", y->compared, y->differ);
    if (y->differ)
        fail_msg("\n%s", y->report);
}

/* GET; # stands for the id. */
static void get(struct talk *t, struct tally *y, const char *name, const char *pattern, int64_t id)
{
    char path[300];
    const char *mark = strchr(pattern, '#');
    if (mark)
        snprintf(path, sizeof path, "%.*s%" PRId64 "%s", (int)(mark - pattern), pattern, id, mark + 1);
    else
        snprintf(path, sizeof path, "%s", pattern);
    ask(t, y, name, "GET", path, NULL);
}

/* The comparison itself, which must see a missing field, another type and another word; runs without recordings. */
static void test_comparison(void **state)
{
    (void)state;
    static const struct {
        const char *rec, *got;
        int differ;
    } cases[] = {
        {"{\"a\":1,\"b\":[{\"c\":\"x\"}]}", "{\"a\":2,\"b\":[{\"c\":\"y\"}]}", 0},
        {"{\"a\":1}", "{}", 1},
        {"{}", "{\"a\":1}", 1},
        {"{\"a\":1}", "{\"a\":\"1\"}", 1},
        {"{\"b\":[{\"c\":1}]}", "{\"b\":[]}", 1},
        {"{\"b\":[{\"c\":1}]}", "{\"b\":[{\"c\":true}]}", 1},
        {"{\"error\":\"Not Found\"}", "{\"error\":\"Gone\"}", 1},
        {"{\"message\":\"Rollout {12} is 3\"}", "{\"message\":\"Rollout {x} is 45\"}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tally y = {0};
        struct json_t *a = json_parse(cases[i].rec, strlen(cases[i].rec), 1000, "a", NULL);
        struct json_t *b = json_parse(cases[i].got, strlen(cases[i].got), 1000, "b", NULL);
        same_shape(&y, "case", "", a, b);
        json_free(a);
        json_free(b);
        if (y.differ != cases[i].differ)
            fail_msg("case %zu: %d differences, expected %d", i, y.differ, cases[i].differ);
    }
}

static void test_reading(void **state)
{
    (void)state;
    if (!have_recordings())
        skip();
    struct tally y = {0};
    struct talk t;
    talk_open(&t, "", 1);
    talk_wait(&t, 1);
    int64_t r = 4471;
    get(&t, &y, "00-userinfo", "/rest/v1/userinfo", 0);
    get(&t, &y, "01-rollouts-list-full", "/rest/v1/rollouts?limit=2&representation=full&sort=name:DESC", 0);
    get(&t, &y, "01-rollouts-list-compact", "/rest/v1/rollouts?limit=2&offset=0&sort=id:DESC", 0);
    get(&t, &y, "01-rollout-detail-running", "/rest/v1/rollouts/#", r);
    get(&t, &y, "01-groups-full-ready", "/rest/v1/rollouts/#/deploygroups?representation=full", r);
    get(&t, &y, "01-groups-compact-ready", "/rest/v1/rollouts/#/deploygroups", r);
    get(&t, &y, "01-group-detail-running", "/rest/v1/rollouts/#/deploygroups/9101", r);
    get(&t, &y, "01-group-targets", "/rest/v1/rollouts/#/deploygroups/9101/targets?limit=3", r);
    get(&t, &y, "01-target-pending", "/rest/v1/targets/em-0000", 0);
    get(&t, &y, "01-target-actions-pending", "/rest/v1/targets/em-0000/actions", 0);
    get(&t, &y, "01-target-assignedDS", "/rest/v1/targets/em-0000/assignedDS", 0);
    get(&t, &y, "01-target-installedDS", "/rest/v1/targets/em-0000/installedDS", 0);
    get(&t, &y, "01-ds-detail", "/rest/v1/distributionsets/2", 0);
    get(&t, &y, "01-ds-list", "/rest/v1/distributionsets?q=name==fw&sort=version:DESC", 0);
    get(&t, &y, "01-targets-offset-past-end", "/rest/v1/targets?offset=99999&limit=5", 0);
    talk_wait(&t, 120);
    get(&t, &y, "01-targets-limit-0", "/rest/v1/targets?limit=0", 0);
    get(&t, &y, "01-target-in-sync", "/rest/v1/targets/em-0000", 0);
    get(&t, &y, "01-ds-installedTargets", "/rest/v1/distributionsets/2/installedTargets?limit=2", 0);
    get(&t, &y, "01-actions-list-full", "/rest/v1/actions?limit=2&representation=full&q=status==FINISHED", 0);
    get(&t, &y, "01-actions-list-by-rollout", "/rest/v1/actions?limit=2&q=rollout.id==#", r);
    int64_t action = 0;
    talk(&t, "GET", "/rest/v1/targets/em-0000/actions?limit=1", NULL);
    json_int(talk_at(&t, "content", 0), "id", &action);
    get(&t, &y, "01-action-detail-running", "/rest/v1/targets/em-0000/actions/#", action);
    get(&t, &y, "01-action-status-history", "/rest/v1/targets/em-0000/actions/#/status?sort=id:ASC", action);
    talk_wait(&t, 900);
    get(&t, &y, "01-rollout-detail-finished", "/rest/v1/rollouts/#", r);
    get(&t, &y, "01-group-detail-finished", "/rest/v1/rollouts/#/deploygroups/9101", r);
    get(&t, &y, "01-rollouts-q-status__FINISHED", "/rest/v1/rollouts?q=status==FINISHED&sort=id:DESC", 0);
    get(&t, &y, "01-rollouts-q-status__finished", "/rest/v1/rollouts?q=status==finished&sort=id:DESC", 0);
    get(&t, &y, "01-rollouts-q-targetFilterQuery__x", "/rest/v1/rollouts?q=targetFilterQuery==x", 0);
    get(&t, &y, "01-rollouts-q-name__x", "/rest/v1/rollouts?q=name=~x", 0);
    talk_close(&t);
    finish(&y);
}

static void test_errors(void **state)
{
    (void)state;
    if (!have_recordings())
        skip();
    static const struct {
        const char *name, *method, *path, *body;
    } cases[] = {
        {"12-400-bad-json", "POST", "/rest/v1/targetfilters", "{bad"},
        {"12-400-id-not-number", "GET", "/rest/v1/rollouts/abc", NULL},
        {"12-400-rsql-field", "GET", "/rest/v1/targets?q=nope==1", NULL},
        {"12-400-rsql-syntax", "GET", "/rest/v1/targets?q=bad", NULL},
        {"12-400-sort-dir", "GET", "/rest/v1/targets?sort=id:UP", NULL},
        {"12-400-sort-field", "GET", "/rest/v1/targets?sort=nope:ASC", NULL},
        {"12-404-path", "GET", "/rest/v1/nosuch", NULL},
        {"12-404-rollout", "GET", "/rest/v1/rollouts/999999", NULL},
        {"12-404-target", "GET", "/rest/v1/targets/nope", NULL},
        {"12-404-verb-rollback", "POST", "/rest/v1/rollouts/1/rollback", NULL},
        {"12-405", "PATCH", "/rest/v1/rollouts", "{}"},
        {"12-rollout-no-ds", "POST", "/rest/v1/rollouts",
         "{\"name\":\"e\",\"targetFilterQuery\":\"id==*\",\"amountGroups\":1}"},
        {"12-rollout-unknown-ds", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":999999,\"name\":\"e\",\"targetFilterQuery\":\"id==*\",\"amountGroups\":1}"},
        {"12-rollout-no-name", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"targetFilterQuery\":\"id==*\",\"amountGroups\":1}"},
        {"12-rollout-html-name", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"<b>x</b>\",\"targetFilterQuery\":\"id==*\",\"amountGroups\":1}"},
        {"12-rollout-amount-0", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"x\",\"targetFilterQuery\":\"id==*\",\"amountGroups\":0}"},
        {"12-rollout-amount-501", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"x\",\"targetFilterQuery\":\"id==*\",\"amountGroups\":501}"},
        {"12-rollout-bad-rsql", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"x\",\"targetFilterQuery\":\"x\",\"amountGroups\":1}"},
        {"12-rollout-no-match", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"x\",\"targetFilterQuery\":\"name==zz*\",\"amountGroups\":1}"},
        {"12-rollout-type-bad", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"x\",\"targetFilterQuery\":\"id==*\",\"amountGroups\":1,\"type\":"
         "\"bogus\"}"},
        {"12-rollout-pct-150", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"x\",\"targetFilterQuery\":\"id==*\",\"groups\":[{\"name\":\"g\","
         "\"targetPercentage\":150}]}"},
        {"12-rollout-pct-not-100", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"x\",\"targetFilterQuery\":\"id==*\",\"groups\":[{\"name\":\"g\","
         "\"targetPercentage\":10}]}"},
        {"12-rollout-both", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"x\",\"targetFilterQuery\":\"id==*\",\"amountGroups\":2,\"groups\":[{"
         "\"name\":\"g\",\"targetPercentage\":100}]}"},
        {"12-rollout-no-groups", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"n\",\"targetFilterQuery\":\"id==em-019*\"}"},
        {"12-rollout-threshold-101", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"n101\",\"targetFilterQuery\":\"id==em-019*\",\"amountGroups\":1,"
         "\"successCondition\":{\"condition\":\"THRESHOLD\",\"expression\":\"101\"}}"},
        {"12-rollout-threshold-text", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"ntext\",\"targetFilterQuery\":\"id==em-019*\",\"amountGroups\":1,"
         "\"successCondition\":{\"condition\":\"THRESHOLD\",\"expression\":\"x\"}}"},
        {"12-rollout-unknown-field", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"nbogus\",\"targetFilterQuery\":\"id==em-019*\",\"amountGroups\":1,"
         "\"bogus\":1}"},
        {"12-409-rollout-name", "POST", "/rest/v1/rollouts",
         "{\"distributionSetId\":2,\"name\":\"n\",\"targetFilterQuery\":\"id==em-019*\",\"amountGroups\":1}"},
        {"00-config-unknown-key", "PUT", "/rest/v1/system/configs/no.such.key", "{\"value\":1}"},
        {"14-targetfilter-create", "POST", "/rest/v1/targetfilters", "{\"name\":\"tf\",\"query\":\"name==em-*\"}"},
        {"14-autoassign", "POST", "/rest/v1/targetfilters/1/autoAssignDS", "{\"id\":2,\"type\":\"forced\"}"},
    };
    struct tally y = {0};
    struct talk t;
    talk_open(&t, "", 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ask(&t, &y, cases[i].name, cases[i].method, cases[i].path, cases[i].body);
    talk_as(&t, NULL, "Accept: application/json\r\n", "GET", "/rest/v1/rollouts", NULL);
    compare(&t, &y, "12-401-no-auth");
    talk_as(&t, "Basic bm9wZTpub3Bl", "Accept: application/json\r\n", "GET", "/rest/v1/rollouts", NULL);
    compare(&t, &y, "12-401-bad-password");
    talk_as(&t, t.auth, "Accept: application/xml\r\n", "GET", "/rest/v1/rollouts", NULL);
    compare(&t, &y, "12-406");
    talk_as(&t, t.auth, "Content-Type: text/plain\r\n", "POST", "/rest/v1/targetfilters", "x=1");
    compare(&t, &y, "12-415");
    talk_close(&t);
    finish(&y);
}

static const char *const states[] = {
    "waiting_for_approval", "approval_denied", "ready", "running", "paused", "stopped", "finished", "deleted"};
static const char *const verbs[] = {"start", "pause", "resume", "stop", "approve", "deny", "triggerNextGroup",
                                    "retry", "DELETE"};

static void test_matrix(void **state)
{
    (void)state;
    if (!have_recordings())
        skip();
    struct tally y = {0};
    for (size_t s = 0; s < 8; s++) {
        struct talk t;
        talk_open(&t,
                  "rollout:\n  name: m\n  by_hand: true\n  history: false\n  old: {name: fw, version: 1}\n"
                  "  new: {name: fw, version: 2}\n  waves: [{name: a, percent: 100}]\n",
                  1);
        for (size_t v = 0; v < 9; v++) {
            char name[100], path[120];
            snprintf(name, sizeof name, "r%zu", v);
            int64_t id = talk_rollout(&t, name, 2, (int)v * 8, 8, states[s]);
            bool del = !strcmp(verbs[v], "DELETE");
            snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "%s%s", id, del ? "" : "/", del ? "" : verbs[v]);
            snprintf(name, sizeof name, "03-matrix-%s-%s", states[s], verbs[v]);
            ask(&t, &y, name, del ? "DELETE" : "POST", path, NULL);
        }
        talk_close(&t);
    }
    finish(&y);
}

static void test_stop_and_cancel(void **state)
{
    (void)state;
    if (!have_recordings())
        skip();
    struct tally y = {0};
    struct talk t;
    talk_open(&t,
              "rollout:\n  name: m\n  by_hand: true\n  old: {name: fw, version: 1}\n  new: {name: fw, version: 2}\n"
              "  waves: [{name: a, percent: 100}]\ndevices: {count: 60, poll: 30m}\n",
              1);
    int64_t r = talk_rollout(&t, "stop", 2, 0, 40, "running");
    char path[120];
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "/stop", r);
    ask(&t, &y, "05-stop", "POST", path, NULL);
    talk_wait(&t, 3);
    get(&t, &y, "05-rollout-stopped", "/rest/v1/rollouts/#", r);
    get(&t, &y, "05-groups-stopped", "/rest/v1/rollouts/#/deploygroups?representation=full", r);
    get(&t, &y, "05-actions-mid-update", "/rest/v1/targets/em-0000/actions", 0);
    get(&t, &y, "05-target-mid-update", "/rest/v1/targets/em-0000", 0);
    get(&t, &y, "05-actions-group-b", "/rest/v1/targets/em-0030/actions", 0);
    ask(&t, &y, "07-assign-forced", "POST", "/rest/v1/targets/em-0050/assignedDS", "{\"id\":2,\"type\":\"forced\"}");
    int64_t action = 0;
    json_int(talk_at(&t, "assignedActions", 0), "id", &action);
    ask(&t, &y, "07-assign-same-again", "POST", "/rest/v1/targets/em-0050/assignedDS",
        "{\"id\":2,\"type\":\"forced\"}");
    snprintf(path, sizeof path, "/rest/v1/targets/em-0050/actions/%" PRId64 "?force=true", action);
    ask(&t, &y, "07-action-force-before-soft", "DELETE", path, NULL);
    *strchr(path, '?') = 0;
    ask(&t, &y, "07-action-soft-cancel", "DELETE", path, NULL);
    ask(&t, &y, "07-action-soft-cancel-twice", "DELETE", path, NULL);
    snprintf(path, sizeof path, "/rest/v1/targets/em-0050/actions/%" PRId64 "?force=true", action);
    ask(&t, &y, "07-action-force-quit", "DELETE", path, NULL);
    *strchr(path, '?') = 0;
    ask(&t, &y, "07-action-cancel-finished", "DELETE", path, NULL);
    ask(&t, &y, "15-assign-offline", "POST", "/rest/v1/targets/em-0051/assignedDS?offline=true", "{\"id\":2}");
    ask(&t, &y, "08-invalidate-none", "POST", "/rest/v1/distributionsets/2/invalidate",
        "{\"actionCancelationType\":\"none\"}");
    get(&t, &y, "08-ds-after-none", "/rest/v1/distributionsets/2", 0);
    ask(&t, &y, "08-assign-invalid-ds", "POST", "/rest/v1/targets/em-0052/assignedDS", "{\"id\":2}");
    ask(&t, &y, "08-rollout-invalid-ds", "POST", "/rest/v1/rollouts",
        "{\"name\":\"x3\",\"distributionSetId\":2,\"targetFilterQuery\":\"id==*\",\"amountGroups\":1}");
    talk_close(&t);
    finish(&y);
}

static void test_approval(void **state)
{
    (void)state;
    if (!have_recordings())
        skip();
    struct tally y = {0};
    struct talk t;
    talk_open(&t,
              "rollout:\n  name: m\n  description: d\n  approval: true\n  old: {name: fw, version: 1}\n  new: {name: "
              "fw, version: 2}\n"
              "  waves: [{name: a, percent: 100}]\n",
              1);
    get(&t, &y, "06-rollout-waiting", "/rest/v1/rollouts/#", 4471);
    ask(&t, &y, "06-start-while-waiting", "POST", "/rest/v1/rollouts/4471/start", NULL);
    ask(&t, &y, "06-approve", "POST", "/rest/v1/rollouts/4471/approve?remark=looks-good", NULL);
    get(&t, &y, "06-rollout-approved", "/rest/v1/rollouts/#", 4471);
    talk_close(&t);
    finish(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparison), cmocka_unit_test(test_reading),         cmocka_unit_test(test_errors),
        cmocka_unit_test(test_matrix),     cmocka_unit_test(test_stop_and_cancel), cmocka_unit_test(test_approval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
