#include "audit/seen.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "audit/intake.h"
#include "audit/place.h"

#define SEEN_MAX (PATH_MAX + NOTE_MAX + 64)

static void name_of(const struct spool_place *p, const char *tail, char out[INTAKE_NAME])
{
    snprintf(out, INTAKE_NAME, "andon-%s.head%s", p->key, tail);
}

/* Not in a folder that others share. */
static size_t own_from(const struct spool_place *p)
{
    return p && p->shared;
}

static bool same_log(const struct checkpoint *a, const struct checkpoint *b)
{
    return memcmp(a->origin, b->origin, sizeof a->origin) == 0;
}

static bool read_one(int dir, const char *name, struct seen *out)
{
    struct buf text;
    struct stat st;
    buf_init(&text, SEEN_MAX);
    bool ok = intake_read(dir, name, NULL, SEEN_MAX, &text, &st, NULL);
    const char *nl = ok && text.len ? memchr(text.data, '\n', text.len) : NULL;
    size_t n = nl ? text.len - (size_t)(nl + 1 - text.data) : 0;
    ok = nl && n < sizeof out->note && note_peek(nl + 1, n, &out->head);
    if (ok) {
        memcpy(out->note, nl + 1, n);
        out->note_n = n;
        out->at = (int64_t)st.st_mtim.tv_sec * US_PER_S + st.st_mtim.tv_nsec / 1000;
    }
    buf_release(&text);
    return ok;
}

bool seen_read(const struct spool_place *p, struct seen *out)
{
    bool any = false;
    for (size_t i = own_from(p); p && i < SPOOL_DIRS && p->dir[i]; i++) {
        char name[INTAKE_NAME];
        struct seen one;
        int dir = spool_open_dir(p->dir[i], false, false, NULL);
        if (dir < 0)
            continue;
        name_of(p, "", name);
        /* Which is the newer of two logs only their time tells. */
        if (read_one(dir, name, &one) &&
            (!any || (same_log(&one.head, &out->head) ? one.head.size > out->head.size : one.at > out->at))) {
            *out = one;
            snprintf(out->where, sizeof out->where, "%s/%s", p->dir[i], name);
            any = true;
        }
        close(dir);
    }
    return any;
}

bool seen_signed(const struct seen *s, const struct note_key *k, const struct verifier *v)
{
    struct checkpoint ignored;
    return note_open(s->note, s->note_n, k, v, &ignored, NULL);
}

/* A file beside it, under its lock, that takes its place: who is killed on the way leaves one that the next one uses.
 * Another process that is about to do the same is as good. */
static void keep_one(const struct spool_place *p, int dir, const struct buf *text, const struct checkpoint *c,
                     bool anew)
{
    char name[INTAKE_NAME], temp[INTAKE_NAME];
    struct seen old;
    struct stat st, now;
    name_of(p, "", name);
    name_of(p, ".new", temp);
    int fd = spool_open_file(dir, temp, O_WRONLY | O_CREAT, NULL, &st, NULL);
    if (fd < 0)
        return;
    if (spool_lock(fd, 0) && fstatat(dir, temp, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_dev == st.st_dev &&
        now.st_ino == st.st_ino &&
        (anew || !read_one(dir, name, &old) || !same_log(&old.head, c) || old.head.size < c->size) &&
        ftruncate(fd, 0) == 0 && place_write(fd, text->data, text->len) &&
        fdatasync(fd) == 0) /* or a power cut leaves an empty file under the name of one that was whole */
        (void)!renameat(dir, temp, dir, name);
    close(fd);
}

void seen_keep(const struct spool_place *p, const char *db_path, const char *note, size_t n, bool anew)
{
    struct checkpoint c;
    struct buf text;
    if (!p || !note_peek(note, n, &c))
        return;
    buf_init(&text, SEEN_MAX);
    buf_printf(&text, "%s\n", db_path);
    buf_add(&text, note, n);
    for (size_t i = own_from(p); !text.over && i < SPOOL_DIRS && p->dir[i]; i++) {
        int dir = spool_open_dir(p->dir[i], true, false, NULL);
        if (dir < 0)
            continue;
        keep_one(p, dir, &text, &c, anew);
        close(dir);
    }
    buf_release(&text);
}
