/* Notes beside a release, against scripted servers that answer as 0.3 and as 1.x, and against what others may write. */
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fleet.h"

#define NOT_THERE "{\"errorCode\":\"hawkbit.server.error.repo.entityNotFound\",\"message\":\"gone\"}"
#define FORBIDDEN                                                                                                      \
    "{\"errorCode\":\"hawkbit.server.error.insufficientPermission\",\"message\":\"Insufficient Permission\"}"
#define SPRING   "{\"timestamp\":\"x\",\"status\":404,\"error\":\"Not Found\"}"
#define METADATA "/rest/v1/distributionsets/7/metadata"

/* --- reading --- */

static const char *with_long_value(void)
{
    static char *body;
    if (!body) {
        struct buf b;
        buf_init(&b, 4 << 20);
        buf_adds(&b, "{\"content\":[{\"key\":\"andon.halt.2\",\"value\":\"");
        for (int i = 0; i < 1 << 20; i++)
            buf_addc(&b, 'x');
        buf_adds(&b, "\"},{\"key\":\"andon.halt.1\",\"value\":\"short\"}],\"total\":2,\"size\":2}");
        body = buf_take(&b);
        buf_release(&b);
    }
    return body;
}

static void test_read(void **state)
{
    static struct route routes[] = {
        {"GET /rest/v1/distributionsets/7/metadata?limit=500", 200,
         "{\"content\":[{\"key\":\"vendor\",\"value\":\"a\\u0000b "
         "\\ud83d\"},{\"key\":\"andon.halt.17\",\"value\":\"{}\"},"
         "{\"key\":\"andon.halt.9\",\"value\":\"nul \\u0000 half \\uD83D. pair \\uD83D\\uDE00 \\\\u0000 \\udc00\"},"
         "{\"key\":\"andon.halt.\\u001b[31m\",\"value\":\"x\"},{\"key\":\"andon.halt.a b\",\"value\":\"x\"},"
         "{\"key\":\"andon.halt.\\u0000\",\"value\":\"x\"},{\"key\":\"andon.halt./../1\",\"value\":\"x\"},"
         "{\"key\":\"andon.halt.5\",\"value\":7},{\"key\":\"andon.halt.6\"},{\"key\":\"andon.hal\",\"value\":\"\"},{"
         "\"value\":\"\"},7],"
         "\"total\":12,\"size\":12}"},
        {"GET /rest/v1/distributionsets/8/metadata?limit=500", 404, NOT_THERE},
        {"GET /rest/v1/distributionsets/9/metadata?limit=500", 200, NULL},
        {0},
    };
    static const char *const ids[] = {"9", "7", "8", "9"};
    static const struct {
        const char *release, *key, *value;
        bool whole;
    } want[] = {
        {"9", "andon.halt.1", "short", true},
        {"9", "andon.halt.2", "", false},
        {"7", "andon.halt.17", "{}", true},
        {"7", "andon.halt.5", "", false},
        {"7", "andon.halt.6", "", false},
        {"7", "andon.halt.9", "nul \xef\xbf\xbd half \xef\xbf\xbd. pair \xf0\x9f\x98\x80 \\u0000 \xef\xbf\xbd", true},
    };
    struct fleet f;
    struct note_list list;
    (void)state;
    routes[2].body = with_long_value();
    fleet_init(&f, routes);
    FLEET_CALL(&f, notes, ids, 4, "andon.halt.", &f.arena, &list);
    assert_null(f.reply.err);
    assert_int_equal(list.n, sizeof want / sizeof *want);
    for (size_t i = 0; i < list.n; i++) {
        const struct note *n = &list.v[i];
        assert_string_equal(n->release_id, want[i].release);
        assert_string_equal(n->key, want[i].key);
        assert_string_equal(n->value, want[i].value);
        assert_int_equal(n->n, strlen(want[i].value));
        assert_int_equal(n->whole, want[i].whole);
    }
    assert_int_equal(list.left_out, 4);
    assert_int_equal(hostile_requests(f.rig.server), 3); /* one for each release */
    FLEET_CALL(&f, notes, ids, 0, "andon.", &f.arena, &list);
    assert_null(f.reply.err);
    assert_int_equal(list.n, 0);
    assert_int_equal(hostile_requests(f.rig.server), 3);
    fleet_release(&f);
}

static void test_many(void **state)
{
    struct buf b;
    struct fleet f;
    struct note_list list;
    static const char *const ids[] = {"7"};
    (void)state;
    buf_init(&b, 1 << 20);
    buf_adds(&b, "{\"content\":[");
    for (int i = 0; i < 300; i++)
        buf_printf(&b, "%s{\"key\":\"andon.halt.%d\",\"value\":\"v\"}", i ? "," : "", i);
    buf_adds(&b, "],\"total\":300,\"size\":300}");
    struct route routes[] = {{"GET *", 200, b.data}, {0}};
    fleet_init(&f, routes);
    FLEET_CALL(&f, notes, ids, 1, "andon.halt.", &f.arena, &list);
    assert_null(f.reply.err);
    assert_int_equal(list.n, NOTES_MAX);
    assert_int_equal(list.left_out, 200);
    fleet_release(&f);
    buf_release(&b);
}

static void test_read_refused(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum err_code code;
        const char *next;
    } cases[] = {
        {401, NULL, ERR_AUTH, "check `user`"},
        {403, FORBIDDEN, ERR_FORBIDDEN, "READ_REPOSITORY"},
        {404, SPRING, ERR_UNSUPPORTED, ""},
        {500, NULL, ERR_PROTOCOL, ""},
        {200, "{\"content\":[{\"key\":\"andon.halt.1\",\"val", ERR_PROTOCOL, ""},
        {200, "{\"content\":{}}", ERR_PROTOCOL, ""},
        {200, "{\"content\":[\"\\u00", ERR_PROTOCOL, ""},
        {200, "\\", ERR_PROTOCOL, ""},
        {200, "[]", ERR_PROTOCOL, ""},
        {200, "", ERR_PROTOCOL, ""},
    };
    static const char *const ids[NOTE_RELEASES_MAX + 1] = {"7"}, *const odd[] = {"7", "7/../8"};
    struct note_list list;
    struct fleet f;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct route routes[] = {{"GET *", cases[i].status, cases[i].body}, {0}};
        fleet_init(&f, routes);
        FLEET_CALL(&f, notes, ids, 1, "andon.", &f.arena, &list);
        if (f.err.code != cases[i].code || !strstr(f.err.next, cases[i].next))
            fail_msg("case %zu: %s: %s (%s)", i, err_word(f.err.code), f.err.what, f.err.next);
        assert_int_equal(list.n, 0);
        fleet_release(&f);
    }
    struct route none[] = {{0}};
    fleet_init(&f, none);
    FLEET_CALL(&f, notes, ids, NOTE_RELEASES_MAX + 1, "andon.", &f.arena, &list);
    assert_int_equal(f.err.code, ERR_LIMIT);
    FLEET_CALL(&f, notes, odd, 2, "andon.", &f.arena, &list);
    assert_int_equal(f.err.code, ERR_RANGE);
    assert_int_equal(hostile_requests(f.rig.server), 0);
    fleet_release(&f);
}

/* --- writing --- */

/* What the server is asked, in order, and says. */
struct play {
    struct {
        const char *line;
        int status; /* 0: the connection breaks */
        const char *answer;
    } step[6];
    _Atomic int at;
    _Atomic bool wrong;
    char body[6][400];
};

static enum hostile_end on_stage(void *ctx, const struct hostile_request *q, struct buf *out)
{
    struct play *p = ctx;
    char line[200];
    int at = atomic_fetch_add(&p->at, 1);
    snprintf(line, sizeof line, "%s %s", q->method, q->path);
    if (at > 5 || !p->step[at].line || strcmp(p->step[at].line, line) != 0) {
        p->wrong = true;
        hostile_answer(out, 418, "text/plain", line);
        return HOSTILE_KEEP;
    }
    snprintf(p->body[at], sizeof p->body[at], "%s", q->body);
    if (p->step[at].status == 0)
        return HOSTILE_RESET;
    hostile_answer(out, p->step[at].status, "application/json", p->step[at].answer ? p->step[at].answer : "");
    return HOSTILE_KEEP;
}

#define PUT  "PUT " METADATA "/andon.halt.17"
#define POST "POST " METADATA
#define DEL  "DELETE " METADATA "/andon.halt.17"

static void test_put(void **state)
{
    static const struct {
        struct play play;
        enum err_code code;
        const char *next;
    } cases[] = {
        {{.step = {{PUT, 200, "{\"key\":\"andon.halt.17\",\"value\":\"v\"}"}}}, ERR_NONE, ""},
        {{.step = {{PUT, 204, NULL}}}, ERR_NONE, ""},
        {{.step = {{PUT, 404, NOT_THERE}, {POST, 201, NULL}}}, ERR_NONE, ""},
        {{.step = {{PUT, 404, NOT_THERE}, {POST, 409, "{}"}, {PUT, 204, NULL}}}, ERR_NONE, ""},
        {{.step = {{PUT, 0, NULL}, {PUT, 404, NOT_THERE}, {POST, 0, NULL}, {POST, 409, NULL}, {PUT, 200, NULL}}},
         ERR_NONE,
         ""},
        {{.step = {{PUT, 404, NOT_THERE}, {POST, 404, NOT_THERE}}}, ERR_NOT_FOUND, ""},
        {{.step = {{PUT, 404, SPRING}}}, ERR_UNSUPPORTED, ""},
        {{.step = {{PUT, 403, FORBIDDEN}}}, ERR_FORBIDDEN, "UPDATE_REPOSITORY"},
        {{.step = {{PUT, 404, NOT_THERE}, {POST, 403, FORBIDDEN}}}, ERR_FORBIDDEN, "UPDATE_REPOSITORY"},
        {{.step = {{PUT, 404, NOT_THERE},
                   {POST, 403, "{\"errorCode\":\"hawkbit.server.error.quota.tooManyEntries\"}"}}},
         ERR_QUOTA,
         ""},
        {{.step = {{PUT, 404, NOT_THERE},
                   {POST, 429, "{\"errorCode\":\"hawkbit.server.error.quota.tooManyEntries\"}"}}},
         ERR_QUOTA,
         ""},
        {{.step = {{PUT, 400, "{\"errorCode\":\"hawkbit.server.error.repo.constraintViolation\"}"}}}, ERR_RANGE, ""},
        {{.step = {{PUT, 404, NOT_THERE}, {POST, 409, NULL}, {PUT, 404, NOT_THERE}}}, ERR_NOT_FOUND, ""},
        {{.step = {{PUT, 500, NULL}}}, ERR_PROTOCOL, ""},
    };
    static const char value[] = "{\"by\":\"m.it\xc3\xb6\",\"why\":\"\\\"smoke\\\"\"}\n";
    static const char json[] =
        "{\"value\":\"{\\\"by\\\":\\\"m.it\xc3\xb6\\\",\\\"why\\\":\\\"\\\\\\\"smoke\\\\\\\"\\\"}\\n\"}";
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fleet f = {0};
        struct play p = cases[i].play;
        char copy[sizeof value];
        int steps = 0;
        while (p.step[steps].line)
            steps++;
        fleet_init_fn(&f, on_stage, &p);
        memcpy(copy, value, sizeof value);
        f.done = false;
        f.b->ops->note_put(f.b, "7", "andon.halt.17", copy, sizeof value - 1, fleet_done, &f);
        memset(copy, 'x', sizeof copy); /* it was copied */
        fleet_wait(&f);
        if (p.wrong || p.at != steps || f.err.code != cases[i].code || !strstr(f.err.next, cases[i].next))
            fail_msg("case %zu: %d of %d requests, %s: %s (%s)", i, p.at, steps, err_word(f.err.code), f.err.what,
                     f.err.next);
        for (int k = 0; k < steps; k++) {
            bool post = strcmp(p.step[k].line, POST) == 0;
            char want[200];
            snprintf(want, sizeof want, "%s%s%s", post ? "[{\"key\":\"andon.halt.17\"," : "", post ? json + 1 : json,
                     post ? "]" : "");
            assert_string_equal(p.body[k], want);
        }
        fleet_release(&f);
    }
}

static void put_size(struct fleet *f, const char *key, const char *piece, size_t n, enum err_code code)
{
    struct buf b;
    buf_init(&b, 4 << 20);
    for (size_t i = 0; i < n; i++)
        buf_adds(&b, piece);
    int before = hostile_requests(f->rig.server);
    FLEET_CALL(f, note_put, "7", key, b.data, b.len);
    if (f->err.code != code)
        fail_msg("%s, %zu times \"%s\": %s", key, n, piece, f->err.what);
    assert_int_equal(hostile_requests(f->rig.server), before + (code == ERR_NONE));
    buf_release(&b);
}

static void test_put_what_is_no_note(void **state)
{
    static const struct route routes[] = {{"PUT *", 204, NULL}, {0}};
    struct fleet f;
    char key[NOTE_KEY_MAX + 2];
    (void)state;
    fleet_init(&f, routes);
    put_size(&f, "k", "x", 4000, ERR_NONE);
    put_size(&f, "k", "\xf0\x9f\x98\x80", 2000, ERR_NONE);
    put_size(&f, "k", "\xe6\xb8\xac", 4000, ERR_NONE);
    put_size(&f, "k", "\x01", 4000, ERR_NONE); /* each six bytes in JSON */
    put_size(&f, "k", "x", 4001, ERR_LIMIT);
    put_size(&f, "k", "\xf0\x9f\x98\x80", 2001, ERR_LIMIT);
    put_size(&f, "k", "x", 1 << 20, ERR_LIMIT);
    put_size(&f, "k", "\xff", 1, ERR_RANGE);
    put_size(&f, "k", "\xf0\x9f", 1, ERR_RANGE);
    FLEET_CALL(&f, note_put, "7", "k", "a\0b", 3);
    assert_int_equal(f.err.code, ERR_RANGE);
    memset(key, 'k', sizeof key);
    key[NOTE_KEY_MAX] = '\0';
    put_size(&f, key, "x", 1, ERR_NONE);
    key[NOTE_KEY_MAX] = 'k';
    key[NOTE_KEY_MAX + 1] = '\0';
    put_size(&f, key, "x", 1, ERR_RANGE);
    static const char *const odd[] = {"", ".", "..", "a/b", "a b", "a%2e", "\xc3\xa4", "a\nb", "?q"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        put_size(&f, odd[i], "x", 1, ERR_RANGE);
        FLEET_CALL(&f, note_delete, "7", odd[i]);
        assert_int_equal(f.err.code, ERR_RANGE);
    }
    FLEET_CALL(&f, note_put, "7/8", "k", "x", 1);
    assert_int_equal(f.err.code, ERR_RANGE);
    fleet_release(&f);
}

static void test_delete(void **state)
{
    static const struct {
        struct play play;
        enum err_code code;
    } cases[] = {
        {{.step = {{DEL, 200, NULL}}}, ERR_NONE},
        {{.step = {{DEL, 204, NULL}}}, ERR_NONE},
        {{.step = {{DEL, 404, NOT_THERE}}}, ERR_NONE},
        {{.step = {{DEL, 0, NULL}, {DEL, 404, NOT_THERE}}}, ERR_NONE},
        {{.step = {{DEL, 404, SPRING}}}, ERR_UNSUPPORTED},
        {{.step = {{DEL, 403, FORBIDDEN}}}, ERR_FORBIDDEN},
        {{.step = {{DEL, 500, NULL}}}, ERR_PROTOCOL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fleet f = {0};
        struct play p = cases[i].play;
        fleet_init_fn(&f, on_stage, &p);
        FLEET_CALL(&f, note_delete, "7", "andon.halt.17");
        if (p.wrong || f.err.code != cases[i].code)
            fail_msg("case %zu: %s: %s", i, err_word(f.err.code), f.err.what);
        fleet_release(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read), cmocka_unit_test(test_many),   cmocka_unit_test(test_read_refused),
        cmocka_unit_test(test_put),  cmocka_unit_test(test_delete), cmocka_unit_test(test_put_what_is_no_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
