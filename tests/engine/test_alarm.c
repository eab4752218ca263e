/* What a witness contradicts stands until it is settled with that witness. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "engine/notary_impl.h"

static void contradicted(const struct desk *d, char path[512])
{
    snprintf(path, 512, "%s.contradicted-%s", d->n->audit.db_path, d->w.key.id_hex);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "rewritten\nby %s\n", d->w.key.id_hex);
    fclose(f);
}

static void one_witness_settles_nothing_of_another(void **state)
{
    (void)state;
    char dir[] = "/tmp/andon-alarm-XXXXXX", db[64], path[2][512];
    assert_non_null(mkdtemp(dir));
    snprintf(db, sizeof db, "%s/audit.db", dir);
    struct notary n = {.audit = {.db_path = db}, .clock = clock_real(), .n_desks = 2};
    assert_int_equal(pthread_mutex_init(&n.lock, NULL), 0);
    for (size_t i = 0; i < 2; i++) {
        n.desk[i].n = &n;
        snprintf(n.desk[i].w.key.id_hex, sizeof n.desk[i].w.key.id_hex, "0000000%zu", i);
        contradicted(&n.desk[i], path[i]);
    }
    alarm_recall(&n);
    assert_int_equal(n.view.alarm, NOTARY_REWRITTEN);
    alarm_settle(&n.desk[1]);
    assert_int_equal(n.view.alarm, NOTARY_REWRITTEN);
    assert_string_equal(n.view.evidence, path[0]);
    alarm_settle(&n.desk[0]);
    assert_int_equal(n.view.alarm, NOTARY_QUIET);
    pthread_mutex_destroy(&n.lock);
    char command[80];
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_witness_settles_nothing_of_another)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
