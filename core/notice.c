#include "core/notice.h"

#include <stdio.h>
#include <string.h>
#include "core/clock.h"
#include "core/fmt.h"
#include "core/json.h"
#include "core/text.h"

#define SUMMARY_MAX 1024 /* PagerDuty's limit for payload.summary */
#define STANDS_US   (7 * US_PER_DAY)

static const char *const words[NOTICE_KINDS] = {
    [NOTICE_WATCH] = "watch",         [NOTICE_HALT] = "halt",
    [NOTICE_ESCALATED] = "escalated", [NOTICE_ROLLBACK] = "rollback",
    [NOTICE_GATE] = "gate",           [NOTICE_TEST] = "test",
    [NOTICE_LOST] = "lost-telemetry", [NOTICE_RUNS] = "halted-but-running",
    [NOTICE_LOG] = "audit-log",       [NOTICE_TAMPERED] = "log-tampered",
    [NOTICE_EXPOSED] = "exposed",     [NOTICE_STALE] = "stale-intel",
};

const char *notice_kind_word(enum notice_kind k)
{
    return (unsigned)k < NOTICE_KINDS ? words[k] : "unknown";
}

enum notice_kind notice_kind_from_word(const char *s)
{
    for (int k = 0; k < NOTICE_KINDS; k++)
        if (strcmp(s, words[k]) == 0)
            return (enum notice_kind)k;
    return NOTICE_KINDS;
}

const char *notice_severity(enum notice_kind k)
{
    switch (k) {
    case NOTICE_HALT:
    case NOTICE_ESCALATED:
    case NOTICE_RUNS:
    case NOTICE_TAMPERED:
        return "critical";
    case NOTICE_ROLLBACK:
    case NOTICE_LOST:
    case NOTICE_LOG:
    case NOTICE_EXPOSED:
        return "error";
    case NOTICE_WATCH:
    case NOTICE_STALE:
        return "warning";
    case NOTICE_GATE:
    case NOTICE_TEST:
    case NOTICE_KINDS:
        break;
    }
    return "info";
}

/* ---- the book ---- */

/* Told again for as long as it stands. */
static bool repeats(enum notice_kind k)
{
    return k == NOTICE_HALT || k == NOTICE_ESCALATED || k == NOTICE_RUNS || k == NOTICE_LOST || k == NOTICE_LOG ||
           k == NOTICE_TAMPERED;
}

/* May come and go by itself, without anybody having done anything. */
static bool flaps(enum notice_kind k)
{
    return k == NOTICE_WATCH || k == NOTICE_LOST;
}

static size_t find(const struct notice_book *b, const char *key)
{
    size_t i = 0;
    while (i < b->n && strcmp(b->seen[i].key, key) != 0)
        i++;
    return i;
}

/* Where a new key goes: behind the others, or in the place of the one that is missed least. */
static size_t room(struct notice_book *b)
{
    size_t oldest = 0;
    if (b->n < NOTICE_SEEN)
        return b->n++;
    for (size_t i = 1; i < b->n; i++) {
        bool better = b->seen[i].resolved != b->seen[oldest].resolved ? b->seen[i].resolved
                                                                      : b->seen[i].told < b->seen[oldest].told;
        if (better)
            oldest = i;
    }
    return oldest;
}

void notice_remember(struct notice_book *b, const char *key, int64_t told, bool resolved)
{
    size_t i = find(b, key);
    if (i == b->n)
        i = room(b);
    snprintf(b->seen[i].key, sizeof b->seen[i].key, "%s", key);
    b->seen[i].told = told;
    b->seen[i].resolved = resolved;
}

void notice_forget(struct notice_book *b, const char *key)
{
    size_t i = find(b, key);
    if (i < b->n)
        b->seen[i] = b->seen[--b->n];
}

bool notice_due(struct notice_book *b, const struct notice *n, int64_t now)
{
    if (n->kind == NOTICE_TEST)
        return true;
    if (now < b->silent_until)
        return false;
    size_t i = find(b, n->key);
    bool known = i < b->n;
    if (n->resolved) {
        if (!known || b->seen[i].resolved)
            return false;
        b->seen[i].resolved = true;
        return true;
    }
    if (known && now - b->seen[i].told >= 0) { /* a clock that was set back must not silence anything */
        bool recent = now - b->seen[i].told < b->repeat_us;
        bool again = b->seen[i].resolved ? !(flaps(n->kind) && recent) : repeats(n->kind) && !recent;
        if (!again)
            return false;
    }
    notice_remember(b, n->key, now, false);
    return true;
}

int64_t notice_told(const struct notice_book *b, const char *key)
{
    size_t i = find(b, key);
    return i < b->n ? b->seen[i].told : 0;
}

/* ---- bodies ---- */

/* A member with a string made safe and cut; left out when it is empty. */
static void member(struct json_w *w, const char *key, const char *s, size_t max)
{
    char safe[SUMMARY_MAX + 1];
    if (!*s)
        return;
    safe_text_into(safe, max + 1 < sizeof safe ? max + 1 : sizeof safe, s, strlen(s));
    json_w_kstr(w, key, safe);
}

/* "[prod] homes: HALT of 4471 (hearth 4.12), W1: 3 of 20 canaries reboot in a loop" */
static void summary(const struct notice *n, char *out, size_t size)
{
    static const char *const heads[NOTICE_KINDS] = {
        [NOTICE_WATCH] = "on watch",
        [NOTICE_HALT] = "HALT",
        [NOTICE_ESCALATED] = "HALT NOT SHOWN",
        [NOTICE_ROLLBACK] = "roll back",
        [NOTICE_GATE] = "waiting",
        [NOTICE_TEST] = "test",
        [NOTICE_LOST] = "telemetry lost",
        [NOTICE_RUNS] = "HALTED, BUT RUNNING",
        [NOTICE_LOG] = "audit log",
        [NOTICE_TAMPERED] = "AUDIT LOG TAMPERED WITH",
        [NOTICE_EXPOSED] = "EXPOSED",
        [NOTICE_STALE] = "old intelligence",
    };
    char wave[24] = "", what[800];
    if (n->wave >= 0)
        snprintf(wave, sizeof wave, " W%d", n->wave);
    snprintf(what, sizeof what, "%s%s%s%s: %s%s%s%s%s%s%s%s: %s", *n->environment ? "[" : "", n->environment,
             *n->environment ? "] " : "", n->fleet, n->resolved ? "over: " : "",
             (unsigned)n->kind < NOTICE_KINDS ? heads[n->kind] : "?", *n->rollout ? " " : "", n->rollout, wave,
             *n->rollout_name ? " (" : "", n->rollout_name, *n->rollout_name ? ")" : "", n->text);
    safe_text_into(out, size, what, strlen(what));
}

static void facts(struct json_w *w, const struct notice *n)
{
    member(w, "fleet", n->fleet, sizeof n->fleet);
    member(w, "environment", n->environment, sizeof n->environment);
    member(w, "rollout", n->rollout, sizeof n->rollout);
    member(w, "rollout_name", n->rollout_name, sizeof n->rollout_name);
    if (n->wave >= 0)
        json_w_kint(w, "wave", n->wave);
    member(w, "rule", n->rule, sizeof n->rule);
    member(w, "actor", n->actor, sizeof n->actor);
    member(w, "host", n->host, sizeof n->host);
}

static void plain(struct json_w *w, const struct notice *n)
{
    json_w_obj(w);
    json_w_kint(w, "andon", 1); /* version of this form */
    json_w_kstr(w, "kind", notice_kind_word(n->kind));
    json_w_kbool(w, "resolved", n->resolved);
    json_w_kstr(w, "severity", notice_severity(n->kind));
    json_w_ktime(w, "time", n->t);
    member(w, "key", n->key, sizeof n->key);
    facts(w, n);
    member(w, "text", n->text, sizeof n->text);
    json_w_obj_end(w);
}

/* Slack's markup has three characters to escape (api.slack.com, "Escaping text"); receivers that are compatible with it
 * (Mattermost, Discord) also make a mention of "@channel" in plain text, so that a device's name could call everybody:
 * its @ becomes the full-width one. */
static void slack_text(struct buf *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '&')
            buf_adds(out, "&amp;");
        else if (*s == '<')
            buf_adds(out, "&lt;");
        else if (*s == '>')
            buf_adds(out, "&gt;");
        else if (*s == '@')
            buf_adds(out, "\xef\xbc\xa0");
        else
            buf_addc(out, *s);
    }
}

static void slack_member(struct json_w *w, const char *key, const char *s)
{
    char safe[SUMMARY_MAX + 1];
    struct buf text;
    safe_text_into(safe, sizeof safe, s, strlen(s));
    buf_init(&text, 5 * sizeof safe);
    slack_text(&text, safe);
    json_w_kstr(w, key, text.data);
    buf_release(&text);
}

static void slack_field(struct json_w *w, const char *title, const char *value)
{
    if (!*value)
        return;
    json_w_obj(w);
    json_w_kstr(w, "title", title);
    slack_member(w, "value", value);
    json_w_kbool(w, "short", true);
    json_w_obj_end(w);
}

static void slack(struct json_w *w, const struct notice *n)
{
    char line[SUMMARY_MAX + 1], at[FMT_MAX];
    const char *severity = notice_severity(n->kind);
    bool bad = strcmp(severity, "critical") == 0 || strcmp(severity, "error") == 0;
    summary(n, line, sizeof line);
    json_w_obj(w);
    slack_member(w, "text", line);
    json_w_key(w, "attachments");
    json_w_arr(w);
    json_w_obj(w);
    json_w_kstr(w, "color",
                n->resolved                        ? "good"
                : bad                              ? "danger"
                : strcmp(severity, "warning") == 0 ? "warning"
                                                   : "#439fe0");
    slack_member(w, "fallback", line);
    json_w_key(w, "fields");
    json_w_arr(w);
    slack_field(w, "Rule", n->rule);
    slack_field(w, "By", n->actor);
    slack_field(w, "Told by", n->host);
    slack_field(w, "Time", fmt_iso(at, n->t));
    json_w_arr_end(w);
    json_w_obj_end(w);
    json_w_arr_end(w);
    json_w_obj_end(w);
}

/* Events API v2: summary at most 1024 characters, dedup_key at most 255; what is resolved needs no payload, but may
 * have one. */
static void pagerduty(struct json_w *w, const struct notice *n, const char *routing_key)
{
    char line[SUMMARY_MAX + 1];
    summary(n, line, sizeof line);
    json_w_obj(w);
    json_w_kstr(w, "routing_key", routing_key);
    json_w_kstr(w, "event_action", n->resolved ? "resolve" : "trigger");
    member(w, "dedup_key", n->key, 255);
    json_w_kstr(w, "client", "andon");
    json_w_key(w, "payload");
    json_w_obj(w);
    json_w_kstr(w, "summary", line);
    member(w, "source", *n->fleet ? n->fleet : "andon", sizeof n->fleet);
    json_w_kstr(w, "severity", notice_severity(n->kind));
    json_w_ktime(w, "timestamp", n->t);
    member(w, "component", *n->rollout_name ? n->rollout_name : n->rollout, sizeof n->rollout_name);
    member(w, "group", n->environment, sizeof n->environment);
    json_w_kstr(w, "class", notice_kind_word(n->kind));
    json_w_key(w, "custom_details");
    json_w_obj(w);
    facts(w, n);
    member(w, "text", n->text, sizeof n->text);
    json_w_obj_end(w);
    json_w_obj_end(w);
    json_w_obj_end(w);
}

/* Alertmanager tells alerts apart by their labels: nothing that differs between hosts, or between the beginning and the
 * end, may be one. Without endsAt an alert would count as resolved after resolve_timeout (5 min); an end before or at
 * the receiver's now resolves it, and startsAt may then be left out. */
static void alertmanager(struct json_w *w, const struct notice *n)
{
    char line[SUMMARY_MAX + 1], wave[24];
    summary(n, line, sizeof line);
    json_w_arr(w);
    json_w_obj(w);
    json_w_key(w, "labels");
    json_w_obj(w);
    json_w_kstr(w, "alertname", "andon");
    json_w_kstr(w, "kind", notice_kind_word(n->kind));
    json_w_kstr(w, "severity", notice_severity(n->kind));
    member(w, "fleet", n->fleet, sizeof n->fleet);
    member(w, "environment", n->environment, sizeof n->environment);
    member(w, "rollout", n->rollout, sizeof n->rollout);
    snprintf(wave, sizeof wave, "W%d", n->wave);
    if (n->wave >= 0)
        json_w_kstr(w, "wave", wave);
    json_w_obj_end(w);
    json_w_key(w, "annotations");
    json_w_obj(w);
    json_w_kstr(w, "summary", line);
    member(w, "description", n->text, sizeof n->text);
    member(w, "rollout_name", n->rollout_name, sizeof n->rollout_name);
    member(w, "rule", n->rule, sizeof n->rule);
    member(w, "actor", n->actor, sizeof n->actor);
    member(w, "host", n->host, sizeof n->host);
    json_w_obj_end(w);
    if (!n->resolved)
        json_w_ktime(w, "startsAt", n->t);
    json_w_ktime(w, "endsAt", n->resolved ? n->t : n->t + STANDS_US);
    json_w_obj_end(w);
    json_w_arr_end(w);
}

void notice_body(const struct notice *n, enum hook_format f, const char *routing_key, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out, 0);
    switch (f) {
    case HOOK_SLACK:
        slack(&w, n);
        return;
    case HOOK_PAGERDUTY:
        pagerduty(&w, n, routing_key);
        return;
    case HOOK_ALERTMANAGER:
        alertmanager(&w, n);
        return;
    case HOOK_JSON:
        break;
    }
    plain(&w, n);
}
