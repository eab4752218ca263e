/* The log's thread: what waits is written together, in order; one that the log refuses fails alone. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "core/clock.h"
#include "engine/scribe.h"

/* Holds the thread while it opens the log, so that what is handed in meanwhile waits. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool shut, inside;
    int opened;
};

static struct audit_log *slow_open(void *ctx, const struct audit_spec *spec, struct err *e)
{
    struct gate *g = ctx;
    pthread_mutex_lock(&g->lock);
    g->inside = true;
    g->opened++;
    pthread_cond_broadcast(&g->change);
    while (g->shut)
        pthread_cond_wait(&g->change, &g->lock);
    pthread_mutex_unlock(&g->lock);
    return audit_open(spec, e);
}

static void set(struct gate *g, bool shut)
{
    pthread_mutex_lock(&g->lock);
    g->shut = shut;
    pthread_cond_broadcast(&g->change);
    pthread_mutex_unlock(&g->lock);
}

static void hand_in(struct scribe *s, int n, const char *reason)
{
    struct job *j = job_new(JOB_APPEND);
    struct entry en;
    char bytes[32];
    entry_init(&en, n % 3 == 0 ? ENTRY_HALT : ENTRY_INTENT);
    en.t = clock_wall(clock_real());
    en.mono = clock_boot(clock_real()); /* as the log has them: no clock was set */
    en.corr = (uint64_t)n;
    en.actor = (struct actor){.kind = ACTOR_SCRIPT, .name = "test"};
    en.reason = reason;
    job_entry(j, &en);
    snprintf(bytes, sizeof bytes, "facts of %d", n);
    job_blob(j, "facts.blob", bytes, strlen(bytes));
    j->tag = n;
    scribe_put(s, j);
}

static struct job *come_back(struct scribe *s, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint64_t drained;
    for (;;) {
        struct job *j = scribe_done(s);
        if (j)
            return j;
        assert_int_equal(poll(&p, 1, 60000), 1);
        assert_true(read(fd, &drained, sizeof drained) > 0);
    }
}

#define MANY 100
#define BAD  40

static void what_waits_is_written_together_and_one_that_is_refused_fails_alone(void **state)
{
    (void)state;
    static char much[ENTRY_MAX + 1];
    char dir[] = "/tmp/andon-test-XXXXXX", db[64], key[64], side[80];
    struct gate g = {.shut = true};
    struct log_ops ops = {.ctx = &g, .open = slow_open};
    struct err e = {0};
    struct audit_report r;
    int64_t newest = 1;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&g.lock, NULL);
    pthread_cond_init(&g.change, NULL);
    memset(much, 'x', sizeof much - 1);
    assert_non_null(mkdtemp(dir));
    snprintf(db, sizeof db, "%s/log.db", dir);
    snprintf(key, sizeof key, "%s/log.key", dir);
    struct audit_spec spec = {.db_path = db, .key_path = key, .origin = "andon/test"};
    struct scribe *s = scribe_new(&spec, &ops, fd, &e);
    assert_non_null(s);
    hand_in(s, 1, "the first, alone");
    pthread_mutex_lock(&g.lock);
    while (!g.inside)
        pthread_cond_wait(&g.change, &g.lock);
    pthread_mutex_unlock(&g.lock);
    for (int n = 2; n <= MANY; n++)
        hand_in(s, n, n == BAD ? much : "waits");
    set(&g, false);
    for (int n = 1; n <= MANY; n++) {
        struct job *j = come_back(s, fd);
        assert_int_equal(j->tag, n);
        assert_int_equal(j->ok, n != BAD);
        if (n == BAD) {
            assert_int_equal(j->err.code, ERR_LIMIT);
        } else {
            assert_int_equal(j->receipt.seq, ++newest);
            assert_true(j->head_known && j->head.size >= j->receipt.seq);
        }
        /* the last 35 are one list: each knows the head after all of them */
        if (n > 65)
            assert_int_equal(j->head.size, MANY);
        job_free(j);
    }
    assert_int_equal(g.opened, 2); /* after the one that was refused */
    assert_true(scribe_stop(s, 20 * US_PER_S));
    assert_true(audit_verify(&spec, NULL, &r, &e)); /* each blob that an entry names, too */
    assert_true(r.ok);
    assert_int_equal(r.entries, MANY);
    static const char *const sides[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        snprintf(side, sizeof side, "%s%s", db, sides[i]);
        unlink(side);
    }
    unlink(key);
    assert_int_equal(rmdir(dir), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_written_together_and_one_that_is_refused_fails_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
