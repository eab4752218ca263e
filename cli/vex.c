/* andon vex: a statement of one's own about a vulnerability in a release, in the log. */
#include "cli/vex.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/risk_log.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/groups.h"
#include "core/slice.h"
#include "core/text.h"
#include "core/vex.h"

/* OpenVEX 0.2: what "not affected" may rest on. */
static const char *const justifications[] = {
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
};
static const char *const openvex_status[VEX_STATUSES + 1] = {"affected", "not_affected", "fixed", "under_investigation",
                                                             ""};

/* ---- add ---- */

/* "gate:2.8.4" as a purl, which OpenVEX asks for. */
static void purl_of(const char *release, struct buf *out)
{
    const char *colon = strrchr(release, ':');
    buf_adds(out, "pkg:generic/");
    for (const char *p = release; *p; p++) {
        if (p == colon)
            buf_addc(out, '@');
        else if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                 byte_in(*p, ".-_~"))
            buf_addc(out, *p);
        else
            buf_printf(out, "%%%02X", (unsigned char)*p);
    }
}

static void write_openvex(const struct vex *v, const struct session *s, const char *reason, struct buf *out)
{
    struct json_w w;
    struct buf purl;
    char when[FMT_MAX];
    buf_init(&purl, 4096);
    purl_of(v->product, &purl);
    json_w_init(&w, out, 1);
    json_w_obj(&w);
    json_w_kstr(&w, "@context", "https://openvex.dev/ns/v0.2.0");
    json_w_key(&w, "@id");
    char id[80];
    snprintf(id, sizeof id, "urn:andon:vex:%016llx%016llx", (unsigned long long)random_seed(),
             (unsigned long long)random_seed());
    json_w_str(&w, id);
    json_w_kstr(&w, "author", s->actor.name);
    json_w_kstr(&w, "timestamp", fmt_iso(when, v->at));
    json_w_kint(&w, "version", 1);
    json_w_key(&w, "statements");
    json_w_arr(&w);
    json_w_obj(&w);
    json_w_key(&w, "vulnerability");
    json_w_obj(&w);
    json_w_kstr(&w, "name", v->id);
    json_w_obj_end(&w);
    json_w_key(&w, "products");
    json_w_arr(&w);
    json_w_obj(&w);
    json_w_kstr(&w, "@id", purl.data);
    if (*v->component) {
        json_w_key(&w, "subcomponents");
        json_w_arr(&w);
        json_w_obj(&w);
        json_w_kstr(&w, "@id", v->component);
        json_w_obj_end(&w);
        json_w_arr_end(&w);
    }
    json_w_obj_end(&w);
    json_w_arr_end(&w);
    json_w_kstr(&w, "status", openvex_status[v->status]);
    if (*v->why)
        json_w_kstr(&w, "justification", v->why);
    json_w_kstr(&w,
                v->status == VEX_NOT_AFFECTED ? "impact_statement"
                : v->status == VEX_AFFECTED   ? "action_statement"
                                              : "status_notes",
                reason);
    json_w_obj_end(&w);
    json_w_arr_end(&w);
    json_w_obj_end(&w);
    buf_release(&purl);
}

static bool read_statement(const struct args *a, struct arena *mem, struct vex *v, struct err *e)
{
    const char *why = args_str(a, OPT_JUSTIFICATION);
    bool known = !*why;
    *v = (struct vex){
        .status = vex_status_from(args_str(a, OPT_STATUS)), .at = clock_wall(clock_real()), .document = ""};
    v->id = safe_text(mem, a->pos[2], strlen(a->pos[2]), ADV_ID_MAX - 1);
    v->product = safe_text(mem, args_str(a, OPT_RELEASE), strlen(args_str(a, OPT_RELEASE)), 400);
    v->component = safe_text(mem, args_str(a, OPT_COMPONENT), strlen(args_str(a, OPT_COMPONENT)), 1000);
    v->why = why;
    const char *colon = strrchr(v->product, ':');
    if (strlen(a->pos[2]) >= ADV_ID_MAX || strpbrk(a->pos[2], " \t\n"))
        return err_set(e, ERR_SYNTAX, "As in CVE-2031-20417.", "\"%.60s\" is no id of a vulnerability", v->id);
    if (!colon || colon == v->product || !colon[1])
        return err_set(e, ERR_SYNTAX, "A statement without a version would be about every version.",
                       "--release NAME:VERSION is needed");
    if (v->status == VEX_STATUSES)
        return err_set(e, ERR_SYNTAX, "One of affected, not-affected, fixed, under-investigation.", "--status: which?");
    for (size_t i = 0; i < sizeof justifications / sizeof *justifications; i++)
        known |= strcmp(why, justifications[i]) == 0;
    if (!known || (v->status == VEX_NOT_AFFECTED) != (*why != '\0'))
        return err_set(e, ERR_SYNTAX,
                       "With not-affected, one of component_not_present, vulnerable_code_not_present, "
                       "vulnerable_code_not_in_execute_path, inline_mitigations_already_exist, ...",
                       *why && v->status != VEX_NOT_AFFECTED ? "--justification belongs to not-affected"
                                                             : "--justification: which?");
    return *args_str(a, OPT_REASON) ||
           err_set(e, ERR_SYNTAX, "--reason TEXT: it stands in the log's entry.", "a statement needs a reason");
}

static bool put(const struct session *s, const struct vex *v, const char *reason, struct receipt *out, struct err *e)
{
    struct buf doc;
    struct entry en;
    size_t refused = 0;
    buf_init(&doc, (size_t)64 << 10);
    write_openvex(v, s, reason, &doc);
    struct audit_blob blob = {.key = "vex.blob", .bytes = doc.data, .n = doc.len};
    entry_init(&en, ENTRY_VEX);
    en.t = v->at;
    en.mono = clock_boot(clock_real());
    en.actor = s->actor;
    en.result = "added";
    en.reason = reason;
    entry_str(&en, "vulnerability", v->id);
    entry_str(&en, "product", v->product);
    if (*v->component)
        entry_str(&en, "component", v->component);
    entry_str(&en, "status", vex_status_word(v->status));
    if (*v->why)
        entry_str(&en, "justification", v->why);
    struct audit_item item = {.entry = &en, .blobs = &blob, .n_blobs = 1};
    struct audit_log *l = audit_open(&s->audit, e);
    bool ok = l && audit_append_all(l, &item, 1, &refused, e);
    audit_close(l);
    if (ok)
        *out = item.receipt;
    buf_release(&doc);
    return ok;
}

static int add(const struct args *a, const struct session *s)
{
    struct arena mem;
    struct vex v;
    struct receipt r = {0};
    struct err e = {0};
    arena_init(&mem);
    bool ok = read_statement(a, &mem, &v, &e) && put(s, &v, args_str(a, OPT_REASON), &r, &e);
    if (ok && a->json) {
        struct json_out o;
        json_begin(&o);
        json_w_kint(&o.w, "seq", r.seq);
        json_w_kstr(&o.w, "vulnerability", v.id);
        json_w_kstr(&o.w, "product", v.product);
        json_w_kstr(&o.w, "status", vex_status_word(v.status));
        json_end(&o);
    } else if (ok) {
        printf("entry %lld: %s in %s is %s\n", (long long)r.seq, v.id, v.product, vex_status_word(v.status));
    }
    arena_release(&mem);
    return ok ? EXIT_OK : print_err(a, &e);
}

/* ---- list ---- */

static int list(const struct args *a, const struct session *s)
{
    struct arena mem;
    struct said said;
    struct err e = {0};
    arena_init(&mem);
    bool ok = said_read(&s->audit_looks, &mem, &said, &e);
    const struct vex *v = said.vex;
    size_t n = said.n_vex;
    if (ok && a->json) {
        struct json_out o;
        json_begin(&o);
        json_w_key(&o.w, "statements");
        json_w_arr(&o.w);
        for (size_t i = 0; i < n; i++)
            vex_json(&v[i], &o.w, true);
        json_w_arr_end(&o.w);
        json_end(&o);
    } else if (ok) {
        struct table t;
        struct buf out;
        static const char *const heads[] = {"VULNERABILITY", "STATUS", "PRODUCT", "COMPONENT", "ENTRY", "BECAUSE"};
        table_init(&t, 6, 0);
        for (size_t i = 0; i < 6; i++)
            table_add(&t, heads[i]);
        for (size_t i = 0; i < n; i++) {
            table_add(&t, v[i].id);
            table_add(&t, vex_status_word(v[i].status));
            table_add(&t, v[i].product);
            table_add(&t, *v[i].component ? v[i].component : "-");
            table_add(&t, v[i].document);
            table_add(&t, v[i].why);
        }
        buf_init(&out, (size_t)64 << 20);
        table_print(&t, &out);
        print_out(&out);
        buf_release(&out);
    }
    arena_release(&mem);
    return ok ? EXIT_OK : print_err(a, &e);
}

void vex_json(const struct vex *v, struct json_w *w, bool whole)
{
    char when[FMT_MAX];
    json_w_obj(w);
    json_w_kstr(w, "vulnerability", v->id);
    json_w_kstr(w, "status", vex_status_word(v->status));
    json_w_kstr(w, "justification", v->why);
    json_w_kstr(w, "product", v->product);
    json_w_kstr(w, "component", v->component);
    json_w_kstr(w, "document", v->document);
    json_w_kstr(w, "at", v->at ? fmt_iso(when, v->at) : NULL);
    json_w_kbool(w, "draft", v->draft);
    if (whole)
        json_w_obj_end(w);
}

/* ---- end ---- */

static bool put_end(const struct args *a, const struct session *s, const struct vex *v, int64_t seq, struct receipt *r,
                    struct err *e)
{
    struct arena mem;
    struct entry en;
    const char *reason = args_str(a, OPT_REASON);
    arena_init(&mem);
    entry_init(&en, ENTRY_VEX);
    en.result = "ended";
    en.reason = safe_text(&mem, reason, strlen(reason), 500);
    entry_int(&en, "ends", seq);
    entry_str(&en, "vulnerability", v->id);
    entry_str(&en, "product", v->product);
    bool ok = risk_log_add(a, s, &en, r, e);
    arena_release(&mem);
    return ok;
}

/* A statement is taken back by its entry; what was said before stays in the log. */
static int end(const struct args *a, const struct session *s)
{
    struct arena mem;
    struct said said;
    struct receipt r = {0};
    struct err e = {0};
    char document[32];
    int64_t seq = 0;
    const struct vex *v = NULL;
    arena_init(&mem);
    bool ok = said_read(&s->audit_looks, &mem, &said, &e);
    if (ok && slice_int(slice_of(a->pos[2]), &seq)) {
        snprintf(document, sizeof document, "log #%lld", (long long)seq);
        for (size_t i = 0; i < said.n_vex; i++)
            v = strcmp(said.vex[i].document, document) == 0 ? &said.vex[i] : v;
    }
    if (ok && !v)
        ok = err_set(&e, ERR_NOT_FOUND, "`andon vex list` has the entries.",
                     "vex end needs the number of an entry that makes a statement");
    ok = ok && v && put_end(a, s, v, seq, &r, &e);
    if (ok && v && a->json) {
        struct json_out o;
        json_begin(&o);
        json_w_kint(&o.w, "seq", r.seq);
        json_w_kint(&o.w, "ends", seq);
        json_w_kstr(&o.w, "vulnerability", v->id);
        json_end(&o);
    } else if (ok && v) {
        printf("entry %lld: what entry %lld says of %s in %s holds no more\n", (long long)r.seq, (long long)seq, v->id,
               v->product);
    }
    arena_release(&mem);
    return ok ? EXIT_OK : print_err(a, &e);
}

int cmd_vex(const struct args *a)
{
    struct session s;
    struct err e = {0};
    bool adds = strcmp(a->pos[1], "add") == 0, ends = strcmp(a->pos[1], "end") == 0;
    if (!adds && !ends && strcmp(a->pos[1], "list") != 0)
        err_set(&e, ERR_SYNTAX, "Run `andon help vex`.", "vex: expected add ID, end ENTRY or list");
    else if ((a->n_pos == 3) != (adds || ends))
        err_set(&e, ERR_SYNTAX, "Run `andon help vex`.", "%s",
                adds   ? "vex add: which vulnerability?"
                : ends ? "vex end: which entry?"
                       : "vex list: takes nothing more");
    if (e.code != ERR_NONE)
        return print_err(a, &e);
    int rc = session_open(a, &s);
    if (rc != 0)
        return rc;
    rc = adds ? add(a, &s) : ends ? end(a, &s) : list(a, &s);
    session_close(&s);
    return rc;
}
