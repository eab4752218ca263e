#include "core/entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/json.h"
#include "core/text.h"

#define EXACT_MAX INT64_C(9007199254740991) /* 2^53 - 1: RFC 8785 numbers are doubles (RFC 7493, 2.2) */

static const char *const KIND_WORDS[ENTRY_KIND_COUNT] = {
    [ENTRY_GENESIS] = "genesis",
    [ENTRY_KEY] = "key",
    [ENTRY_SESSION] = "session",
    [ENTRY_INTENT] = "intent",
    [ENTRY_STEP] = "step",
    [ENTRY_OUTCOME] = "outcome",
    [ENTRY_RECOVERED] = "recovered",
    [ENTRY_APPROVAL] = "approval",
    [ENTRY_HALT] = "halt",
    [ENTRY_ACK] = "ack",
    [ENTRY_WATCH] = "watch",
    [ENTRY_REFUSED] = "refused",
    [ENTRY_DEGRADED] = "degraded",
    [ENTRY_CLOCK_STEP] = "clock-step",
    [ENTRY_CONFIG] = "config",
    [ENTRY_EXPORT] = "export",
    [ENTRY_VERIFY] = "verify",
    [ENTRY_EVIDENCE] = "evidence",
    [ENTRY_NOTICE] = "notice",
    [ENTRY_RECEIPT] = "receipt",
    [ENTRY_REDACT] = "redact",
    [ENTRY_PLAN] = "plan",
    [ENTRY_TELL] = "tell",
    [ENTRY_INTEL] = "intel",
    [ENTRY_VEX] = "vex",
    [ENTRY_ACCEPT] = "accept",
    [ENTRY_CRA] = "cra",
    [ENTRY_REPORT] = "report",
};

const char *entry_kind_word(enum entry_kind k)
{
    return (unsigned)k < ENTRY_KIND_COUNT ? KIND_WORDS[k] : "unknown";
}

enum entry_kind entry_kind_from_word(const char *s)
{
    int k = 0;
    while (k < ENTRY_KIND_COUNT && strcmp(KIND_WORDS[k], s) != 0)
        k++;
    return (enum entry_kind)k;
}

const char *trail_word(enum trail t)
{
    static const char *const words[] = {[TRAIL_NONE] = "",
                                        [TRAIL_LOG] = "log",
                                        [TRAIL_SPOOL] = "spool",
                                        [TRAIL_SYSLOG] = "syslog",
                                        [TRAIL_NOWHERE] = "nowhere"};
    return (unsigned)t < sizeof words / sizeof *words ? words[t] : "";
}

enum actor_kind actor_kind_from(const char *word)
{
    return strcmp(word, "rule") == 0 ? ACTOR_RULE : strcmp(word, "script") == 0 ? ACTOR_SCRIPT : ACTOR_PERSON;
}

static const char *actor_word(enum actor_kind k)
{
    switch (k) {
    case ACTOR_PERSON:
        return "person";
    case ACTOR_SCRIPT:
        return "script";
    case ACTOR_RULE:
        return "rule";
    }
    return "unknown";
}

void entry_init(struct entry *e, enum entry_kind kind)
{
    *e = (struct entry){
        .kind = kind, .fleet = "", .rollout = "", .wave = "", .result = "", .reason = "", .before = "", .after = ""};
}

/* The slot for a field, or NULL when the entry is full: then its last field says so. */
static struct entry_field *slot(struct entry *e, const char *key)
{
    for (size_t i = 0; i < e->n_fields; i++) {
        if (strcmp(e->fields[i].key, key) == 0)
            return &e->fields[i]; /* keys are unique: the newer value wins */
    }
    if (e->n_fields == ENTRY_FIELDS - 1)
        e->fields[e->n_fields++] = (struct entry_field){.key = "truncated"};
    if (e->n_fields == ENTRY_FIELDS) {
        e->fields[ENTRY_FIELDS - 1].num++;
        return NULL;
    }
    return &e->fields[e->n_fields++];
}

void entry_str(struct entry *e, const char *key, const char *value)
{
    struct entry_field *f = slot(e, key);
    if (f)
        *f = (struct entry_field){.key = key, .str = value ? value : ""};
}

void entry_int(struct entry *e, const char *key, int64_t value)
{
    struct entry_field *f = slot(e, key);
    if (f)
        *f = (struct entry_field){.key = key, .num = value};
}

void entry_identity(struct entry *e, const struct rollout_identity *who)
{
    e->fleet = who->fleet;
    e->rollout = who->id;
    if (who->created_at > 0)
        entry_int(e, "rollout.created", who->created_at);
    if (*who->name)
        entry_str(e, "rollout.name", who->name);
    if (*who->release)
        entry_str(e, "rollout.release", who->release);
}

bool entry_of_halt(const struct entry *e)
{
    bool halt = e->kind == ENTRY_INTENT || e->kind == ENTRY_OUTCOME ? e->verb == VERB_HALT : e->kind == ENTRY_HALT;
    return halt || e->kind == ENTRY_DEGRADED;
}

/* Safe text holds no control character, so the writer's escapes are then exactly those of RFC 8785. */
static void put_str(struct json_w *w, const char *s)
{
    struct buf safe;
    buf_init(&safe, ENTRY_MAX); /* what is longer cannot be in an entry anyhow */
    if (!safe_text_append(&safe, s, strlen(s)))
        w->bad = true;
    json_w_str(w, safe.data);
    buf_release(&safe);
}

static void put_int(struct json_w *w, int64_t v)
{
    if (v >= -EXACT_MAX && v <= EXACT_MAX) {
        json_w_int(w, v);
        return;
    }
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, v);
    json_w_str(w, text);
}

/* A member that is left out when it says nothing. */
static void put_word(struct json_w *w, const char *key, const char *s)
{
    if (!s || !*s)
        return;
    json_w_key(w, key);
    put_str(w, s);
}

static int by_key(const void *a, const void *b)
{
    const struct entry_field *x = a, *y = b;
    return strcmp(x->key, y->key);
}

/* Field keys are ASCII, for which byte order is the UTF-16 order that RFC 8785 asks for. */
static void put_fields(struct json_w *w, const struct entry *e)
{
    struct entry_field sorted[ENTRY_FIELDS];
    memcpy(sorted, e->fields, e->n_fields * sizeof sorted[0]);
    qsort(sorted, e->n_fields, sizeof sorted[0], by_key);
    json_w_key(w, "f");
    json_w_obj(w);
    for (size_t i = 0; i < e->n_fields; i++) {
        json_w_key(w, sorted[i].key);
        if (sorted[i].str)
            put_str(w, sorted[i].str);
        else
            put_int(w, sorted[i].num);
    }
    json_w_obj_end(w);
}

static bool keys_ok(const struct entry *e, struct err *err)
{
    for (size_t i = 0; i < e->n_fields; i++) {
        const char *k = e->fields[i].key;
        if (*k == '\0' || k[strspn(k, "abcdefghijklmnopqrstuvwxyz0123456789._-")] != '\0')
            return err_set(err, ERR_INTERNAL, "", "log entry: '%s' is not a field's name", k);
    }
    return true;
}

/* The keys in the order of RFC 8785: this order is the format. */
static void put_entry(struct json_w *w, const struct entry *e, uint64_t seq, const char *host_json)
{
    json_w_obj(w);
    json_w_key(w, "actor");
    json_w_obj(w);
    json_w_kstr(w, "kind", actor_word(e->actor.kind));
    json_w_key(w, "name");
    put_str(w, e->actor.name);
    json_w_obj_end(w);
    put_word(w, "after", e->after);
    put_word(w, "before", e->before);
    if (e->corr) {
        char corr[17];
        snprintf(corr, sizeof corr, "%016" PRIx64, e->corr);
        json_w_kstr(w, "corr", corr);
    }
    if (e->n_fields > 0)
        put_fields(w, e);
    put_word(w, "fleet", e->fleet);
    if (host_json && *host_json) {
        json_w_key(w, "host");
        json_w_raw(w, host_json);
    }
    json_w_kstr(w, "kind", entry_kind_word(e->kind));
    if (e->late)
        json_w_kint(w, "late", 1);
    json_w_key(w, "mono_us");
    put_int(w, e->mono);
    put_word(w, "reason", e->reason);
    put_word(w, "result", e->result);
    put_word(w, "rollout", e->rollout);
    json_w_key(w, "seq");
    put_int(w, (int64_t)seq);
    json_w_key(w, "t");
    put_int(w, e->t);
    json_w_kint(w, "v", ENTRY_VERSION);
    if (e->verb != VERB_NONE)
        json_w_kstr(w, "verb", verb_word(e->verb));
    put_word(w, "wave", e->wave);
    json_w_obj_end(w);
}

bool entry_canonical(const struct entry *e, uint64_t seq, const char *host_json, struct buf *out, struct err *err)
{
    if (!keys_ok(e, err))
        return false;
    struct buf line;
    buf_init(&line, ENTRY_MAX);
    struct json_w w;
    json_w_init(&w, &line, 0);
    put_entry(&w, e, seq, host_json);
    bool ok = json_w_ok(&w);
    if (ok)
        ok = buf_add(out, line.data, line.len);
    buf_release(&line);
    if (!ok)
        err_set(err, ERR_LIMIT, "put what is long into a blob", "log entry (%s): longer than %d bytes",
                entry_kind_word(e->kind), ENTRY_MAX);
    return ok;
}

bool entry_event(const struct entry *e, struct buf *facts, char id[SHA256_HEX], struct err *err)
{
    char corr[17], name[sizeof e->actor.name];
    const char *words[] = {entry_kind_word(e->kind),
                           actor_word(e->actor.kind),
                           name,
                           e->fleet,
                           e->rollout,
                           e->wave,
                           e->result,
                           e->reason,
                           e->before,
                           e->after,
                           verb_word(e->verb)};
    struct buf line;
    struct json_w w;
    snprintf(corr, sizeof corr, "%016" PRIx64, e->corr);
    safe_text_into(name, sizeof name, e->actor.name, strlen(e->actor.name)); /* as it is read back into its array */
    buf_init(&line, ENTRY_MAX);
    json_w_init(&w, &line, 0);
    json_w_arr(&w);
    json_w_str(&w, corr);
    put_int(&w, e->t);
    put_int(&w, e->mono);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        put_str(&w, words[i] ? words[i] : "");
    json_w_arr_end(&w);
    bool ok = json_w_ok(&w);
    if (ok)
        sha256_hex(line.data, line.len, id);
    ok = ok && (!facts || buf_add(facts, line.data, line.len));
    buf_release(&line);
    return ok ? true
              : err_set(err, ERR_LIMIT, "put what is long into a blob", "log entry (%s): its facts are too long",
                        entry_kind_word(e->kind));
}
