/* A log handle whose log the guard writes. */
#include <stdlib.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/far.h"

struct store *book_store(const char *db_path, const char *socket, bool read_only, struct err *e)
{
    struct err why = {0};
    if (!socket)
        return store_open(db_path, read_only, e);
    struct store *s = store_far(socket, &why);
    if (!s && read_only && why.code == ERR_IO && access(db_path, R_OK) == 0)
        return store_open(db_path, true, e); /* nobody answers, and it is ours to look at */
    if (!s && e)
        *e = why;
    return s;
}

/* The line of a handle that is ready: for writing there is one. */
static struct far *line_of(struct audit_log *l, struct err *e)
{
    return book_ready(l, e) ? store_line(l->store) : NULL;
}

/* The guard has ended before it answered, or the answer was late. */
static bool not_known(struct err *e, const struct err *why)
{
    if (e)
        *e = *why;
    return err_set(e, ERR_TIMEOUT, "it is looked at again with the next entry",
                   "it is not known whether the guard has taken the entry: %.200s", why->what);
}

bool book_far_append(struct audit_log *l, const struct entry *en, struct receipt *out, struct err *e)
{
    struct err why = {0}, ignored;
    struct buf line;
    buf_init(&line, ENTRY_MAX);
    struct far *f = line_of(l, e);
    bool ok = f && entry_canonical(en, 0, l->host.data, &line, e);
    if (ok && !far_append(f, line.data, line.len, out, &why)) {
        bool open = far_broken(f);
        if (open && (f = line_of(l, &ignored)) != NULL) { /* the same line makes no second entry */
            err_clear(&why);
            ok = far_append(f, line.data, line.len, out, &why);
            open = !ok && far_broken(f);
        } else {
            ok = false;
        }
        if (open)
            not_known(e, &why);
        else if (!ok && e)
            *e = why;
    }
    buf_release(&line);
    return ok;
}

bool book_far_rotate(struct audit_log *l, const struct audit_turn *t, bool new_key, struct err *e)
{
    struct far *f = line_of(l, e);
    return f && far_rotate(f, t, (struct slice){l->host.data, l->host.len}, new_key, e);
}

bool book_far_blob(struct audit_log *l, const void *bytes, size_t n, struct err *e)
{
    for (int tries = 0; tries < 2; tries++) {
        struct far *f = line_of(l, e);
        if (!f)
            return false;
        if (far_put_blob(f, bytes, n, e))
            return true;
        if (!far_broken(f))
            return false;
    }
    return false;
}
