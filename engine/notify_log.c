/* Notices in the log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/text.h"
#include "engine/notify.h"

static void base(struct entry *e, const struct notice *n, char wave[16])
{
    snprintf(wave, 16, "%d", n->wave);
    entry_identity(e, &(struct rollout_identity){n->fleet, n->rollout, n->created_at, n->rollout_name, ""});
    e->wave = n->wave >= 0 ? wave : "";
    entry_str(e, "notice", notice_kind_word(n->kind));
    entry_str(e, "key", n->key);
    if (*n->rule)
        entry_str(e, "rule", n->rule);
}

void notify_log_notice(struct entry *e, const struct notice *n, char wave[16])
{
    base(e, n, wave);
    e->result = n->resolved ? "resolved" : "raised";
    e->reason = n->text;
}

void notify_log_outcome(struct entry *e, const struct outcome *o, char wave[16])
{
    base(e, &o->notice, wave);
    e->result = o->ok ? "ok" : "failed";
    entry_str(e, "target", o->target);
    entry_int(e, "tries", o->tries);
    if (o->notice.resolved)
        entry_int(e, "resolved", 1);
    if (!o->last)
        entry_int(e, "retrying", 1);
    if (o->status)
        entry_int(e, "http.status", o->status);
    if (!o->ok) {
        e->reason = o->err.what;
        if (*o->err.cause)
            entry_str(e, "cause", o->err.cause);
    }
}

void notify_log_silence(struct entry *e, const char *fleet, int64_t until, const char *reason)
{
    e->fleet = fleet;
    e->result = until ? "silenced" : "unsilenced";
    e->reason = reason;
    if (until)
        entry_int(e, "until", until);
}

static int64_t number(const char *s)
{
    return *s ? strtoll(s, NULL, 10) : 0;
}

static void take(char *to, size_t size, const char *s)
{
    safe_text_into(to, size, s, strlen(s));
}

enum notify_said notify_log_read(const struct stored *s, struct notice *n, int64_t *until)
{
    *n = (struct notice){.wave = -1, .t = s->t};
    *until = 0;
    if (strcmp(s->kind, "notice") != 0)
        return NOTIFY_SAID_NOTHING;
    take(n->fleet, sizeof n->fleet, s->fleet);
    take(n->text, sizeof n->text, s->reason);
    take(n->actor, sizeof n->actor, s->actor);
    if (strcmp(s->result, "silenced") == 0 || strcmp(s->result, "unsilenced") == 0) {
        *until = strcmp(s->result, "silenced") == 0 ? number(stored_field(s, "until")) : 0;
        if (*until > s->t + NOTIFY_SILENCE_MAX) /* whoever wrote it: nobody is silenced for ever */
            *until = s->t + NOTIFY_SILENCE_MAX;
        return NOTIFY_SAID_SILENCE;
    }
    n->kind = notice_kind_from_word(stored_field(s, "notice"));
    if (n->kind == NOTICE_KINDS || !*stored_field(s, "key"))
        return NOTIFY_SAID_NOTHING;
    take(n->rollout, sizeof n->rollout, s->rollout);
    n->created_at = stored_identity(s).created_at;
    take(n->rule, sizeof n->rule, stored_field(s, "rule"));
    take(n->key, sizeof n->key, stored_field(s, "key"));
    if (*s->wave)
        n->wave = (int)number(s->wave);
    n->resolved = strcmp(s->result, "resolved") == 0 || number(stored_field(s, "resolved")) == 1;
    return *stored_field(s, "target") ? NOTIFY_SAID_OUTCOME : NOTIFY_SAID_RAISED;
}
