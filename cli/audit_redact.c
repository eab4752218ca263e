#include "cli/audit_redact.h"

#include <stdio.h>
#include "audit/redact.h"
#include "cli/audit_export.h"
#include "cli/audit_show.h"
#include "core/redact.h"

static bool read_kinds(const struct args *a, unsigned *kinds, struct err *e)
{
    *kinds = 0;
    for (size_t i = 2; i < a->n_pos; i++) {
        unsigned kind = redact_from_word(a->pos[i]);

        if (!kind)
            return err_set(e, ERR_SYNTAX, "One or more of person, address, host, reason.",
                           "\"%.40s\" is no kind of value that is committed", a->pos[i]);
        *kinds |= kind;
    }
    return a->val[OPT_REASON] ||
           err_set(e, ERR_SYNTAX, "--reason TEXT: it stands in the log's entry.", "audit redact needs a reason");
}

/* What stays although somebody may think that it went. */
static void say_rest(const struct audit_redacted *r, const struct audit_intake *spool)
{
    if (r->held)
        printf("%lld entries are kept by the hold %s: nothing of them is erased as long as it stands\n",
               (long long)r->held, r->held_by);
    if (r->open_left)
        printf("%lld entries of operations that are not ended were passed over: end them, then again\n",
               (long long)r->open_left);
    if (r->clear)
        printf("in %lld entries the name stands in the clear: they were written when it was not redactable, and stay\n",
               (long long)r->clear);
    if (r->mentions)
        printf("in %lld other values, which stay, the name occurs: `andon audit show` has them\n",
               (long long)r->mentions);
    if (r->beside)
        printf("%lld files beside the log are called as older ones of it or as one that was set aside, and it does not "
               "go on from them (a killed rotation and a recovery leave such): what is in them was not looked at\n",
               (long long)r->beside);
    if (spool->waiting || spool->set_aside)
        printf("%lld records wait in the spool, %lld files were set aside there: what is in them was not looked at\n",
               (long long)spool->waiting, (long long)spool->set_aside);
}

static void say_text(const struct audit_redacted *r, const struct audit_intake *spool, bool looked)
{
    if (looked)
        printf("%lld values of %lld entries can be erased; nothing was. --yes erases them, for good\n",
               (long long)r->values, (long long)r->entries);
    else if (r->seq)
        printf("erased: %lld values of %lld entries, as entry %lld says; no leaf changed\n", (long long)r->values,
               (long long)r->entries, (long long)r->seq);
    else
        printf("there was nothing to erase\n");
    if (r->again)
        printf("%lld values %s, which an earlier entry says were erased\n", (long long)r->again,
               looked ? "are still there" : "were still there and are erased now");
    if (r->files)
        printf("older files written anew: %lld; a process that had them open reads what they were until it ends\n",
               (long long)r->files);
    say_rest(r, spool);
    if (!looked && !r->flushed)
        printf("the log's -wal still holds what was there (%s): end what has the log open, and run it again\n",
               r->flush.what);
    if (!looked && r->seq)
        printf("copies, exports and backups that were made before are out of andon's reach\n");
}

static void say_json(const struct audit_redacted *r, bool looked)
{
    struct json_out o;

    json_begin(&o);
    json_w_kbool(&o.w, "erased", !looked && r->seq != 0);
    if (r->seq)
        json_w_kint(&o.w, "entry", r->seq);
    json_w_kint(&o.w, "values", r->values);
    json_w_kint(&o.w, "entries", r->entries);
    json_w_kint(&o.w, "again", r->again);
    json_w_kint(&o.w, "passed_over", r->open_left);
    json_w_kint(&o.w, "held", r->held);
    json_w_kstr(&o.w, "held_by", *r->held_by ? r->held_by : NULL);
    json_w_kint(&o.w, "in_the_clear", r->clear);
    json_w_kint(&o.w, "mentions", r->mentions);
    json_w_kint(&o.w, "older_files", r->files);
    json_w_kint(&o.w, "files_beside", r->beside);
    json_w_kbool(&o.w, "wal_emptied", r->flushed);
    json_end(&o);
}

int audit_redact_run(const struct args *a, const struct session *s)
{
    struct audit_query q;
    struct audit_redact what = {.actor = s->actor, .reason = a->val[OPT_REASON], .q = &q};
    struct audit_redacted r = {0};
    struct audit_intake spool = {0};
    struct audit_log *l = NULL;
    struct err e = {0};
    bool ok;

    what.only_look = !a->val[OPT_YES];
    ok = read_kinds(a, &what.kinds, &e) && audit_read_query(a, &q, &e) && (l = audit_open(&s->audit, &e)) &&
         audit_redact(l, &what, &r, &e);
    if (l)
        audit_waiting(l, &spool);
    audit_close(l);
    if (!ok) {
        if (r.seq)
            fprintf(stderr,
                    "andon: entry %lld says what was erased, and an older file still has some of it: run it again\n",
                    (long long)r.seq);
        return audit_fail(a, &e);
    }
    if (a->json)
        say_json(&r, what.only_look);
    else
        say_text(&r, &spool, what.only_look);
    return what.only_look || r.flushed ? EXIT_OK : EXIT_UNKNOWN;
}
