/* What a verdict needs across restarts: newest tick wins, what is damaged is never taken for a state, no disk and no
 * other process takes down more than the cache. */
#include "tests/audit/help.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "audit/history.h"
#include "tests/audit/fault_vfs.h"

struct place {
    struct box box;
    char path[96], bad[140];
};

static void begin(struct place *p)
{
    box_init(&p->box);
    snprintf(p->path, sizeof p->path, "%s/state/evidence.db", p->box.dir);
    snprintf(p->bad, sizeof p->bad, "%s.bad", p->path);
}

static struct history *open_clean(const struct place *p)
{
    struct err e = {.code = ERR_INTERNAL};
    struct history *h = history_open(p->path, &e);
    if (!h || e.code != ERR_NONE)
        fail_msg("history_open: %s (%s)", e.what, e.cause);
    return h;
}

/* No more is known than the number. */
#define NUMBER(id_) (&(const struct rollout_identity){"homes", id_, 0, "", ""})

static void keep(struct history *h, const char *rollout, const char *spec, int64_t tick, const char *bytes)
{
    struct err e = {0};
    if (!history_keep(h, NUMBER(rollout), spec, tick, bytes, strlen(bytes), &e))
        fail_msg("history_keep: %s (%s)", e.what, e.cause);
}

/* The error's code; ERR_NONE when there is a state and it is this one. */
static enum err_code look(struct history *h, const char *rollout, const char *spec, int64_t tick, const char *bytes)
{
    struct err e = {0};
    struct buf b;
    int64_t t = -1;
    buf_init(&b, 1 << 20);
    bool ok = history_find(h, NUMBER(rollout), spec, &t, &b, &e);
    if (ok) {
        assert_int_equal(t, tick);
        assert_int_equal(b.len, strlen(bytes));
        assert_string_equal(b.data, bytes);
    } else {
        assert_int_not_equal(e.code, ERR_NONE);
        assert_int_equal(b.len, 0);
    }
    buf_release(&b);
    return ok ? ERR_NONE : e.code;
}

static void the_newest_tick_wins(void **state)
{
    (void)state;
    struct place p;
    begin(&p);
    struct history *h = open_clean(&p);
    assert_int_equal(look(h, "1", "s", 0, ""), ERR_NOT_FOUND);
    keep(h, "1", "s", 100, "at 100");
    keep(h, "1", "s", 90, "at 90"); /* a slower watcher */
    assert_int_equal(look(h, "1", "s", 100, "at 100"), ERR_NONE);
    keep(h, "1", "s", 100, "at 100, one fact more");
    keep(h, "2", "s", 5, "");
    history_close(h);
    h = open_clean(&p);
    assert_int_equal(look(h, "1", "s", 100, "at 100, one fact more"), ERR_NONE);
    assert_int_equal(look(h, "2", "s", 5, ""), ERR_NONE);
    keep(h, "1", "s", 110, "at 110");
    assert_int_equal(look(h, "1", "s", 110, "at 110"), ERR_NONE);
    history_close(h);
    box_release(&p.box);
}

static void a_state_of_another_spec_is_not_found_and_is_replaced(void **state)
{
    (void)state;
    struct place p;
    begin(&p);
    struct history *h = open_clean(&p);
    keep(h, "1", "old", 100, "old");
    assert_int_equal(look(h, "1", "new", 0, ""), ERR_NOT_FOUND);
    keep(h, "1", "new", 10, "new"); /* an earlier tick, but of what is asked for now */
    assert_int_equal(look(h, "1", "new", 10, "new"), ERR_NONE);
    assert_int_equal(look(h, "1", "old", 0, ""), ERR_NOT_FOUND);
    history_close(h);
    box_release(&p.box);
}

static void large_states_are_kept_and_those_over_the_limit_refused(void **state)
{
    (void)state;
    struct place p;
    struct err e = {0};
    struct buf out;
    int64_t tick;
    size_t n = 3 << 20;
    char *bytes = malloc(n);
    assert_non_null(bytes);
    uint64_t seed = 4;
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)rnd(&seed);
    begin(&p);
    struct history *h = open_clean(&p);
    assert_true(history_keep(h, NUMBER("1"), "s", 1, bytes, n, &e));
    assert_false(history_keep(h, NUMBER("1"), "s", 2, bytes, HISTORY_BYTES_MAX + 1, &e)); /* not read that far */
    assert_int_equal(e.code, ERR_LIMIT);
    buf_init(&out, n);
    assert_true(history_find(h, NUMBER("1"), "s", &tick, &out, &e));
    assert_int_equal(out.len, n);
    assert_memory_equal(out.data, bytes, n);
    buf_release(&out);
    buf_init(&out, n - 1);
    assert_false(history_find(h, NUMBER("1"), "s", &tick, &out, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    buf_release(&out);
    history_close(h);
    free(bytes);
    box_release(&p.box);
}

static void a_sweep_drops_what_is_old_and_gives_the_space_back(void **state)
{
    (void)state;
    struct place p;
    struct err e = {0};
    struct stat st;
    size_t n = 1 << 20;
    char *bytes = calloc(1, n);
    begin(&p);
    struct history *h = open_clean(&p);
    assert_true(history_keep(h, NUMBER("1"), "s", 1, bytes, n, &e));
    assert_true(history_sweep(h, 1, &e));
    assert_int_equal(look(h, "2", "s", 0, ""), ERR_NOT_FOUND);
    keep(h, "2", "s", 1, "small");
    assert_true(history_sweep(h, INT64_MAX, &e));
    assert_int_equal(look(h, "1", "s", 0, ""), ERR_NOT_FOUND);
    assert_int_equal(look(h, "2", "s", 0, ""), ERR_NOT_FOUND);
    history_close(h);
    assert_int_equal(stat(p.path, &st), 0);
    assert_true(st.st_size < (1 << 17));
    free(bytes);
    box_release(&p.box);
}

static void only_its_owner_can_read_or_write_it(void **state)
{
    (void)state;
    struct place p;
    struct err e = {0};
    struct stat st;
    char folder[120], side[140];
    mode_t mask = umask(0);
    begin(&p);
    struct history *h = open_clean(&p);
    keep(h, "1", "s", 1, "x");
    static const char *const tails[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(side, sizeof side, "%s%s", p.path, tails[i]);
        assert_int_equal(stat(side, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    snprintf(folder, sizeof folder, "%s/state", p.box.dir);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    history_close(h);
    umask(mask);
    /* Others could put states into it: refused. */
    assert_int_equal(chmod(p.path, 0620), 0);
    assert_null(history_open(p.path, &e));
    assert_int_equal(e.code, ERR_FORBIDDEN);
    assert_int_equal(chmod(p.path, 0600), 0);
    assert_int_equal(chmod(folder, 0770), 0);
    assert_null(history_open(p.path, &e));
    assert_int_equal(e.code, ERR_FORBIDDEN);
    assert_int_equal(chmod(folder, 0700), 0);
    /* A link in its place is not followed. */
    snprintf(side, sizeof side, "%s/elsewhere", p.box.dir);
    assert_int_equal(rename(p.path, side), 0);
    assert_int_equal(symlink(side, p.path), 0);
    assert_null(history_open(p.path, &e));
    box_release(&p.box);
}

static void damaged_files_are_moved_aside(void **state)
{
    (void)state;
    struct place p;
    struct err e = {0};
    struct stat st;
    begin(&p);
    static const char *const ways[] = {"text", "zeroes", "cut", "header", "another's", "table"};
    for (size_t i = 0; i < 6; i++) {
        struct history *h = open_clean(&p);
        keep(h, "1", "s", 1, "x");
        history_close(h);
        size_t n;
        char *bytes = read_all(p.path, &n);
        if (i == 0)
            write_all(p.path, "this is no database, and it never was one", 41);
        if (i == 1)
            memset(bytes, 0, n);
        if (i == 3)
            memset(bytes + 16, 0xff, 60);
        if (i == 1 || i == 3)
            write_all(p.path, bytes, n);
        if (i == 2)
            assert_int_equal(truncate(p.path, 1000), 0);
        snprintf(p.box.db, sizeof p.box.db, "%s", p.path);
        if (i == 4)
            sql(&p.box, "PRAGMA application_id = 7");
        if (i == 5)
            sql(&p.box, "CREATE TRIGGER t AFTER INSERT ON trial BEGIN DELETE FROM trial; END");
        free(bytes);
        h = history_open(p.path, &e);
        if (!h || e.code != ERR_TAMPERED)
            fail_msg("%s: %s (%s)", ways[i], e.what, e.cause);
        assert_non_null(strstr(e.what, "evidence.db.bad"));
        assert_int_equal(look(h, "1", "s", 0, ""), ERR_NOT_FOUND);
        keep(h, "1", "s", 1, "again");
        assert_int_equal(look(h, "1", "s", 1, "again"), ERR_NONE);
        history_close(h);
        assert_int_equal(stat(p.bad, &st), 0);
        history_close(open_clean(&p));
        unlink(p.path);
    }
    box_release(&p.box);
}

/* Whatever page of the file is damaged: a state comes back as it was, or not at all, and the next ones are kept. */
static void no_damaged_page_gives_a_wrong_state(void **state)
{
    (void)state;
    struct place p;
    char big[20001];
    size_t n;
    int lost = 0;
    memset(big, 'b', 20000);
    big[20000] = '\0';
    begin(&p);
    struct history *h = open_clean(&p);
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        keep(h, id, "s", i, big);
    }
    history_close(h);
    char *sound = read_all(p.path, &n), *hurt = malloc(n);
    for (size_t page = 0; page < n / 4096; page++) {
        uint64_t seed = page;
        struct err e = {0};
        memcpy(hurt, sound, n);
        for (size_t k = 0; k < 64; k++)
            hurt[page * 4096 + rnd(&seed) % 4096] ^= (char)(1 + rnd(&seed) % 255);
        write_all(p.path, hurt, n);
        h = history_open(p.path, &e);
        assert_non_null(h);
        for (int i = 0; i < 20; i++) {
            char id[16];
            snprintf(id, sizeof id, "%d", i);
            lost += look(h, id, "s", i, big) != ERR_NONE;
        }
        struct err ignored;
        if (!history_keep(h, NUMBER("7"), "s", 100, "new", 3, &ignored)) /* may be the call that meets the damage */
            keep(h, "7", "s", 100, "new");
        assert_int_equal(look(h, "7", "s", 100, "new"), ERR_NONE);
        history_close(h);
        unlink(p.bad);
    }
    assert_true(lost > 20);
    free(hurt);
    free(sound);
    box_release(&p.box);
}

static void a_state_under_anothers_name_or_tick_is_no_state(void **state)
{
    (void)state;
    struct place p;
    begin(&p);
    static const char *const ways[] = {"UPDATE trial SET rollout = '2'", "UPDATE trial SET tick = 900",
                                       "UPDATE trial SET fleet = 'homes', rollout = '2', tick = 1",
                                       "UPDATE trial SET rollout = '2', bytes = x'00'",
                                       "UPDATE trial SET rollout = '2', digest = zeroblob(32)"};
    for (size_t i = 0; i < 5; i++) {
        struct history *h = open_clean(&p);
        keep(h, "1", "s", 1, "x");
        snprintf(p.box.db, sizeof p.box.db, "%s", p.path);
        sql(&p.box, ways[i]);
        const char *id = i == 1 ? "1" : "2";
        assert_int_equal(look(h, id, "s", 0, ""), ERR_TAMPERED);
        assert_int_equal(look(h, id, "s", 0, ""), ERR_NOT_FOUND); /* it is not in the way of true ones */
        keep(h, id, "s", 2, "true");
        assert_int_equal(look(h, id, "s", 2, "true"), ERR_NONE);
        history_close(h);
        unlink(p.path);
    }
    box_release(&p.box);
}

static void a_failing_disk_costs_only_what_was_not_kept(void **state)
{
    (void)state;
    struct place p;
    int met = 0;
    char big[20001];
    memset(big, 'b', 20000);
    big[20000] = '\0';
    begin(&p);
    struct history *h = open_clean(&p);
    keep(h, "1", "s", 1, "before");
    int64_t tick = 1;
    for (int kind = 0; kind < FAULT_KINDS; kind++)
        for (int how = 0; how < (kind == FAULT_WRITE ? 3 : 1); how++)
            for (int nth = 1; nth < 30; nth++) {
                struct err e = {0};
                fault_arm((enum fault_kind)kind, (enum fault_how)how, nth, true);
                bool ok = history_keep(h, NUMBER("1"), "s", tick + 1, big, 20000, &e);
                bool struck = fault_disarm();
                met += struck;
                if (!ok) {
                    assert_true(struck);
                    assert_true(e.code == ERR_IO);
                    assert_true(e.what[0] && e.next[0]);
                    assert_int_equal(look(h, "1", "s", tick, tick == 1 ? "before" : big), ERR_NONE);
                } else {
                    tick++;
                }
                keep(h, "2", "s", nth, "others go on");
                if (!struck)
                    break;
            }
    assert_true(met > 10);
    history_close(h);
    h = open_clean(&p);
    assert_int_equal(look(h, "1", "s", tick, tick == 1 ? "before" : big), ERR_NONE);
    history_close(h);
    box_release(&p.box);
}

static void a_disk_that_is_full_when_it_is_made_can_be_tried_again(void **state)
{
    (void)state;
    struct place p;
    begin(&p);
    for (int nth = 1; nth < 30; nth++) {
        struct err e = {0};
        fault_arm(FAULT_WRITE, FAULT_FULL, nth, true);
        struct history *h = history_open(p.path, &e);
        bool struck = fault_disarm();
        if (!h)
            assert_int_equal(e.code, ERR_IO);
        history_close(h);
        h = open_clean(&p);
        keep(h, "1", "s", nth, "x");
        history_close(h);
        assert_int_equal(access(p.bad, F_OK), -1);
        assert_true(nth > 1 || struck);
        unlink(p.path);
        if (!struck)
            break;
    }
    box_release(&p.box);
}

static void a_file_that_is_taken_away_is_begun_anew(void **state)
{
    (void)state;
    struct place p;
    char side[140];
    begin(&p);
    struct history *h = open_clean(&p);
    keep(h, "1", "s", 1, "x");
    unlink(p.path);
    assert_int_equal(look(h, "1", "s", 0, ""), ERR_NOT_FOUND);
    keep(h, "1", "s", 2, "y");
    snprintf(side, sizeof side, "%s.moved", p.path);
    assert_int_equal(rename(p.path, side), 0);
    keep(h, "1", "s", 3, "z");
    assert_int_equal(look(h, "1", "s", 3, "z"), ERR_NONE);
    history_close(h);
    h = open_clean(&p);
    assert_int_equal(look(h, "1", "s", 3, "z"), ERR_NONE);
    history_close(h);
    box_release(&p.box);
}

/* ERR_NONE and the bytes, or why not. */
static enum err_code find(struct history *h, const struct rollout_identity *who, const char *bytes)
{
    struct err e = {0};
    struct buf b;
    int64_t tick;
    buf_init(&b, 1000);
    bool ok = history_find(h, who, "s", &tick, &b, &e);
    if (ok)
        assert_string_equal(b.data, bytes);
    buf_release(&b);
    return ok ? ERR_NONE : e.code;
}

static void a_number_that_is_used_again_finds_nothing_of_its_past(void **state)
{
    (void)state;
    struct place p;
    struct err e = {0};
    const struct rollout_identity first = {"homes", "17", US_PER_DAY, "nightly", "hearth:1"},
                                  second = {"homes", "17", 2 * US_PER_DAY, "nightly", "hearth:1"},
                                  renamed = {"homes", "17", US_PER_DAY, "nightly 1", ""};
    begin(&p);
    struct history *h = open_clean(&p);
    assert_true(history_keep(h, &first, "s", 100, "first", 5, &e));
    assert_int_equal(find(h, &second, ""), ERR_NOT_FOUND);
    assert_true(history_keep(h, &second, "s", 5, "second", 6, &e)); /* its own ticks */
    assert_int_equal(find(h, &first, "first"), ERR_NONE);
    assert_int_equal(find(h, &renamed, "first"), ERR_NONE);
    assert_int_equal(find(h, &second, "second"), ERR_NONE);
    assert_true(history_forget(h, &second, &e));
    assert_int_equal(find(h, &second, ""), ERR_NOT_FOUND);
    assert_int_equal(find(h, &first, "first"), ERR_NONE);
    history_close(h);
    snprintf(p.box.db, sizeof p.box.db, "%s", p.path);
    sql(&p.box, "UPDATE trial SET who = '0123456789abcdef0123456789abcdef'");
    h = open_clean(&p);
    assert_int_equal(find(h, &first, ""), ERR_NOT_FOUND);
    history_close(h);
    box_release(&p.box);
}

/* A file of 0.1: one state, kept under the number alone at a time by this machine's clock. */
static void what_0_1_kept_is_used_for_no_later_rollout(void **state)
{
    (void)state;
    struct place p;
    struct err e = {0};
    struct buf b;
    char text[900], hex[SHA256_HEX], folder[120];
    const int64_t put = INT64_C(1700000000000000);
    begin(&p);
    snprintf(folder, sizeof folder, "%s/state", p.box.dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    buf_init(&b, 100);
    buf_add(&b,
            "homes\0"
            "17\0s\0"
            "60\0kept",
            18); /* what its digest is of */
    sha256_hex(b.data, b.len, hex);
    buf_release(&b);
    write_all(p.path, "", 0);
    chmod(p.path, 0600);
    snprintf(p.box.db, sizeof p.box.db, "%s", p.path);
    snprintf(
        text, sizeof text,
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA application_id = 1634624613;"
        "PRAGMA user_version = 1; CREATE TABLE trial(fleet TEXT NOT NULL, rollout TEXT NOT NULL, spec TEXT NOT NULL,"
        " tick INTEGER NOT NULL, put INTEGER NOT NULL, digest BLOB NOT NULL, bytes BLOB NOT NULL,"
        " PRIMARY KEY(fleet, rollout)); INSERT INTO trial VALUES('homes', '17', 's', 60, %lld, x'%s', x'6b657074')",
        (long long)put, hex);
    sql(&p.box, text);
    struct rollout_identity before = {"homes", "17", put - US_PER_DAY, "nightly", ""}, after = before,
                            close_by = before, number = {"homes", "17", 0, "", ""};
    after.created_at = put + 1;
    close_by.created_at = put - IDENTITY_CLOCK_US;
    struct history *h = open_clean(&p);
    assert_int_equal(find(h, &number, "kept"), ERR_NONE);
    assert_int_equal(find(h, &before, "kept"), ERR_NONE);
    assert_int_equal(find(h, &after, ""), ERR_NOT_FOUND);
    assert_int_equal(find(h, &close_by, ""), ERR_NOT_FOUND);
    history_close(h);
    assert_int_equal(sql_number(&p.box, "PRAGMA user_version"), 2);
    h = open_clean(&p);
    assert_true(history_keep(h, &before, "s", 10, "newer", 5, &e));
    assert_int_equal(find(h, &before, "newer"), ERR_NONE);
    assert_true(history_forget(h, &before, &e));
    assert_int_equal(find(h, &before, ""), ERR_NOT_FOUND);
    assert_int_equal(find(h, &number, ""), ERR_NOT_FOUND);
    history_close(h);
    box_release(&p.box);
}

/* Each child puts states of its own rollout and of a common one, opening the file anew now and then. */
static void child(const struct place *p, int me)
{
    char id[16];
    snprintf(id, sizeof id, "own%d", me);
    for (int round = 0; round < 20; round++) {
        struct err e = {0};
        struct history *h = history_open(p->path, &e);
        if (!h || e.code != ERR_NONE)
            _exit(10);
        for (int i = 0; i < 10; i++) {
            char bytes[40];
            int64_t tick = round * 10 + i;
            snprintf(bytes, sizeof bytes, "tick %lld", (long long)tick);
            if (!history_keep(h, NUMBER(id), "s", tick, bytes, strlen(bytes), &e) ||
                !history_keep(h, NUMBER("common"), "s", tick, bytes, strlen(bytes), &e))
                _exit(11);
            if (look(h, id, "s", tick, bytes) != ERR_NONE)
                _exit(12);
        }
        history_close(h);
    }
    _exit(0);
}

static void two_processes_share_it(void **state)
{
    (void)state;
    struct place p;
    pid_t pid[3];
    begin(&p);
    for (int i = 0; i < 3; i++) {
        pid[i] = fork();
        assert_int_not_equal(pid[i], -1);
        if (pid[i] == 0)
            child(&p, i);
    }
    for (int i = 0; i < 3; i++) {
        int status;
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    struct history *h = open_clean(&p);
    assert_int_equal(look(h, "common", "s", 199, "tick 199"), ERR_NONE);
    assert_int_equal(look(h, "own0", "s", 199, "tick 199"), ERR_NONE);
    history_close(h);
    box_release(&p.box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_tick_wins),
        cmocka_unit_test(a_state_of_another_spec_is_not_found_and_is_replaced),
        cmocka_unit_test(large_states_are_kept_and_those_over_the_limit_refused),
        cmocka_unit_test(a_sweep_drops_what_is_old_and_gives_the_space_back),
        cmocka_unit_test(only_its_owner_can_read_or_write_it),
        cmocka_unit_test(damaged_files_are_moved_aside),
        cmocka_unit_test(no_damaged_page_gives_a_wrong_state),
        cmocka_unit_test(a_state_under_anothers_name_or_tick_is_no_state),
        cmocka_unit_test(a_failing_disk_costs_only_what_was_not_kept),
        cmocka_unit_test(a_disk_that_is_full_when_it_is_made_can_be_tried_again),
        cmocka_unit_test(a_file_that_is_taken_away_is_begun_anew),
        cmocka_unit_test(a_number_that_is_used_again_finds_nothing_of_its_past),
        cmocka_unit_test(what_0_1_kept_is_used_for_no_later_rollout),
        cmocka_unit_test(two_processes_share_it),
    };
    fault_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
