#include "engine/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "core/clock.h"

struct queue {
    struct aside_job *head, **tail;
    size_t n;
};

struct aside {
    struct aside_spec spec;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, ended_cond;
    struct queue todo, back; /* under the lock, as what follows */
    bool stop, finish, ended, left;
};

static void push(struct queue *q, struct aside_job *j)
{
    j->next = NULL;
    *q->tail = j;
    q->tail = &j->next;
    q->n++;
}

static struct aside_job *pop(struct queue *q)
{
    struct aside_job *j = q->head;
    if (!j)
        return NULL;
    q->head = j->next;
    if (!q->head)
        q->tail = &q->head;
    q->n--;
    j->next = NULL;
    return j;
}

static void poke(int fd)
{
    uint64_t one = 1;
    ssize_t n = fd >= 0 ? write(fd, &one, sizeof one) : 0;
    (void)n; /* an eventfd only refuses when it is readable anyway */
}

void aside_free(struct aside *a)
{
    if (!a)
        return;
    for (struct aside_job *j; (j = pop(&a->todo)) || (j = pop(&a->back));)
        a->spec.drop(a->spec.ctx, j);
    if (a->spec.wake_fd >= 0)
        close(a->spec.wake_fd);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->work);
    pthread_cond_destroy(&a->ended_cond);
    if (a->spec.gone)
        a->spec.gone(a->spec.ctx);
    free(a);
}

/* The next job, with those that may go along, as a list. */
static struct aside_job *pop_list(struct aside *a)
{
    struct aside_job *first = pop(&a->todo), *last = first;
    for (size_t n = 1; first && a->spec.joins && a->todo.head && a->spec.joins(first, n, a->todo.head); n++)
        last = last->next = pop(&a->todo);
    return first;
}

static void carry_out(struct aside *a)
{
    pthread_mutex_lock(&a->lock);
    for (;;) {
        while (!a->todo.head && !a->stop)
            pthread_cond_wait(&a->work, &a->lock);
        struct aside_job *j = a->stop && (a->left || !a->finish) ? NULL : pop_list(a);
        if (!j)
            break;
        pthread_mutex_unlock(&a->lock);
        bool back = a->spec.work(a->spec.ctx, j);
        for (struct aside_job *next; j; j = next) {
            next = j->next;
            if (back)
                aside_give(a, j);
            else
                a->spec.drop(a->spec.ctx, j);
        }
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
}

static void *aside_main(void *arg)
{
    struct aside *a = arg;
    if (a->spec.run)
        a->spec.run(a->spec.ctx, a);
    else
        carry_out(a);
    if (a->spec.end)
        a->spec.end(a->spec.ctx);
    pthread_mutex_lock(&a->lock);
    a->ended = true;
    bool mine = a->left;
    pthread_cond_signal(&a->ended_cond);
    pthread_mutex_unlock(&a->lock);
    if (mine)
        aside_free(a);
    return NULL;
}

static int start(struct aside *a)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&a->thread, NULL, aside_main, a);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

struct aside *aside_new(const struct aside_spec *spec, struct err *e)
{
    struct aside *a = xcalloc(1, sizeof *a);
    pthread_condattr_t mono;
    a->spec = *spec;
    a->todo.tail = &a->todo.head;
    a->back.tail = &a->back.head;
    pthread_condattr_init(&mono);
    pthread_condattr_setclock(&mono, CLOCK_MONOTONIC); /* a step of the wall clock must not cut the end short */
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->work, NULL);
    pthread_cond_init(&a->ended_cond, &mono);
    pthread_condattr_destroy(&mono);
    if (spec->wake_fd >= 0)
        a->spec.wake_fd = fcntl(spec->wake_fd, F_DUPFD_CLOEXEC, 3);
    int rc = spec->wake_fd >= 0 && a->spec.wake_fd < 0 ? errno : start(a);
    if (rc == 0)
        return a;
    errno = rc;
    err_errno(e, ERR_IO, "Look at the limits of this session (ulimit -a).", "%s cannot be started", spec->what);
    a->spec.gone = NULL;
    aside_free(a);
    return NULL;
}

bool aside_put(struct aside *a, struct aside_job *j,
               bool (*replaces)(const struct aside_job *newer, const struct aside_job *older))
{
    struct queue rest = {.tail = &rest.head}, old = {.tail = &old.head};
    pthread_mutex_lock(&a->lock);
    for (struct aside_job *k; replaces && (k = pop(&a->todo));)
        push(replaces(j, k) ? &old : &rest, k);
    for (struct aside_job *k; (k = pop(&rest));)
        push(&a->todo, k);
    bool room = a->todo.n < a->spec.max;
    if (room)
        push(&a->todo, j);
    pthread_cond_signal(&a->work);
    pthread_mutex_unlock(&a->lock);
    poke(a->spec.poke_fd);
    for (struct aside_job *k; (k = pop(&old));)
        a->spec.drop(a->spec.ctx, k);
    return room;
}

void aside_give(struct aside *a, struct aside_job *j)
{
    pthread_mutex_lock(&a->lock);
    push(&a->back, j);
    pthread_mutex_unlock(&a->lock);
    poke(a->spec.wake_fd);
}

static struct aside_job *locked_pop(struct aside *a, struct queue *q)
{
    pthread_mutex_lock(&a->lock);
    struct aside_job *j = pop(q);
    pthread_mutex_unlock(&a->lock);
    return j;
}

struct aside_job *aside_done(struct aside *a)
{
    return locked_pop(a, &a->back);
}

struct aside_job *aside_take(struct aside *a)
{
    return locked_pop(a, &a->todo);
}

bool aside_ending(struct aside *a, bool *left)
{
    pthread_mutex_lock(&a->lock);
    bool stop = a->stop;
    *left = a->left;
    pthread_mutex_unlock(&a->lock);
    return stop;
}

bool aside_stop(struct aside *a, int64_t timeout_us, bool finish)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + timeout_us % US_PER_S * 1000;
    until.tv_sec += timeout_us / US_PER_S + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    a->finish = finish;
    pthread_cond_signal(&a->work);
    poke(a->spec.poke_fd);
    int rc = 0;
    while (!a->ended && rc == 0)
        rc = pthread_cond_timedwait(&a->ended_cond, &a->lock, &until);
    bool ended = a->ended;
    a->left = !ended;
    pthread_t thread = a->thread;
    pthread_mutex_unlock(&a->lock);
    if (ended)
        pthread_join(thread, NULL);
    else
        pthread_detach(thread);
    return ended;
}
