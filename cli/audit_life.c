#include "cli/audit_life.h"

#include <stdio.h>
#include "audit/seen.h"
#include "cli/audit_witness.h"

static bool read_turn(const struct args *a, const struct session *s, struct audit_turn *t, struct err *e)
{
    *t = (struct audit_turn){s->actor, args_str(a, OPT_REASON)};
    return *t->reason || err_set(e, ERR_SYNTAX, "--reason TEXT: it stands in the log's first entry from then on.",
                                 "audit %s needs a reason", a->pos[1]);
}

/* What the log is from now on. */
static void say_head(const struct args *a, struct audit_log *l, const char *text)
{
    struct audit_head h;
    struct err e = {0};

    if (!audit_head(l, &h, &e)) {
        print_err(NULL, &e);
        return;
    }
    if (a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kstr(&o.w, "origin", h.origin);
        json_w_kint(&o.w, "newest", h.newest);
        json_w_kstr(&o.w, "vkey", h.vkey);
        json_w_kstr(&o.w, "text", text);
        json_end(&o);
        return;
    }
    printf("%s\nthe log goes on as %s, from entry %lld; vkey %s\n", text, h.origin,
           (long long)h.newest - (long long)h.size + 1, h.vkey);
}

static int rotate(const struct args *a, const struct session *s, bool new_key)
{
    struct audit_turn t;
    struct err e = {0};
    struct audit_log *l = NULL;

    if (!read_turn(a, s, &t, &e) || !(l = audit_open(&s->audit, &e)) || !audit_rotate(l, &t, new_key, &e)) {
        audit_close(l);
        return print_err(a, &e);
    }
    say_head(a, l,
             new_key ? "the log has a new key; who has pinned the old one need not change it" : "the log is rotated");
    audit_close(l);
    return EXIT_OK;
}

int audit_life_rotate(const struct args *a, const struct session *s)
{
    return rotate(a, s, false);
}

int audit_life_rotate_key(const struct args *a, const struct session *s)
{
    return rotate(a, s, true);
}

int audit_life_recover(const struct args *a, const struct session *s)
{
    struct audit_turn t;
    struct err e = {0};
    struct audit_log *l;
    struct seen told;
    char text[400];

    if (!read_turn(a, s, &t, &e) ||
        !audit_go_on(&s->audit, &t, audit_witness_find(s, &told) ? &told : NULL, text, &e) ||
        !(l = audit_open(&s->audit, &e)))
        return print_err(a, &e);
    say_head(a, l, text);
    audit_close(l);
    return EXIT_OK;
}

int audit_life_copy(const struct args *a, const struct session *s)
{
    struct err e = {0};

    if (!audit_copy(&s->audit, a->pos[2], &e))
        return print_err(a, &e);
    if (a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kstr(&o.w, "file", a->pos[2]);
        json_end(&o);
    } else {
        printf("copied to %s; it verifies\n", a->pos[2]);
    }
    return EXIT_OK;
}
