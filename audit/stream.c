#include "audit/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/csv.h"
#include "audit/tree.h"
#include "audit/words.h"
#include "core/fmt.h"
#include "core/text.h"

/* --- what both event formats need to know of an entry --------------------------------------------------------------
 */

/* How grave an entry is: 0..10 for CEF, and OCSF's severity_id. The first row that fits. */
static const struct gravity {
    const char *kind, *result; /* NULL = any */
    int cef, ocsf;
    const char *word; /* OCSF's caption */
} gravities[] = {
    {"damaged", NULL, 10, 5, "Critical"}, {"halt", NULL, 8, 4, "High"},         {"degraded", NULL, 8, 4, "High"},
    {NULL, "unknown", 7, 4, "High"},      {NULL, "escalated", 8, 4, "High"},    {NULL, "failed", 6, 3, "Medium"},
    {"refused", NULL, 5, 3, "Medium"},    {"clock-step", NULL, 6, 3, "Medium"}, {"watch", NULL, 5, 3, "Medium"},
    {NULL, "skipped", 5, 3, "Medium"},    {NULL, NULL, 2, 1, "Informational"},
};

static bool fits(const char *want, const char *have)
{
    return !want || strcmp(want, have) == 0;
}

static const struct gravity *gravity(const struct stored *s)
{
    const struct gravity *g = gravities;
    while (!fits(g->kind, s->kind) || !fits(g->result, s->result))
        g++;
    return g;
}

static bool has_verb(const struct stored *s)
{
    return *s->verb && strcmp(s->verb, "none") != 0;
}

/* --- JSON ----------------------------------------------------------------------------------------------------------
 */

static const char *safe(struct arena *a, const char *s)
{
    return safe_text(a, s, strlen(s), ENTRY_MAX * 4);
}

/* What it commits to, and what is known of each value; a reader can tell "[erased, ...]" from a name of that text. */
static void committed(struct json_w *w, const struct stored *s)
{
    if (s->n_committed == 0)
        return;
    json_w_key(w, "committed");
    json_w_obj(w);
    for (size_t i = 0; i < s->n_committed; i++)
        json_w_kstr(w, s->committed[i][0], s->committed[i][1]);
    json_w_obj_end(w);
}

static void all_fields(struct json_w *w, const struct stored *s)
{
    json_w_key(w, "fields");
    json_w_obj(w);
    for (size_t i = 0; i < s->n_fields; i++)
        json_w_kstr(w, s->fields[i][0], s->fields[i][1]);
    json_w_obj_end(w);
}

void stream_json(struct json_w *w, const struct stored *s)
{
    char corr[17];
    struct arena a;

    arena_init(&a);
    snprintf(corr, sizeof corr, "%016" PRIx64, s->corr);
    json_w_obj(w);
    json_w_kint(w, "seq", s->seq);
    json_w_ktime(w, "time", s->t);
    json_w_kstr(w, "kind", s->kind);
    json_w_kstr(w, "corr", s->corr ? corr : NULL);
    json_w_kstr(w, "actor", s->actor);
    json_w_kstr(w, "actor_kind", s->actor_kind);
    json_w_kstr(w, "fleet", s->fleet);
    json_w_kstr(w, "rollout", s->rollout);
    json_w_kstr(w, "wave", s->wave);
    json_w_kstr(w, "verb", s->verb);
    json_w_kstr(w, "result", s->result);
    json_w_kstr(w, "reason", s->reason);
    json_w_kstr(w, "before", s->before);
    json_w_kstr(w, "after", s->after);
    json_w_kstr(w, "host", safe(&a, s->host));
    json_w_kbool(w, "late", s->late);
    json_w_kstr(w, "leaf", s->leaf_hash);
    all_fields(w, s);
    committed(w, s);
    json_w_obj_end(w);
    arena_release(&a);
}

static void jsonl(const struct stored *s, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out, 0);
    stream_json(&w, s);
    buf_addc(out, '\n');
}

/* --- CSV -----------------------------------------------------------------------------------------------------------
 */

static void csv(const struct stored *s, struct buf *out)
{
    struct leaf l;
    uint8_t hash[HASH_LEN] = {0};
    if (!leaf_scan(s->shown, strlen(s->shown), &l) || !tree_hash_parse(s->leaf_hash, strlen(s->leaf_hash), hash)) {
        l = (struct leaf){.seq = s->seq, .kind = slice_of(s->kind), .reason = slice_of(s->reason)};
    }
    csv_row(out, &l, hash);
}

/* --- CEF -----------------------------------------------------------------------------------------------------------
 */

/* In the header a bar and a backslash are escaped, in the extension a backslash and an equals sign. Line breaks are
 * none: safe text shows them. */
static void escaped(struct buf *out, const char *text, const char *signs)
{
    for (const char *p = text; *p; p++) {
        if (strchr(signs, *p))
            buf_addc(out, '\\');
        buf_addc(out, *p);
    }
}

#define CEF_TEXT_MAX 1023 /* bytes of a value: the smallest limit of the keys that are used here */

static void pair(struct buf *out, const char *key, const char *value)
{
    struct arena a;
    if (!*value)
        return;
    arena_init(&a);
    buf_printf(out, " %s=", key);
    escaped(out, safe_text(&a, value, strlen(value), CEF_TEXT_MAX), "\\=");
    arena_release(&a);
}

static void labelled(struct buf *out, int i, const char *label, const char *value)
{
    char key[16];
    if (!*value)
        return;
    snprintf(key, sizeof key, "cs%dLabel", i);
    pair(out, key, label);
    snprintf(key, sizeof key, "cs%d", i);
    pair(out, key, value);
}

static void cef(const struct stored *s, struct buf *out)
{
    struct arena a;
    char corr[17] = "";
    arena_init(&a);
    if (s->corr)
        snprintf(corr, sizeof corr, "%016" PRIx64, s->corr);
    /* Words in a log of ours, any text in somebody else's. */
    const char *kind = safe_text(&a, s->kind, strlen(s->kind), 100);
    const char *verb = safe_text(&a, s->verb, strlen(s->verb), 100);
    buf_adds(out, "CEF:0|andon|andon|" ANDON_VERSION "|");
    for (int part = 0; part < 2; part++) { /* signature and name */
        buf_adds(out, part == 0 ? "" : "|");
        escaped(out, kind, "\\|");
        if (has_verb(s)) {
            buf_adds(out, part == 0 ? "." : " of ");
            escaped(out, verb, "\\|");
        }
    }
    buf_printf(out, "|%d|rt=%" PRId64, gravity(s)->cef, s->t / US_PER_MS);
    pair(out, "externalId", arena_printf(&a, "%" PRId64, s->seq));
    pair(out, "act", has_verb(s) ? s->verb : s->kind);
    pair(out, "outcome", s->result);
    pair(out, "suser", s->actor);
    pair(out, "suid", entry_host(s, &a, "kernel.uid"));
    pair(out, "spid", entry_host(s, &a, "kernel.pid"));
    pair(out, "dvchost", entry_host(s, &a, "kernel.host"));
    pair(out, "reason", s->reason);
    pair(out, "msg", entry_sentence(s, &a));
    labelled(out, 1, "rollout", s->rollout);
    labelled(out, 2, "release", stored_identity(s).release);
    labelled(out, 3, "leaf hash", s->leaf_hash);
    labelled(out, 4, "operation", corr);
    labelled(out, 5, "fleet", s->fleet);
    labelled(out, 6, "wave", s->wave);
    if (s->late)
        buf_adds(out, " cn1Label=late cn1=1");
    buf_addc(out, '\n');
    arena_release(&a);
}

/* --- OCSF ----------------------------------------------------------------------------------------------------------
 */

#define OCSF_VERSION "1.3.0"
#define OCSF_CLASS   6003

static const struct activity {
    const char *kind; /* NULL: an entry with a verb */
    int id;
    const char *name;
} activities[] = {{"export", 2, "Read"}, {"verify", 2, "Read"}, {NULL, 3, "Update"}};

static const struct status {
    const char *result;
    int id;
    const char *word;
} statuses[] = {
    {"ok", 1, "Success"},      {"applied", 1, "Success"}, {"done", 1, "Success"},    {"started", 1, "Success"},
    {"ended", 1, "Success"},   {"failed", 2, "Failure"},  {"refused", 2, "Failure"}, {"not-applied", 2, "Failure"},
    {"unknown", 0, "Unknown"}, {"", 0, "Unknown"},
};

static void ocsf_class(struct json_w *w, const struct stored *s)
{
    int id = 99;
    const char *name = s->kind;
    char type[160];
    for (size_t i = 0; i < sizeof activities / sizeof *activities && id == 99; i++) {
        if (activities[i].kind ? strcmp(activities[i].kind, s->kind) == 0 : has_verb(s)) {
            id = activities[i].id;
            name = activities[i].name;
        }
    }
    snprintf(type, sizeof type, "API Activity: %.100s", id == 99 ? "Other" : name);
    json_w_kint(w, "activity_id", id);
    json_w_kstr(w, "activity_name", name);
    json_w_kint(w, "category_uid", 6);
    json_w_kstr(w, "category_name", "Application Activity");
    json_w_kint(w, "class_uid", OCSF_CLASS);
    json_w_kstr(w, "class_name", "API Activity");
    json_w_kint(w, "type_uid", OCSF_CLASS * 100 + id);
    json_w_kstr(w, "type_name", type);
}

static void ocsf_status(struct json_w *w, const struct stored *s)
{
    int id = 99;
    const char *text = s->result;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (strcmp(statuses[i].result, s->result) == 0) {
            id = statuses[i].id;
            text = statuses[i].word;
        }
    }
    json_w_kint(w, "severity_id", gravity(s)->ocsf);
    json_w_kstr(w, "severity", gravity(s)->word);
    json_w_kint(w, "status_id", id);
    json_w_kstr(w, "status", text);
    if (*s->reason)
        json_w_kstr(w, "status_detail", s->reason);
}

static void ocsf_metadata(struct json_w *w, const struct stored *s)
{
    char corr[17];
    json_w_key(w, "metadata");
    json_w_obj(w);
    json_w_kstr(w, "version", OCSF_VERSION);
    json_w_key(w, "product");
    json_w_obj(w);
    json_w_kstr(w, "name", "andon");
    json_w_kstr(w, "vendor_name", "andon");
    json_w_kstr(w, "version", ANDON_VERSION);
    json_w_obj_end(w);
    json_w_kstr(w, "log_name", "audit");
    json_w_kint(w, "sequence", s->seq);
    if (*s->leaf_hash)
        json_w_kstr(w, "uid", s->leaf_hash);
    if (s->corr) {
        snprintf(corr, sizeof corr, "%016" PRIx64, s->corr);
        json_w_kstr(w, "correlation_uid", corr);
    }
    json_w_kstr(w, "event_code", s->kind);
    json_w_obj_end(w);
}

/* Who, by what, from where. */
static void ocsf_actor(struct json_w *w, const struct stored *s, struct arena *a)
{
    const char *host = entry_host(s, a, "kernel.host"), *uid = entry_host(s, a, "kernel.uid");
    bool person = strcmp(s->actor_kind, "person") == 0;
    json_w_key(w, "actor");
    json_w_obj(w);
    json_w_kstr(w, "app_name", "andon");
    json_w_key(w, "user");
    json_w_obj(w);
    json_w_kstr(w, "name", *s->actor ? s->actor : "andon");
    if (*uid)
        json_w_kstr(w, "uid", uid);
    json_w_kint(w, "type_id", person ? 1 : 99);
    json_w_kstr(w, "type", person ? "User" : *s->actor_kind ? s->actor_kind : "andon");
    json_w_obj_end(w);
    json_w_obj_end(w);
    json_w_key(w, "src_endpoint");
    json_w_obj(w);
    json_w_kstr(w, *host ? "hostname" : "name", *host ? host : "unknown");
    json_w_obj_end(w);
}

static void ocsf_api(struct json_w *w, const struct stored *s)
{
    const char *status = stored_field(s, "http.status"), *text = stored_field(s, "text");
    struct rollout_identity who = stored_identity(s);
    json_w_key(w, "api");
    json_w_obj(w);
    json_w_kstr(w, "operation", has_verb(s) ? s->verb : s->kind);
    json_w_key(w, "service");
    json_w_obj(w);
    json_w_kstr(w, "name", *s->fleet ? s->fleet : "andon");
    json_w_obj_end(w);
    if (*status) {
        json_w_key(w, "response");
        json_w_obj(w);
        json_w_kint(w, "code", strtoll(status, NULL, 10));
        if (*text)
            json_w_kstr(w, "message", text);
        json_w_obj_end(w);
    }
    json_w_obj_end(w);
    if (!*s->rollout)
        return;
    json_w_key(w, "resources");
    json_w_arr(w);
    json_w_obj(w);
    json_w_kstr(w, "type", "rollout");
    json_w_kstr(w, "uid", s->rollout);
    if (*who.name)
        json_w_kstr(w, "name", who.name);
    if (*who.release)
        json_w_kstr(w, "version", who.release);
    json_w_obj_end(w);
    json_w_arr_end(w);
}

static void ocsf(const struct stored *s, struct buf *out)
{
    struct json_w w;
    struct arena a;
    arena_init(&a);
    json_w_init(&w, out, 0);
    json_w_obj(&w);
    ocsf_class(&w, s);
    ocsf_status(&w, s);
    json_w_kint(&w, "time", s->t / US_PER_MS);
    json_w_kstr(&w, "message", entry_sentence(s, &a));
    ocsf_metadata(&w, s);
    ocsf_actor(&w, s, &a);
    ocsf_api(&w, s);
    json_w_key(&w, "unmapped");
    json_w_obj(&w);
    json_w_kstr(&w, "before", s->before);
    json_w_kstr(&w, "after", s->after);
    json_w_kstr(&w, "wave", s->wave);
    json_w_kbool(&w, "late", s->late);
    json_w_kstr(&w, "host", safe(&a, s->host));
    all_fields(&w, s);
    json_w_obj_end(&w);
    json_w_obj_end(&w);
    buf_addc(out, '\n');
    arena_release(&a);
}

/* -------------------------------------------------------------------------------------------------------------------
 */

static const struct stream_format formats[] = {
    {"jsonl", NULL, jsonl}, {"csv", csv_head, csv}, {"cef", NULL, cef}, {"ocsf", NULL, ocsf}};

const struct stream_format *stream_format_at(size_t i)
{
    return i < sizeof formats / sizeof *formats ? &formats[i] : NULL;
}

const struct stream_format *stream_format_find(const char *word)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].word, word) == 0)
            return &formats[i];
    }
    return NULL;
}
