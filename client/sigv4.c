/* See sigv4.h. */
#include "client/sigv4.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/http.h"
#include "core/digest.h"
#include "core/fmt.h"
#include "core/json.h"
#include "core/slice.h"

#define PARAMS_MAX 32

/* --- keys --- */

static bool part_ok(const char *s, size_t n, bool needed)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] <= ' ' || s[i] > '~')
            return false;
    return n > 0 || !needed;
}

static struct slice trimmed(struct slice s)
{
    while (s.n && byte_in(s.p[0], " \t\r"))
        s = (struct slice){s.p + 1, s.n - 1};
    while (s.n && byte_in(s.p[s.n - 1], " \t\r"))
        s.n--;
    return s;
}

/* Lines of "name = value" under [section]. */
static void parse_lines(struct slice text, const char *profile, struct slice v[3])
{
    static const char *const names[] = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"};
    bool wanted = !profile[0], any = false;
    while (text.n) {
        const char *nl = memchr(text.p, '\n', text.n);
        size_t n = nl ? (size_t)(nl - text.p) : text.n;
        struct slice line = trimmed((struct slice){text.p, n});
        text = nl ? (struct slice){nl + 1, text.n - n - 1} : (struct slice){text.p + n, 0};
        const char *eq = line.n ? memchr(line.p, '=', line.n) : NULL;
        if (line.n > 2 && line.p[0] == '[' && line.p[line.n - 1] == ']') {
            struct slice section = trimmed((struct slice){line.p + 1, line.n - 2});
            wanted = profile[0] ? slice_is(section, profile) : !any;
            any = true;
        } else if (wanted && eq) {
            struct slice key = trimmed((struct slice){line.p, (size_t)(eq - line.p)});
            for (size_t i = 0; i < 3; i++)
                if (slice_is(key, names[i]))
                    v[i] = trimmed((struct slice){eq + 1, line.n - (size_t)(eq - line.p) - 1});
        }
    }
}

bool sigv4_key_parse(const char *text, size_t n, const char *profile, struct arena *a, struct sigv4_key *out,
                     struct err *e)
{
    static const char *const names[] = {"AccessKeyId", "SecretAccessKey", "SessionToken"};
    struct slice v[3] = {{"", 0}, {"", 0}, {"", 0}};
    struct json_t *doc = NULL;
    size_t at = 0;
    while (at < n && byte_in(text[at], " \t\r\n"))
        at++;
    if (at < n && text[at] == '{') {
        doc = json_parse(text, n, 65536, "keys", NULL);
        for (size_t i = 0; i < 3; i++) {
            size_t len = 0;
            const char *s = json_str(doc, names[i], &len);
            v[i] = (struct slice){s ? s : "", len};
        }
    } else {
        parse_lines((struct slice){text, n}, profile, v);
    }
    bool ok = part_ok(v[0].p, v[0].n, true) && part_ok(v[1].p, v[1].n, true) && part_ok(v[2].p, v[2].n, false);
    if (ok)
        *out = (struct sigv4_key){.id = arena_strndup(a, v[0].p, v[0].n),
                                  .secret = arena_strndup(a, v[1].p, v[1].n),
                                  .token = arena_strndup(a, v[2].p, v[2].n)};
    else
        err_set(e, ERR_AUTH,
                "let it be what `aws configure export-credentials` prints, or a file as ~/.aws/credentials is; `user` "
                "names its profile",
                "the secret holds no AWS keys that andon can read");
    json_free(doc);
    return ok;
}

/* --- signing --- */

struct param {
    struct slice name, value;
};

static int by_name(const void *pa, const void *pb)
{
    const struct param *a = pa, *b = pb;
    int c = slice_cmp(a->name, b->name);
    return c ? c : slice_cmp(a->value, b->value);
}

static void add_query(struct buf *out, const char *query)
{
    struct param v[PARAMS_MAX];
    size_t n = 0;
    while (*query && n < PARAMS_MAX) {
        size_t len = strcspn(query, "&"), name = strcspn(query, "=&");
        v[n++] = (struct param){{query, name}, {query + name + (name < len), len - name - (name < len)}};
        query += len + (query[len] == '&');
    }
    qsort(v, n, sizeof *v, by_name);
    for (size_t i = 0; i < n; i++) {
        buf_adds(out, i ? "&" : "");
        buf_add(out, v[i].name.p, v[i].name.n);
        buf_addc(out, '=');
        buf_add(out, v[i].value.p, v[i].value.n);
    }
}

/* Each segment is encoded once more than it is sent: only S3 is signed otherwise. */
static void add_path(struct buf *out, const char *path, size_t n)
{
    char c[2] = "";
    for (size_t i = 0; i < n; i++) {
        c[0] = path[i];
        if (c[0] == '/')
            buf_addc(out, '/');
        else
            http_escape(out, c);
    }
}

size_t sigv4_sign(const struct sigv4_request *r, const struct sigv4_key *k, struct arena *a,
                  const char *out[SIGV4_HEADERS][2])
{
    char iso[FMT_MAX], stamp[20], day[12], hex[SHA256_HEX], names[60];
    unsigned char mac[SHA256_BYTES];
    struct buf b;
    size_t n = 0;
    fmt_iso(iso, r->at); /* 2031-03-14T12:39:02.114Z */
    snprintf(day, sizeof day, "%.4s%.2s%.2s", iso, iso + 5, iso + 8);
    snprintf(stamp, sizeof stamp, "%sT%.2s%.2s%.2sZ", day, iso + 11, iso + 14, iso + 17);
    snprintf(names, sizeof names, "host;x-amz-date%s", k->token[0] ? ";x-amz-security-token" : "");
    const char *scope = arena_printf(a, "%s/%s/%s/aws4_request", day, r->region, r->service);

    buf_init(&b, SIZE_MAX);
    size_t path = strcspn(r->target, "?");
    buf_printf(&b, "%s\n", r->method);
    add_path(&b, r->target, path);
    buf_addc(&b, '\n');
    add_query(&b, r->target + path + (r->target[path] == '?'));
    buf_printf(&b, "\nhost:%s\nx-amz-date:%s\n", r->host, stamp);
    if (k->token[0])
        buf_printf(&b, "x-amz-security-token:%s\n", k->token);
    sha256_hex(r->body, r->body_n, hex);
    buf_printf(&b, "\n%s\n%s", names, hex);
    sha256_hex(b.data, b.len, hex);
    explicit_bzero(b.data, b.len);
    buf_clear(&b);
    buf_printf(&b, "AWS4%s", k->secret);
    const char *steps[] = {day, r->region, r->service, "aws4_request"};
    hmac_sha256(b.data, b.len, steps[0], strlen(steps[0]), mac);
    for (size_t i = 1; i < 4; i++)
        hmac_sha256(mac, sizeof mac, steps[i], strlen(steps[i]), mac);
    explicit_bzero(b.data, b.len);
    buf_clear(&b);
    buf_printf(&b, "AWS4-HMAC-SHA256\n%s\n%s\n%s", stamp, scope, hex);
    hmac_sha256(mac, sizeof mac, b.data, b.len, mac);
    hex_encode(hex, mac, sizeof mac);
    buf_release(&b);
    explicit_bzero(mac, sizeof mac);

    out[n][0] = "X-Amz-Date";
    out[n++][1] = arena_strdup(a, stamp);
    out[n][0] = "Authorization";
    out[n++][1] =
        arena_printf(a, "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", k->id, scope, names, hex);
    if (k->token[0]) {
        out[n][0] = "X-Amz-Security-Token";
        out[n++][1] = arena_strdup(a, k->token);
    }
    return n;
}
