#include "audit/record.h"

#include <stdio.h>
#include <string.h>
#include "audit/book.h"
#include "core/text.h"

#define HEAD "andon-spool 1 "

bool record_write(const struct entry *en, const char *host_json, struct buf *out, struct err *e)
{
    struct entry own = *en;
    struct buf json;
    char id[SHA256_HEX], sum[SHA256_HEX];
    if (!entry_of_halt(en))
        return err_set(e, ERR_REFUSED, "", "spool: %s entries do not go there", entry_kind_word(en->kind));
    buf_init(&json, ENTRY_MAX);
    own.late = true;
    bool ok = entry_event(en, NULL, id, e);
    if (ok) {
        entry_str(&own, EVENT_FIELD, id);
        ok = entry_canonical(&own, 0, host_json, &json, e);
    }
    if (ok) {
        sha256_hex(json.data, json.len, sum);
        buf_printf(out, HEAD "%s ", sum);
        buf_add(out, json.data, json.len);
        if (!buf_addc(out, '\n'))
            ok = err_set(e, ERR_LIMIT, "", "spool: the record is too long");
    }
    buf_release(&json);
    return ok;
}

/* The JSON of a line whose digest is right; NULL. */
static const char *body(const char *line, size_t n, size_t *json_n)
{
    size_t head = strlen(HEAD), skip = head + SHA256_HEX;
    char sum[SHA256_HEX];
    if (n <= skip || n > RECORD_MAX || memcmp(line, HEAD, head) != 0 || line[skip - 1] != ' ')
        return NULL;
    *json_n = n - skip;
    sha256_hex(line + skip, *json_n, sum);
    return memcmp(line + head, sum, SHA256_HEX - 1) == 0 ? line + skip : NULL;
}

static bool take_fields(struct slice fields, struct arena *a, struct record *r)
{
    struct member m;
    for (size_t at = 0; leaf_member(fields, &at, &m);) {
        int64_t num;
        const char *key = leaf_text(a, m.key);
        if (m.is_object || r->en.n_fields >= ENTRY_FIELDS - 1)
            return false;
        if (m.is_string)
            entry_str(&r->en, key, leaf_text(a, m.value));
        else if (slice_int(m.value, &num))
            entry_int(&r->en, key, num);
        else
            return false;
        if (strcmp(key, EVENT_FIELD) == 0 && m.value.n == SHA256_HEX - 1)
            snprintf(r->id, sizeof r->id, "%.*s", (int)m.value.n, m.value.p);
    }
    return true;
}

bool record_entry(const char *json, size_t n, struct arena *a, struct record *r)
{
    struct leaf l;
    memset(r, 0, sizeof *r);
    if (!leaf_scan_record(json, n, &l))
        return false;
    const char *actor = leaf_text(a, l.actor);
    entry_init(&r->en, entry_kind_from_word(leaf_text(a, l.kind)));
    r->en.verb = verb_from_word(leaf_text(a, l.verb));
    r->en.actor.kind = actor_kind_from(leaf_text(a, l.actor_kind));
    safe_text_into(r->en.actor.name, sizeof r->en.actor.name, actor, strlen(actor));
    r->en.corr = l.corr;
    r->en.t = l.t;
    r->en.mono = l.mono;
    r->en.late = l.late;
    r->en.fleet = leaf_text(a, l.fleet);
    r->en.rollout = leaf_text(a, l.rollout);
    r->en.wave = leaf_text(a, l.wave);
    r->en.result = leaf_text(a, l.result);
    r->en.reason = leaf_text(a, l.reason);
    r->en.before = leaf_text(a, l.before);
    r->en.after = leaf_text(a, l.after);
    r->host = l.host.p ? arena_strndup(a, l.host.p, l.host.n) : "";
    r->json = json;
    r->json_n = n;
    return take_fields(l.fields, a, r);
}

bool record_read(const char *line, size_t n, struct arena *a, struct record *out, struct err *e)
{
    size_t json_n = 0;
    char id[SHA256_HEX];
    const char *json = body(line, n, &json_n);
    memset(out, 0, sizeof *out);
    if (!json)
        return err_set(e, ERR_SYNTAX, "", "not a whole record");
    if (!record_entry(json, json_n, a, out) || !out->en.late || !entry_event(&out->en, NULL, id, NULL) ||
        strcmp(id, out->id) != 0)
        return err_set(e, ERR_SYNTAX, "", "a record that does not say what it is digested from");
    if (!entry_of_halt(&out->en))
        return err_set(e, ERR_REFUSED, "", "a record of what no halt leaves");
    return true;
}
