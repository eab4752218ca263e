/* The thread that may be left behind: order, the bound, what replaces what, how it ends, and who frees what is left. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "core/clock.h"
#include "engine/aside.h"

struct task {
    struct aside_job job;
    int n;
};

/* What the thread does waits at a gate while it is shut. */
struct rig {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool shut, inside, gone, signals_blocked, drop_all;
    int dropped, done, closed;
    int fd, poke;
    struct aside *a;
};

static bool work(void *ctx, struct aside_job *j)
{
    struct rig *r = ctx;
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    pthread_mutex_lock(&r->lock);
    r->signals_blocked = sigismember(&now, SIGTERM);
    r->inside = true;
    pthread_cond_broadcast(&r->change);
    while (r->shut)
        pthread_cond_wait(&r->change, &r->lock);
    r->done++;
    bool back = !r->drop_all;
    pthread_mutex_unlock(&r->lock);
    for (int place = 1; j; j = j->next, place++)
        ((struct task *)j)->n += 100 * place; /* 100 for the first or only one of a list, 200 for the second */
    return back;
}

/* Those from 50 on go along with one of these, three at a time. */
static bool joins(const struct aside_job *first, size_t n, const struct aside_job *j)
{
    return n < 3 && ((const struct task *)first)->n >= 50 && ((const struct task *)j)->n >= 50;
}

static void end(void *ctx)
{
    struct rig *r = ctx;
    r->closed++;
}

static void drop(void *ctx, struct aside_job *j)
{
    struct rig *r = ctx;
    free(j);
    pthread_mutex_lock(&r->lock);
    r->dropped++;
    pthread_mutex_unlock(&r->lock);
}

static void gone(void *ctx)
{
    struct rig *r = ctx;
    pthread_mutex_lock(&r->lock);
    r->gone = true;
    pthread_cond_broadcast(&r->change);
    pthread_mutex_unlock(&r->lock);
}

/* The rigs of tests that leave a thread behind outlive them. */
static struct rig *begin(bool shut, size_t max)
{
    static struct rig rigs[8];
    static size_t used;
    struct rig *r = &rigs[used++];
    struct err e = {0};
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->change, NULL);
    r->shut = shut;
    r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct aside_spec spec = {.what = "the test's thread",
                              .max = max,
                              .wake_fd = r->fd,
                              .poke_fd = -1,
                              .ctx = r,
                              .work = work,
                              .joins = joins,
                              .end = end,
                              .drop = drop,
                              .gone = gone};
    r->a = aside_new(&spec, &e);
    assert_non_null(r->a);
    return r;
}

static struct task *task(int n)
{
    struct task *t = xcalloc(1, sizeof *t);
    t->n = n;
    return t;
}

static bool put(struct rig *r, int n, bool (*replaces)(const struct aside_job *, const struct aside_job *))
{
    struct task *t = task(n);
    bool ok = aside_put(r->a, &t->job, replaces);
    if (!ok)
        free(t);
    return ok;
}

static void wait_inside(struct rig *r)
{
    pthread_mutex_lock(&r->lock);
    while (!r->inside)
        pthread_cond_wait(&r->change, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static void open_gate(struct rig *r)
{
    pthread_mutex_lock(&r->lock);
    r->shut = false;
    pthread_cond_broadcast(&r->change);
    pthread_mutex_unlock(&r->lock);
}

static int next(struct rig *r)
{
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    uint64_t drained;
    for (;;) {
        struct task *t = (struct task *)aside_done(r->a);
        if (t) {
            int n = t->n;
            free(t);
            return n;
        }
        assert_int_equal(poll(&p, 1, 20000), 1);
        assert_true(read(r->fd, &drained, sizeof drained) > 0);
    }
}

static void jobs_come_back_in_order_and_wake_the_owner(void **state)
{
    (void)state;
    struct rig *r = begin(false, 100);
    for (int i = 0; i < 50; i++)
        assert_true(put(r, i, NULL));
    for (int i = 0; i < 50; i++)
        assert_int_equal(next(r), 100 + i);
    assert_true(r->signals_blocked);
    assert_true(aside_stop(r->a, US_PER_S, true));
    assert_int_equal(r->closed, 1);
    aside_free(r->a);
    assert_true(r->gone);
    close(r->fd);
}

static void a_full_queue_says_so_and_takes_nothing(void **state)
{
    (void)state;
    struct rig *r = begin(true, 2);
    assert_true(put(r, 0, NULL));
    wait_inside(r);
    assert_true(put(r, 1, NULL));
    assert_true(put(r, 2, NULL));
    assert_false(put(r, 3, NULL));
    aside_give(r->a, &task(9)->job); /* the owner's own answer to one that found no room */
    assert_int_equal(next(r), 9);
    open_gate(r);
    for (int i = 0; i < 3; i++)
        assert_int_equal(next(r), 100 + i);
    assert_true(put(r, 3, NULL));
    assert_int_equal(next(r), 103);
    assert_true(aside_stop(r->a, US_PER_S, true));
    aside_free(r->a);
    assert_int_equal(r->dropped, 0);
    close(r->fd);
}

static void jobs_that_may_go_along_are_one_list_and_come_back_in_order(void **state)
{
    (void)state;
    static const int in[] = {1, 50, 51, 52, 53, 2, 54}, back[] = {101, 150, 251, 352, 153, 102, 154};
    struct rig *r = begin(true, 10);
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        assert_true(put(r, in[i], NULL));
        wait_inside(r); /* the first is alone */
    }
    open_gate(r);
    for (size_t i = 0; i < sizeof back / sizeof *back; i++)
        assert_int_equal(next(r), back[i]);
    assert_int_equal(r->done, 5);
    assert_true(aside_stop(r->a, US_PER_S, true));
    aside_free(r->a);
    assert_int_equal(r->dropped, 0);
    close(r->fd);
}

static bool same_tens(const struct aside_job *newer, const struct aside_job *older)
{
    return ((const struct task *)newer)->n / 10 == ((const struct task *)older)->n / 10;
}

static void a_newer_job_takes_the_place_of_what_waits(void **state)
{
    (void)state;
    struct rig *r = begin(true, 3);
    assert_true(put(r, 10, NULL));
    wait_inside(r);
    assert_true(put(r, 11, same_tens));
    assert_true(put(r, 20, same_tens));
    assert_true(put(r, 30, same_tens));
    assert_true(put(r, 12, same_tens)); /* for 11; 10 has begun; there is room again */
    assert_int_equal(r->dropped, 1);
    open_gate(r);
    assert_int_equal(next(r), 110);
    assert_int_equal(next(r), 120);
    assert_int_equal(next(r), 130);
    assert_int_equal(next(r), 112);
    assert_true(aside_stop(r->a, US_PER_S, true));
    aside_free(r->a);
    close(r->fd);
}

struct stop {
    struct aside *a;
    bool finish, ended;
};

static void *stop_it(void *arg)
{
    struct stop *s = arg;
    s->ended = aside_stop(s->a, 20 * US_PER_S, s->finish);
    return NULL;
}

static void what_waits_is_finished_or_not_as_asked(void **state)
{
    (void)state;
    for (int finish = 0; finish < 2; finish++) {
        struct rig *r = begin(true, 10);
        struct stop s = {.a = r->a, .finish = finish};
        pthread_t thread;
        bool left;
        r->drop_all = true; /* nothing comes back */
        for (int i = 0; i < 5; i++)
            assert_true(put(r, i, NULL));
        wait_inside(r);
        assert_int_equal(pthread_create(&thread, NULL, stop_it, &s), 0);
        while (!aside_ending(r->a, &left))
            sched_yield();
        assert_false(left);
        open_gate(r);
        pthread_join(thread, NULL);
        assert_true(s.ended);
        assert_int_equal(r->done, finish ? 5 : 1);
        aside_free(r->a);
        assert_int_equal(r->dropped, 5);
        close(r->fd);
    }
}

static void one_that_hangs_is_left_behind_and_frees_all(void **state)
{
    (void)state;
    struct rig *r = begin(true, 10);
    for (int i = 0; i < 3; i++)
        assert_true(put(r, i, NULL));
    wait_inside(r);
    int64_t from = clock_now(clock_real());
    assert_false(aside_stop(r->a, 50 * US_PER_MS, true));
    assert_true(clock_now(clock_real()) - from < 10 * US_PER_S);
    close(r->fd); /* the thread has its own */
    assert_int_equal(r->dropped, 0);
    open_gate(r);
    pthread_mutex_lock(&r->lock);
    while (!r->gone)
        pthread_cond_wait(&r->change, &r->lock);
    pthread_mutex_unlock(&r->lock);
    assert_int_equal(r->done, 1); /* what waited is not begun any more */
    assert_int_equal(r->dropped, 3);
    assert_int_equal(r->closed, 1);
}

/* A loop of its own: adds up what it takes until it is told to end. */
static void run(void *ctx, struct aside *a)
{
    struct rig *r = ctx;
    struct pollfd p = {.fd = r->poke, .events = POLLIN};
    uint64_t drained;
    bool left;
    int sum = 0;
    for (;;) {
        bool ending = aside_ending(a, &left);
        for (struct task *t; (t = (struct task *)aside_take(a)); free(t))
            sum += t->n;
        if (ending)
            break;
        assert_int_equal(poll(&p, 1, 20000), 1);
        assert_true(read(r->poke, &drained, sizeof drained) > 0);
    }
    aside_give(a, &task(sum)->job);
}

static void a_loop_of_its_own_is_poked_and_told_to_end(void **state)
{
    (void)state;
    static struct rig r;
    struct err e = {0};
    pthread_mutex_init(&r.lock, NULL);
    r.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r.poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct aside_spec spec = {.what = "the test's loop",
                              .max = 1000,
                              .wake_fd = r.fd,
                              .poke_fd = r.poke,
                              .ctx = &r,
                              .run = run,
                              .drop = drop};
    r.a = aside_new(&spec, &e);
    assert_non_null(r.a);
    for (int i = 1; i <= 100; i++)
        assert_true(put(&r, i, NULL));
    assert_true(aside_stop(r.a, 20 * US_PER_S, true));
    assert_int_equal(next(&r), 5050); /* what has come back is there after the end */
    aside_free(r.a);
    close(r.fd);
    close(r.poke);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_come_back_in_order_and_wake_the_owner),
        cmocka_unit_test(a_full_queue_says_so_and_takes_nothing),
        cmocka_unit_test(jobs_that_may_go_along_are_one_list_and_come_back_in_order),
        cmocka_unit_test(a_newer_job_takes_the_place_of_what_waits),
        cmocka_unit_test(what_waits_is_finished_or_not_as_asked),
        cmocka_unit_test(one_that_hangs_is_left_behind_and_frees_all),
        cmocka_unit_test(a_loop_of_its_own_is_poked_and_told_to_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
