/* The helper thread: results arrive through its descriptor; a hung disk holds nobody up. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tui/helper.h"

struct disk {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool hung, inside;
    int loads, freed;
};

static struct audit_page *load(void *ctx, const struct audit_want *want, struct err *e)
{
    struct disk *d = ctx;
    (void)e;
    pthread_mutex_lock(&d->lock);
    d->inside = true;
    pthread_cond_broadcast(&d->change);
    while (d->hung)
        pthread_cond_wait(&d->change, &d->lock);
    d->loads++;
    pthread_mutex_unlock(&d->lock);
    struct audit_page *p = xcalloc(1, sizeof *p);
    p->total = want->before;
    return p;
}

static void free_page(void *ctx, struct audit_page *p)
{
    struct disk *d = ctx;
    free(p);
    pthread_mutex_lock(&d->lock);
    d->freed++;
    pthread_cond_broadcast(&d->change);
    pthread_mutex_unlock(&d->lock);
}

static bool verify(void *ctx, bool *ok, char *text, size_t size, struct err *e)
{
    (void)ctx;
    (void)e;
    *ok = false;
    snprintf(text, size, "broken at #7");
    return true;
}

static bool write_out(void *ctx, const char *path, struct err *e)
{
    (void)ctx;
    return err_set(e, ERR_IO, "", "cannot write to %.100s", path);
}

static void next(struct helper *h, struct helper_result *r)
{
    struct pollfd p = {.fd = helper_fd(h), .events = POLLIN};
    while (!helper_take(h, r))
        assert_int_equal(poll(&p, 1, 20000), 1);
}

/* Static: the helper's thread may still be inside free_page when a test ends, as header and console allow. */
static struct disk *make_disk(struct console_audit *a)
{
    static struct disk disks[2];
    static int used;
    struct disk *d = &disks[used++];
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->change, NULL);
    *a = (struct console_audit){load, free_page, verify, write_out, d};
    return d;
}

static void test_jobs(void **state)
{
    (void)state;
    struct console_audit a;
    struct disk *d = make_disk(&a);
    struct err e;
    struct helper_result r;
    struct helper *h = helper_new(&a, &e);
    assert_non_null(h);
    assert_false(helper_take(h, &r));
    helper_ask(h, JOB_LOAD, &(struct audit_want){.before = 42}, NULL, NULL);
    next(h, &r);
    assert_true(r.ok);
    assert_int_equal(r.job, JOB_LOAD);
    assert_int_equal(r.page->total, 42);
    free_page(d, r.page);
    helper_ask(h, JOB_VERIFY, NULL, NULL, NULL);
    next(h, &r);
    assert_true(r.ok);
    assert_false(r.verified);
    assert_string_equal(r.text, "broken at #7");
    helper_ask(h, JOB_EXPORT, NULL, "/nowhere", NULL);
    next(h, &r);
    assert_false(r.ok);
    assert_string_equal(r.err.what, "cannot write to /nowhere");
    helper_end(h);
}

static void test_write_never_overwrites(void **state)
{
    (void)state;
    char dir[] = "/tmp/andon-tui-XXXXXX", path[100], text[20] = "";
    struct helper_result r;
    struct stat st;
    struct err e;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/devices.csv", dir);
    struct helper *h = helper_new(NULL, &e);
    helper_ask(h, JOB_WRITE, NULL, path, "a,b\n");
    next(h, &r);
    assert_true(r.ok);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    helper_ask(h, JOB_WRITE, NULL, path, "other");
    next(h, &r);
    assert_false(r.ok);
    FILE *f = fopen(path, "r");
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    assert_string_equal(text, "a,b\n");
    helper_ask(h, JOB_LOAD, NULL, NULL, NULL);
    next(h, &r);
    assert_false(r.ok); /* no log here */
    helper_end(h);
    unlink(path);
    rmdir(dir);
}

static void test_hung_disk(void **state)
{
    (void)state;
    struct console_audit a;
    struct disk *d = make_disk(&a);
    struct err e;
    struct helper_result r;
    d->hung = true;
    struct helper *h = helper_new(&a, &e);
    helper_ask(h, JOB_LOAD, NULL, NULL, NULL);
    pthread_mutex_lock(&d->lock);
    while (!d->inside)
        pthread_cond_wait(&d->change, &d->lock);
    pthread_mutex_unlock(&d->lock);
    helper_ask(h, JOB_VERIFY, NULL, NULL, NULL); /* does not wait */
    assert_false(helper_take(h, &r));
    helper_end(h); /* gives up after a second */
    pthread_mutex_lock(&d->lock);
    assert_int_equal(d->freed, 0);
    d->hung = false; /* the disk comes back: the thread tidies up what nobody will fetch */
    pthread_cond_broadcast(&d->change);
    while (d->freed == 0)
        pthread_cond_wait(&d->change, &d->lock);
    pthread_mutex_unlock(&d->lock);
    assert_int_equal(d->loads, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_write_never_overwrites),
        cmocka_unit_test(test_hung_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
