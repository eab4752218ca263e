#include "intel/dump.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/text.h"

#define DEEPEST 12

/* Where the files of a source are: below a folder, or by their name in the folder itself. */
static const struct {
    const char *pattern; /* glob over the path; a * goes over "/" as well */
    enum intel_kind kind;
    bool by_folder; /* each folder below is a source of its own: osv/Debian */
} places[] = {
    {"osv/*", INTEL_OSV, true},        {"cve5/*", INTEL_CVE5, false},
    {"nvd/*", INTEL_NVD, false},       {"nvd*.json*", INTEL_NVD, false},
    {"kev*.json*", INTEL_KEV, false},  {"known_exploited_vulnerabilities.json*", INTEL_KEV, false},
    {"epss*.csv*", INTEL_EPSS, false}, {"sbom/*", INTEL_SBOM, false},
    {"csaf/*", INTEL_VEX, false},      {"openvex/*", INTEL_VEX, false},
    {"vex/*", INTEL_VEX, false},       {"eol/*", INTEL_EOL, false},
    {"peers/*", INTEL_OTHERS, false},
};

/* Anything else beside them is what a mirror is still writing, or a note. */
static bool readable(const char *path)
{
    static const char *const tails[] = {".json", ".csv", ".zip", ".gz", ".zst"};
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++)
        if (n > strlen(tails[i]) && strcmp(path + n - strlen(tails[i]), tails[i]) == 0)
            return true;
    return false;
}

static bool file_of(struct arena *a, const char *path, struct dump_file *out)
{
    *out = (struct dump_file){.path = path};
    for (size_t i = 0; readable(path) && i < sizeof places / sizeof places[0]; i++) {
        if (!glob_match(places[i].pattern, path))
            continue;
        const char *slash = strchr(path, '/'), *next = slash && places[i].by_folder ? strchr(slash + 1, '/') : NULL;
        const char *end = next ? next : slash;
        out->kind = places[i].kind;
        out->source = end ? safe_text(a, path, (size_t)(end - path), 200) : intel_kinds[places[i].kind].word;
        return true;
    }
    return false;
}

static bool add(struct dump *f, struct arena *a, const char *path, bool link, struct err *e)
{
    struct dump_file file;
    if (f->n == DUMP_FILES)
        return err_set(e, ERR_LIMIT, "Mirror the archives as they are published, not what is in them.",
                       "more than %zu files", DUMP_FILES);
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->v = xreallocarray(f->v, f->cap, sizeof *f->v);
    }
    file_of(a, path, &file);
    if (link)
        file.source = NULL;
    f->v[f->n++] = file;
    return true;
}

/* An error about a path of the folder, whose bytes are anybody's. Always false. */
static bool fails(const char *path, const char *why, struct err *e)
{
    char shown[200];
    int cause = errno;
    safe_text_into(shown, sizeof shown, path, strlen(path));
    errno = cause;
    return err_errno(e, ERR_IO, "", "%s: %s", shown, why);
}

struct open_dir {
    DIR *d;
    const char *path; /* "" = the folder itself */
};

static bool enter(struct open_dir *stack, int *depth, int at, const char *name, const char *path, struct err *e)
{
    if (*depth == DEEPEST)
        return err_set(e, ERR_LIMIT, "", "folders within folders, deeper than %d", DEEPEST);
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        fails(path, "cannot be read", e);
        if (fd >= 0)
            close(fd);
        return false;
    }
    stack[(*depth)++] = (struct open_dir){d, path};
    return true;
}

static bool walk(struct dump *f, struct arena *a, struct err *e)
{
    struct open_dir stack[DEEPEST];
    int depth = 0;
    bool ok = enter(stack, &depth, f->fd, ".", "", e);
    while (ok && depth) {
        struct open_dir *top = &stack[depth - 1];
        struct dirent *de = readdir(top->d);
        struct stat st;
        if (!de) {
            closedir(top->d);
            depth--;
            continue;
        }
        if (de->d_name[0] == '.') /* hidden: what a mirror is still writing, and the folder itself */
            continue;
        const char *path = *top->path ? arena_printf(a, "%s/%s", top->path, de->d_name) : arena_strdup(a, de->d_name);
        if (fstatat(dirfd(top->d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue; /* gone meanwhile */
        if (S_ISDIR(st.st_mode))
            ok = enter(stack, &depth, dirfd(top->d), de->d_name, path, e);
        else
            ok = add(f, a, path, !S_ISREG(st.st_mode), e);
    }
    while (depth)
        closedir(stack[--depth].d);
    return ok;
}

static int by_source(const void *x, const void *y)
{
    const struct dump_file *a = x, *b = y;
    if (!a->source || !b->source)
        return a->source ? -1 : b->source ? 1 : strcmp(a->path, b->path);
    int c = strcmp(a->source, b->source);
    return c ? c : strcmp(a->path, b->path);
}

bool dump_open(const char *path, struct arena *a, struct dump *out, struct err *e)
{
    *out = (struct dump){.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (out->fd < 0)
        return err_errno(e, ERR_NOT_FOUND, "", "%.200s: cannot be read as a folder", path);
    bool ok = walk(out, a, e);
    if (!ok) {
        err_prefix(e, "%.150s: ", path);
        dump_close(out);
        return false;
    }
    qsort(out->v, out->n, sizeof *out->v, by_source);
    return true;
}

void dump_close(struct dump *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->v);
    *f = (struct dump){.fd = -1};
}

int dump_file_open(const struct dump *f, const char *path, struct err *e)
{
    int at = f->fd;
    const char *p = path;
    char name[256];
    struct stat st;
    for (;;) {
        size_t n = strcspn(p, "/");
        bool last = !p[n];
        int fd = -1;
        errno = ENAMETOOLONG;
        if (n < sizeof name) {
            memcpy(name, p, n);
            name[n] = '\0';
            fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (last ? 0 : O_DIRECTORY));
        }
        int cause = errno;
        if (at != f->fd)
            close(at);
        errno = cause;
        if (fd < 0 || last) {
            at = fd;
            break;
        }
        at = fd;
        p += n + 1;
    }
    if (at >= 0 && (fstat(at, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(at);
        at = -1;
        errno = EINVAL;
    }
    if (at < 0)
        fails(path, "cannot be read as a file", e);
    return at;
}
