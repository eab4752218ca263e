/* andon audit: for auditors. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/audit_life.h"
#include "cli/audit_export.h"
#include "cli/audit_keep.h"
#include "cli/audit_prove.h"
#include "cli/audit_replay.h"
#include "cli/audit_fetch.h"
#include "cli/audit_redact.h"
#include "cli/audit_witness.h"
#include "cli/audit_report.h"
#include "cli/audit_show.h"
#include "cli/cli.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"

typedef bool read_fn(const struct args *a, struct audit_log *l, struct err *e);

int audit_exit(const struct err *e)
{
    return e->code == ERR_SYNTAX || e->code == ERR_RANGE ? EXIT_USAGE
           : e->code == ERR_TAMPERED                     ? EXIT_FAILED
                                                         : EXIT_UNKNOWN;
}

int audit_fail(const struct args *a, const struct err *e)
{
    print_err(a, e);
    return audit_exit(e);
}

static int verdict_exit(const struct audit_report *r)
{
    return r->ok ? EXIT_OK : r->unsure ? EXIT_UNKNOWN : EXIT_FAILED;
}

static bool is_there(const char *path, const struct audit_spec *spec, struct err *e)
{
    if ((spec && spec->socket) || (path && access(path, F_OK) == 0))
        return true;
    return (spec && audit_gone(spec, e)) ? false
                                         : err_set(e, ERR_NOT_FOUND, "The first console, guard or verb makes it.",
                                                   "there is no audit log at %.200s", path ? path : "");
}

static void report_text(const struct audit_report *r, const char *where)
{
    char a[FMT_MAX], b[FMT_MAX], c[FMT_MAX];

    printf("log        %s\norigin     %s\nentries    %s", where, r->origin, fmt_count(a, r->entries));
    if (r->entries > 0)
        printf("  %s .. %s", fmt_iso(b, r->first_t), fmt_iso(c, r->last_t));
    printf("\nroot       %s\nkey        %s\n", r->root, r->key_id);
    if (*r->compared)
        printf("compared   with %s\n", r->compared);
    printf("open       %lld intents without an outcome, %lld unknown outcomes\n", (long long)r->open_intents,
           (long long)r->unknown_outcomes);
    if (r->committed)
        printf("committed  %lld values: %lld open, %lld erased, %lld without an opening here\n",
               (long long)r->committed, (long long)r->opened, (long long)r->erased,
               (long long)(r->committed - r->opened - r->erased));
    printf("late       %lld entries, %lld clock steps\n", (long long)r->late, (long long)r->clock_steps);
    if (r->ahead > 0)
        printf("ahead      %s entries are of a time that has not come yet\n", fmt_count(a, r->ahead));
    if (r->left_out)
        printf("left out   %s entries, of which it has the hashes: what is counted here is about the others\n",
               fmt_count(a, r->left_out));
    if (!r->ok && r->bad_seq > 0)
        printf("first bad  entry %lld\n", (long long)r->bad_seq);
    printf("%s\n", r->text);
}

#define CARE_MAX 4

/* What verifies, and is open to those who should not be able to write it: no hash shows that. */
struct care {
    char text[CARE_MAX][600];
    size_t n;
};

static void take_care(const struct audit_spec *spec, struct care *c)
{
    struct stat st;

    c->n = 0;
    if (spec->socket)
        return; /* the guard's to care for, and out of our sight */
    if (stat(spec->db_path, &st) == 0 && (st.st_mode & 022))
        snprintf(c->text[c->n++], sizeof c->text[0], "others may write to %s (mode %03o): chmod go-w", spec->db_path,
                 (unsigned)(st.st_mode & 0777));
    if (stat(spec->key_path, &st) != 0) {
        if (!spec->key_beside)
            snprintf(c->text[c->n++], sizeof c->text[0], "the signing key %s cannot be looked at: %s", spec->key_path,
                     strerror(errno));
    } else if (st.st_mode & 077) {
        snprintf(c->text[c->n++], sizeof c->text[0],
                 "the signing key %s is open to others (mode %03o): whoever read it can sign another log",
                 spec->key_path, (unsigned)(st.st_mode & 0777));
    }
}

/* With the heads of the log that were noted elsewhere: in the file of --heads, and, for the configured log, in the
 * configuration's. That one may lie on a disk that is not there now, which is said in `note`. */
static bool verify_with_heads(const struct args *a, const struct session *s, struct audit_spec *spec,
                              struct audit_report *r, char *note, size_t size, struct err *e)
{
    const char *own = s->configured && a->n_pos == 2 && !a->val[OPT_DB] ? s->config.witness.heads : "",
               *files[HEADS_FILES];

    spec->heads = files;
    if (a->val[OPT_HEADS])
        files[spec->n_heads++] = a->val[OPT_HEADS];
    if (*own && access(own, R_OK) == 0)
        files[spec->n_heads++] = own;
    else if (*own)
        snprintf(note, size, "not compared with what %s notes: it cannot be read", own);
    bool told = audit_verify(spec, a->val[OPT_VKEY], r, e);
    spec->heads = NULL;
    spec->n_heads = 0;
    return told;
}

static int verify(const struct args *a, const struct session *session)
{
    struct session other = *session;
    struct audit_report r = {0};
    struct care care = {.n = 0};
    char unasked[560] = "", unnoted[560] = "";
    struct err err = {0}, *e = &err;
    const char *where = a->n_pos > 2 ? a->pos[2] : session->db;
    struct stat st;
    bool told;

    if (!is_there(where, a->n_pos > 2 ? NULL : &session->audit, e)) {
        if (a->n_pos == 2 && e->code == ERR_NOT_FOUND)
            audit_witness_missed(session, e);
        return audit_fail(a, e);
    }
    if (a->n_pos > 2 && audit_is_proof(where))
        return audit_verify_proof_file(a, session, where);
    if (a->n_pos > 2 && stat(where, &st) == 0 && S_ISDIR(st.st_mode)) {
        told = audit_verify_export(where, a->val[OPT_VKEY], session->audit.witnesses, session->audit.n_witnesses,
                                   session->audit.stamp_root, &r, e);
    } else {
        struct audit_spec spec;

        if (a->n_pos > 2)
            session_log(&other, where);
        spec = other.audit;
        spec.db_path = other.db;
        spec.key_path = other.key;
        spec.read_only = true;
        told = verify_with_heads(a, session, &spec, &r, unnoted, sizeof unnoted, e);
        take_care(&spec, &care);
        if (*unnoted && care.n < CARE_MAX)
            snprintf(care.text[care.n++], sizeof care.text[0], "%s", unnoted);
        if (told && (a->val[OPT_WITNESS] || a->n_pos == 2))
            audit_witness_ask(session, &spec, &r, unasked, sizeof unasked);
        if (*unasked && care.n < CARE_MAX)
            snprintf(care.text[care.n++], sizeof care.text[0], "not compared with what %s", unasked);
        if (told && r.ok && a->n_pos == 2) {
            struct entry en;

            entry_init(&en, ENTRY_VERIFY);
            entry_int(&en, "size", r.entries);
            entry_str(&en, "root", r.root);
            audit_note(session, &en);
        }
    }
    if (!told)
        return audit_fail(a, e);
    if (a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kbool(&o.w, "verified", r.ok);
        json_w_kbool(&o.w, "unwitnessed", r.unwitnessed);
        if (!r.unwitnessed) {
            json_w_kint(&o.w, "witnessed", r.witnessed);
            json_w_kstr(&o.w, "witness", r.witness);
            json_w_ktime(&o.w, "witnessed_at", r.witnessed_t);
            json_w_kint(&o.w, "witnesses", r.witnesses);
        }
        json_w_kint(&o.w, "unknown_witnesses", r.unknown_witnesses);
        json_w_kint(&o.w, "heads", r.heads);
        json_w_kint(&o.w, "heads_size", r.heads_size);
        json_w_kint(&o.w, "heads_unreadable", r.heads_broken);
        json_w_kint(&o.w, "time_stamps", r.stamps);
        json_w_kint(&o.w, "unchecked_time_stamps", r.unchecked_stamps);
        if (r.stamps > 0) {
            json_w_kint(&o.w, "time_stamped", r.stamped);
            json_w_ktime(&o.w, "time_stamped_at", r.stamped_t);
            json_w_kstr(&o.w, "time_stamped_by", r.stamp_by);
        }
        json_w_kstr(&o.w, "log", where);
        json_w_kint(&o.w, "entries", r.entries);
        json_w_kint(&o.w, "left_out", r.left_out);
        json_w_ktime(&o.w, "first", r.first_t);
        json_w_ktime(&o.w, "last", r.last_t);
        json_w_kstr(&o.w, "origin", r.origin);
        json_w_kstr(&o.w, "root", r.root);
        json_w_kstr(&o.w, "key", r.key_id);
        json_w_kstr(&o.w, "compared_with", r.compared);
        json_w_kbool(&o.w, "another_log", r.another);
        json_w_kint(&o.w, "open_intents", r.open_intents);
        json_w_kint(&o.w, "unknown_outcomes", r.unknown_outcomes);
        json_w_kint(&o.w, "committed", r.committed);
        json_w_kint(&o.w, "committed_open", r.opened);
        json_w_kint(&o.w, "committed_erased", r.erased);
        json_w_kint(&o.w, "committed_reopened", r.reopened);
        json_w_kint(&o.w, "late", r.late);
        json_w_kint(&o.w, "clock_steps", r.clock_steps);
        json_w_kint(&o.w, "ahead", r.ahead);
        if (!r.ok)
            json_w_kint(&o.w, "bad_entry", r.bad_seq);
        json_w_key(&o.w, "notes");
        json_w_arr(&o.w);
        for (size_t i = 0; i < care.n; i++)
            json_w_str(&o.w, care.text[i]);
        json_w_arr_end(&o.w);
        json_w_kstr(&o.w, "text", r.text);
        json_end(&o);
    } else {
        for (size_t i = 0; i < care.n; i++)
            printf("note       %s\n", care.text[i]);
        report_text(&r, where);
    }
    return verdict_exit(&r);
}

static bool head(const struct args *a, struct audit_log *l, struct err *e)
{
    struct audit_head h = {0};
    char b[FMT_MAX];

    if (!audit_head(l, &h, e))
        return false;
    if (a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kstr(&o.w, "origin", h.origin);
        json_w_kint(&o.w, "size", h.size);
        json_w_kstr(&o.w, "root", h.root);
        json_w_kstr(&o.w, "key", h.key_id);
        json_w_kstr(&o.w, "vkey", h.vkey);
        json_w_ktime(&o.w, "newest", h.newest_t);
        audit_witness_head(l, a, &o.w);
        json_end(&o);
        return true;
    }
    printf("%s\n%lld entries, newest %s\nroot %s\nkey  %s\nvkey %s\n", h.origin, (long long)h.size,
           fmt_iso(b, h.newest_t), h.root, h.key_id, h.vkey);
    audit_witness_head(l, a, NULL);
    return true;
}

int audit_sound(const struct args *a, const struct audit_spec *spec)
{
    struct audit_report r = {0};
    struct care care;
    struct err e = {0};

    if (!audit_verify(spec, a->val[OPT_VKEY], &r, &e))
        return audit_fail(NULL, &e);
    take_care(spec, &care);
    for (size_t i = 0; i < care.n; i++)
        fprintf(stderr, "andon: %s\n", care.text[i]);
    if (!r.ok)
        fprintf(stderr, "andon: the log does not verify: %s\n", r.text);
    if (!r.ok && r.bad_seq > 0)
        fprintf(stderr, "       The first bad entry is %lld.\n", (long long)r.bad_seq);
    return verdict_exit(&r);
}

/* From the log itself: what only reads it. What can be read of a log that does not verify is shown, and said. */
static int with_log(const struct args *a, const struct session *s, read_fn *fn)
{
    struct audit_spec spec = s->audit;
    struct audit_log *l;
    struct err e = {0};
    bool ok;
    int rc;

    spec.read_only = true;
    if (!is_there(s->db, &spec, &e))
        return audit_fail(a, &e);
    l = audit_open(&spec, &e);
    if (!l)
        return audit_fail(a, &e);
    rc = audit_sound(a, &spec);
    ok = fn(a, l, &e);
    audit_close(l);
    return ok ? rc : audit_fail(a, &e);
}

static int replay(const struct args *a, const struct session *s)
{
    struct err e = {0};

    if (!is_there(a->val[OPT_EXPORT] ? a->val[OPT_EXPORT] : s->db, a->val[OPT_EXPORT] ? NULL : &s->audit, &e))
        return audit_fail(a, &e);
    return audit_replay(a, s, a->pos[2]);
}

/* One of `reads` and `run`: what only looks at the log of the session, or a command that opens what it needs. */
static const struct row {
    const char *word, *args, *summary;
    optset opts;
    size_t min, max; /* words after it */
    read_fn *reads;
    int (*run)(const struct args *a, const struct session *s);
} rows[] = {
    {"show", "[ENTRY]", "the newest entries, oldest first; one entry in full sentences", AUDIT_SHOW_OPTS, 0, 1,
     audit_show, NULL},
    {"verify", "[FILE|FOLDER|PROOF]", "recompute the whole tree, check the signature",
     OPT(OPT_DB) | OPT(OPT_VKEY) | OPT(OPT_WITNESS) | OPT(OPT_HEADS), 0, 1, NULL, verify},
    {"export", "FOLDER", "a new folder that can be verified without andon; a filter makes a slice",
     (AUDIT_QUERY_OPTS & ~OPT(OPT_LIMIT)) | OPT(OPT_INCREMENTAL) | OPT(OPT_REDACTED), 1, 1, NULL, audit_export_run},
    {"prove", "ENTRY [FILE]", "the proof that an entry is in the log, for anybody who has its key", OPT(OPT_DB), 1, 2,
     NULL, audit_prove_run},
    {"head", "", "origin, size, root and key of the log", OPT(OPT_DB), 0, 0, head, NULL},
    {"fetch", "FILE", "the log again, from a witness that keeps its entries, in a new file", OPT(OPT_VKEY), 1, 1, NULL,
     audit_fetch},
    {"report", "", "what a standard wants to see of a rollout: value, entry and leaf hash, or MISSING",
     AUDIT_REPORT_OPTS, 0, 0, audit_report, NULL},
    {"step", "ID", "note a step of a runbook: what was expected and observed, or why it was skipped", AUDIT_STEP_OPTS,
     1, 1, NULL, audit_step},
    {"replay", "ENTRY", "recompute the decision of an entry", OPT(OPT_DB) | OPT(OPT_VKEY) | OPT(OPT_EXPORT), 1, 1, NULL,
     replay},
    {"copy", "FILE", "a copy of the log as it is now, verified", OPT(OPT_DB), 1, 1, NULL, audit_life_copy},
    {"rotate", "", "go on in a new file; the old one stays beside it", OPT(OPT_REASON), 0, 0, NULL, audit_life_rotate},
    {"rotate-key", "", "go on with a new key, which the old one vouches for", OPT(OPT_REASON), 0, 0, NULL,
     audit_life_rotate_key},
    {"redact", "KIND...", "erase committed values: person, address, host, reason; without --yes it only looks",
     (AUDIT_QUERY_OPTS & ~(OPT(OPT_LIMIT) | OPT(OPT_DB))) | OPT(OPT_REASON) | OPT(OPT_YES), 1, 4, NULL,
     audit_redact_run},
    {"hold", "add NAME|remove NAME|list", "older files with such entries are kept",
     OPT(OPT_REASON) | OPT(OPT_SINCE) | OPT(OPT_UNTIL), 1, 2, NULL, audit_keep_hold},
    {"prune", "", "which older files may go by audit: keep:, and why the others stay; with --yes they are removed",
     OPT(OPT_YES) | OPT(OPT_REASON), 0, 0, NULL, audit_keep_prune},
    {"recover", "", "go on after the log has gone, was damaged or put back, or its key is lost", OPT(OPT_REASON), 0, 0,
     NULL, audit_life_recover},
};

bool audit_command_at(size_t i, struct command *out)
{
    if (i >= sizeof rows / sizeof *rows)
        return false;
    *out = (struct command){rows[i].word, rows[i].args, rows[i].summary, rows[i].opts, rows[i].min, rows[i].max, NULL};
    return true;
}

/* The row that the words name, or NULL with *e when the words or options make no sense. */
static const struct row *row_of(const struct args *a, struct err *e)
{
    struct args sub = *a;
    struct command c;
    char name[40];
    size_t k = 0;

    while (audit_command_at(k, &c) && strcmp(c.name, a->pos[1]) != 0)
        k++;
    if (!audit_command_at(k, &c)) {
        err_set(e, ERR_SYNTAX, "Run `andon help audit`.", "audit does not know \"%.40s\"", a->pos[1]);
        return NULL;
    }
    sub.n_pos--;
    memmove(sub.pos, a->pos + 1, sub.n_pos * sizeof *sub.pos);
    snprintf(name, sizeof name, "audit %s", c.name);
    c.name = name;
    if (args_check(&sub, &c, e))
        return &rows[k];
    snprintf(e->next, sizeof e->next, "Run `andon help audit`."); /* which knows no "audit show" */
    return NULL;
}

int cmd_audit(const struct args *a)
{
    struct session s;
    struct err e = {0};
    const struct row *row = row_of(a, &e);
    int rc;

    if (!row)
        return audit_fail(a, &e);
    rc = session_open(a, &s);
    if (rc != EXIT_OK)
        return rc;
    rc = row->run ? row->run(a, &s) : with_log(a, &s, row->reads);
    session_close(&s);
    return rc;
}
