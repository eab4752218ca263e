#include "client/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/arena.h"
#include "core/clock.h"

bool secret_may_change(const struct secret_ref *ref)
{
    return ref->source == SECRET_FILE || ref->source == SECRET_COMMAND;
}

/* --- how often --- */

bool secret_pace_due(struct secret_pace *p, enum secret_source s, enum secret_refusal why, int64_t now)
{
    bool file = s == SECRET_FILE;
    int64_t most = why != SECRET_UNKNOWN_USER ? 15 * US_PER_MIN : file ? 5 * US_PER_S : 60 * US_PER_S;
    int64_t pause = file ? US_PER_S : 2 * US_PER_S;
    if (p->of[why].reads > 0 && now - p->of[why].last > 2 * most)
        p->of[why].reads = 0;
    if (p->of[why].reads > 0 && now < p->of[why].next)
        return false;
    for (int i = 0; i < p->of[why].reads && pause < most; i++)
        pause *= 2;
    p->of[why].reads++;
    p->of[why].last = now;
    p->of[why].next = now + (pause < most ? pause : most);
    return true;
}

/* --- off the loop --- */

struct secret_job {
    pthread_mutex_t lock;
    bool ended, left; /* under lock */
    struct arena arena;
    struct secret_ref ref; /* its strings are in the arena */
    int64_t limit_us;
    int tell_fd;
    bool ok;
    char *out;
    struct err err;
};

static void job_release(struct secret_job *j)
{
    secret_free(j->out);
    if (j->tell_fd >= 0)
        close(j->tell_fd);
    arena_release(&j->arena);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

static void *job_main(void *arg)
{
    struct secret_job *j = arg;
    uint64_t one = 1;
    j->ok = secret_read(&j->ref, j->limit_us, &j->out, &j->err);
    pthread_mutex_lock(&j->lock);
    j->ended = true;
    bool mine = j->left;
    if (!mine) {
        ssize_t n = write(j->tell_fd, &one, sizeof one);
        (void)n; /* only refuses when it is readable anyway */
    }
    pthread_mutex_unlock(&j->lock);
    if (mine)
        job_release(j);
    return NULL;
}

struct secret_ref secret_copy(const struct secret_ref *ref, struct arena *a)
{
    struct secret_ref copy = *ref;
    size_t n = 0;
    copy.path = arena_strdup(a, ref->path);
    copy.env = arena_strdup(a, ref->env);
    while (ref->argv && ref->argv[n])
        n++;
    const char **argv = ARENA_ARRAY(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        argv[i] = arena_strdup(a, ref->argv[i]);
    copy.argv = argv;
    return copy;
}

static int start_thread(struct secret_job *j)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for those who wait for them */
    int rc = pthread_create(&thread, &attr, job_main, j);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

struct secret_job *secret_begin(const struct secret_ref *ref, int64_t limit_us, int tell_fd, struct err *e)
{
    struct secret_job *j = xcalloc(1, sizeof *j);
    pthread_mutex_init(&j->lock, NULL);
    arena_init(&j->arena);
    j->ref = secret_copy(ref, &j->arena);
    j->limit_us = limit_us;
    j->tell_fd = fcntl(tell_fd, F_DUPFD_CLOEXEC, 0);
    int rc = j->tell_fd < 0 ? errno : start_thread(j);
    if (rc == 0)
        return j;
    errno = rc;
    err_errno(e, ERR_IO, "look at the limits of this session (ulimit -a)", "the secret cannot be read again");
    job_release(j);
    return NULL;
}

bool secret_ended(struct secret_job *j, bool *ok, char **out, struct err *e)
{
    pthread_mutex_lock(&j->lock);
    bool ended = j->ended;
    pthread_mutex_unlock(&j->lock);
    if (!ended)
        return false;
    *ok = j->ok;
    *out = j->out;
    *e = j->err;
    j->out = NULL;
    job_release(j);
    return true;
}

void secret_leave(struct secret_job *j)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->lock);
    j->left = true;
    bool mine = j->ended;
    pthread_mutex_unlock(&j->lock);
    if (mine)
        job_release(j);
}
