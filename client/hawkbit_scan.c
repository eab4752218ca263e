/* See hawkbit_scan.h. */
#include "client/hawkbit_scan.h"

#include "client/hawkbit_impl.h"
#include "client/plain.h"
#include "core/text.h"

static bool scan_bool(struct plain *s, bool *out)
{
    *out = s->at < s->end && *s->at == 't';
    return plain_word(s, *out ? "true" : "false");
}

/* An optional text: what is no string counts as absent, as for the parser. */
static bool scan_text(struct plain *s, struct slice *out)
{
    return s->at < s->end && *s->at == '"' ? plain_string(s, out) : plain_skip(s);
}

static bool scan_time(struct plain *s, int64_t *out)
{
    int64_t ms = 0;
    bool whole = false;
    if (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        if (!plain_number(s, &ms, &whole) || !whole)
            return false; /* rare enough: let the parser say what 1.5e12 is */
        *out = hb_time_of(ms);
        return true;
    }
    return plain_skip(s);
}

static bool scan_poll(struct plain *s, struct hb_device_text *t)
{
    struct plain_members m = {.n = 0};
    struct slice key;
    bool more, ok;
    if (s->at == s->end || *s->at != '{')
        return plain_skip(s);
    s->at++;
    while (plain_member(s, &m, &key, &more)) {
        if (!more)
            return true;
        if (slice_is(key, "lastRequestAt"))
            ok = scan_time(s, &t->last_poll);
        else if (slice_is(key, "nextExpectedRequestAt"))
            ok = scan_time(s, &t->next_poll);
        else if (slice_is(key, "overdue") && s->at < s->end && (*s->at == 't' || *s->at == 'f'))
            ok = scan_bool(s, &t->overdue);
        else
            ok = plain_skip(s);
        if (!ok)
            return false;
    }
    return false;
}

static bool scan_member(struct plain *s, struct slice key, struct hb_device_text *t, bool *has_id)
{
    struct slice text = {"", 0};
    bool ok;
    if (slice_is(key, "controllerId")) {
        *has_id = true;
        ok = plain_string(s, &text) && text.n > 0;
        t->id = text.p;
        t->n_id = text.n;
    } else if (slice_is(key, "name")) {
        ok = scan_text(s, &text);
        t->name = text.p;
        t->n_name = text.n;
    } else if (slice_is(key, "updateStatus")) {
        ok = scan_text(s, &text);
        t->status = text.p;
        t->n_status = text.n;
    } else if (slice_is(key, "address")) {
        ok = scan_text(s, &text);
        t->address = text.p;
        t->n_address = text.n;
    } else if (slice_is(key, "installedAt")) {
        ok = scan_time(s, &t->installed_at);
    } else if (slice_is(key, "lastControllerRequestAt")) {
        ok = scan_time(s, &t->last_seen);
    } else if (slice_is(key, "pollStatus")) {
        ok = scan_poll(s, t);
    } else {
        ok = plain_skip(s);
    }
    return ok;
}

static bool scan_device(struct plain *s, struct arena *a, struct device *out)
{
    struct hb_device_text t = {.id = "", .name = "", .status = "", .address = ""};
    struct plain_members m = {.n = 0};
    struct slice key;
    bool more, has_id = false;
    if (!plain_take(s, '{'))
        return false;
    while (plain_member(s, &m, &key, &more)) {
        if (!more && !has_id)
            return false;
        if (!more) {
            hb_take_device(&t, a, out);
            return true;
        }
        if (!scan_member(s, key, &t, &has_id))
            return false;
    }
    return false;
}

static bool scan_content(struct plain *s, size_t max, struct arena *a, struct device_page *out)
{
    if (!plain_take(s, '['))
        return false;
    if (plain_take(s, ']'))
        return true;
    do {
        if (out->n == max || !scan_device(s, a, &out->v[out->n]))
            return false;
        out->n++;
    } while (plain_take(s, ','));
    return plain_take(s, ']');
}

bool hb_scan_devices(const char *bytes, size_t n, size_t max, struct arena *texts, struct arena *rough,
                     struct device_page *out)
{
    struct plain s = {.at = bytes, .end = bytes + n, .ascii = true};
    struct plain_members m = {.n = 0};
    struct slice key;
    bool more, content = false, total = false, whole, ok;
    *out = (struct device_page){.v = ARENA_ARRAY(rough, struct device, max + 1)};
    if (n == 0 || n > HB_BODY_MAX || !plain_take(&s, '{'))
        return false;
    while (plain_member(&s, &m, &key, &more)) {
        if (!more) {
            plain_blanks(&s);
            return s.at == s.end && content && total && (s.ascii || text_valid(bytes, n));
        }
        if (slice_is(key, "content")) {
            content = ok = scan_content(&s, max, texts, out);
        } else if (slice_is(key, "total")) {
            total = ok = plain_number(&s, &out->total, &whole) && whole && out->total >= 0;
        } else {
            ok = plain_skip(&s);
        }
        if (!ok)
            return false;
    }
    return false;
}
