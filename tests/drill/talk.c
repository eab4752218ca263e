#include "talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const char fixture[][2][400] = {
    {"name:", "name: small\n"},
    {"description:", "description: fixture\n"},
    {"devices:",
     "devices: {count: 200, poll: 20s, download: 8s, install: 4s, models: [{name: A, share: 0.5}, {name: B}], "
     "sites: [x, y], reboots_per_day: 0}\n"},
    {"rollout:", "rollout:\n  name: main\n  description: d\n  old: {name: fw, version: \"1.0\"}\n"
                 "  new: {name: fw, version: \"2.0\"}\n  waves:\n    - {name: w0, percent: 5, success: \"100\"}\n"
                 "    - {name: w1, percent: 25}\n    - {name: w2, percent: 70}\n"},
    {"ends:", "ends: {after: 4h}\n"},
    {"expect:", "expect: {halted: false}\n"},
};

static bool has_key(const char *yaml, const char *key)
{
    for (const char *p = yaml; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
        if (!strncmp(p, key, strlen(key)))
            return true;
    return false;
}

static void base64(char *out, const char *in)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned acc = 0;
    int bits = 0, n = 0;
    for (; *in; in++) {
        acc = (acc << 8 | (unsigned char)*in) & 0xffffff;
        for (bits += 8; bits >= 6; bits -= 6, n++)
            *out++ = set[acc >> (bits - 6) & 63];
    }
    if (bits) {
        *out++ = set[acc << (6 - bits) & 63];
        n++;
    }
    for (; n % 4; n++)
        *out++ = '=';
    *out = 0;
}

void talk_open_scenario(struct talk *t, const char *yaml, uint64_t seed, double speed)
{
    memset(t, 0, sizeof *t);
    t->fd = -1;
    arena_init(&t->arena);
    struct err e = {0};
    t->sc = scenario_parse("fixture", yaml, strlen(yaml), &t->arena, &e);
    if (!t->sc)
        fail_msg("%s", e.what);
    struct drill_spec spec = {.scenario = t->sc, .seed = seed, .speed = speed};
    t->d = drill_start(&spec, &e);
    if (!t->d)
        fail_msg("%s (%s)", e.what, e.cause);
    char pass[80] = "", pair[100];
    int fd = open(drill_fleet(t->d)->endpoint.secret.path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, pass, sizeof pass - 1) > 0);
    close(fd);
    snprintf(pair, sizeof pair, "%s:%s", drill_fleet(t->d)->endpoint.user, pass);
    snprintf(t->auth, sizeof t->auth, "Basic ");
    base64(t->auth + 6, pair);
}

void talk_open(struct talk *t, const char *extra, uint64_t seed)
{
    char yaml[8000] = "";
    size_t n = 0;
    for (size_t i = 0; i < sizeof fixture / sizeof fixture[0]; i++)
        if (!has_key(extra, fixture[i][0]))
            n += (size_t)snprintf(yaml + n, sizeof yaml - n, "%s", fixture[i][1]);
    snprintf(yaml + n, sizeof yaml - n, "%s", extra);
    talk_open_scenario(t, yaml, seed, 0);
}

static void drop_answer(struct talk *t)
{
    free(t->head);
    free(t->body);
    json_free(t->json);
    t->head = t->body = NULL;
    t->json = NULL;
}

void talk_close(struct talk *t)
{
    drop_answer(t);
    if (t->fd >= 0)
        close(t->fd);
    drill_stop(t->d);
    arena_release(&t->arena);
}

void talk_wait(struct talk *t, double seconds)
{
    struct clock *c = drill_clock(t->d);
    int64_t to = clock_now(c) + (int64_t)(seconds * 1e6);
    while (clock_now(c) < to)
        c->idle(c, to, 0);
}

static void connect_to(struct talk *t)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)drill_port(t->d)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    t->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 10};
    int one = 1;
    assert_true(t->fd >= 0);
    setsockopt(t->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    assert_int_equal(connect(t->fd, (struct sockaddr *)&at, sizeof at), 0);
}

static void write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        assert_true(k > 0);
        p += k;
        n -= (size_t)k;
    }
}

void talk_send(struct talk *t, const char *headers, const char *method, const char *path, const char *body)
{
    drop_answer(t);
    if (t->fd < 0)
        connect_to(t);
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_printf(&b, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s", method, path, drill_port(t->d), headers);
    if (body)
        buf_printf(&b, "Content-Length: %zu\r\n", strlen(body));
    buf_printf(&b, "\r\n%s", body ? body : "");
    write_all(t->fd, b.data, b.len);
    buf_release(&b);
}

bool talk_read(struct talk *t)
{
    struct buf b;
    buf_init(&b, 64 << 20);
    char chunk[16384], *end = NULL;
    size_t want = SIZE_MAX;
    drop_answer(t);
    while (b.len < want) {
        ssize_t n = recv(t->fd, chunk, sizeof chunk, 0);
        if (n <= 0)
            break;
        buf_add(&b, chunk, (size_t)n);
        if (!end && (end = strstr(b.data, "\r\n\r\n"))) {
            size_t head = (size_t)(end - b.data) + 4;
            t->head = xstrndup(b.data, head);
            char len[32];
            const char *l = talk_header(t, "Content-Length", len, sizeof len);
            want = head + (l ? (size_t)strtoul(l, NULL, 10) : 0);
        }
    }
    bool ok = t->head && b.len >= want;
    if (ok) {
        t->status = (int)strtol(t->head + 9, NULL, 10);
        t->n_body = b.len - strlen(t->head);
        t->body = xstrndup(b.data + strlen(t->head), t->n_body);
        t->json = t->n_body ? json_parse(t->body, t->n_body, t->n_body, "answer", NULL) : NULL;
        char c[32];
        const char *conn = talk_header(t, "Connection", c, sizeof c);
        if (conn && !strcasecmp(conn, "close")) {
            close(t->fd);
            t->fd = -1;
        }
    }
    buf_release(&b);
    return ok;
}

int talk_as(struct talk *t, const char *auth, const char *headers, const char *method, const char *path,
            const char *body)
{
    char all[600];
    snprintf(all, sizeof all, "%s%s%s%s", auth ? "Authorization: " : "", auth ? auth : "", auth ? "\r\n" : "", headers);
    talk_send(t, all, method, path, body);
    if (!talk_read(t))
        fail_msg("no answer to %s %s", method, path);
    return t->status;
}

int talk(struct talk *t, const char *method, const char *path, const char *body)
{
    return talk_as(t, t->auth, "Accept: application/json\r\nContent-Type: application/json\r\n", method, path, body);
}

const char *talk_header(const struct talk *t, const char *name, char *buf, size_t size)
{
    for (const char *p = t->head; p && *p; p = strstr(p, "\r\n") ? strstr(p, "\r\n") + 2 : NULL) {
        size_t n = strlen(name);
        if (!strncasecmp(p, name, n) && p[n] == ':') {
            p += n + 1 + strspn(p + n + 1, " ");
            snprintf(buf, size, "%.*s", (int)strcspn(p, "\r"), p);
            return buf;
        }
    }
    return NULL;
}

const char *talk_str(const struct talk *t, const char *key)
{
    const char *s = t->json ? json_str(t->json, key, NULL) : NULL;
    return s ? s : "";
}

int64_t talk_int(const struct talk *t, const char *key)
{
    int64_t v = INT64_MIN;
    if (t->json)
        json_int(t->json, key, &v);
    return v;
}

const struct json_t *talk_at(const struct talk *t, const char *list, size_t i)
{
    return t->json ? json_at(json_get(t->json, list), i) : NULL;
}

static void path_of(char out[100], int64_t id, const char *rest)
{
    snprintf(out, 100, "/rest/v1/rollouts/%" PRId64 "%s", id, rest);
}

static void drive(struct talk *t, int64_t id, const char *verb, double wait)
{
    char path[100];
    path_of(path, id, verb);
    int s = talk(t, *verb ? "POST" : "DELETE", path, NULL);
    if (s != 204)
        fail_msg("%s: %d %s", path, s, t->body);
    talk_wait(t, wait);
}

int64_t talk_rollout(struct talk *t, const char *name, int ds, int from, int n, const char *state)
{
    char body[4000];
    int k = snprintf(body, sizeof body,
                     "{\"name\":\"%s\",\"description\":\"d\",\"distributionSetId\":%d,\"amountGroups\":2,"
                     "\"targetFilterQuery\":\"name=in=(",
                     name, ds);
    for (int i = 0; i < n; i++)
        k += snprintf(body + k, sizeof body - (size_t)k, "%sem-%04d", i ? "," : "", from + i);
    snprintf(body + k, sizeof body - (size_t)k,
             ")\",\"errorCondition\":{\"condition\":\"THRESHOLD\",\"expression\":\"50\"}}");
    bool approval = !strcmp(state, "waiting_for_approval") || !strcmp(state, "approval_denied");
    const char *config = "/rest/v1/system/configs/rollout.approval.enabled";
    assert_int_equal(talk(t, "PUT", config, approval ? "{\"value\":true}" : "{\"value\":false}"), 204);
    int s = talk(t, "POST", "/rest/v1/rollouts", body);
    if (s != 201)
        fail_msg("create: %d %s", s, t->body);
    int64_t id = talk_int(t, "id");
    talk_wait(t, 4);
    if (!strcmp(state, "approval_denied"))
        drive(t, id, "/deny?remark=no", 0);
    if (approval || !strcmp(state, "ready"))
        return id;
    drive(t, id, "/start", 4);
    if (!strcmp(state, "paused"))
        drive(t, id, "/pause", 0);
    else if (!strcmp(state, "stopped"))
        drive(t, id, "/stop", 4);
    else if (!strcmp(state, "finished"))
        talk_wait(t, 240);
    else if (!strcmp(state, "deleted"))
        drive(t, id, "", 4);
    char path[100];
    path_of(path, id, "");
    assert_int_equal(talk(t, "GET", path, NULL), 200);
    assert_string_equal(talk_str(t, "status"), state);
    return id;
}
