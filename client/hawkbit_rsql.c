/* RSQL as hawkBit reads it: a value in double quotes, backslash escapes. What == makes of the value is compared with
 * LIKE: '*' is a wildcard anywhere in it, and a backslash escapes once more: 0.3 finds nothing for a name that holds
 * one, and says nothing about it. =in= and =out= compare the value itself (both 0.3 and 1.x): what holds one of the two
 * is looked for by a list of one. Neither makes a difference between capitals and others.
 *
 * Two different things with a comma between them are not always what they look like: 0.3 joins each release that a
 * filter names, so that a device without an assigned one (its update failed) is not found by its installed one, nor by
 * its id, as soon as both releases are in the filter. So names are never in one with releases; and of the devices with
 * either release it finds those that have both. */
#include "client/hawkbit_impl.h"

#include <string.h>
#include "core/text.h"

#define FILTER_MAX 1000 /* bytes of a rollout's; the server takes 1024 characters */
#define ID_BYTES   256

bool hb_rsql_value(struct buf *out, const char *s, struct err *e)
{
    if (strpbrk(s, "*\\") || strstr(s, "<U+") || strstr(s, "\xe2\x80\xa6"))
        return err_set(e, ERR_RANGE, "rename the release on the server, without *, \\, control or invisible characters",
                       "\"%.100s\" can't be written into a filter so that it means only itself", s);
    buf_addc(out, '"');
    for (; *s; s++) {
        if (*s == '"')
            buf_addc(out, '\\');
        buf_addc(out, *s);
    }
    buf_addc(out, '"');
    return !out->over || err_set(e, ERR_LIMIT, "", "a filter is longer than allowed");
}

/* So many bytes at s do not mean themselves in a filter, or stand for other ones; 0: none. */
static size_t unsure(const char *s)
{
    if (*s == '*' || *s == '\\')
        return 1;
    if (strncmp(s, "\xe2\x80\xa6", 3) == 0)
        return 3;
    size_t n = strncmp(s, "<U+", 3) == 0 ? strcspn(s, ">") : 0;
    return n && s[n] ? n + 1 : n;
}

bool hb_rsql_pattern(struct buf *out, const char *s, struct err *e)
{
    buf_addc(out, '"');
    for (size_t n; *s; s += n) {
        n = unsure(s);
        if (n) {
            buf_addc(out, '*');
            continue;
        }
        if (*s == '"')
            buf_addc(out, '\\');
        buf_addc(out, *s);
        n = 1;
    }
    buf_addc(out, '"');
    return !out->over || err_set(e, ERR_LIMIT, "", "a filter is longer than allowed");
}

/* --- filters --- */

static void add_quoted(struct buf *out, const char *s)
{
    buf_addc(out, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_addc(out, '\\');
        buf_addc(out, *s);
    }
    buf_addc(out, '"');
}

/* FIELD is this text and no other. `s` is safe text: what safe_text replaced stands for other bytes. */
static bool is_exactly(struct buf *out, const char *field, const char *s, struct err *e)
{
    buf_adds(out, field);
    if (!strpbrk(s, "*\\")) {
        buf_adds(out, "==");
        return hb_rsql_value(out, s, e);
    }
    if (strstr(s, "<U+") || strstr(s, "\xe2\x80\xa6"))
        return err_set(e, ERR_RANGE, "rename the release on the server, without control or invisible characters",
                       "\"%.100s\" can't be written into a filter so that it means only itself", s);
    buf_adds(out, "=in=(");
    add_quoted(out, s);
    buf_addc(out, ')');
    return true;
}

static bool add_release(struct buf *out, const char *name, const char *version, const struct release *r, struct err *e)
{
    if (!r->name[0] || !r->version[0])
        return err_set(e, ERR_RANGE, "ask the server for the release first", "the release's name is not known");
    if (!is_exactly(out, name, r->name, e))
        return false;
    buf_addc(out, ';');
    return is_exactly(out, version, r->version, e);
}

/* "${...}" is replaced by the server (times, mostly). */
bool hb_rsql_nameable(const char *raw_id)
{
    size_t n = strlen(raw_id);
    if (n == 0 || n > ID_BYTES || strstr(raw_id, "${") || !text_valid(raw_id, n))
        return false;
    for (const unsigned char *p = (const unsigned char *)raw_id; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

static void add_id(struct buf *out, const char *s)
{
    if (s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-")] == '\0')
        buf_adds(out, s);
    else
        add_quoted(out, s);
}

size_t hb_rsql_ids(struct buf *out, const char *op, const char *const *raw_ids, size_t n)
{
    size_t in = 0;
    for (size_t i = 0; i < n; i++) {
        if (!hb_rsql_nameable(raw_ids[i]))
            continue;
        if (in++ == 0)
            buf_printf(out, "controllerid%s(", op);
        else
            buf_addc(out, ',');
        add_id(out, raw_ids[i]);
    }
    if (in)
        buf_addc(out, ')');
    return in;
}

static void and_(struct buf *out)
{
    if (out->len > 0)
        buf_addc(out, ';');
}

static bool add_pairs(struct buf *out, const char *const (*v)[2], size_t n, const char *op, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        and_(out);
        buf_printf(out, "attribute.%s%s", v[i][0], op);
        if (!hb_rsql_value(out, v[i][1], e))
            return false;
    }
    return true;
}

/* What the filter finds without naming it; "" = all devices. */
static bool add_broad(struct buf *out, const struct device_filter *f, struct err *e)
{
    bool both = f->installed && f->assigned;
    if (both)
        buf_addc(out, '(');
    if (f->installed && !add_release(out, "installedds.name", "installedds.version", f->installed, e))
        return false;
    if (both)
        buf_addc(out, ',');
    if (f->assigned && !add_release(out, "assignedds.name", "assignedds.version", f->assigned, e))
        return false;
    if (both)
        buf_addc(out, ')');
    if (!add_pairs(out, f->equals, f->n_equals, "==", e))
        return false;
    if (f->n_exclude == 0)
        return true;
    and_(out);
    if (hb_rsql_ids(out, "=out=", f->exclude, f->n_exclude) < f->n_exclude)
        return err_set(e, ERR_RANGE, "", "a device's id can't be written into a filter so that it means only itself");
    return true;
}

bool hb_rsql_filter(struct buf *out, const struct device_filter *f, struct err *e)
{
    if (!f->only_include && !add_broad(out, f, e))
        return false;
    if (f->n_include > 0 && out->len > 0)
        return err_set(e, ERR_RANGE, "", "devices by release and devices by name take two lists");
    if (f->only_include && hb_rsql_ids(out, "=in=", f->include, f->n_include) < f->n_include)
        return err_set(e, ERR_RANGE, "", "a device's id can't be written into a filter so that it means only itself");
    return !out->over || err_set(e, ERR_LIMIT, "", "a filter is longer than allowed");
}

/* A device that never came has no time of contact, and no comparison with one finds it. */
bool hb_rsql_find(struct buf *out, const struct find_filter *f, struct err *e)
{
    if (f->installed && !add_release(out, "installedds.name", "installedds.version", f->installed, e))
        return false;
    if (!add_pairs(out, f->equals, f->n_equals, "==", e) || !add_pairs(out, f->differs, f->n_differs, "!=", e))
        return false;
    for (size_t i = 0; i < f->n_has; i++) {
        and_(out);
        buf_printf(out, "attribute.%s==*", f->has[i]);
    }
    if (f->seen_since) {
        and_(out);
        buf_printf(out, "lastcontrollerrequestat=ge=%lld", (long long)(f->seen_since / 1000));
    }
    if (f->silent_since) {
        and_(out);
        buf_printf(out, "(lastcontrollerrequestat=lt=%lld,updatestatus==unknown)", (long long)(f->silent_since / 1000));
    }
    if (f->among) {
        and_(out);
        if (hb_rsql_ids(out, "=in=", f->among, f->n_among) < f->n_among || f->n_among == 0)
            return err_set(e, ERR_RANGE, "",
                           "a device's id can't be written into a filter so that it means only itself");
    }
    return !out->over || err_set(e, ERR_LIMIT, "", "a filter is longer than allowed");
}

static void end_part(struct filter_parts *out, struct buf *b, struct arena *a, bool broad, size_t named)
{
    if (named)
        buf_addc(b, ')');
    out->v[out->n++] = (struct filter_part){arena_strdup(a, b->data), broad, named};
    buf_clear(b);
}

bool hb_filter_parts(struct backend *b, const struct device_filter *f, struct arena *a, struct filter_parts *out,
                     struct err *e)
{
    struct buf text, id;
    bool ok = true, broad = !f->only_include;
    size_t named = 0;
    (void)b;
    *out = (struct filter_parts){.v = ARENA_ARRAY(a, struct filter_part, f->n_include + 1),
                                 .unnamed = ARENA_ARRAY(a, const char *, f->n_include + 1)};
    buf_init(&text, 64 * FILTER_MAX);
    buf_init(&id, 2 * ID_BYTES + 3);
    if (broad) {
        ok = add_broad(&text, f, e);
        if (ok && text.len == 0)
            buf_adds(&text, "controllerid==*");
        if (ok && (text.over || text.len > FILTER_MAX))
            ok = err_set(e, ERR_LIMIT, "", "a filter is longer than a rollout may have (%d bytes)", FILTER_MAX);
    }
    for (size_t i = 0; ok && i < f->n_include; i++) {
        if (!hb_rsql_nameable(f->include[i])) {
            out->unnamed[out->n_unnamed++] = f->include[i];
            continue;
        }
        buf_clear(&id);
        add_id(&id, f->include[i]);
        if (broad || (text.len > 0 && text.len + id.len + sizeof "controllerid=in=()" > FILTER_MAX)) {
            end_part(out, &text, a, broad, named);
            broad = false;
            named = 0;
        }
        buf_printf(&text, "%s%s", named ? "," : "controllerid=in=(", id.data);
        named++;
    }
    if (ok && text.len > 0)
        end_part(out, &text, a, broad, named);
    buf_release(&text);
    buf_release(&id);
    return ok;
}
