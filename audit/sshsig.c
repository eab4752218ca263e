#include "audit/sshsig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "audit/place.h"
#include "core/clock.h"
#include "core/text.h"

#define LIST_MAX    ((size_t)1 << 20)
#define SAID_MAX    ((size_t)4096)
#define FILES       3
#define LINES_TRIED 8 /* of one key */
/* Where ssh-keygen finds what it is handed. */
#define AT_SIG     "/dev/fd/3"
#define AT_SIGNERS "/dev/fd/4"
#define AT_REVOKED "/dev/fd/5"

extern char **environ;

/* ---- one run of the program ---- */

struct run {
    const struct buf *input;       /* standard input */
    const struct buf *file[FILES]; /* descriptors 3 and on; NULL = closed */
    bool person;                   /* it may talk to a person, and take his time */
    struct buf out, said;          /* standard output, standard error */
    bool ok;                       /* it ended with 0 */
};

/* A file in memory: needs nobody who goes on writing while the program reads. */
static int memory_file(const struct buf *b)
{
    int fd = memfd_create("andon", MFD_CLOEXEC);

    if (fd >= 0 && b && (!place_write(fd, b->data, b->len) || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        fd = -1;
    }
    /* Out of the way of the numbers that it is to have in the program. */
    int high = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 10) : -1;
    if (fd >= 0)
        close(fd);
    return high;
}

static void small_environment(char *env[4], char text[3][600])
{
    static const char *const keep[] = {"PATH", "TZ"};
    size_t n = 0;

    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) {
        const char *v = getenv(keep[i]);

        if (!v && i == 0)
            v = "/usr/local/bin:/usr/bin:/bin";
        if (v && snprintf(text[n], sizeof text[n], "%s=%s", keep[i], v) < (int)sizeof text[n]) {
            env[n] = text[n];
            n++;
        }
    }
    env[n] = NULL;
}

static int spawn(const struct run *r, const int in[1 + FILES], int out, int said, const char *const *argv, pid_t *pid)
{
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    sigset_t none, all;
    char *env[4], text[3][600];
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;

    small_environment(env, text);
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&at);
    posix_spawn_file_actions_adddup2(&fa, in[0], 0);
    posix_spawn_file_actions_adddup2(&fa, out, 1);
    if (said >= 0)
        posix_spawn_file_actions_adddup2(&fa, said, 2);
    for (int i = 0; i < FILES; i++)
        if (in[1 + i] >= 0)
            posix_spawn_file_actions_adddup2(&fa, in[1 + i], 3 + i);
    posix_spawn_file_actions_addclosefrom_np(&fa, 3 + FILES);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&at, &none);
    posix_spawnattr_setsigdefault(&at, &all);
    if (!r->person) { /* a person's stays in the terminal's group: Ctrl-C, and its questions, are his */
        posix_spawnattr_setpgroup(&at, 0);
        flags |= POSIX_SPAWN_SETPGROUP;
    }
    posix_spawnattr_setflags(&at, flags);
    char *args[16];
    size_t n = 0;
    for (; argv[n] && n < 15; n++)
        args[n] = (char *)(uintptr_t)argv[n]; /* posix_spawn does not write to them */
    args[n] = NULL;
    int rc = posix_spawnp(pid, "ssh-keygen", &fa, &at, args, r->person ? environ : env);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&at);
    return rc;
}

/* Reads both pipes to their ends. False: it took too long, or said too much. */
static bool listen_to(struct run *r, int fd[2])
{
    int64_t until = clock_now(clock_real()) + SSHSIG_LIMIT_US;
    bool open[2] = {fd[0] >= 0, fd[1] >= 0};

    while (open[0] || open[1]) {
        struct pollfd p[2] = {{open[0] ? fd[0] : -1, POLLIN, 0}, {open[1] ? fd[1] : -1, POLLIN, 0}};
        int64_t left = (until - clock_now(clock_real())) / 1000;
        int n = poll(p, 2, r->person ? -1 : left > 0 ? (int)left : 0);

        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        for (int i = 0; n > 0 && i < 2; i++) {
            char bytes[1024];
            ssize_t k = p[i].revents ? read(fd[i], bytes, sizeof bytes) : -1;

            if (k > 0 && !buf_add(i ? &r->said : &r->out, bytes, (size_t)k))
                return false;
            open[i] = open[i] && k != 0;
        }
    }
    return true;
}

static void close_all(const int *fd, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fd[i] >= 0)
            close(fd[i]);
}

/* argv begins with "ssh-keygen". False (*e): it could not be run. */
static bool run(struct run *r, const char *const *argv, struct err *e)
{
    int in[1 + FILES], out[2] = {-1, -1}, said[2] = {-1, -1}, status = 0;
    pid_t pid = -1;

    buf_init(&r->out, r->person ? SSHSIG_MAX : SAID_MAX);
    buf_init(&r->said, SAID_MAX);
    r->ok = false;
    for (int i = 0; i <= FILES; i++)
        in[i] = i == 0 || r->file[i - 1] ? memory_file(i == 0 ? r->input : r->file[i - 1]) : -1;
    bool ready = in[0] >= 0 && pipe2(out, O_CLOEXEC) == 0 && (r->person || pipe2(said, O_CLOEXEC) == 0);
    for (int i = 0; i < FILES; i++)
        ready = ready && (!r->file[i] || in[1 + i] >= 0);
    int rc = ready ? spawn(r, in, out[1], said[1], argv, &pid) : errno;
    close_all(in, 1 + FILES);
    close_all((int[]){out[1], said[1]}, 2);
    bool whole = rc == 0 && listen_to(r, (int[]){out[0], said[0]});
    close_all((int[]){out[0], said[0]}, 2);
    if (rc != 0) {
        errno = rc;
        return err_errno(e, ERR_IO, "Install OpenSSH's client (ssh-keygen).", "ssh-keygen cannot be run");
    }
    if (!whole && !r->person)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!whole)
        return err_set(e, ERR_IO, "Run it by hand.", "ssh-keygen did not answer in time, or said too much");
    r->ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return true;
}

static void run_release(struct run *r)
{
    buf_release(&r->out);
    buf_release(&r->said);
}

bool sshsig_there(struct err *e)
{
    const char *const argv[] = {"ssh-keygen", "-Y", "check-novalidate", "-n", "andon", "-s", AT_SIG, NULL};
    struct buf none = {.data = (char *)(uintptr_t) ""};
    struct run r = {.input = &none, .file = {&none}};
    bool ok = run(&r, argv, e); /* it is no signature; that it says so is enough */
    run_release(&r);
    return ok;
}

/* ---- whose keys count ---- */

/* ssh-keygen takes a file that is no KRL for a list of public keys, and passes over each line that is none. */
static bool revokes(const struct buf *b)
{
    static const char *const types[] = {"ssh-", "ecdsa-", "sk-", "#"};

    if (b->len >= 8 && memcmp(b->data, "SSHKRL\n", 8) == 0)
        return true;
    for (const char *at = b->data; *at;) {
        size_t n = strcspn(at, "\n");
        bool known = strspn(at, " \t\r") >= n;

        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
            known = known || strncmp(at, types[i], strlen(types[i])) == 0;
        if (!known)
            return false;
        at += n + (at[n] == '\n');
    }
    return strlen(b->data) == b->len;
}

static bool read_list(const char *path, struct buf *out, struct err *e)
{
    struct stat st;

    if (place_file_ok(path, false, &st, e) && place_read(path, LIST_MAX, out, e))
        return true;
    if (e && !*e->next)
        snprintf(e->next, sizeof e->next, "It must be a file of yours or root's that nobody else can write to.");
    return false;
}

bool sshsig_trust_read(const char *signers, const char *revoked, struct sshsig_trust *out, struct err *e)
{
    struct buf both;

    buf_init(&out->signers, LIST_MAX);
    buf_init(&out->revoked, LIST_MAX);
    if (!read_list(signers, &out->signers, e) || (*revoked && !read_list(revoked, &out->revoked, e)))
        return false;
    if (*revoked && (out->revoked.len == 0 || !revokes(&out->revoked)))
        return err_set(e, ERR_SYNTAX, "Make it with `ssh-keygen -k`, or name public keys, one a line.",
                       "%.200s: not a list of revoked keys", revoked);
    buf_init(&both, 2 * LIST_MAX + 1);
    buf_add(&both, out->signers.data, out->signers.len);
    buf_addc(&both, '\0');
    buf_add(&both, out->revoked.data, out->revoked.len);
    sha256_hex(both.data, both.len, out->digest);
    buf_release(&both);
    return true;
}

void sshsig_trust_release(struct sshsig_trust *t)
{
    buf_release(&t->signers);
    buf_release(&t->revoked);
}

/* ---- checking ---- */

/* The first words of what it said on standard error. */
static const char *said(const struct run *r, char out[200])
{
    safe_text_into(out, 200, r->said.data, strcspn(r->said.data, "\n"));
    return *out ? out : "ssh-keygen does not say why";
}

/* The word that begins at `at`, where it fits and is not empty. */
static bool take_word(const char *at, char *out, size_t size)
{
    size_t n = strcspn(at, " \n");

    if (n == 0 || n >= size)
        return false;
    memcpy(out, at, n);
    out[n] = '\0';
    return true;
}

/* "... with ED25519 key SHA256:..." */
static bool take_key(const struct run *r, struct sshsig_good *out)
{
    const char *with = strstr(r->out.data, " with "), *key = with ? strstr(with, " key SHA256:") : NULL;

    return key && take_word(with + strlen(" with "), out->type, sizeof out->type) &&
           take_word(key + strlen(" key "), out->key, sizeof out->key);
}

/* Is it a signature of these bytes in the namespace, whoever's? Who signed it then is known. */
static bool check_bytes(const char *name_space, struct run *r, struct sshsig_good *out, struct err *e)
{
    const char *const argv[] = {"ssh-keygen", "-Y", "check-novalidate", "-n", name_space, "-s", AT_SIG, NULL};
    char why[200], next[200];

    if (!run(r, argv, e))
        return false;
    if (r->ok)
        return take_key(r, out) ? true
                                : err_set(e, ERR_IO, "Is it OpenSSH's?", "what ssh-keygen says cannot be read: %.100s",
                                          said(r, why));
    snprintf(next, sizeof next, "Sign with: ssh-keygen -Y sign -n %s -f KEY FILE", name_space);
    if (strstr(r->said.data, "namespace"))
        return err_set(e, ERR_REFUSED, next, "the signature was given for another purpose: its namespace is not %s",
                       name_space);
    if (strstr(r->said.data, "incorrect signature"))
        return err_set(e, ERR_REFUSED, "Take text and signature as they were made, or have it signed anew.",
                       "the signature is not of this text: one of them was changed");
    return err_set(e, ERR_REFUSED, "It is what ssh-keygen -Y sign writes, from BEGIN to END.",
                   "that is no SSH signature: %.150s", said(r, why));
}

/* The names of the key in the list, each on a line; patterns are nobody's name. */
static bool take_names(const struct run *r, struct sshsig_good *out, struct err *e)
{
    size_t len = 0;

    out->people[0] = '\0';
    for (const char *at = r->out.data; *at;) {
        size_t n = strcspn(at, "\n");
        bool plain = n > 0;

        for (size_t i = 0; i < n; i++)
            plain = plain && at[i] > ' ' && at[i] < 0x7f && !strchr("*?!,\"", at[i]);
        if (plain && len + n + 2 > sizeof out->people)
            return err_set(e, ERR_REFUSED, "One or two names are enough.",
                           "key %.60s has too many names in the list of signers", out->key);
        if (plain)
            len += (size_t)snprintf(out->people + len, sizeof out->people - len, "%s%.*s", len ? " " : "", (int)n, at);
        at += n + (at[n] == '\n');
    }
    return len > 0 ||
           err_set(e, ERR_REFUSED, "Give the key the name of one person in the list of signers.",
                   "key %.60s has only a pattern for a name in the list of signers: that says nothing about who "
                   "it is",
                   out->key);
}

static bool check_names(struct run *r, struct sshsig_good *out, struct err *e)
{
    const char *const argv[] = {"ssh-keygen", "-Y", "find-principals", "-s", AT_SIG, "-f", AT_SIGNERS, NULL};
    const char *time;

    if (!run(r, argv, e))
        return false;
    if (r->ok)
        return take_names(r, out, e);
    time = strstr(r->said.data, "verify time ");
    if (time && (strstr(r->said.data, "expired") || strstr(r->said.data, "not yet valid"))) {
        char when[120];

        safe_text_into(when, sizeof when, time, strcspn(time, "\n"));
        return err_set(e, ERR_REFUSED, "Sign with a key that is good now, or have its time in the list changed.",
                       "key %.60s is %s by the list of signers: %s", out->key,
                       strstr(r->said.data, "expired") ? "expired" : "not good yet", when);
    }
    return err_set(e, ERR_REFUSED, "Whoever keeps the list of signers adds who may approve.",
                   "key %.60s is not in the list of signers", out->key);
}

/* Everything at once, as anybody else would check it; `revoked`: with the list of those. */
static bool verify(const char *name_space, const struct sshsig_good *who, bool revoked, struct run *r, struct err *e)
{
    char name[sizeof who->people];
    const char *argv[] = {"ssh-keygen", "-Y",   "verify", "-n",       name_space, "-I",       name,
                          "-s",         AT_SIG, "-f",     AT_SIGNERS, "-r",       AT_REVOKED, NULL};

    snprintf(name, sizeof name, "%.*s", (int)strcspn(who->people, " "), who->people);
    if (!revoked)
        argv[11] = NULL;
    return run(r, argv, e);
}

static bool check_all(const char *name_space, struct run *r, struct sshsig_good *out, struct err *e)
{
    bool revoked = r->file[2] != NULL;
    char why[200];

    if (!verify(name_space, out, revoked, r, e))
        return false;
    if (r->ok)
        return true;
    said(r, why);
    /* ssh-keygen names whom it finds in the first line of the key, which may be for another purpose: others may do. */
    struct sshsig_good other = *out;
    for (size_t i = 0;
         i < LINES_TRIED && sshsig_signer(r->file[1], name_space, out->key, i, other.people, sizeof other.people);
         i++) {
        run_release(r);
        if (!verify(name_space, &other, revoked, r, e))
            return false;
        if (r->ok) {
            *out = other;
            return true;
        }
    }
    if (revoked) {
        run_release(r);
        if (!verify(name_space, out, false, r, e))
            return false;
        if (r->ok)
            return err_set(e, ERR_REFUSED, "Sign with a key that is good now.", "key %.60s of %.80s is revoked",
                           out->key, out->people);
    }
    return err_set(e, ERR_REFUSED, "Look at the key's line in the list of signers.",
                   "the list of signers does not let %.80s sign this with key %.60s: %.100s", out->people, out->key,
                   why);
}

bool sshsig_check(const char *name_space, const struct buf *text, const struct buf *sig, const struct sshsig_trust *t,
                  struct sshsig_good *out, struct err *e)
{
    struct run r = {.input = text, .file = {sig, &t->signers, t->revoked.len ? &t->revoked : NULL}};

    memset(out, 0, sizeof *out);
    bool ok = check_bytes(name_space, &r, out, e);
    run_release(&r);
    ok = ok && check_names(&r, out, e);
    run_release(&r);
    ok = ok && check_all(name_space, &r, out, e);
    run_release(&r);
    return ok;
}

bool sshsig_sign(const char *name_space, const char *key, const struct buf *text, struct buf *sig, struct err *e)
{
    const char *const argv[] = {"ssh-keygen", "-q", "-Y", "sign", "-n", name_space, "-f", key, NULL};
    struct run r = {.input = text, .person = true};
    bool ok = run(&r, argv, e);

    if (ok && !r.ok)
        ok = err_set(e, ERR_REFUSED, "What ssh-keygen said stands above.", "nothing was signed with %.200s", key);
    if (ok)
        ok = buf_add(sig, r.out.data, r.out.len) || err_set(e, ERR_LIMIT, "", "the signature is too long");
    run_release(&r);
    return ok;
}
