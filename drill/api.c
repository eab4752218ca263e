#include "drill/api.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/err.h"
#include "core/fmt.h"

#define JSON_BODY_MAX ((size_t)4 * 1024 * 1024)

/* --- what comes in */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes n bytes; false when malformed, too long or holding a NUL. */
static bool decode(const char *s, size_t n, char *out, size_t size, bool plus)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '%') {
            if (i + 2 >= n || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
                return false;
            c = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (!c || k + 1 >= size)
            return false;
        out[k++] = c;
    }
    out[k] = 0;
    return true;
}

const char *api_param(const struct api *a, const char *name, char *buf, size_t size)
{
    size_t len = strlen(name);
    for (const char *p = a->query; p && *p;) {
        size_t n = strcspn(p, "&");
        if (n > len && !strncmp(p, name, len) && p[len] == '=')
            return decode(p + len + 1, n - len - 1, buf, size, true) ? buf : NULL;
        p += n;
        p += *p == '&';
    }
    return NULL;
}

static bool api_full(const struct api *a)
{
    char v[32];
    const char *r = api_param(a, "representation", v, sizeof v);
    return r && !strcasecmp(r, "full");
}

/* Spring's form, without an error code. */
static void api_plain_error(struct api *a, int status, const char *error)
{
    char when[FMT_MAX];
    api_ok(a, status);
    a->out->type = "application/json";
    json_w_obj(&a->j);
    json_w_kstr(&a->j, "timestamp", fmt_iso(when, a->in->now));
    json_w_kint(&a->j, "status", status);
    json_w_kstr(&a->j, "error", error);
    json_w_obj_end(&a->j);
}

struct json_t *api_body(struct api *a)
{
    if (a->in->content_type && strncasecmp(a->in->content_type, "application/json", 16) != 0 &&
        strncasecmp(a->in->content_type, "application/hal+json", 20) != 0) {
        api_plain_error(a, 415, "Unsupported Media Type");
        return NULL;
    }
    struct json_t *doc = json_parse(a->in->body, a->in->n_body, JSON_BODY_MAX, "request", NULL);
    if (!doc)
        api_unreadable(a);
    return doc;
}

/* --- what goes out */

void api_ok(struct api *a, int status)
{
    a->out->status = status;
    a->out->type =
        a->in->accept && strstr(a->in->accept, "application/json") ? "application/json" : "application/hal+json";
    a->out->etag = !strcmp(a->in->method, "GET");
    buf_clear(&a->out->body);
    json_w_init(&a->j, &a->out->body, 0);
}

static void error_body(struct api *a, int status, const char *code, const char *exception, const char *type,
                       const char *id, const char *message)
{
    api_ok(a, status);
    a->out->type = "application/json";
    json_w_obj(&a->j);
    char text[300];
    snprintf(text, sizeof text, "hawkbit.server.error.%s", code);
    json_w_kstr(&a->j, "errorCode", text);
    snprintf(text, sizeof text, strchr(exception, '.') ? "%s" : "org.eclipse.hawkbit.repository.exception.%s",
             exception);
    json_w_kstr(&a->j, "exceptionClass", text);
    if (type) {
        json_w_key(&a->j, "info");
        json_w_obj(&a->j);
        char *end;
        errno = 0;
        long long n = strtoll(id, &end, 10);
        if (!errno && *id && !*end)
            json_w_kint(&a->j, "entityId", n);
        else
            json_w_kstr(&a->j, "entityId", id);
        json_w_kstr(&a->j, "type", type);
        json_w_obj_end(&a->j);
    }
    if (message)
        json_w_kstr(&a->j, "message", message);
    json_w_obj_end(&a->j);
}

void api_error(struct api *a, int status, const char *code, const char *exception, const char *fmt, ...)
{
    char message[400];
    if (fmt) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(message, sizeof message, fmt, ap);
        va_end(ap);
    }
    error_body(a, status, code, exception, NULL, NULL, fmt ? message : NULL);
}

void api_not_found(struct api *a, const char *type, const char *id)
{
    char text[300];
    snprintf(text, sizeof text, "%s with given identifier {%.200s} does not exist.", type, id);
    error_body(a, 404, "repo.entityNotFound", "EntityNotFoundException", type, id, text);
}

void api_unreadable(struct api *a)
{
    api_error(a, 400, "rest.body.notReadable", "org.eclipse.hawkbit.rest.exception.MessageNotReadableException",
              "The given request body is not well formed");
}

void api_constraint(struct api *a, const char *fmt, ...)
{
    char message[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    api_error(a, 400, "repo.constraintViolation", "jakarta.validation.ValidationException", "%s", message);
}

void api_conflict(struct api *a)
{
    api_error(a, 409, "repo.entityAlreadyExists", "EntityAlreadyExistsException",
              "The given entity already exists in database");
}

void api_link(struct api *a, const char *rel, const char *name, const char *fmt, ...)
{
    char href[900];
    size_t n = strlen(a->base);
    memcpy(href, a->base, n);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(href + n, sizeof href - n, fmt, ap);
    va_end(ap);
    json_w_key(&a->j, rel);
    json_w_obj(&a->j);
    json_w_kstr(&a->j, "href", href);
    if (name)
        json_w_kstr(&a->j, "name", name);
    json_w_obj_end(&a->j);
}

int64_t api_ms(const struct api *a, int64_t t)
{
    return (t + a->w->epoch) / US_PER_MS;
}

void api_ktime(struct api *a, const char *key, int64_t t)
{
    json_w_kint(&a->j, key, api_ms(a, t));
}

/* --- lists */

static int64_t int_param(const struct api *a, const char *name, int64_t dflt)
{
    char v[32], *end;
    const char *s = api_param(a, name, v, sizeof v);
    if (!s || !*s)
        return dflt;
    errno = 0;
    long long n = strtoll(s, &end, 10);
    return errno || *end ? dflt : n;
}

static void window(struct api *a, size_t total, size_t *from, size_t *n)
{
    int64_t offset = int_param(a, "offset", 0), limit = int_param(a, "limit", 50);
    limit = limit <= 0 ? 50 : limit > 500 ? 500 : limit; /* silently, as the real one */
    *from = offset < 0 ? 0 : (uint64_t)offset > total ? total : (size_t)offset;
    *n = total - *from < (size_t)limit ? total - *from : (size_t)limit;
}

struct order {
    const struct api_list *l;
    int field;
    bool desc;
};

static int compare_items(const void *pa, const void *pb, void *ctx)
{
    const struct order *o = ctx;
    int a = *(const int *)pa, b = *(const int *)pb, c;
    struct rsql_value va = {0}, vb = {0};
    o->l->table->get(o->l->ctx, a, o->field, &va);
    o->l->table->get(o->l->ctx, b, o->field, &vb);
    if (!va.present || !vb.present)
        c = (int)va.present - (int)vb.present;
    else if (va.is_num)
        c = (va.num > vb.num) - (va.num < vb.num);
    else
        c = strcmp(va.str, vb.str);
    if (c == 0)
        c = (a > b) - (a < b);
    return o->desc ? -c : c;
}

/* "field:DIR[,...]": the first decides; the rest is checked. false after answering. */
static bool sort_spec(struct api *a, const struct api_list *l, struct order *o, bool *by_id)
{
    char spec[200];
    const char *s = api_param(a, "sort", spec, sizeof spec);
    *by_id = true;
    o->desc = l->newest_first;
    for (bool first = true; s && *s; first = false) {
        size_t n = strcspn(s, ","), f = strcspn(s, ":");
        if (f >= n)
            f = n;
        bool desc = n - f == 5 && !strncasecmp(s + f, ":desc", 5);
        if (!desc && !(n - f == 4 && !strncasecmp(s + f, ":asc", 4))) {
            api_error(a, 400, "rest.param.invalidDirection",
                      "org.eclipse.hawkbit.mgmt.rest.resource.exception.SortParameterUnsupportedDirectionException",
                      "The given sort parameter direction does not exist");
            return false;
        }
        const char *const *k = l->sort_fields;
        while (*k && (strlen(*k) != f || strncasecmp(*k, s, f) != 0))
            k++;
        if (!*k) {
            api_error(a, 400, "rest.param.invalidField",
                      "org.eclipse.hawkbit.mgmt.rest.resource.exception.SortParameterUnsupportedFieldException",
                      "The given sort parameter field does not exist");
            return false;
        }
        if (first) {
            o->desc = desc;
            *by_id = !strcasecmp(*k, "id") || !strcasecmp(*k, "createdAt");
            o->field = *by_id ? 0 : l->table->field(*k);
        }
        s += n;
        s += *s == ',';
    }
    return true;
}

static struct rsql *query(struct api *a, const struct rsql_table *t, bool *ok)
{
    char *text = xmalloc(65536);
    const char *q = api_param(a, "q", text, 65536);
    struct rsql *r = NULL;
    enum rsql_error err = RSQL_OK;
    if (q && *q)
        r = rsql_parse(slice_of(q), t, &err);
    free(text);
    *ok = err == RSQL_OK;
    if (err == RSQL_SYNTAX)
        api_error(a, 400, "rest.param.rsqlParamSyntax", "RSQLParameterSyntaxException", NULL);
    else if (err == RSQL_FIELD)
        api_error(a, 400, "rest.param.rsqlInvalidField", "RSQLParameterUnsupportedFieldException", NULL);
    return r;
}

void api_page(struct api *a, const struct api_list *l)
{
    bool ok, by_id;
    struct order o = {.l = l};
    struct rsql *r = query(a, l->table, &ok);
    if (!ok || !sort_spec(a, l, &o, &by_id)) {
        rsql_free(r);
        return;
    }
    int *found = xreallocarray(NULL, l->n, sizeof *found);
    size_t total = 0, from, n;
    for (size_t i = 0; i < l->n; i++)
        if (!r || rsql_match(r, l->ctx, l->items[i]))
            found[total++] = l->items[i];
    rsql_free(r);
    if (!by_id)
        qsort_r(found, total, sizeof *found, compare_items, &o);
    window(a, total, &from, &n);
    bool full = l->always_full || api_full(a);
    api_ok(a, 200);
    json_w_obj(&a->j);
    json_w_key(&a->j, "content");
    json_w_arr(&a->j);
    for (size_t i = from; i < from + n; i++)
        l->put(a, by_id && o.desc ? found[total - 1 - i] : found[i], full);
    json_w_arr_end(&a->j);
    json_w_kint(&a->j, "total", (int64_t)total);
    json_w_kint(&a->j, "size", (int64_t)n);
    json_w_obj_end(&a->j);
    free(found);
}

bool api_window(struct api *a, size_t total, size_t *from, size_t *n)
{
    char sort[100];
    const char *s = api_param(a, "sort", sort, sizeof sort);
    window(a, total, from, n);
    return !s || !strcasecmp(s, "id:DESC"); /* newest first? */
}

/* --- routing */

/* Number of the path; false = 400 as for a body that cannot be read. */
static bool path_id(const char *s, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(s, &end, 10);
    return !errno && *s && !*end;
}

/* -1 no match, 0 bad number, 1 match */
static int route_match(struct api *a, const char *pattern)
{
    size_t seg = 0, ids = 0;
    int ok = 1;
    for (const char *p = pattern; *p; seg++) {
        size_t n = strcspn(p, "/");
        if (seg >= a->n_seg)
            return -1;
        if (n == 1 && *p == '#') {
            if (ids < 2 && !path_id(a->seg[seg], &a->id[ids++]))
                ok = 0;
        } else if (!(n == 1 && *p == '*') && (strlen(a->seg[seg]) != n || strncmp(a->seg[seg], p, n) != 0)) {
            return -1;
        }
        p += n;
        p += *p == '/';
    }
    return seg == a->n_seg ? ok : -1;
}

static void dispatch(struct api *a)
{
    static const struct api_route *const tables[] = {api_rollout_routes, api_target_routes,   api_action_routes,
                                                     api_ds_routes,      api_metadata_routes, api_other_routes};
    bool path_known = false;
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (const struct api_route *r = tables[t]; r->method; r++) {
            int m = route_match(a, r->pattern);
            if (m < 0)
                continue;
            path_known = true;
            if (strcmp(r->method, a->in->method) != 0)
                continue;
            if (m == 0)
                api_unreadable(a);
            else
                r->fn(a);
            return;
        }
    }
    if (!path_known) {
        api_plain_error(a, 404, "Not Found");
        return;
    }
    api_plain_error(a, 405, "Method Not Allowed");
    a->out->allow = "POST, GET";
}

/* Cuts the path below /rest/v1 into decoded segments. */
static bool cut_path(struct api *a, const char *path, size_t n)
{
    static const char root[] = "/rest/v1/";
    size_t used = 0, skip = sizeof root - 1;
    if (n < skip || strncmp(path, root, skip) != 0)
        return false;
    for (size_t i = skip; i <= n;) {
        size_t len = 0;
        while (i + len < n && path[i + len] != '/')
            len++;
        if (a->n_seg == API_SEGMENTS || len == 0 ||
            !decode(path + i, len, a->path + used, sizeof a->path - used, false))
            return false;
        a->seg[a->n_seg++] = a->path + used;
        used += strlen(a->path + used) + 1;
        i += len + 1;
    }
    return a->n_seg > 0;
}

static void set_base(struct api *a)
{
    const char *host = a->in->host ? a->in->host : "127.0.0.1";
    if (strlen(host) > 200 ||
        strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-[]") != strlen(host))
        host = "127.0.0.1";
    snprintf(a->base, sizeof a->base, "http://%s/rest/v1", host);
}

/* Characters that the web server in front refuses before anything else looks at them. */
static bool target_ok(const char *s)
{
    return !strpbrk(s, "\"<>\\^`{|}") && !strchr(s, ' ');
}

static const struct api_user *who(const struct api_user *users, size_t n, const char *auth)
{
    for (size_t i = 0; i < n; i++)
        if (auth && !strcmp(users[i].authorization, auth))
            return &users[i];
    return NULL;
}

static bool may(const struct api *a, const struct api_user *u)
{
    return !u->viewer || (!strcmp(a->in->method, "GET") && a->n_seg > 0 &&
                          (!strcmp(a->seg[0], "targets") || !strcmp(a->seg[0], "userinfo")));
}

void api_answer(struct world *w, const struct api_user *users, size_t n_users, const struct http_in *in,
                struct http_out *out)
{
    struct api a = {.w = w, .in = in, .out = out};
    out->hawkbit = true;
    set_base(&a);
    if (!target_ok(in->target)) {
        out->status = 400;
        out->type = "text/html;charset=utf-8";
        buf_adds(&out->body,
                 "<!doctype html><html lang=\"en\"><head><title>HTTP Status 400 – Bad Request</title></head>"
                 "<body><h1>HTTP Status 400 – Bad Request</h1></body></html>");
        return;
    }
    const struct api_user *u = who(users, n_users, in->auth);
    if (!u) {
        api_plain_error(&a, 401, "Unauthorized");
        out->challenge = true;
        return;
    }
    const char *q = strchr(in->target, '?');
    a.query = q ? q + 1 : NULL;
    if (!cut_path(&a, in->target, q ? (size_t)(q - in->target) : strlen(in->target))) {
        api_plain_error(&a, 404, "Not Found");
        return;
    }
    if (in->accept && !strstr(in->accept, "json") && !strstr(in->accept, "*/*")) {
        out->status = 406;
        return;
    }
    if (!may(&a, u)) {
        api_error(&a, 403, "insufficientPermission", "InsufficientPermissionException", "Insufficient Permission");
        return;
    }
    dispatch(&a);
}
