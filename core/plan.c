/* A plan as JSON, and back. What is read must be what would be written: there is one form of each plan. */
#include "core/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/digest.h"
#include "core/json.h"
#include "core/slice.h"
#include "core/text.h"

#define WHAT         "the plan"
#define INT_MAX_JSON (INT64_C(1) << 53)
#define VALUE_MAX    512

static bool bad(struct err *e, enum err_code code, const char *what)
{
    return err_set(e, code, "Make the plan anew: andon plan create.", WHAT ": %s", what);
}

bool plan_is_id(const char *id)
{
    size_t n = strlen(PLAN_PREFIX);
    return strncmp(id, PLAN_PREFIX, n) == 0 && strlen(id) == PLAN_ID_BYTES - 1 &&
           strspn(id + n, "0123456789abcdef") == PLAN_ID_BYTES - 1 - n;
}

size_t plan_wave_of(const struct wave_plan *p, size_t device)
{
    size_t w = 0;
    while (w + 1 < p->n_waves && device >= p->waves[w + 1].first)
        w++;
    return w;
}

/* ---- sizes ---- */

static bool size_bad(struct err *e, const char *text)
{
    char safe[80];
    safe_text_into(safe, sizeof safe, text, strlen(text));
    return err_set(e, ERR_RANGE, "Write it as in 1%,10%,rest or 5,50,rest.", "\"%s\" is no list of sizes of waves",
                   safe);
}

/* Digits of a percentage with at most two behind the point, in hundredths. */
static bool share(const char *s, const char *end, int *bp)
{
    int whole = 0, part = 0, scale = 100;
    const char *p = s;
    for (; p < end && *p >= '0' && *p <= '9' && whole <= 100; p++)
        whole = whole * 10 + (*p - '0');
    if (p == s || whole > 100)
        return false;
    if (p < end && *p == '.') {
        for (p++; p < end && *p >= '0' && *p <= '9' && scale > 1; p++) {
            scale /= 10;
            part += (*p - '0') * scale;
        }
        if (scale == 100)
            return false;
    }
    *bp = whole * 100 + part;
    return p == end && *bp >= 1 && *bp <= 10000;
}

static bool one_size(const char *s, const char *end, struct plan_size *out)
{
    *out = (struct plan_size){.measure = PLAN_COUNT};
    if (end - s == 4 && memcmp(s, "rest", 4) == 0) {
        out->measure = PLAN_REST;
        return true;
    }
    if (end > s && end[-1] == '%') {
        out->measure = PLAN_SHARE;
        return share(s, end - 1, &out->bp);
    }
    return slice_int((struct slice){s, (size_t)(end - s)}, &out->devices) && out->devices >= 1 &&
           out->devices <= PLAN_DEVICES_MAX;
}

bool plan_sizes(const char *text, struct plan_size out[PLAN_WAVES_MAX], size_t *n, struct err *e)
{
    int shares = 0;
    *n = 0;
    for (const char *s = text;; s++) {
        const char *end = s + strcspn(s, ",");
        if (*n == PLAN_WAVES_MAX)
            return err_set(e, ERR_LIMIT, "Make them larger.", "more than %d waves", PLAN_WAVES_MAX);
        if ((*n > 0 && out[*n - 1].measure == PLAN_REST) || !one_size(s, end, &out[*n]))
            return size_bad(e, text);
        shares += out[*n].measure == PLAN_SHARE ? out[*n].bp : 0;
        if (shares > 10000)
            return err_set(e, ERR_RANGE, "Each share is of all devices; write \"rest\" for what is left.",
                           "the waves' shares come to more than 100%%");
        ++*n;
        s = end;
        if (!*s)
            return true;
    }
}

/* ---- ids ---- */

static bool plain(unsigned char c)
{
    return c >= 0x20 && c <= 0x7e && c != '%';
}

static void id_write(char *out, const char *raw)
{
    static const char hex[] = "0123456789ABCDEF";
    for (const unsigned char *p = (const unsigned char *)raw; *p; p++) {
        if (plain(*p)) {
            *out++ = (char)*p;
            continue;
        }
        *out++ = '%';
        *out++ = hex[*p >> 4];
        *out++ = hex[*p & 15];
    }
    *out = '\0';
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Into `out`, which has room for n + 1 bytes. False: not as it is written. */
static bool id_read(char *out, const char *s, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '%') {
            if (!plain((unsigned char)s[i]))
                return false;
            out[len++] = s[i];
            continue;
        }
        int hi = i + 2 < n ? digit(s[i + 1]) : -1, lo = i + 2 < n ? digit(s[i + 2]) : -1;
        if (i + 2 >= n || hi < 0 || lo < 0 || (hi | lo) == 0 || plain((unsigned char)(hi << 4 | lo)))
            return false;
        out[len++] = (char)(hi << 4 | lo);
        i += 2;
    }
    out[len] = '\0';
    return len >= 1 && len <= PLAN_RAW_MAX;
}

/* ---- writing ---- */

static void write_indices(struct json_w *w, const char *key, const uint16_t *v, size_t n)
{
    json_w_key(w, key);
    json_w_arr(w);
    for (size_t i = 0; i < n; i++)
        json_w_int(w, v[i]);
    json_w_arr_end(w);
}

static void write_values(struct json_w *w, const char *key, const char *const *v, size_t n)
{
    json_w_key(w, key);
    json_w_arr(w);
    for (size_t i = 0; i < n; i++)
        json_w_str(w, v[i]);
    json_w_arr_end(w);
}

static void write_sizes(struct json_w *w, const struct wave_plan *p)
{
    json_w_key(w, "sizes");
    json_w_arr(w);
    for (size_t i = 0; i < p->n_waves; i++) {
        const struct plan_size *s = &p->sizes[i];
        char text[40] = "rest";
        if (s->measure == PLAN_COUNT)
            snprintf(text, sizeof text, "%" PRId64, s->devices);
        else if (s->measure == PLAN_SHARE)
            snprintf(text, sizeof text, "%d.%02d%%", s->bp / 100, s->bp % 100);
        json_w_str(w, text);
    }
    json_w_arr_end(w);
}

static void write_all(struct json_w *w, const struct wave_plan *p)
{
    char salt[20], id[3 * PLAN_RAW_MAX + 1];
    json_w_obj(w);
    json_w_kint(w, "created", p->created_at);
    json_w_kstr(w, "description", p->description);
    if (*p->order)
        write_indices(w, "exposure", p->exposure, p->n);
    json_w_kint(w, "failure", p->failure_bp);
    json_w_key(w, "ids");
    json_w_arr(w);
    for (size_t i = 0; i < p->n; i++) {
        id_write(id, p->raw_ids[i]);
        json_w_str(w, id);
    }
    json_w_arr_end(w);
    json_w_kstr(w, "name", p->name);
    if (*p->order) {
        json_w_kstr(w, "order", p->order);
        write_values(w, "order_values", p->order_values, p->n_order);
    }
    json_w_key(w, "release");
    json_w_obj(w);
    json_w_kstr(w, "id", p->release.id);
    json_w_kstr(w, "name", p->release.name);
    json_w_kint(w, "order", p->release.order);
    json_w_kstr(w, "version", p->release.version);
    json_w_obj_end(w);
    snprintf(salt, sizeof salt, "%016" PRIx64, p->salt);
    json_w_kstr(w, "salt", salt);
    write_sizes(w, p);
    if (*p->strata) {
        json_w_kstr(w, "strata", p->strata);
        write_values(w, "strata_values", p->strata_values, p->n_strata);
        write_indices(w, "stratum", p->stratum, p->n);
    }
    json_w_kint(w, "success", p->success_bp);
    json_w_kstr(w, "target", p->target);
    json_w_kint(w, "v", 1);
    json_w_key(w, "waves");
    json_w_arr(w);
    for (size_t i = 0; i < p->n_waves; i++)
        json_w_int(w, (int64_t)p->waves[i].n);
    json_w_arr_end(w);
    json_w_obj_end(w);
}

static bool in_range(const struct wave_plan *p, struct err *e)
{
    if (p->n == 0 || p->n_waves == 0)
        return bad(e, ERR_RANGE, "no device, or no wave");
    if (p->n > PLAN_DEVICES_MAX || p->n_waves > PLAN_WAVES_MAX || p->n_strata > PLAN_VALUES_MAX ||
        p->n_order > PLAN_VALUES_MAX)
        return bad(e, ERR_LIMIT, "too many devices, waves or values of an attribute");
    if (!*p->name || strlen(p->name) > 128 || !*p->release.id || p->success_bp < 0 || p->success_bp > 10000 ||
        p->failure_bp < 0 || p->failure_bp >= 10000 || p->created_at < 0 || p->created_at > INT_MAX_JSON ||
        p->release.order < 0 || p->release.order > INT_MAX_JSON)
        return bad(e, ERR_RANGE, "name, release, time or condition out of range");
    for (size_t i = 0; i < p->n; i++)
        if (!*p->raw_ids[i] || strlen(p->raw_ids[i]) > PLAN_RAW_MAX)
            return bad(e, ERR_LIMIT, "a device's id is empty or longer than 512 bytes");
    return true;
}

bool plan_write(struct wave_plan *p, struct buf *out, struct err *e)
{
    struct json_w w;
    char hex[SHA256_HEX];
    size_t from = out->len;
    if (!in_range(p, e))
        return false;
    json_w_init(&w, out, 0);
    write_all(&w, p);
    if (!json_w_ok(&w))
        return bad(e, ERR_LIMIT, "it is too large");
    sha256_hex(out->data + from, out->len - from, hex);
    snprintf(p->id, sizeof p->id, PLAN_PREFIX "%.16s", hex);
    return true;
}

/* ---- reading ---- */

static const char *text_of(const struct json_t *obj, const char *key, size_t max, struct arena *a)
{
    size_t n;
    const char *s = json_str(obj, key, &n);
    return s && n <= max && strlen(s) == n ? arena_strndup(a, s, n) : NULL;
}

static bool bounded(const struct json_t *obj, const char *key, int64_t max, int64_t *out)
{
    return json_int(obj, key, out) && *out >= 0 && *out <= max;
}

static bool read_values(const struct json_t *doc, const char *key, struct arena *a, const char ***out, size_t *n)
{
    const struct json_t *arr = json_get(doc, key);
    if (!json_is_arr(arr) || json_len(arr) > PLAN_VALUES_MAX)
        return false;
    *n = json_len(arr);
    *out = ARENA_ARRAY(a, const char *, *n + 1);
    for (size_t i = 0; i < *n; i++) {
        size_t len;
        const char *s = json_str_value(json_at(arr, i), &len);
        if (!s || len > VALUE_MAX || strlen(s) != len)
            return false;
        (*out)[i] = arena_strndup(a, s, len);
    }
    return true;
}

static bool read_indices(const struct json_t *doc, const char *key, size_t n, size_t values, struct arena *a,
                         uint16_t **out)
{
    const struct json_t *arr = json_get(doc, key);
    if (!json_is_arr(arr) || json_len(arr) != n)
        return false;
    *out = ARENA_ARRAY(a, uint16_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        double v;
        if (!json_num_value(json_at(arr, i), &v) || !(v >= 0 && v <= (double)values))
            return false;
        (*out)[i] = (uint16_t)v;
    }
    return true;
}

static bool read_ids(struct wave_plan *p, const struct json_t *doc, struct arena *a, struct err *e)
{
    const struct json_t *arr = json_get(doc, "ids");
    if (!json_is_arr(arr))
        return bad(e, ERR_SYNTAX, "no list of ids");
    p->n = json_len(arr);
    if (p->n > PLAN_DEVICES_MAX)
        return bad(e, ERR_LIMIT, "too many devices");
    p->raw_ids = ARENA_ARRAY(a, const char *, p->n + 1);
    for (size_t i = 0; i < p->n; i++) {
        size_t n;
        char id[3 * PLAN_RAW_MAX + 1];
        const char *s = json_str_value(json_at(arr, i), &n);
        if (!s || n >= sizeof id || !id_read(id, s, n))
            return bad(e, ERR_SYNTAX, "a device's id is none");
        p->raw_ids[i] = arena_strdup(a, id);
    }
    return true;
}

static bool read_waves(struct wave_plan *p, const struct json_t *doc, struct err *e)
{
    const struct json_t *waves = json_get(doc, "waves"), *sizes = json_get(doc, "sizes");
    size_t at = 0;
    p->n_waves = json_is_arr(waves) ? json_len(waves) : 0;
    if (p->n_waves == 0 || p->n_waves > PLAN_WAVES_MAX || !json_is_arr(sizes) || json_len(sizes) != p->n_waves)
        return bad(e, ERR_RANGE, "no waves, too many of them, or not a size for each");
    for (size_t i = 0; i < p->n_waves; i++) {
        double n;
        size_t len;
        const char *s = json_str_value(json_at(sizes, i), &len);
        if (!json_num_value(json_at(waves, i), &n) || !(n >= 1 && n <= (double)(p->n - at)) || !s ||
            !one_size(s, s + len, &p->sizes[i]))
            return bad(e, ERR_RANGE, "a wave of no devices, or of more than there are");
        p->waves[i] = (struct plan_wave){at, (size_t)n};
        at += (size_t)n;
    }
    return at == p->n || bad(e, ERR_RANGE, "its waves do not hold its devices");
}

static bool read_attributes(struct wave_plan *p, const struct json_t *doc, struct arena *a, struct err *e)
{
    p->strata = p->order = "";
    if (json_get(doc, "strata") && (!(p->strata = text_of(doc, "strata", VALUE_MAX, a)) || !*p->strata ||
                                    !read_values(doc, "strata_values", a, &p->strata_values, &p->n_strata) ||
                                    !read_indices(doc, "stratum", p->n, p->n_strata, a, &p->stratum)))
        return bad(e, ERR_SYNTAX, "its strata are none");
    if (json_get(doc, "order") && (!(p->order = text_of(doc, "order", VALUE_MAX, a)) || !*p->order ||
                                   !read_values(doc, "order_values", a, &p->order_values, &p->n_order) ||
                                   !read_indices(doc, "exposure", p->n, p->n_order, a, &p->exposure)))
        return bad(e, ERR_SYNTAX, "its order of exposure is none");
    return true;
}

static bool read_head(struct wave_plan *p, const struct json_t *doc, struct arena *a, struct err *e)
{
    const struct json_t *r = json_get(doc, "release");
    const char *salt = json_str(doc, "salt", NULL);
    int64_t v, ok, fail;
    char *end = NULL;
    if (!json_int(doc, "v", &v) || v != 1)
        return bad(e, ERR_UNSUPPORTED, "it is of a later version of andon, or no plan");
    p->salt = salt ? strtoull(salt, &end, 16) : 0;
    p->name = text_of(doc, "name", 128, a);
    p->description = text_of(doc, "description", 1024, a);
    p->target = text_of(doc, "target", 1024, a);
    if (!salt || *end || !p->name || !p->description || !p->target ||
        !bounded(doc, "created", INT_MAX_JSON, &p->created_at) || !bounded(doc, "success", 10000, &ok) ||
        !bounded(doc, "failure", 9999, &fail) || !json_is_obj(r))
        return bad(e, ERR_SYNTAX, "name, times or conditions are missing");
    p->success_bp = (int)ok;
    p->failure_bp = (int)fail;
    p->release = (struct release){.id = text_of(r, "id", NAME_MAX_BYTES, a),
                                  .name = text_of(r, "name", NAME_MAX_BYTES, a),
                                  .version = text_of(r, "version", NAME_MAX_BYTES, a)};
    if (!p->release.id || !p->release.name || !p->release.version ||
        !bounded(r, "order", INT_MAX_JSON, &p->release.order))
        return bad(e, ERR_SYNTAX, "it names no release");
    return true;
}

/* What is read is written again: a second member, another order, another form of a number would be another plan. */
static bool same_bytes(struct wave_plan *p, const char *bytes, size_t n, struct err *e)
{
    struct buf again;
    buf_init(&again, PLAN_BYTES_MAX);
    bool ok = plan_write(p, &again, e);
    if (ok && (again.len != n || memcmp(again.data, bytes, n) != 0))
        ok = bad(e, ERR_SYNTAX, "it is not in the form that andon writes");
    buf_release(&again);
    return ok;
}

bool plan_read(struct wave_plan *p, const char *bytes, size_t n, struct arena *a, struct err *e)
{
    memset(p, 0, sizeof *p);
    struct json_t *doc = json_parse(bytes, n, PLAN_BYTES_MAX, WHAT, e);
    if (!doc)
        return false;
    bool ok = json_is_obj(doc) || bad(e, ERR_SYNTAX, "it is no object");
    ok = ok && read_head(p, doc, a, e) && read_ids(p, doc, a, e) && read_waves(p, doc, e) &&
         read_attributes(p, doc, a, e);
    json_free(doc);
    return ok && same_bytes(p, bytes, n, e);
}
