/* The crier: tells standard error and syslog what the log could not take.
 *
 * Both may block (a stopped terminal, a hung journal), so a thread of its own does it, started at the first cry; the
 * worker only puts a line into a bounded queue. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include "core/clock.h"
#include "engine/worker.h"

#define CRIES_MAX  64
#define LEAVE_US   (200 * US_PER_MS)
#define LINE_BYTES 900

struct crier {
    pthread_mutex_t lock;
    pthread_cond_t work, ended_cond;
    char *lines[CRIES_MAX]; /* under lock */
    size_t n, lost;
    bool stop, ended, abandoned, started;
    pthread_t thread;
};

struct crier *crier_new(void)
{
    struct crier *c = xcalloc(1, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->work, NULL);
    pthread_cond_init(&c->ended_cond, NULL);
    return c;
}

static void crier_end(struct crier *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->lines[i]);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->work);
    pthread_cond_destroy(&c->ended_cond);
    free(c);
}

static void say(const char *line)
{
    fprintf(stderr, "andon: not in the audit log yet: %s\n", line);
    syslog(LOG_USER | LOG_ALERT, "andon: not in the audit log yet: %s", line);
}

static void *crier_main(void *arg)
{
    struct crier *c = arg;
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (c->n == 0 && !c->stop)
            pthread_cond_wait(&c->work, &c->lock);
        if (c->n == 0)
            break;
        char *line = c->lines[0];
        memmove(c->lines, c->lines + 1, --c->n * sizeof *c->lines);
        pthread_mutex_unlock(&c->lock);
        say(line);
        free(line);
        pthread_mutex_lock(&c->lock);
    }
    c->ended = true;
    bool mine = c->abandoned;
    pthread_cond_broadcast(&c->ended_cond);
    pthread_mutex_unlock(&c->lock);
    if (mine)
        crier_end(c);
    return NULL;
}

void crier_cry(struct crier *c, const char *line)
{
    pthread_mutex_lock(&c->lock);
    if (!c->started)
        c->started = pthread_create(&c->thread, NULL, crier_main, c) == 0;
    if (c->n < CRIES_MAX)
        c->lines[c->n++] = xstrndup(line, LINE_BYTES);
    else
        c->lost++;
    pthread_cond_signal(&c->work);
    pthread_mutex_unlock(&c->lock);
}

void crier_free(struct crier *c)
{
    if (!c)
        return;
    if (!c->started) {
        crier_end(c);
        return;
    }
    int64_t until = clock_wall(clock_real()) + LEAVE_US;
    struct timespec ts = {.tv_sec = until / US_PER_S, .tv_nsec = (until % US_PER_S) * 1000};
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->work);
    int rc = 0;
    while (!c->ended && rc == 0)
        rc = pthread_cond_timedwait(&c->ended_cond, &c->lock, &ts);
    bool ended = c->ended;
    c->abandoned = !ended;
    pthread_mutex_unlock(&c->lock);
    if (ended) {
        pthread_join(c->thread, NULL);
        crier_end(c);
    } else {
        pthread_detach(c->thread);
    }
}
