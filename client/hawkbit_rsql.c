/* RSQL as hawkBit reads it: a value in double quotes, backslash escapes, '*' is a wildcard anywhere in it. What the
 * query makes of the value is compared with LIKE, where a backslash escapes once more: 0.3 finds nothing for a name
 * that holds one, and says nothing about it. */
#include "client/hawkbit_impl.h"

#include <string.h>

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

static bool one(struct buf *out, const char *field, const struct release *r, struct err *e)
{
    buf_printf(out, "%s.name==", field);
    if (!hb_rsql_value(out, r->name, e))
        return false;
    buf_printf(out, ";%s.version==", field);
    return hb_rsql_value(out, r->version, e);
}

bool hb_rsql_release(struct buf *out, const struct release *r, enum device_query q, bool with_errors, struct err *e)
{
    if (!r->name[0] || !r->version[0])
        return err_set(e, ERR_RANGE, "ask the server for the release first", "the release's name is not known");
    if (!one(out, "installedds", r, e))
        return false;
    if (q == DQ_INVOLVED) {
        buf_addc(out, ',');
        if (!one(out, "assignedds", r, e))
            return false;
    }
    if (with_errors)
        buf_adds(out, ",updatestatus==error");
    return !out->over || err_set(e, ERR_LIMIT, "", "a filter is longer than allowed");
}
