#include "tests/audit/desk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "audit/key.h"
#include "audit/note.h"

static pid_t start(const char *program, const char *script, const char *dir, const char *vkey)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        alarm(600);
        execlp(program, program, script, vkey ? vkey : "", dir, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int end(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void desk_ask(struct desk *d, const char *dir, const char *vkey)
{
    struct err e = {0};
    pid_t sh = start("sh", "docs/audit-tools/verify.sh", dir, vkey);
    pid_t py = start("python3", "docs/audit-tools/verify.py", dir, vkey);
    memset(d, 0, sizeof *d);
    if (!audit_verify_export(dir, vkey, NULL, 0, NULL, &d->r, &e)) {
        d->andon = DESK_CANNOT;
        snprintf(d->why, sizeof d->why, "%s", e.what);
    } else {
        d->andon = d->r.ok ? DESK_OK : DESK_TAMPERED;
        snprintf(d->why, sizeof d->why, "%.300s", d->r.text);
        assert_non_null(strstr(d->r.text, d->r.another ? "ANOTHER LOG"
                                          : !d->r.ok   ? "TAMPERED: "
                                                       : "unwitnessed: a roll back of the file is not excluded"));
    }
    d->sh = end(sh);
    d->py = end(py);
}

void desk_all(const char *dir, const char *vkey, int want, const char *what)
{
    struct desk d;
    desk_ask(&d, dir, vkey);
    if (d.andon != want || d.sh != want || d.py != want)
        fail_msg("%s: expected %d; andon %d (%s), verify.sh %d, verify.py %d", what, want, d.andon, d.why, d.sh, d.py);
}

void desk_run(const char *dir, const char *command)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(dir) == 0)
            execlp("sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int rc = end(pid);
    if (rc != 0)
        fail_msg("%s: exit %d", command, rc);
}

static void put_manifest(const struct box *b, const char *dir, struct buf *text)
{
    char path[300];
    struct err e = {0};
    struct note_key name;
    uint8_t pub[KEY_PUBLIC_LEN], sig[KEY_SIG_LEN];
    struct key *k = key_load(b->key, &e);
    assert_non_null(k);
    key_public(k, pub);
    assert_true(note_key_init(&name, "andon/test", pub, &e));
    assert_true(key_sign(k, text->data, text->len, sig, &e));
    note_sign(&name, sig, text);
    snprintf(path, sizeof path, "%s/manifest", dir);
    write_all(path, text->data, text->len);
    key_free(k);
}

void desk_sign_text(const struct box *b, const char *dir)
{
    char path[300];
    struct buf text;
    size_t n;
    snprintf(path, sizeof path, "%s/manifest", dir);
    char *old = read_all(path, &n), *end_of = memmem(old, n, "\n\n", 2);
    assert_non_null(end_of);
    buf_init(&text, 1 << 20);
    buf_add(&text, old, (size_t)(end_of - old) + 1);
    put_manifest(b, dir, &text);
    buf_release(&text);
    free(old);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void desk_sign(const struct box *b, const char *dir)
{
    char path[400], *name[600];
    struct buf text;
    size_t n, files = 0;
    snprintf(path, sizeof path, "%s/manifest", dir);
    char *old = read_all(path, &n), *p = old;
    for (int i = 0; i < 6 && p < old + n; i++) { /* a manifest that was changed may have fewer lines */
        char *end = memchr(p, '\n', (size_t)(old + n - p));
        p = end ? end + 1 : old + n;
    }
    buf_init(&text, 1 << 20);
    buf_add(&text, old, (size_t)(p - old));
    if (text.len == 0 || text.data[text.len - 1] != '\n')
        buf_addc(&text, '\n');
    free(old);
    for (int sub = 0; sub < 2; sub++) {
        snprintf(path, sizeof path, "%s%s", dir, sub ? "/blobs" : "");
        DIR *d = opendir(path);
        for (struct dirent *f; d && (f = readdir(d)) != NULL;) {
            if (f->d_name[0] == '.' || strcmp(f->d_name, "manifest") == 0 || strcmp(f->d_name, "blobs") == 0)
                continue;
            assert_in_range(files, 0, 599);
            assert_true(asprintf(&name[files++], "%s%s", sub ? "blobs/" : "", f->d_name) > 0);
        }
        if (d)
            closedir(d);
    }
    qsort(name, files, sizeof *name, by_text);
    for (size_t i = 0; i < files; i++) {
        char hex[SHA256_HEX];
        snprintf(path, sizeof path, "%s/%s", dir, name[i]);
        char *bytes = read_all(path, &n);
        sha256_hex(bytes, n, hex);
        buf_printf(&text, "%s %zu any %s\n", hex, n, name[i]);
        free(bytes);
        free(name[i]);
    }
    put_manifest(b, dir, &text);
    buf_release(&text);
}

void desk_fill(struct box *b, int n)
{
    struct entry en;
    struct err e = {0};
    char digest[65];
    box_fill(b, n - 1);
    struct audit_log *l = box_open(b);
    assert_true(audit_put_blob(l, "device-1\ndevice-2\n", 18, digest, &e));
    make_entry(&en, ENTRY_INTENT, 500, "");
    entry_str(&en, "devices.blob", digest);
    en.reason = "=cmd|' /C calc'!A1";
    put(l, &en);
    audit_close(l);
}

void desk_export(struct box *b, const struct audit_export_spec *spec, const char *dir)
{
    static const struct audit_export_spec all;
    struct err e = {0};
    struct audit_log *l = box_open(b);
    if (!audit_export(l, spec ? spec : &all, dir, NULL, &e))
        fail_msg("audit_export: %s (%s)", e.what, e.cause);
    audit_close(l);
}
