/* See helper.h. */
#include "tui/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "engine/aside.h"

struct request {
    struct aside_job job;
    struct audit_want want;
    char path[512];
    char *text;
    struct helper_result result; /* .job: what is asked for */
};

struct helper {
    struct aside *aside;
    struct console_audit calls;
    bool has_audit;
    int fd;
};

static void drop(void *ctx, struct aside_job *j)
{
    struct helper *h = ctx;
    struct request *q = (struct request *)j;
    if (q->result.page)
        h->calls.free_page(h->calls.ctx, q->result.page);
    free(q->text);
    free(q);
}

/* A new file, readable by its owner only; an existing one is never touched. */
static bool write_file(const char *path, const char *text, struct err *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(e, ERR_IO, "Choose another name; nothing is overwritten.", "cannot create the file");
    size_t n = strlen(text), done = 0;
    while (done < n) {
        ssize_t k = write(fd, text + done, n - done);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) {
            err_errno(e, ERR_IO, "", "cannot write the file");
            close(fd);
            return false;
        }
        done += (size_t)k;
    }
    return close(fd) == 0 || err_errno(e, ERR_IO, "", "cannot write the file");
}

static bool carry_out(void *ctx, struct aside_job *j)
{
    struct helper *h = ctx;
    struct request *q = (struct request *)j;
    struct helper_result *r = &q->result;
    safe_text_into(r->text, sizeof r->text, q->path, strlen(q->path));
    if (r->job == JOB_WRITE)
        r->ok = write_file(q->path, q->text ? q->text : "", &r->err);
    else if (!h->has_audit)
        err_set(&r->err, ERR_NOT_FOUND, "", "this console has no log");
    else if (r->job == JOB_LOAD)
        r->ok = (r->page = h->calls.load(h->calls.ctx, &q->want, &r->err)) != NULL;
    else if (r->job == JOB_VERIFY)
        r->ok = h->calls.verify(h->calls.ctx, &r->verified, r->text, sizeof r->text, &r->err);
    else
        r->ok = h->calls.write_out(h->calls.ctx, q->path, &r->err);
    return true;
}

static void gone(void *ctx)
{
    struct helper *h = ctx;
    close(h->fd);
    free(h);
}

struct helper *helper_new(const struct console_audit *audit, struct err *e)
{
    struct helper *h = xcalloc(1, sizeof *h);
    if (audit) {
        h->calls = *audit;
        h->has_audit = true;
    }
    h->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct aside_spec as = {.what = "the console's helper thread",
                            .max = JOB_COUNT,
                            .wake_fd = h->fd,
                            .poke_fd = -1,
                            .ctx = h,
                            .work = carry_out,
                            .drop = drop,
                            .gone = gone};
    if (h->fd < 0)
        err_errno(e, ERR_IO, "", "cannot start the console's helper thread");
    else if ((h->aside = aside_new(&as, e)))
        return h;
    if (h->fd >= 0)
        close(h->fd);
    free(h);
    return NULL;
}

int helper_fd(const struct helper *h)
{
    return h->fd;
}

static bool same_kind(const struct aside_job *newer, const struct aside_job *older)
{
    return ((const struct request *)newer)->result.job == ((const struct request *)older)->result.job;
}

void helper_ask(struct helper *h, enum helper_job job, const struct audit_want *want, const char *path,
                const char *text)
{
    struct request *q = xcalloc(1, sizeof *q);
    q->result.job = job;
    if (want)
        q->want = *want;
    snprintf(q->path, sizeof q->path, "%s", path ? path : "");
    q->text = text ? xstrdup(text) : NULL;
    if (!aside_put(h->aside, &q->job, same_kind)) /* there is room for one of each kind */
        drop(h, &q->job);
}

bool helper_take(struct helper *h, struct helper_result *out)
{
    uint64_t n;
    ssize_t k = read(h->fd, &n, sizeof n);
    (void)k;
    struct request *q = (struct request *)aside_done(h->aside);
    if (!q)
        return false;
    *out = q->result;
    q->result.page = NULL;
    drop(h, &q->job);
    return true;
}

void helper_end(struct helper *h)
{
    struct aside *a = h ? h->aside : NULL;
    if (a && aside_stop(a, US_PER_S, false))
        aside_free(a);
}
