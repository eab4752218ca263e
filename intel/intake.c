#include "intel/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "core/clock.h"
#include "core/elements.h"
#include "core/text.h"
#include "intel/cve.h"
#include "intel/eol.h"
#include "intel/field.h"
#include "intel/lists.h"
#include "intel/osv.h"
#include "intel/others.h"
#include "intel/parts.h"
#include "intel/statements.h"

#define LINE_MAX_    400
#define DOCUMENT_MAX ((size_t)32 << 20) /* of one that is read as a whole: CSAF, OpenVEX, results of others */

static void newest(struct intake *in, int64_t t)
{
    if (t > in->spec->now) /* says nothing of age */
        in->ahead++;
    else if (t > in->src.newest)
        in->src.newest = t;
}

static void leave(struct intake *in)
{
    if (in->src.unread++ == 0)
        snprintf(in->first_unread, sizeof in->first_unread, "%s", in->entry);
}

/* ---- the records of each kind ---- */

static bool put_advisory(struct intake *in, const struct advisory *v, struct err *e)
{
    newest(in, v->modified);
    in->file_records++;
    return !in->store || intel_put_advisory(in->store, v, e);
}

static bool osv_record(struct intake *in, const char *bytes, size_t n, struct err *e)
{
    struct advisory v;
    return osv_read(bytes, n, &in->a, &v, e) && put_advisory(in, &v, e);
}

static bool cve5_record(struct intake *in, const char *bytes, size_t n, struct err *e)
{
    struct advisory v;
    return cve5_read(bytes, n, &in->a, &v, e) && put_advisory(in, &v, e);
}

static bool nvd_record(struct intake *in, const char *bytes, size_t n, struct err *e)
{
    struct advisory v;
    return nvd_read(bytes, n, &in->a, &v, e) && put_advisory(in, &v, e);
}

static bool nvd_around(struct intake *in, const char *around, size_t n, struct err *e)
{
    int64_t released;
    if (!nvd_end(around, n, (size_t)in->file_records, &released, e))
        return false;
    if (released > in->src.released)
        in->src.released = released;
    return true;
}

static bool put_listed(struct intake *in, const struct adv_listed *v, struct err *e)
{
    bool taken = true;
    in->file_records++;
    if (in->store && !intel_put_listed(in->store, v, &taken, e))
        return false;
    if (!taken)
        leave(in);
    return true;
}

static bool kev_record(struct intake *in, const char *bytes, size_t n, struct err *e)
{
    struct adv_listed v;
    if (!kev_read(bytes, n, &in->a, &v, e))
        return false;
    newest(in, v.kev_added);
    return put_listed(in, &v, e);
}

static bool kev_around(struct intake *in, const char *around, size_t n, struct err *e)
{
    return kev_end(around, n, (size_t)in->file_records, &in->src.released, e);
}

static bool epss_record(struct intake *in, const char *bytes, size_t n, struct err *e)
{
    struct adv_listed v;
    bool is;
    if (!epss_line(&in->epss, (struct slice){bytes, n}, &in->a, &v, &is, e))
        return false;
    in->src.released = in->epss.released;
    return !is || put_listed(in, &v, e);
}

static bool vex_record(struct intake *in, const char *bytes, size_t n, struct err *e)
{
    const struct vex *v;
    size_t many;
    bool ok = statements_read(bytes, n, &in->a, &v, &many, e);
    for (size_t i = 0; i < many && ok; i++) {
        newest(in, v[i].at);
        ok = !in->store || intel_put_vex(in->store, &v[i], e);
    }
    in->file_records++;
    return ok;
}

static bool eol_record(struct intake *in, const char *bytes, size_t n, struct err *e)
{
    const struct intel_life *v;
    size_t many;
    bool ok = eol_read(bytes, n, in->entry, &in->a, &v, &many, e);
    for (size_t i = 0; i < many && ok; i++)
        ok = !in->store || intel_put_life(in->store, &v[i], e);
    in->file_records++;
    newest(in, (int64_t)in->stamps[in->at].st.st_mtim.tv_sec * US_PER_S); /* it has no time of its own */
    return ok;
}

static bool others_record(struct intake *in, const char *bytes, size_t n, struct err *e)
{
    const struct intel_other *v;
    const char *release;
    size_t many;
    if (!parts_release_of(in->entry, &in->a, &release))
        return err_set(e, ERR_SYNTAX, "Name it after its release: NAME_VERSION.grype.json.",
                       "its name tells no release");
    bool ok = others_read(bytes, n, &in->a, &v, &many, e);
    for (size_t i = 0; i < many && ok; i++) {
        struct intel_other o = v[i];
        o.release = release;
        ok = !in->store || intel_put_other(in->store, &o, e);
    }
    in->file_records++;
    newest(in, (int64_t)in->stamps[in->at].st.st_mtim.tv_sec * US_PER_S);
    return ok;
}

static const struct reader readers[INTEL_KINDS] = {
    [INTEL_OSV] = {WHOLE, ".json", "", NULL, osv_record, NULL},
    [INTEL_CVE5] = {WHOLE, ".json", "CVE-", NULL, cve5_record, NULL},
    [INTEL_NVD] = {ARRAY, ".json", "", NVD_KEY, nvd_record, nvd_around},
    [INTEL_KEV] = {ARRAY, ".json", "", KEV_KEY, kev_record, kev_around},
    [INTEL_EPSS] = {LINES, ".csv", "", NULL, epss_record, NULL},
    [INTEL_VEX] = {WHOLE, ".json", "", NULL, vex_record, NULL},
    [INTEL_SBOM] = {PARTS, ".json", "", NULL, NULL, NULL},
    [INTEL_EOL] = {WHOLE, ".json", "", NULL, eol_record, NULL},
    [INTEL_OTHERS] = {WHOLE, ".json", "", NULL, others_record, NULL},
};

/* ---- one entry ---- */

static bool ends_in(const char *s, const char *tail)
{
    size_t n = strlen(s), t = strlen(tail);
    return n >= t && strcmp(s + n - t, tail) == 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool take_element(void *ctx, const char *bytes, size_t n)
{
    struct intake *in = ctx;
    bool ok = in->reader->record(in, bytes, n, &in->err);
    arena_release(&in->a);
    return ok;
}

static bool begin_entry(void *ctx, const char *name, struct err *e)
{
    struct intake *in = ctx;
    (void)e;
    if (!ends_in(name, in->reader->tail) || !slice_starts(slice_of(base_name(name)), in->reader->head))
        return false;
    snprintf(in->entry, sizeof in->entry, "%s", base_name(name));
    buf_clear(&in->whole);
    in->whole.over = false;
    in->file_records = 0;
    if (in->reader->way == ARRAY)
        elements_restart(&in->elements);
    if (in->reader->way == LINES)
        in->epss = (struct epss){0};
    if (in->reader->way == PARTS)
        parts_begin(&in->parts, ends_in(name, ".spdx.json") ? &parts_spdx : &parts_cyclonedx, &in->a);
    return true;
}

/* Whole lines of what has come; the rest waits in `whole`. */
static bool lines(struct intake *in, const char *p, size_t n, struct err *e)
{
    while (n) {
        const char *nl = memchr(p, '\n', n);
        size_t k = nl ? (size_t)(nl - p) : n;
        if (in->whole.len + k > LINE_MAX_)
            return err_set(e, ERR_LIMIT, "", "a line is longer than %d bytes", LINE_MAX_);
        buf_add(&in->whole, p, k);
        if (!nl)
            return true;
        bool ok = in->reader->record(in, in->whole.data, in->whole.len, e);
        arena_release(&in->a);
        buf_clear(&in->whole);
        if (!ok)
            return false;
        p += k + 1;
        n -= k + 1;
    }
    return true;
}

/* What stopped a stream is told by its end. */
static bool stopped(struct intake *in, struct err *e)
{
    if (in->err.code != ERR_NONE) {
        *e = in->err;
        return false;
    }
    struct sbom ignored;
    if (in->reader->way == PARTS ? !parts_end(&in->parts, &ignored, e) : !elements_end(&in->elements, in->entry, e))
        return false;
    return err_set(e, ERR_INTERNAL, "", "%s: stopped without a reason", in->entry);
}

static bool entry_bytes(void *ctx, const char *p, size_t n, struct err *e)
{
    struct intake *in = ctx;
    switch (in->reader->way) {
    case WHOLE:
        buf_add(&in->whole, p, n); /* too much is told at its end */
        return true;
    case ARRAY:
        return elements_feed(&in->elements, p, n) || stopped(in, e);
    case LINES:
        return lines(in, p, n, e);
    case PARTS:
        return parts_feed(&in->parts, p, n) || stopped(in, e);
    }
    return false;
}

/* A file that is not named after its release is that of each whose pointer has its digest. */
static bool put_named(struct intake *in, struct sbom *v, struct err *e)
{
    const struct intel_import *spec = in->spec;
    bool ok = true;
    size_t n = 0;
    for (; ok && spec->named && (v->release = spec->named(spec->named_ctx, v->sha256, n)) != NULL; n++)
        ok = !in->store || intel_put_sbom(in->store, v, e);
    if (ok && n == 0)
        return err_set(
            e, ERR_SYNTAX,
            "Name it after its release: NAME_VERSION.cdx.json; or note its digest at the release as andon.sbom, "
            "and import with --all.",
            "its name tells no release");
    in->file_records += (int64_t)n;
    return ok;
}

static bool end_parts(struct intake *in, struct err *e)
{
    struct sbom v;
    if (!parts_end(&in->parts, &v, e))
        return false;
    v.sha256 = in->stamps[in->at].sha256;
    newest(in, v.made_at);
    if (!parts_release_of(in->entry, &in->a, &v.release))
        return put_named(in, &v, e);
    in->file_records++;
    return !in->store || intel_put_sbom(in->store, &v, e);
}

static bool end_entry(void *ctx, struct err *e)
{
    struct intake *in = ctx;
    bool ok = true;
    switch (in->reader->way) {
    case WHOLE:
        if (in->whole.over) /* one honest record in a million is endless; that must not keep the others out */
            leave(in);
        else
            ok = in->reader->record(in, in->whole.data, in->whole.len, e);
        break;
    case ARRAY:
        ok = elements_end(&in->elements, in->entry, e) &&
             (!in->reader->end || in->reader->end(in, in->elements.around.data, in->elements.around.len, e));
        break;
    case LINES:
        ok = !in->whole.len || in->reader->record(in, in->whole.data, in->whole.len, e);
        if (ok && !in->epss.released)
            ok = err_set(e, ERR_SYNTAX, "", "its first line does not tell the day");
        break;
    case PARTS:
        ok = end_parts(in, e);
        parts_release(&in->parts);
        in->parts = (struct parts){0};
        break;
    }
    arena_release(&in->a);
    in->src.records += in->file_records;
    return ok;
}

struct intake *intake_new(const struct intel_import *spec, struct intel_store *store, const struct intel_source *src)
{
    struct intake *in = xcalloc(1, sizeof *in);
    bool small = src->kind == INTEL_OSV || src->kind == INTEL_CVE5;
    *in = (struct intake){.spec = spec, .store = store, .reader = &readers[src->kind], .src = *src};
    buf_init(&in->whole, small ? FIELD_ELEMENT_MAX : DOCUMENT_MAX);
    elements_init(&in->elements, in->reader->key ? in->reader->key : "", FIELD_ELEMENT_MAX, take_element, in);
    return in;
}

void intake_free(struct intake *in)
{
    elements_release(&in->elements);
    buf_release(&in->whole);
    arena_release(&in->a);
    free(in->stamps);
    free(in);
}

struct unpack_sink intake_sink(struct intake *in)
{
    return (struct unpack_sink){begin_entry, entry_bytes, end_entry, in};
}

void intake_file_done(struct intake *in)
{
    if (in->reader->way == PARTS)
        parts_release(&in->parts);
    in->parts = (struct parts){0};
    arena_release(&in->a);
}
