#include "engine/notary.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "core/clock.h"
#include "engine/notary_impl.h"

#define STOP_US (2 * US_PER_S)
#define IDLE_US (5 * US_PER_S)

/* --- what others see --- */

uint64_t notary_look(struct notary *n, struct notary_view *out)
{
    pthread_mutex_lock(&n->lock);
    *out = n->view;
    uint64_t g = n->generation;
    pthread_mutex_unlock(&n->lock);
    return g;
}

int notary_count(struct notary *n, int64_t seq)
{
    int count = 0;
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < n->view.n && n->view.alarm == NOTARY_QUIET; i++)
        count += n->view.v[i].size > 0 && n->view.v[i].size + n->view.base >= seq;
    pthread_mutex_unlock(&n->lock);
    return count;
}

static void poke(const struct notary *n)
{
    uint64_t one = 1;
    (void)!write(n->my_fd, &one, sizeof one);
}

void notary_grew(struct notary *n, int64_t seq, bool urgent)
{
    pthread_mutex_lock(&n->lock);
    n->grew = true;
    if (urgent && seq > n->wanted)
        n->wanted = seq;
    pthread_mutex_unlock(&n->lock);
    poke(n);
}

void notary_tell(struct notary *n, int wake_fd)
{
    int fd = fcntl(wake_fd, F_DUPFD_CLOEXEC, 3);
    pthread_mutex_lock(&n->lock);
    if (fd >= 0 && n->n_wake < NOTARY_ENGINES) {
        n->wake_key[n->n_wake] = wake_fd;
        n->wake[n->n_wake++] = fd;
        fd = -1;
    }
    pthread_mutex_unlock(&n->lock);
    if (fd >= 0)
        close(fd);
}

void notary_drop(struct notary *n, int wake_fd)
{
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < n->n_wake; i++)
        if (n->wake_key[i] == wake_fd) {
            close(n->wake[i]);
            n->n_wake--;
            n->wake[i] = n->wake[n->n_wake];
            n->wake_key[i] = n->wake_key[n->n_wake];
            break;
        }
    pthread_mutex_unlock(&n->lock);
}

/* --- the thread --- */

static void take_word(struct notary *n, bool *grew, int64_t *wanted)
{
    uint64_t drained;
    while (read(n->my_fd, &drained, sizeof drained) == (ssize_t)sizeof drained)
        ;
    pthread_mutex_lock(&n->lock);
    *grew = n->grew;
    *wanted = n->wanted - n->view.base;
    n->grew = false;
    pthread_mutex_unlock(&n->lock);
}

static int64_t rounds(struct notary *n)
{
    int64_t now = clock_now(n->clock), deadline = now + IDLE_US, wanted;
    bool grew;
    take_word(n, &grew, &wanted);
    for (size_t i = 0; i < n->n_desks; i++) {
        struct desk *d = &n->desk[i];
        bool urgent = wanted > (int64_t)d->at.size && n->view.alarm == NOTARY_QUIET; /* it comes to nothing by haste */
        int64_t soon = d->pushed + (urgent ? US_PER_S / 2 : NOTARY_EACH_US);
        if ((grew || urgent) && d->fails == 0 && soon < d->next)
            d->next = soon;
        else if (urgent && d->fails > 0 && d->next > d->pushed + 2 * US_PER_S)
            d->next = d->pushed + 2 * US_PER_S; /* whoever waits has no time for a long pause */
        if (!d->busy && d->next <= now)
            desk_round(d);
        desk_mirror(d);
        if (!d->busy && d->next < deadline)
            deadline = d->next;
        if (!d->mirror.busy && d->mirror.at > now && d->mirror.at < deadline)
            deadline = d->mirror.at;
    }
    int64_t copies = copies_round(n);
    return copies < deadline ? copies : deadline;
}

static void notary_main(void *ctx, struct aside *a)
{
    struct notary *n = ctx;
    bool left;
    n->own = a;
    n->http = http_new(n->clock, rng_u64(&n->rng));
    alarm_recall(n);
    while (!aside_ending(a, &left)) {
        int64_t deadline = rounds(n);
        http_run(n->http, n->my_fd, deadline, 0);
    }
    copies_close(n);
    for (size_t i = 0; i < n->n_desks; i++)
        http_peer_free(n->desk[i].peer);
    http_free(n->http);
    audit_close(n->log);
}

static void release(void *ctx)
{
    struct notary *n = ctx;
    for (size_t i = 0; i < n->n_desks; i++)
        desk_close(&n->desk[i]);
    for (size_t i = 0; i < n->n_wake; i++)
        close(n->wake[i]);
    if (n->my_fd >= 0)
        close(n->my_fd);
    verifier_free(n->log_verifier);
    free((char *)(uintptr_t)n->audit.db_path);
    free((char *)(uintptr_t)n->audit.key_path);
    free((char *)(uintptr_t)n->audit.origin);
    for (size_t i = 0; i < SPOOL_DIRS; i++)
        free((char *)(uintptr_t)n->audit.spool[i]);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

static void drop(void *ctx, struct aside_job *j)
{
    (void)ctx;
    free(j);
}

static char *copy(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

static bool open_desks(struct notary *n, const struct notary_spec *spec, struct err *e)
{
    for (size_t i = 0; i < spec->conf->n_by && i < WITNESSES_MAX; i++) {
        if (!desk_open(&n->desk[i], n, i, &spec->conf->by[i], e))
            return false;
        n->n_desks++;
        snprintf(n->view.v[i].name, sizeof n->view.v[i].name, "%s", n->desk[i].w.key.name);
        n->view.n++;
    }
    return true;
}

struct notary *notary_new(const struct notary_spec *spec, struct err *e)
{
    struct notary *n = xcalloc(1, sizeof *n);
    struct aside_spec as = {.what = "the thread that has the log witnessed",
                            .max = 1,
                            .wake_fd = -1,
                            .ctx = n,
                            .run = notary_main,
                            .drop = drop,
                            .gone = release};
    n->audit = *spec->audit;
    n->audit.db_path = copy(spec->audit->db_path);
    n->audit.key_path = copy(spec->audit->key_path);
    n->audit.origin = copy(spec->audit->origin);
    for (size_t i = 0; i < SPOOL_DIRS; i++)
        n->audit.spool[i] = copy(spec->audit->spool[i]);
    n->clock = spec->clock;
    n->actor = spec->actor;
    rng_init_named(&n->rng, spec->seed, "notary");
    pthread_mutex_init(&n->lock, NULL);
    n->my_fd = as.poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (n->my_fd < 0)
        err_errno(e, ERR_IO, "Look at the limits of this session (ulimit -a).", "no event descriptor can be opened");
    else if (open_desks(n, spec, e) && copies_open(n, spec->conf, e))
        n->aside = aside_new(&as, e);
    if (n->aside)
        return n;
    copies_close(n);
    release(n);
    return NULL;
}

void notary_free(struct notary *n)
{
    if (!n)
        return;
    struct aside *a = n->aside;
    if (aside_stop(a, STOP_US, true))
        aside_free(a); /* and with it the notary */
}
