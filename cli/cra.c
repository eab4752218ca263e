/* andon cra: the clocks of article 14 of the Cyber Resilience Act, as people have declared them; in the log. */
#include <inttypes.h>
#include <string.h>
#include "cli/risk_log.h"
#include "conf/file.h"
#include "core/clock.h"
#include "core/digest.h"
#include "core/fmt.h"
#include "core/text.h"

#define TEXT_MAX ((size_t)16 << 20)

static void list_json(const struct risk_log *log, int64_t now)
{
    struct cra_clock k[CRA_STAGES];
    struct json_out o;
    json_begin(&o);
    json_w_key(&o.w, "cases");
    json_w_arr(&o.w);
    for (size_t i = 0; i < log->said.cra.n; i++) {
        const struct cra_case *c = &log->said.cra.v[i];
        cra_clocks(c, now, k);
        json_w_obj(&o.w);
        json_w_kstr(&o.w, "vulnerability", c->id);
        json_w_ktime(&o.w, "proposed", c->proposed_at);
        json_w_ktime(&o.w, "aware", c->aware_at);
        json_w_kstr(&o.w, "aware_by", c->aware_at ? c->aware_by : NULL);
        json_w_ktime(&o.w, "measure", c->measure_at);
        json_w_key(&o.w, "reports");
        json_w_arr(&o.w);
        for (int g = 0; g < CRA_STAGES; g++) {
            json_w_obj(&o.w);
            json_w_kstr(&o.w, "stage", cra_stage_word((enum cra_stage)g));
            json_w_kstr(&o.w, "state", cra_state_word(k[g].state));
            json_w_ktime(&o.w, "due", k[g].due);
            json_w_ktime(&o.w, "sent", c->sent[g].at);
            json_w_kint(&o.w, "late_s", k[g].late_us / US_PER_S);
            json_w_kstr(&o.w, "reference", *c->sent[g].reference ? c->sent[g].reference : NULL);
            json_w_kstr(&o.w, "sha256", *c->sent[g].sha256 ? c->sent[g].sha256 : NULL);
            json_w_obj_end(&o.w);
        }
        json_w_arr_end(&o.w);
        json_w_obj_end(&o.w);
    }
    json_w_arr_end(&o.w);
    json_end(&o);
}

static void stage_line(const struct cra_case *c, enum cra_stage g, const struct cra_clock *k)
{
    static const char *const within[CRA_STAGES] = {"24h", "72h", "14d"};
    char due[FMT_MAX], sent[FMT_MAX], late[FMT_MAX];
    printf("  %-14s %s  ", cra_stage_word(g), within[g]);
    if (k->due)
        printf("due %s  ", fmt_iso(due, k->due));
    else
        printf("%s  ", g == CRA_FINAL ? "counts from when a measure is available" : "counts from awareness");
    if (c->sent[g].at)
        printf("sent %s%s%s (entry %" PRId64 ")", fmt_iso(sent, c->sent[g].at), *c->sent[g].reference ? ", ref " : "",
               c->sent[g].reference, c->sent[g].seq);
    else if (k->due)
        printf("not sent");
    if (k->late_us > 0)
        printf(", %s LATE", fmt_dur(late, k->late_us));
    printf("\n");
}

static void list(const struct args *a, const struct risk_log *log)
{
    struct cra_clock k[CRA_STAGES];
    char t[FMT_MAX];
    int64_t now = clock_wall(clock_real());
    if (a->json) {
        list_json(log, now);
        return;
    }
    if (log->said.cra.n == 0)
        printf("nothing is proposed or declared\n");
    for (size_t i = 0; i < log->said.cra.n; i++) {
        const struct cra_case *c = &log->said.cra.v[i];
        cra_clocks(c, now, k);
        printf("%s\n", c->id);
        if (c->aware_at)
            printf("  aware          %s by %s (entry %" PRId64 ")\n", fmt_iso(t, c->aware_at), c->aware_by,
                   c->aware_seq);
        if (c->proposed_at)
            printf("  proposed       %s by andon%s\n", fmt_iso(t, c->proposed_at),
                   c->aware_at ? "" : "; nobody has declared it: andon cra aware");
        if (c->measure_at)
            printf("  measure since  %s (entry %" PRId64 ")\n", fmt_iso(t, c->measure_at), c->measure_seq);
        for (int g = 0; g < CRA_STAGES; g++)
            stage_line(c, (enum cra_stage)g, &k[g]);
    }
}

/* The moment that is declared: --at, or now where that is what it means (sent). */
static bool moment(const struct args *a, bool or_now, int64_t *out, struct err *e)
{
    int64_t now = clock_wall(clock_real());
    *out = now;
    if (!a->val[OPT_AT])
        return or_now || err_set(e, ERR_SYNTAX, "--at 2031-03-11T10:20:00Z, or how long ago: --at 2h.",
                                 "since when? It is declared by a person, not taken from the clock: --at is missing");
    if (!risk_moment_read(a->val[OPT_AT], -1, now, out, e))
        return false;
    return *out <= now || err_set(e, ERR_SYNTAX, "", "--at is in the future");
}

static bool text_digest(const char *path, char out[SHA256_HEX], struct err *e)
{
    struct buf b;
    buf_init(&b, TEXT_MAX);
    bool ok = file_read(path, FILE_ANY, &b, e) && (!b.over || err_set(e, ERR_LIMIT, "", "%.200s is too long", path));
    if (ok)
        sha256_hex(b.data, b.len, out);
    buf_release(&b);
    return ok;
}

static bool declare(const struct args *a, const struct session *s, struct risk_log *log, struct err *e)
{
    const char *what = a->pos[1], *id = a->n_pos > 2 ? a->pos[2] : "", *stage = a->n_pos > 3 ? a->pos[3] : "";
    bool sent = strcmp(what, "sent") == 0;
    char digest[SHA256_HEX] = "";
    int64_t at;
    struct entry en;
    struct receipt r;

    if (!s->configured || !s->config.manufacturer)
        return err_set(e, ERR_STATE, "cra: {manufacturer: true} in the configuration says that they are.",
                       "the releases are not said to be this house's own");
    if (!risk_id_ok(id, e) || !moment(a, sent, &at, e))
        return false;
    if (sent == (cra_stage_from_word(stage) == CRA_STAGES))
        return err_set(e, ERR_SYNTAX, "andon cra sent ID early-warning|notification|final-report", "%s",
                       sent ? "which report was sent?" : "that is one word too many");
    if (a->val[OPT_TEXT] && !text_digest(a->val[OPT_TEXT], digest, e))
        return false;
    const struct cra_case *c = cra_find(&log->said.cra, id);
    entry_init(&en, ENTRY_CRA);
    en.result = what;
    en.reason = args_str(a, OPT_REASON);
    entry_str(&en, "vulnerability", id);
    entry_int(&en, "at", at);
    if (sent)
        entry_str(&en, "stage", stage);
    if (a->val[OPT_REFERENCE])
        entry_str(&en, "reference", safe_text(&log->arena, a->val[OPT_REFERENCE], strlen(a->val[OPT_REFERENCE]), 200));
    if (*digest)
        entry_str(&en, "sha256", digest);
    if (a->val[OPT_BY])
        entry_str(&en, "declared.by", safe_text(&log->arena, a->val[OPT_BY], strlen(a->val[OPT_BY]), 100));
    if (strcmp(what, "aware") == 0 && c && c->proposed_at)
        entry_int(&en, "proposed_at", c->proposed_at);
    if (!risk_log_add(a, s, &en, &r, e))
        return false;
    risk_log_free(log);
    if (!risk_log_read(s, log, e)) {
        arena_init(&log->arena); /* the caller frees it */
        return false;
    }
    list(a, log);
    return true;
}

int cmd_cra(const struct args *a)
{
    static const char *const words[] = {"aware", "measure", "sent"};
    const char *word = a->n_pos > 1 ? a->pos[1] : "list";
    struct session s;
    struct risk_log log;
    struct err e = {0};
    bool declares = false, ok;

    for (int i = 0; i < 3; i++)
        declares = declares || strcmp(word, words[i]) == 0;
    if (!declares && (strcmp(word, "list") != 0 || a->n_pos > 2)) {
        err_set(&e, ERR_SYNTAX, "", "cra knows list, aware ID, measure ID and sent ID STAGE");
        return print_err(a, &e);
    }
    int rc = session_open(a, &s);
    if (rc != EXIT_OK)
        return rc;
    ok = risk_log_read(&s, &log, &e);
    if (ok) {
        if (declares)
            ok = declare(a, &s, &log, &e);
        else
            list(a, &log);
        risk_log_free(&log);
    }
    rc = ok ? EXIT_OK : print_err(a, &e);
    session_close(&s);
    return rc;
}
