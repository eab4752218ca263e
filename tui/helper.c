/* See helper.h. */
#include "tui/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"

struct request {
    bool wanted;
    struct audit_want want;
    char path[512];
    char *text;
};

struct helper {
    struct console_audit calls;
    bool has_audit;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t asked, ended;
    bool stop, done, left; /* left: the console has gone; the thread frees everything */
    struct request request[JOB_COUNT];
    struct helper_result result[JOB_COUNT];
    bool has_result[JOB_COUNT];
    int fd;
};

static void drop_result(struct helper *h, enum helper_job job)
{
    if (h->has_result[job] && h->result[job].page)
        h->calls.free_page(h->calls.ctx, h->result[job].page);
    h->has_result[job] = false;
}

static void destroy(struct helper *h)
{
    for (int i = 0; i < JOB_COUNT; i++) {
        drop_result(h, (enum helper_job)i);
        free(h->request[i].text);
    }
    close(h->fd);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->asked);
    pthread_cond_destroy(&h->ended);
    free(h);
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

static void carry_out(struct helper *h, enum helper_job job, const struct request *q, struct helper_result *r)
{
    memset(r, 0, sizeof *r);
    r->job = job;
    safe_text_into(r->text, sizeof r->text, q->path, strlen(q->path));
    if (job == JOB_WRITE) {
        r->ok = write_file(q->path, q->text ? q->text : "", &r->err);
    } else if (!h->has_audit) {
        err_set(&r->err, ERR_NOT_FOUND, "", "this console has no log");
    } else if (job == JOB_LOAD) {
        r->page = h->calls.load(h->calls.ctx, &q->want, &r->err);
        r->ok = r->page != NULL;
    } else if (job == JOB_VERIFY) {
        r->ok = h->calls.verify(h->calls.ctx, &r->verified, r->text, sizeof r->text, &r->err);
    } else {
        r->ok = h->calls.write_out(h->calls.ctx, q->path, &r->err);
    }
}

/* The first request that waits; moved out. Lock held. */
static bool next_request(struct helper *h, enum helper_job *job, struct request *q)
{
    for (int i = 0; i < JOB_COUNT; i++) {
        if (!h->request[i].wanted)
            continue;
        *job = (enum helper_job)i;
        *q = h->request[i];
        memset(&h->request[i], 0, sizeof h->request[i]);
        return true;
    }
    return false;
}

static void *run(void *arg)
{
    struct helper *h = arg;
    pthread_mutex_lock(&h->lock);
    while (!h->stop) {
        enum helper_job job;
        struct request q;
        if (!next_request(h, &job, &q)) {
            pthread_cond_wait(&h->asked, &h->lock);
            continue;
        }
        pthread_mutex_unlock(&h->lock);
        struct helper_result r;
        carry_out(h, job, &q, &r);
        free(q.text);
        pthread_mutex_lock(&h->lock);
        drop_result(h, job);
        h->result[job] = r;
        h->has_result[job] = true;
        uint64_t one = 1;
        ssize_t k = write(h->fd, &one, sizeof one);
        (void)k; /* full: it is readable anyway */
    }
    h->done = true;
    bool left = h->left;
    pthread_cond_signal(&h->ended);
    pthread_mutex_unlock(&h->lock);
    if (left)
        destroy(h);
    return NULL;
}

struct helper *helper_new(const struct console_audit *audit, struct err *e)
{
    struct helper *h = xcalloc(1, sizeof *h);
    if (audit) {
        h->calls = *audit;
        h->has_audit = true;
    }
    h->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_condattr_t mono;
    pthread_condattr_init(&mono);
    pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->asked, NULL);
    pthread_cond_init(&h->ended, &mono);
    pthread_condattr_destroy(&mono);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = h->fd < 0 ? errno : pthread_create(&h->thread, NULL, run, h);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0)
        return h;
    errno = rc;
    err_errno(e, ERR_IO, "", "cannot start the console's helper thread");
    destroy(h);
    return NULL;
}

int helper_fd(const struct helper *h)
{
    return h->fd;
}

void helper_ask(struct helper *h, enum helper_job job, const struct audit_want *want, const char *path,
                const char *text)
{
    pthread_mutex_lock(&h->lock);
    struct request *q = &h->request[job];
    free(q->text);
    memset(q, 0, sizeof *q);
    q->wanted = true;
    if (want)
        q->want = *want;
    snprintf(q->path, sizeof q->path, "%s", path ? path : "");
    q->text = text ? xstrdup(text) : NULL;
    pthread_cond_signal(&h->asked);
    pthread_mutex_unlock(&h->lock);
}

bool helper_take(struct helper *h, struct helper_result *out)
{
    bool got = false;
    pthread_mutex_lock(&h->lock);
    uint64_t n;
    ssize_t k = read(h->fd, &n, sizeof n);
    (void)k;
    for (int i = 0; i < JOB_COUNT && !got; i++) {
        if (!h->has_result[i])
            continue;
        *out = h->result[i];
        h->has_result[i] = false;
        got = true;
    }
    pthread_mutex_unlock(&h->lock);
    return got;
}

void helper_end(struct helper *h)
{
    if (!h)
        return;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 1;
    pthread_mutex_lock(&h->lock);
    h->stop = true;
    pthread_cond_signal(&h->asked);
    int rc = 0;
    while (!h->done && rc == 0)
        rc = pthread_cond_timedwait(&h->ended, &h->lock, &until);
    bool done = h->done;
    h->left = !done;
    pthread_mutex_unlock(&h->lock);
    if (!done) {
        pthread_detach(h->thread);
        return;
    }
    pthread_join(h->thread, NULL);
    destroy(h);
}
