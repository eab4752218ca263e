#include "intel/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/text.h"
#include "intel/dump.h"
#include "intel/intake.h"

/* ---- one source ---- */

/* Is the entry the file itself, unpacked or not? */
static bool named_so(const char *file, const char *entry)
{
    const char *slash = strrchr(file, '/');
    return strncmp(slash ? slash + 1 : file, entry, strlen(entry)) == 0;
}

/* The number `at` of the files of the source, opened for `use`. */
static bool with_file(struct intake *in, const struct dump_file *file, const struct dump *f,
                      bool (*use)(struct intake *in, int fd, struct err *e), struct err *e)
{
    int fd = dump_file_open(f, file->path, e);
    if (fd < 0)
        return false;
    safe_text_into(in->file, sizeof in->file, file->path, strlen(file->path));
    bool ok = use(in, fd, e);
    close(fd);
    return ok;
}

static bool digest_one(struct intake *in, int fd, struct err *e)
{
    struct stamp *t = &in->stamps[in->at];
    int64_t n;
    if (fstat(fd, &t->st) != 0)
        return err_errno(e, ERR_IO, "", "%s: cannot be read", in->file);
    if (!unpack_digest(fd, in->file, t->sha256, &n, e))
        return false;
    in->src.bytes += n;
    return true;
}

/* Over the digests of the files and their names; of a single file, its own. */
static bool digest_source(struct intake *in, const struct dump *f, size_t from, size_t to, struct err *e)
{
    struct sha256 all;
    bool ok = true;
    sha256_init(&all);
    in->stamps = xcalloc(to - from, sizeof *in->stamps);
    for (in->at = 0; in->at < to - from && ok; in->at++) {
        const char *path = f->v[from + in->at].path;
        ok = with_file(in, &f->v[from + in->at], f, digest_one, e);
        sha256_add(&all, path, strlen(path) + 1);
        sha256_add(&all, in->stamps[in->at].sha256, SHA256_HEX - 1);
    }
    sha256_done_hex(&all, in->src.sha256);
    if (to == from + 1)
        memcpy(in->src.sha256, in->stamps[0].sha256, SHA256_HEX);
    in->src.files = (int64_t)(to - from);
    return ok;
}

/* Is it the file that was digested, and untouched since? */
static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool read_one(struct intake *in, int fd, struct err *e)
{
    struct unpack_sink sink = intake_sink(in);
    int64_t before = in->src.records + in->src.unread;
    struct stat st;
    *in->entry = '\0';
    if (!unpack(fd, in->file, in->spec->limits ? in->spec->limits : &unpack_default, &sink, e)) {
        size_t n = strlen(in->file);
        if (strncmp(e->what, in->file, n) != 0 && *in->entry && !named_so(in->file, in->entry))
            err_prefix(e, "%s: ", in->entry);
        if (strncmp(e->what, in->file, n) != 0)
            err_prefix(e, "%s: ", in->file);
        return false;
    }
    if (fstat(fd, &st) != 0 || !same(&st, &in->stamps[in->at].st))
        return err_set(e, ERR_STATE, "Import when the mirror has finished.", "%s: changed while it was read", in->file);
    return in->src.records + in->src.unread > before || err_set(e, ERR_SYNTAX, "", "%s: no record in it", in->file);
}

static bool read_source(struct intake *in, const struct dump *f, size_t from, size_t to, struct err *e)
{
    bool ok = true;
    for (in->at = 0; in->at < to - from && ok; in->at++) {
        ok = with_file(in, &f->v[from + in->at], f, read_one, e);
        intake_file_done(in);
    }
    return ok;
}

/* `less`: so many records less than last time. */
static void add_note(struct intake *in, int64_t less)
{
    size_t n = 0;
    if (in->src.unread)
        n = (size_t)snprintf(in->note, sizeof in->note, "%lld not usable, %.120s first", (long long)in->src.unread,
                             in->first_unread);
    if (in->ahead || in->src.released > in->spec->now)
        n += (size_t)snprintf(in->note + n, sizeof in->note - n, "%sdated after this host's clock", n ? "; " : "");
    if (less > 0)
        snprintf(in->note + n, sizeof in->note - n, "%s%lld less than last time", n ? "; " : "", (long long)less);
    in->src.note = in->note;
}

static bool fewer(const struct intake *in, const struct intel_source *old, struct err *e)
{
    return err_set(e, ERR_REFUSED, "Look at the mirror; --force takes it all the same.",
                   "%s: %lld records, and it had %lld last time", in->src.name, (long long)in->src.records,
                   (long long)old->records);
}

static bool replace(struct intake *in, const struct dump *f, size_t from, size_t to, const struct intel_source *old,
                    struct err *e)
{
    if (in->store && !intel_begin(in->store, &in->src, e))
        return false;
    bool ok = read_source(in, f, from, to, e);
    int64_t less = old ? old->records - in->src.records : 0;
    /* records do leave a list now and then, one or two of a thousand; a mirror that broke half way lacks more */
    if (ok && less > (old ? old->records / 100 : 0) && !in->spec->force)
        ok = fewer(in, old, e);
    add_note(in, ok ? less : 0);
    if (!in->store)
        return ok;
    if (ok)
        return intel_commit(in->store, &in->src, e);
    intel_abort(in->store);
    return false;
}

static const struct intel_source *old_one(const struct intel_source *v, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].name, name) == 0)
            return &v[i];
    return NULL;
}

static bool see_to(struct intel_store *s, const struct intel_import *spec, const struct dump *f, size_t from, size_t to,
                   const struct intel_source *old, enum intel_outcome *what, struct err *e)
{
    struct intel_source src = {
        .name = f->v[from].source, .kind = f->v[from].kind, .imported = spec->now, .checked = spec->now, .note = ""};
    struct intake *in = intake_new(spec, spec->check ? NULL : s, &src);
    bool ok = digest_source(in, f, from, to, e);
    *what = INTEL_IMPORTED;
    if (ok && old && !spec->force && !spec->check && (src.kind != INTEL_SBOM || !spec->named) &&
        strcmp(old->sha256, in->src.sha256) == 0) {
        *what = INTEL_UNCHANGED;
        ok = intel_checked(s, &in->src, e);
        spec->say(spec->ctx, *what, old, NULL);
    } else if (ok && (ok = replace(in, f, from, to, old, e))) {
        spec->say(spec->ctx, *what, &in->src, NULL);
    }
    if (!ok) {
        *what = INTEL_REFUSED;
        spec->say(spec->ctx, *what, &in->src, e);
    }
    intake_free(in);
    return ok;
}

static void say_rest(const struct intel_import *spec, const struct dump *f, size_t from, const struct intel_source *old,
                     size_t n_old)
{
    char name[200];
    for (size_t i = from; i < f->n; i++) {
        safe_text_into(name, sizeof name, f->v[i].path, strlen(f->v[i].path));
        spec->say(spec->ctx, INTEL_IGNORED, &(struct intel_source){.name = name, .note = ""}, NULL);
    }
    for (size_t i = 0; i < n_old; i++) {
        bool here = false;
        for (size_t k = 0; k < from && !here; k++)
            here = strcmp(f->v[k].source, old[i].name) == 0;
        if (!here)
            spec->say(spec->ctx, INTEL_MISSING, &old[i], NULL);
    }
}

bool intel_import(struct intel_store *s, const struct intel_import *spec, size_t *refused, struct err *e)
{
    struct arena a;
    struct dump f;
    const struct intel_source *old = NULL;
    size_t n_old = 0, from = 0;
    *refused = 0;
    arena_init(&a);
    if (!dump_open(spec->folder, &a, &f, e)) {
        arena_release(&a);
        return false;
    }
    bool ok = !s || intel_sources(s, &a, &old, &n_old, e);
    while (ok && from < f.n && f.v[from].source) {
        size_t to = from + 1;
        enum intel_outcome what;
        struct err why = {0};
        while (to < f.n && f.v[to].source && strcmp(f.v[to].source, f.v[from].source) == 0)
            to++;
        if (!see_to(s, spec, &f, from, to, old_one(old, n_old, f.v[from].source), &what, &why))
            ++*refused;
        from = to;
    }
    if (ok)
        say_rest(spec, &f, from, old, n_old);
    dump_close(&f);
    arena_release(&a);
    return ok;
}
