/* andon audit replay: a decision is recomputed from the log, or from an exported folder, and nothing that was changed
 * agrees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/cli.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/trial.h"

#define START (INT64_C(1931257200) * US_PER_S)

struct box {
    char dir[64], db[100], key[100], out[100], export_dir[100];
    struct audit_spec spec;
    struct buf inputs;
    struct replay want; /* what the inputs say */
};

/* ---- the log ---- */

static void make_inputs(struct buf *out, struct replay *want)
{
    struct trial_spec s = {.policy = policy_default()->evidence,
                           .waves = 3,
                           .start = START,
                           .step_us = 15 * US_PER_S,
                           .grace_us = US_PER_MIN,
                           .silence_us = 5 * US_PER_MIN};
    struct trial_past past = {.known = false};
    struct err e = {0};
    struct trial *t = trial_new(&s, &e);
    assert_non_null(t);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(trial_add(t, i < 20 ? 0 : -1, true, 0, &past).i, i);
    for (size_t i = 0; i < 20; i++)
        assert_true(trial_installed(t, TRIAL_IX(i), START + US_PER_S));
    for (int k = 0; k < 40; k++) {
        struct tick rows;
        tick_init(&rows, trial_next_tick(t), 100, COL_BUILTIN);
        for (uint32_t i = 0; i < 100; i++)
            memcpy(tick_put(&rows, i, rows.t), (double[]){0, 0.3, 1}, sizeof(double[COL_BUILTIN]));
        trial_tick(t, &rows);
        tick_release(&rows);
    }
    trial_installs(t, &(struct install_tally){.failed = 12, .started = 20, .times = 1}, 1, 0);
    trial_inputs(t, 0, TEST_INSTALL, out);
    trial_free(t);
    assert_true(trial_replay(out->data, out->len, want, &e));
    assert_true(want->same && want->pauses);
}

static void box_init(struct box *b)
{
    memset(b, 0, sizeof *b);
    snprintf(b->dir, sizeof b->dir, "/tmp/andon-replay-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->db, sizeof b->db, "%s/andon/audit.db", b->dir);
    snprintf(b->key, sizeof b->key, "%s/andon/audit.key", b->dir);
    snprintf(b->out, sizeof b->out, "%s/out", b->dir);
    snprintf(b->export_dir, sizeof b->export_dir, "%s/export", b->dir);
    setenv("HOME", b->dir, 1);
    setenv("XDG_CONFIG_HOME", b->dir, 1);
    setenv("XDG_STATE_HOME", b->dir, 1);
    b->spec = (struct audit_spec){.db_path = b->db, .key_path = b->key, .origin = "andon/test"};
    buf_init(&b->inputs, 1 << 22);
    make_inputs(&b->inputs, &b->want);
}

static void remove_tree(const char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *f; d && (f = readdir(d)) != NULL;) {
        char path[400];
        struct stat st;
        if (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, f->d_name);
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            remove_tree(path);
        else
            unlink(path);
    }
    if (d)
        closedir(d);
    assert_int_equal(rmdir(dir), 0);
}

static void box_release(struct box *b)
{
    buf_release(&b->inputs);
    remove_tree(b->dir);
}

/* Appends a halt; returns its seq. `inputs` NULL: no blob. */
static int64_t put_halt(struct box *b, enum actor_kind actor, const char *rule, const char *evidence,
                        const char *inputs)
{
    struct err e = {0};
    struct receipt r;
    struct entry en;
    char digest[65];
    struct audit_log *l = audit_open(&b->spec, &e);
    if (!l)
        fail_msg("%s (%s)", e.what, e.cause);
    entry_init(&en, ENTRY_HALT);
    en.t = START + US_PER_HOUR;
    en.actor.kind = actor;
    snprintf(en.actor.name, sizeof en.actor.name, "%s", rule);
    en.fleet = "homes";
    en.rollout = "4471";
    en.verb = VERB_HALT;
    en.reason = "W0: 12 of 20 installs failed";
    entry_int(&en, "decided_at", START + US_PER_HOUR);
    if (actor == ACTOR_RULE)
        entry_str(&en, "rule", rule);
    if (evidence)
        entry_str(&en, "evidence", evidence);
    if (inputs) {
        assert_true(audit_put_blob(l, inputs, strlen(inputs), digest, &e));
        entry_str(&en, "inputs.blob", digest);
    }
    assert_true(audit_append(l, &en, &r, &e));
    audit_close(l);
    return r.seq;
}

/* The figures as the engine writes them beside a halt; with `bad`, the evidence is another. */
static const char *figures(const struct box *b, const char *bad)
{
    static char text[600];
    char log_e[FMT_MAX], pause[FMT_MAX];
    snprintf(
        text, sizeof text,
        "{\"devices\":%d,\"log_e\":\"%s\",\"log_pause\":\"%s\",\"min_devices\":%d,\"stage\":0,\"test\":\"install\"}",
        b->want.devices, bad ? bad : fmt_hexfloat(log_e, b->want.log_e), fmt_hexfloat(pause, b->want.log_pause),
        b->want.min_devices);
    return text;
}

/* ---- running it ---- */

static char said[65536];

static int run(struct box *b, const char *seq, const char *opt, const char *value, const char *out)
{
    const char *argv[10] = {"andon", "audit", "replay", seq};
    int argc = 4, rc, keep = dup(STDOUT_FILENO), keep_err = dup(STDERR_FILENO);
    struct args a;
    struct err e = {0};
    if (opt) {
        argv[argc++] = opt;
        argv[argc++] = value;
    }
    if (out) {
        argv[argc++] = "-o";
        argv[argc++] = out;
    }
    fflush(stdout);
    int fd = open(b->out, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    assert_true(args_read(argc, (char **)(uintptr_t)argv, &a, &e));
    rc = cmd_audit(&a);
    fflush(stdout);
    dup2(keep, STDOUT_FILENO);
    dup2(keep_err, STDERR_FILENO);
    close(keep);
    close(keep_err);
    ssize_t n = pread(fd, said, sizeof said - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    close(fd);
    return rc;
}

static int replay(struct box *b, int64_t seq)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)seq);
    return run(b, text, NULL, NULL, NULL);
}

static void says(const char *what)
{
    if (!strstr(said, what))
        fail_msg("\"%s\" is not in:\n%s", what, said);
}

/* ---- tests ---- */

static void the_decision_of_a_test_comes_out_to_the_last_bit(void **state)
{
    (void)state;
    struct box b;
    char hex[FMT_MAX];
    box_init(&b);
    int64_t seq = put_halt(&b, ACTOR_RULE, "install", figures(&b, NULL), b.inputs.data);
    assert_int_equal(replay(&b, seq), EXIT_OK);
    says("OK (");
    says("halt of 4471 by rule install");
    says("its digest matches");
    says("the same to the last bit");
    says(fmt_hexfloat(hex, b.want.log_e));
    says("\nAGREES\n");
    assert_int_equal(run(&b, "2", NULL, NULL, "json"), EXIT_OK);
    says("\"agrees\": true");
    says("\"same\": true");
    says("\"test\": \"install\"");
    box_release(&b);
}

static void an_auditor_needs_only_the_export(void **state)
{
    (void)state;
    struct box b;
    struct err e = {0};
    char path[400];
    box_init(&b);
    put_halt(&b, ACTOR_RULE, "install", figures(&b, NULL), b.inputs.data);
    struct audit_log *l = audit_open(&b.spec, &e);
    assert_non_null(l);
    if (!audit_export(l, &(struct audit_export_spec){0}, b.export_dir, NULL, &e))
        fail_msg("%s", e.what);
    audit_close(l);
    unlink(b.db);
    unlink(b.key);
    assert_int_equal(run(&b, "2", "--export", b.export_dir, NULL), EXIT_OK);
    says("the same to the last bit");
    says("\nAGREES\n");
    assert_int_equal(run(&b, "1", "--export", b.export_dir, NULL), EXIT_UNKNOWN);
    says("holds no decision");
    assert_int_equal(run(&b, "300", "--export", b.export_dir, NULL), EXIT_UNKNOWN);
    says("there is no entry 300");
    /* One byte of the inputs, and nothing in the folder is believed any more. */
    snprintf(path, sizeof path, "%s/blobs", b.export_dir);
    DIR *d = opendir(path);
    assert_non_null(d);
    struct dirent *f;
    while ((f = readdir(d)) != NULL && strlen(f->d_name) != 64)
        ;
    assert_non_null(f);
    snprintf(path, sizeof path, "%s/blobs/%s", b.export_dir, f->d_name);
    closedir(d);
    chmod(path, 0600);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "7", 1, 200), 1);
    close(fd);
    assert_int_equal(run(&b, "2", "--export", b.export_dir, NULL), EXIT_FAILED);
    says("does not verify");
    box_release(&b);
}

/* The inputs with the evidence that they claim changed by one digit: whoever writes such an entry can sign it, too. */
static char *forged(const struct box *b)
{
    char *text = strdup(b->inputs.data), *at = strstr(text, "\"log_e\":\"0x1.");
    assert_non_null(at);
    at += strlen("\"log_e\":\"0x1.");
    *at = *at == '5' ? '6' : '5';
    return text;
}

static void what_does_not_come_out_does_not_agree(void **state)
{
    (void)state;
    struct box b;
    box_init(&b);
    char *text = forged(&b);
    assert_int_equal(replay(&b, put_halt(&b, ACTOR_RULE, "install", NULL, text)), EXIT_FAILED);
    says("NOT the same");
    says("DOES NOT AGREE: the evidence that comes out");
    free(text);
    assert_int_equal(replay(&b, put_halt(&b, ACTOR_RULE, "install", figures(&b, "0x1.8p+3"), b.inputs.data)),
                     EXIT_FAILED);
    says("DOES NOT AGREE: the entry's own figures");
    assert_int_equal(replay(&b, put_halt(&b, ACTOR_RULE, "crash-loop", NULL, b.inputs.data)), EXIT_FAILED);
    says("DOES NOT AGREE: the inputs are those of another test");
    assert_int_equal(replay(&b, put_halt(&b, ACTOR_RULE, "install", "{\"stage\":2}", b.inputs.data)), EXIT_FAILED);
    says("DOES NOT AGREE: the inputs are those of another wave");
    assert_int_equal(replay(&b, put_halt(&b, ACTOR_RULE, "install", NULL, "{\"v\":1}")), EXIT_FAILED);
    says("DOES NOT AGREE: the inputs cannot be recomputed");
    box_release(&b);
}

static void evidence_that_was_not_enough_does_not_agree(void **state)
{
    (void)state;
    struct box b;
    box_init(&b);
    /* A level of the policy that is out of reach, as if the entry claimed it. */
    assert_int_equal(replay(&b, put_halt(&b, ACTOR_RULE, "install", "{\"level.times\":\"0x1p+900\"}", b.inputs.data)),
                     EXIT_FAILED);
    says("DOES NOT AGREE: the evidence is less than was needed");
    assert_int_equal(replay(&b, put_halt(&b, ACTOR_RULE, "install", "{\"level.times\":\"0x1p-2\"}", b.inputs.data)),
                     EXIT_OK);
    box_release(&b);
}

static void limits_are_recomputed_from_the_logged_figures(void **state)
{
    (void)state;
    struct box b;
    box_init(&b);
    static const char over[] = "{\"limit.devices\":4,\"limit.for_us\":120000000,\"limit.metric\":\"cpu-mean\","
                               "\"limit.ratio\":\"0x1.8p+0\",\"limit.since\":1931260600000000,"
                               "\"limit.threshold\":\"0x1.4p+0\",\"limit.value\":\"0x1.cp-2\"}",
                      under[] = "{\"limit.metric\":\"cpu-mean\",\"limit.ratio\":\"0x1.2p+0\","
                                "\"limit.threshold\":\"0x1.4p+0\",\"limit.value\":\"0x1.cp-2\"}",
                      basis[] = "{\"limit.basis\":\"absolute\",\"limit.metric\":\"cpu-mean\","
                                "\"limit.ratio\":\"0x1.8p+0\",\"limit.threshold\":\"0x1.4p+0\","
                                "\"limit.value\":\"0x1.cp-2\"}";
    assert_int_equal(replay(&b, put_halt(&b, ACTOR_RULE, "R-CPU", over, NULL)), EXIT_OK);
    says("R-CPU: cpu-mean");
    says("as a relative limit");
    says("held for   3m20s");
    says("a limit is recomputed from the logged figures");
    says("\nAGREES as far as the entry tells\n");
    assert_int_equal(replay(&b, put_halt(&b, ACTOR_RULE, "R-CPU", under, NULL)), EXIT_FAILED);
    says("DOES NOT AGREE: the logged figures are not over the logged limit");
    assert_int_equal(replay(&b, put_halt(&b, ACTOR_RULE, "R-CPU", basis, NULL)), EXIT_FAILED);
    box_release(&b);
}

static void what_nobody_computed_is_said_plainly(void **state)
{
    (void)state;
    struct box b;
    box_init(&b);
    char lost[80];
    snprintf(lost, sizeof lost, "{\"unknown_since\":%lld}", (long long)(START + 48 * US_PER_MIN));
    assert_int_equal(replay(&b, put_halt(&b, ACTOR_RULE, "LOST-TELEMETRY", lost, NULL)), EXIT_OK);
    says("telemetry had been missing for 12m00s");
    says("\nNOT RECOMPUTED\n");
    assert_int_equal(replay(&b, put_halt(&b, ACTOR_PERSON, "m.ito", NULL, NULL)), EXIT_UNKNOWN);
    says("halt by m.ito) holds no decision");
    assert_int_equal(run(&b, "999", NULL, NULL, NULL), EXIT_UNKNOWN);
    says("no entry 999");
    assert_int_equal(run(&b, "two", NULL, NULL, NULL), EXIT_USAGE);
    assert_int_equal(run(&b, "0", NULL, NULL, NULL), EXIT_USAGE);
    box_release(&b);
}

static void a_log_that_does_not_verify_proves_nothing(void **state)
{
    (void)state;
    struct box b;
    size_t n = 0;
    box_init(&b);
    put_halt(&b, ACTOR_RULE, "install", figures(&b, NULL), b.inputs.data);
    /* The text of the reason stands in the file once: change it there. */
    FILE *f = fopen(b.db, "r+");
    assert_non_null(f);
    char *bytes = malloc(1 << 22);
    n = fread(bytes, 1, 1 << 22, f);
    char *at = memmem(bytes, n, "12 of 20 installs", 17);
    assert_non_null(at);
    fseek(f, at - bytes, SEEK_SET);
    fputs("02", f);
    fclose(f);
    free(bytes);
    assert_int_equal(run(&b, "2", NULL, NULL, NULL), EXIT_FAILED);
    says("does not verify");
    box_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_decision_of_a_test_comes_out_to_the_last_bit),
        cmocka_unit_test(an_auditor_needs_only_the_export),
        cmocka_unit_test(what_does_not_come_out_does_not_agree),
        cmocka_unit_test(evidence_that_was_not_enough_does_not_agree),
        cmocka_unit_test(limits_are_recomputed_from_the_logged_figures),
        cmocka_unit_test(what_nobody_computed_is_said_plainly),
        cmocka_unit_test(a_log_that_does_not_verify_proves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
