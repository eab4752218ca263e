#include "cli/audit_export.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "audit/page.h"
#include "audit/tree.h"
#include "cli/audit_show.h"
#include "core/clock.h"
#include "core/digest.h"
#include "core/fmt.h"
#include "core/redact.h"

void audit_note(const struct session *s, struct entry *en)
{
    struct audit_log *l;
    struct err e = {0};

    if (!s->audit.socket && (s->audit.key_beside || access(s->db, W_OK) != 0 || access(s->key, R_OK) != 0))
        return;
    l = audit_open(&s->audit, &e);
    if (!l)
        return;
    en->t = clock_wall(clock_real());
    en->mono = clock_boot(clock_real());
    en->actor = s->actor;
    if (!*en->result)
        en->result = "ok";
    (void)!audit_append(l, en, NULL, &e);
    audit_close(l);
}

/* After what an earlier export holds: its folder must verify. */
static bool since_folder(const char *dir, struct audit_export_spec *spec, struct err *e)
{
    struct audit_report r;

    if (!audit_verify_export(dir, NULL, NULL, 0, NULL, &r, e))
        return false;
    if (!r.ok)
        return err_set(e, ERR_TAMPERED, "Export the whole log.", "%.100s does not verify: %.180s", dir, r.text);
    spec->since_size = r.entries + r.left_out;
    return tree_hash_parse(r.root, strlen(r.root), spec->since_root) ||
           err_set(e, ERR_INTERNAL, "", "%.100s has no root", dir);
}

static void say(const struct args *a, const struct audit_exported *x)
{
    char b[FMT_MAX], c[FMT_MAX];

    if (a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kstr(&o.w, "folder", a->pos[2]);
        json_w_kstr(&o.w, "origin", x->origin);
        json_w_kint(&o.w, "size", x->size);
        json_w_kint(&o.w, "shown", x->shown);
        json_w_kstr(&o.w, "root", x->root);
        json_w_kstr(&o.w, "manifest", x->manifest);
        json_w_kstr(&o.w, "vkey", x->vkey);
        json_end(&o);
        return;
    }
    printf("exported to %s: ", a->pos[2]);
    if (x->shown == x->size)
        printf("all %s entries\n", fmt_count(b, x->size));
    else
        printf("%s of %s entries, the others as hashes\n", fmt_count(b, x->shown), fmt_count(c, x->size));
    printf("Tell whoever gets it, by another way than the folder:\n  root %s\n  vkey %s\n"
           "and to verify it with: sh verify.sh VKEY . ROOT\n",
           x->root, x->vkey);
}

static void note_export(const struct session *s, const char *folder, const struct audit_exported *x)
{
    struct entry en;
    char name[SHA256_HEX];

    sha256_hex(folder, strlen(folder), name);
    entry_init(&en, ENTRY_EXPORT);
    entry_str(&en, "folder.sha256", name);
    entry_str(&en, "manifest.sha256", x->manifest);
    entry_int(&en, "shown", x->shown);
    entry_int(&en, "size", x->size);
    entry_str(&en, "root", x->root);
    audit_note(s, &en);
}

/* "person,address", or "all". */
static bool read_redacted(const char *text, unsigned *kinds, struct err *e)
{
    char word[16];

    *kinds = 0;
    if (text && strcmp(text, "all") == 0)
        *kinds = REDACT_ALL;
    for (const char *p = text; p && *kinds != REDACT_ALL;) {
        size_t n = strcspn(p, ",");
        unsigned kind;

        snprintf(word, sizeof word, "%.*s", (int)(n < sizeof word ? n : sizeof word), p);
        kind = redact_from_word(word);
        if (!kind)
            return err_set(e, ERR_SYNTAX, "person, address, host, reason, or all.",
                           "--redacted: \"%.15s\" is no kind of value", word);
        *kinds |= kind;
        p = p[n] ? p + n + 1 : NULL;
    }
    return true;
}

int audit_export_run(const struct args *a, const struct session *s)
{
    struct audit_spec spec = s->audit;
    struct audit_query q;
    struct page *page = page_new(true);
    const struct audit_page_maker html = page_maker(page);
    struct audit_export_spec what = {.q = &q, .pages = &html, .n_pages = 1};
    struct audit_exported x;
    struct audit_log *l;
    struct err e = {0};
    bool ok;
    int rc;

    spec.read_only = true;
    if (!spec.socket && access(s->db, F_OK) != 0)
        err_set(&e, ERR_NOT_FOUND, "The first console, guard or verb makes it.", "there is no audit log at %.200s",
                s->db);
    ok = e.code == ERR_NONE && audit_read_query(a, &q, &e) && read_redacted(a->val[OPT_REDACTED], &what.redacted, &e) &&
         (!a->val[OPT_INCREMENTAL] || since_folder(a->val[OPT_INCREMENTAL], &what, &e));
    l = ok ? audit_open(&spec, &e) : NULL;
    rc = l ? audit_sound(a, &spec) : EXIT_OK;
    ok = l && audit_export(l, &what, a->pos[2], &x, &e);
    if (l)
        audit_close(l);
    page_free(page);
    if (!ok)
        return audit_fail(a, &e);
    say(a, &x);
    note_export(s, a->pos[2], &x);
    return rc;
}
