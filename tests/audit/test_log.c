/* Opening, appending, reading back. */
#include "tests/audit/help.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/host.h"

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return (unsigned)st.st_mode & 07777;
}

static void a_new_log_is_private_and_begins_with_genesis(void **state)
{
    (void)state;
    struct box b;
    struct audit_head h;
    struct audit_report r;
    struct err e = {0};
    char dir[96];
    box_init(&b);
    struct audit_log *l = box_open(&b);
    assert_true(audit_head(l, &h, &e));
    assert_int_equal(h.size, 1);
    assert_string_equal(h.origin, "andon/test");
    assert_int_equal(h.newest_t, b.now);
    assert_int_equal(strlen(h.root), 64);
    assert_int_equal(strlen(h.key_id), 8);
    assert_int_equal(mode_of(b.db), 0600);
    assert_int_equal(mode_of(b.key), 0400);
    snprintf(dir, sizeof dir, "%s/log", b.dir);
    assert_int_equal(mode_of(dir), 0700);
    snprintf(dir, sizeof dir, "%s/log/log.db-wal", b.dir);
    assert_int_equal(mode_of(dir), 0600);
    struct arena a;
    arena_init(&a);
    struct stored *s;
    size_t n;
    assert_true(audit_query(l, &(struct audit_query){0}, &a, &s, &n, &e));
    assert_int_equal(n, 1);
    assert_string_equal(s[0].kind, "genesis");
    assert_string_equal(stored_field(&s[0], "origin"), "andon/test");
    assert_string_equal(stored_field(&s[0], "key"), "new");
    assert_int_equal(strncmp(stored_field(&s[0], "vkey"), "andon/test+", 11), 0);
    assert_non_null(strstr(s[0].host, "\"kernel\":{"));
    assert_non_null(strstr(s[0].host, "\"claimed\":{"));
    arena_release(&a);
    audit_close(l);
    must_verify(&b, &r);
    assert_int_equal(r.entries, 1);
    box_release(&b);
}

static void an_entry_comes_back_as_it_went_in(void **state)
{
    (void)state;
    struct box b;
    struct entry en;
    struct err e = {0};
    struct receipt rc;
    struct arena a;
    struct stored *s;
    size_t n;
    box_init(&b);
    struct audit_log *l = box_open(&b);
    make_entry(&en, ENTRY_HALT, 0xfeedface12345678, "");
    en.late = true;
    entry_str(&en, "p", "0x1.8p+1");
    entry_int(&en, "big", INT64_MAX);
    assert_true(audit_append(l, &en, &rc, &e));
    assert_int_equal(rc.seq, 2);
    assert_int_equal(rc.size, 2);
    arena_init(&a);
    assert_true(audit_query(l, &(struct audit_query){.corr = 0xfeedface12345678}, &a, &s, &n, &e));
    assert_int_equal(n, 1);
    assert_int_equal(s->seq, 2);
    assert_int_equal(s->t, en.t);
    assert_true(s->corr == en.corr);
    assert_true(s->late);
    assert_string_equal(s->kind, "halt");
    assert_string_equal(s->actor, "mara");
    assert_string_equal(s->actor_kind, "person");
    assert_string_equal(s->fleet, "homes");
    assert_string_equal(s->rollout, "4471");
    assert_string_equal(s->wave, "2");
    assert_string_equal(s->verb, "pause");
    assert_string_equal(s->reason, en.reason);
    assert_string_equal(s->before, "running");
    assert_string_equal(s->after, "paused");
    assert_string_equal(stored_field(s, "http.status"), "200");
    assert_string_equal(stored_field(s, "p"), "0x1.8p+1");
    assert_string_equal(stored_field(s, "big"), "9223372036854775807");
    assert_string_equal(stored_field(s, "none"), "");
    assert_string_equal(s->leaf_hash, rc.leaf);
    uint8_t hash[HASH_LEN];
    char hex[HASH_HEX];
    tree_leaf_hash(s->line, strlen(s->line), hash);
    hex_encode(hex, hash, HASH_LEN);
    assert_string_equal(hex, rc.leaf);
    arena_release(&a);
    audit_close(l);
    box_release(&b);
}

static void hostile_text_never_comes_back_raw(void **state)
{
    (void)state;
    struct box b;
    struct entry en;
    struct err e = {0};
    struct arena a;
    struct stored *s;
    size_t n;
    box_init(&b);
    struct audit_log *l = box_open(&b);
    make_entry(&en, ENTRY_WATCH, 0, "");
    en.reason = "\x1b]52;c;aGk=\x07 \xe2\x80\xae\n{\"seq\":1}";
    put(l, &en);
    audit_close(l);
    /* and behind andon's back, straight into the file */
    tamper(&b, "UPDATE entry SET leaf = replace(CAST(leaf AS TEXT), 'running', char(92) || 'u001b[2J') WHERE seq = 2");
    b.spec.read_only = true;
    l = box_open(&b);
    arena_init(&a);
    assert_true(audit_query(l, &(struct audit_query){.from_seq = 2}, &a, &s, &n, &e));
    assert_int_equal(n, 1);
    assert_null(strpbrk(s->reason, "\x1b\x07\n"));
    assert_null(strchr(s->before, 0x1b));
    assert_non_null(strstr(s->before, "[2J"));
    assert_null(memchr(s->line, '\n', strlen(s->line)));
    arena_release(&a);
    audit_close(l);
    box_release(&b);
}

static size_t count(struct audit_log *l, const struct audit_query *q, int64_t *first)
{
    struct arena a;
    struct stored *s;
    size_t n;
    struct err e = {0};
    arena_init(&a);
    assert_true(audit_query(l, q, &a, &s, &n, &e));
    *first = n ? s[0].seq : 0;
    arena_release(&a);
    return n;
}

static void queries_select(void **state)
{
    (void)state;
    struct box b;
    struct entry en;
    int64_t first;
    box_init(&b);
    struct audit_log *l = box_open(&b);
    for (int i = 0; i < 20; i++) {
        make_entry(&en, i % 2 ? ENTRY_OUTCOME : ENTRY_INTENT, (uint64_t)(1 + i / 2), "");
        en.t += i * US_PER_S;
        en.fleet = i < 10 ? "homes" : "shops";
        en.rollout = i % 3 ? "a\"b" : "c";
        put(l, &en); /* seq i + 2 */
    }
    int64_t t0 = INT64_C(1931257201000000);
    assert_int_equal(count(l, &(struct audit_query){0}, &first), 21);
    assert_int_equal(count(l, &(struct audit_query){.newest_first = true, .limit = 3}, &first), 3);
    assert_int_equal(first, 21);
    assert_int_equal(count(l, &(struct audit_query){.from_seq = 5, .to_seq = 7}, &first), 3);
    assert_int_equal(first, 5);
    assert_int_equal(count(l, &(struct audit_query){.fleet = "shops"}, &first), 10);
    assert_int_equal(first, 12);
    assert_int_equal(count(l, &(struct audit_query){.rollout = "c"}, &first), 7);
    assert_int_equal(count(l, &(struct audit_query){.rollout = "a\"b"}, &first), 13);
    assert_int_equal(count(l, &(struct audit_query){.rollout = "a\"bc"}, &first), 0);
    assert_int_equal(count(l, &(struct audit_query){.kind = "intent", .actor = "mara"}, &first), 10);
    assert_int_equal(count(l, &(struct audit_query){.actor = "mar"}, &first), 0);
    assert_int_equal(count(l, &(struct audit_query){.corr = 3}, &first), 2);
    assert_int_equal(first, 6);
    assert_int_equal(
        count(l, &(struct audit_query){.after_t = t0 + 5 * US_PER_S, .before_t = t0 + 8 * US_PER_S}, &first), 4);
    audit_close(l);
    box_release(&b);
}

static void blobs_are_kept_by_their_digest(void **state)
{
    (void)state;
    struct box b;
    struct err e = {0};
    struct buf out;
    char d1[65], d2[65], again[65];
    box_init(&b);
    struct audit_log *l = box_open(&b);
    assert_true(audit_put_blob(l, "abc", 3, d1, &e));
    assert_string_equal(d1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(audit_put_blob(l, "abc", 3, again, &e));
    assert_string_equal(d1, again);
    assert_true(audit_put_blob(l, NULL, 0, d2, &e));
    buf_init(&out, 1000);
    buf_adds(&out, ">");
    assert_true(audit_get_blob(l, d1, &out, &e));
    assert_string_equal(out.data, ">abc");
    assert_true(audit_get_blob(l, d2, &out, &e));
    assert_int_equal(out.len, 4);
    d1[0] = d1[0] == '0' ? '1' : '0';
    assert_false(audit_get_blob(l, d1, &out, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_false(audit_get_blob(l, "zz", &out, &e));
    assert_int_equal(e.code, ERR_SYNTAX);
    buf_release(&out);
    assert_int_equal(sql_number(&b, "SELECT count(*) FROM blob"), 2);
    audit_close(l);
    box_release(&b);
}

static void what_is_too_long_is_refused_and_leaves_no_trace(void **state)
{
    (void)state;
    struct box b;
    struct entry en;
    struct err e = {0};
    struct audit_report r;
    char *big = malloc(20001);
    memset(big, 'x', 20000);
    big[20000] = '\0';
    box_init(&b);
    struct audit_log *l = box_open(&b);
    make_entry(&en, ENTRY_INTENT, 7, "");
    entry_str(&en, "big", big);
    assert_false(audit_append(l, &en, NULL, &e));
    assert_int_equal(e.code, ERR_LIMIT);
    make_entry(&en, ENTRY_INTENT, 7, "");
    assert_int_equal(put(l, &en), 2);
    audit_close(l);
    must_verify(&b, &r);
    free(big);
    box_release(&b);
}

static void read_only_writes_nothing(void **state)
{
    (void)state;
    struct box b;
    struct entry en;
    struct err e = {0};
    struct stat before, after;
    char path[128], digest[65];
    box_init(&b);
    b.spec.read_only = true;
    assert_null(audit_open(&b.spec, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    snprintf(path, sizeof path, "%s/log", b.dir);
    assert_int_equal(access(path, F_OK), -1);
    b.spec.read_only = false;
    box_fill(&b, 5);
    b.spec.read_only = true;
    b.spec.key_path = NULL;
    b.spec.origin = NULL;
    assert_int_equal(stat(b.db, &before), 0);
    struct audit_log *l = box_open(&b);
    make_entry(&en, ENTRY_INTENT, 7, "");
    assert_false(audit_append(l, &en, NULL, &e));
    assert_int_equal(e.code, ERR_REFUSED);
    assert_false(audit_put_blob(l, "x", 1, digest, &e));
    assert_int_equal(e.code, ERR_REFUSED);
    struct audit_report r;
    must_verify(&b, &r);
    assert_int_equal(r.entries, 6);
    audit_close(l);
    assert_int_equal(stat(b.db, &after), 0);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    snprintf(path, sizeof path, "%s-wal", b.db);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof path, "%s-shm", b.db);
    assert_int_equal(access(path, F_OK), -1);
    box_release(&b);
}

static void a_reader_sees_what_a_writer_adds(void **state)
{
    (void)state;
    struct box b;
    struct audit_head h;
    struct err e = {0};
    struct entry en;
    box_init(&b);
    box_fill(&b, 3);
    b.spec.read_only = true;
    struct audit_log *reader = box_open(&b); /* nobody else has it open yet */
    b.spec.read_only = false;
    assert_true(audit_head(reader, &h, &e));
    assert_int_equal(h.size, 4);
    struct audit_log *l = box_open(&b);
    make_entry(&en, ENTRY_INTENT, 9, "");
    put(l, &en);
    assert_true(audit_head(reader, &h, &e));
    assert_int_equal(h.size, 5);
    put(l, &en);
    audit_close(l);
    assert_true(audit_head(reader, &h, &e));
    assert_int_equal(h.size, 6);
    audit_close(reader);
    box_release(&b);
}

static void keys_and_files_open_to_others_are_refused(void **state)
{
    (void)state;
    struct box b;
    struct err e = {0};
    char dir[96], other[112];
    box_init(&b);
    box_fill(&b, 1);
    chmod(b.key, 0440);
    assert_null(audit_open(&b.spec, &e));
    assert_int_equal(e.code, ERR_FORBIDDEN);
    chmod(b.key, 0400);
    chmod(b.db, 0620);
    assert_null(audit_open(&b.spec, &e));
    assert_int_equal(e.code, ERR_FORBIDDEN);
    chmod(b.db, 0600);
    snprintf(other, sizeof other, "%s.real", b.key); /* a link in the key's place */
    assert_int_equal(rename(b.key, other), 0);
    assert_int_equal(symlink(other, b.key), 0);
    assert_null(audit_open(&b.spec, &e));
    unlink(b.key);
    assert_null(audit_open(&b.spec, &e)); /* a missing key is never made anew for an old log */
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_int_equal(rename(other, b.key), 0);
    snprintf(other, sizeof other, "%s.real", b.db);
    assert_int_equal(rename(b.db, other), 0);
    assert_int_equal(symlink(other, b.db), 0);
    assert_null(audit_open(&b.spec, &e));
    unlink(b.db);
    snprintf(dir, sizeof dir, "%s/log", b.dir); /* a folder that others can write to */
    chmod(dir, 0770);
    assert_null(audit_open(&b.spec, &e));
    assert_int_equal(e.code, ERR_FORBIDDEN);
    assert_int_equal(access(b.db, F_OK), -1);
    chmod(dir, 0700);
    box_release(&b);
}

static void another_key_or_origin_is_refused(void **state)
{
    (void)state;
    struct box b;
    struct err e = {0};
    box_init(&b);
    box_fill(&b, 1);
    b.spec.origin = "andon/other";
    b.spec.origin_asked = true;
    assert_null(audit_open(&b.spec, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    b.spec.origin = "andon/test";
    audit_close(box_open(&b));
    b.spec.origin_asked = false;
    unlink(b.key);
    assert_true(key_create(b.key, &e));
    assert_null(audit_open(&b.spec, &e));
    assert_int_equal(e.code, ERR_AUTH);
    write_all(b.key, "not a key\n", 10);
    assert_null(audit_open(&b.spec, &e));
    assert_int_equal(e.code, ERR_SYNTAX);
    b.spec.origin = "two words";
    unlink(b.db);
    unlink(b.key);
    assert_null(audit_open(&b.spec, &e));
    assert_int_equal(e.code, ERR_SYNTAX);
    box_release(&b);
}

static void a_handle_is_not_for_a_child(void **state)
{
    (void)state;
    struct box b;
    struct entry en;
    struct audit_report r;
    box_init(&b);
    struct audit_log *l = box_open(&b);
    pid_t pid = fork();
    if (pid == 0) {
        struct err e = {0};
        make_entry(&en, ENTRY_INTENT, 1, "");
        _exit(!audit_append(l, &en, NULL, &e) && e.code == ERR_INTERNAL ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    make_entry(&en, ENTRY_INTENT, 1, "");
    assert_int_equal(put(l, &en), 2);
    audit_close(l);
    must_verify(&b, &r);
    box_release(&b);
}

/* ---- clocks ---- */

struct set_clock {
    struct clock clock; /* first */
    int64_t wall, boot;
};

static int64_t set_wall(struct clock *c)
{
    return ((struct set_clock *)(void *)c)->wall;
}

static int64_t set_boot(struct clock *c)
{
    return ((struct set_clock *)(void *)c)->boot;
}

static struct clock_sync steered(struct clock *c)
{
    (void)c;
    return (struct clock_sync){CLOCK_SYNC_YES, 1250};
}

static size_t entries_of(struct audit_log *l, struct arena *a, const char *kind, struct stored **out)
{
    struct err e = {0};
    size_t n;
    assert_true(audit_query(l, &(struct audit_query){.kind = kind}, a, out, &n, &e));
    return n;
}

static void a_clock_that_is_set_is_an_entry_before_the_next(void **state)
{
    (void)state;
    struct box b;
    struct entry en;
    struct err e = {0};
    struct arena a;
    struct stored *s;
    struct set_clock c = {.clock = {set_wall, NULL, set_wall, set_boot, NULL}, .wall = INT64_C(1931257200000000)};
    box_init(&b);
    b.spec.clock = &c.clock;
    arena_init(&a);
    struct audit_log *l = box_open(&b);
    make_entry(&en, ENTRY_OUTCOME, 1, "ok");
    c.wall += US_PER_HOUR; /* an hour goes by, and the clock is slewed a little: nothing to say */
    c.boot += US_PER_HOUR - US_PER_S;
    assert_int_equal(put(l, &en), 2);
    assert_int_equal(entries_of(l, &a, "clock-step", &s), 0);
    c.wall -= US_PER_DAY + US_PER_S;
    audit_server_time(l, &(struct audit_server_clock){true, US_PER_DAY, 500000});
    assert_int_equal(put(l, &en), 4); /* the step is entry 3 */
    assert_int_equal(entries_of(l, &a, "clock-step", &s), 1);
    assert_int_equal(s[0].seq, 3);
    assert_string_equal(stored_field(&s[0], "by"),
                        "-86400000000"); /* the second before it was within what is let pass */
    assert_string_equal(stored_field(&s[0], "real"), "1931174399000000");
    assert_string_equal(stored_field(&s[0], "boot"), "3599000000");
    assert_string_equal(stored_field(&s[0], "server.real"), "1931260799000000");
    assert_string_equal(stored_field(&s[0], "server.error_us"), "500000");
    assert_int_equal(s[0].t, INT64_C(1931174399000000));
    c.wall += 2 * US_PER_DAY; /* ahead, and nobody has anything to write */
    assert_true(audit_clock_look(l, &e));
    assert_true(audit_clock_look(l, &e)); /* said once */
    assert_int_equal(entries_of(l, &a, "clock-step", &s), 2);
    assert_string_equal(stored_field(&s[1], "by"), "172800000000");
    audit_close(l);
    arena_release(&a);
    box_release(&b);
}

static void each_entry_says_how_the_clock_is_held(void **state)
{
    (void)state;
    struct box b;
    struct entry en;
    struct arena a;
    struct stored *s;
    box_init(&b);
    arena_init(&a);
    struct audit_log *l = box_open(&b);
    b.clock.sync = steered; /* from now on */
    assert_null(strstr(l->host.data, "operator"));
    make_entry(&en, ENTRY_OUTCOME, 1, "ok");
    put(l, &en);
    assert_int_equal(entries_of(l, &a, NULL, &s), 2);
    assert_non_null(strstr(s[0].host, ",\"clock\":{\"sync\":\"unknown\"},\"kernel\":{"));
    assert_non_null(strstr(s[1].host, ",\"clock\":{\"error_us\":1250,\"sync\":\"yes\"},\"kernel\":{"));
    audit_close(l);
    arena_release(&a);
    box_release(&b);
}

/* A log is what its first entry says. That its host is called otherwise is in it once for each name. */
static void a_renamed_host_opens_its_log(void **state)
{
    (void)state;
    static const char *const names[] = {"andon/new", "andon/new", "andon/test", "andon/third", "andon/new"};
    static const int64_t entries[] = {3, 3, 3, 4, 4};
    struct box b;
    struct audit_report r;
    struct audit_head h;
    struct err e = {0};
    box_init(&b);
    box_fill(&b, 1);
    for (size_t i = 0; i < 5; i++) {
        b.spec.origin = names[i];
        struct audit_log *l = box_open(&b);
        assert_true(audit_head(l, &h, &e));
        assert_string_equal(h.origin, "andon/test");
        assert_int_equal(h.size, entries[i]);
        audit_close(l);
    }
    must_verify(&b, &r);
    assert_string_equal(r.origin, "andon/test");
    struct arena a;
    struct stored *s;
    size_t n;
    arena_init(&a);
    struct audit_log *l = box_open(&b);
    assert_true(audit_query(l, &(struct audit_query){.kind = "config"}, &a, &s, &n, &e));
    assert_int_equal(n, 2);
    assert_string_equal(s[0].result, "host-renamed");
    assert_string_equal(stored_field(&s[1], "host.origin"), "andon/third");
    audit_close(l);
    arena_release(&a);
    box_release(&b);
}

static void who_works_here_is_a_claim(void **state)
{
    (void)state;
    struct box b;
    struct arena a;
    struct stored *s;
    box_init(&b);
    arena_init(&a);
    setenv(HOST_OPERATOR, "Mara \033Ito", 1);
    struct audit_log *l = box_open(&b);
    unsetenv(HOST_OPERATOR);
    assert_int_equal(entries_of(l, &a, NULL, &s), 1);
    assert_null(strchr(s[0].host, '\033'));
    assert_non_null(strstr(s[0].host, "\"claimed\":{\"operator\":\"Mara "));
    audit_close(l);
    arena_release(&a);
    box_release(&b);
}

/* A process may have the log open twice: a guard and its notary. POSIX locks go with the first closing of any
 * descriptor of the file, and without them another process takes itself for the last one, and the -wal away. */
static void a_second_opening_loses_no_lock(void **state)
{
    (void)state;
    struct box b;
    struct entry en;
    struct audit_report r;
    struct stat was, now;
    char wal[128], go = 0;
    int to[2], status = -1;
    box_init(&b);
    box_fill(&b, 3);
    snprintf(wal, sizeof wal, "%s-wal", b.db);
    assert_int_equal(pipe(to), 0);
    pid_t pid = fork(); /* before anything is open */
    if (pid == 0) {
        bool told = read(to[0], &go, 1) == 1;
        struct audit_log *other = told ? audit_open(&b.spec, NULL) : NULL;
        make_entry(&en, ENTRY_INTENT, 8, "");
        struct receipt rc;
        bool ok = other && audit_append(other, &en, &rc, NULL);
        audit_close(other);
        _exit(ok ? 0 : 1);
    }
    struct audit_log *first = box_open(&b), *second = box_open(&b);
    make_entry(&en, ENTRY_INTENT, 7, "");
    put(first, &en);
    must_verify(&b, &r);
    assert_int_equal(stat(wal, &was), 0);
    assert_int_equal(write(to[1], &go, 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(stat(wal, &now), 0);
    assert_true(was.st_ino == now.st_ino);
    put(first, &en);
    put(second, &en);
    audit_close(second);
    audit_close(first);
    must_verify(&b, &r);
    assert_int_equal(r.entries, 1 + 3 + 1 + 1 + 2);
    close(to[0]);
    close(to[1]);
    box_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_opening_loses_no_lock),
        cmocka_unit_test(a_new_log_is_private_and_begins_with_genesis),
        cmocka_unit_test(an_entry_comes_back_as_it_went_in),
        cmocka_unit_test(hostile_text_never_comes_back_raw),
        cmocka_unit_test(queries_select),
        cmocka_unit_test(blobs_are_kept_by_their_digest),
        cmocka_unit_test(what_is_too_long_is_refused_and_leaves_no_trace),
        cmocka_unit_test(read_only_writes_nothing),
        cmocka_unit_test(a_reader_sees_what_a_writer_adds),
        cmocka_unit_test(keys_and_files_open_to_others_are_refused),
        cmocka_unit_test(another_key_or_origin_is_refused),
        cmocka_unit_test(a_renamed_host_opens_its_log),
        cmocka_unit_test(a_handle_is_not_for_a_child),
        cmocka_unit_test(a_clock_that_is_set_is_an_entry_before_the_next),
        cmocka_unit_test(who_works_here_is_a_claim),
        cmocka_unit_test(each_entry_says_how_the_clock_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
