#include "audit/peer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "audit/leaf.h"
#include "core/json.h"
#include "core/text.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* asm-generic/socket.h; refused by an older kernel */
#endif
#define NO_LOGIN 4294967295 /* (uid_t)-1 */
#define FACT_MAX 256

static int64_t login_of(pid_t pid)
{
    char path[64], text[32];
    int64_t uid;
    snprintf(path, sizeof path, "/proc/%ld/loginuid", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    return n > 0 && slice_int((struct slice){text, (size_t)n - (text[n - 1] == '\n')}, &uid) && uid != NO_LOGIN ? uid
                                                                                                                : -1;
}

/* Does the process that connected still live, now that something was looked up under its number? */
static bool still_it(int fd)
{
    int pidfd = -1;
    socklen_t n = sizeof pidfd;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &n) != 0)
        return false;
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    bool lives = poll(&p, 1, 0) == 0;
    close(pidfd);
    return lives;
}

bool peer_of(int fd, struct peer *out, struct err *e)
{
    struct ucred c;
    socklen_t n = sizeof c;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) != 0 || n != sizeof c)
        return err_errno(e, ERR_IO, "", "the kernel does not say who is at the other end");
    *out = (struct peer){.uid = c.uid, .gid = c.gid, .pid = c.pid, .loginuid = login_of(c.pid)};
    out->login_sure = out->loginuid >= 0 && still_it(fd);
    peer_name(c.uid, out->user);
    return true;
}

void peer_name(uid_t uid, char out[64])
{
    struct passwd pw, *found = NULL;
    char *mem = xmalloc(16384), number[32];
    snprintf(number, sizeof number, "uid-%lu", (unsigned long)uid);
    const char *name = getpwuid_r(uid, &pw, mem, 16384, &found) == 0 && found ? pw.pw_name : number;
    safe_text_into(out, 64, name, strlen(name));
    free(mem);
}

bool peer_may(const struct peer_rule *r, uid_t uid)
{
    bool ok = uid == 0 || uid == geteuid() || !r->users;
    for (size_t i = 0; !ok && i < r->n; i++)
        ok = r->users[i] == uid;
    return ok;
}

/* ---- facts ---- */

static void fact(struct json_w *w, const char *key, struct slice value)
{
    char plain[FACT_MAX];
    struct arena a;
    if (value.n == 0)
        return;
    arena_init(&a);
    const char *text = leaf_text(&a, value);
    safe_text_into(plain, sizeof plain, text, strlen(text));
    json_w_kstr(w, key, plain);
    arena_release(&a);
}

/* A string of an object in an object; absent. */
static struct slice said_of(struct slice said, const char *source, const char *key)
{
    struct member m, in;
    for (size_t at = 0; said.n > 0 && leaf_member(said, &at, &m);)
        if (m.is_object && slice_is(m.key, source))
            for (size_t k = 0; leaf_member(m.value, &k, &in);)
                if (in.is_string && slice_is(in.key, key))
                    return in.value;
    return (struct slice){0};
}

/* The first line of a small file of the kernel. */
static void own_fact(struct json_w *w, const char *path, const char *key)
{
    char text[FACT_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : 0;
    if (fd >= 0)
        close(fd);
    if (n > 0)
        fact(w, key, (struct slice){text, (size_t)n - (text[n - 1] == '\n')});
}

static void about(struct json_w *w, const char *source)
{
    json_w_key(w, source);
    json_w_obj(w);
}

void peer_facts(const struct peer *p, struct slice said, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out, 0);
    json_w_obj(&w);
    about(&w, "claimed");
    fact(&w, "andon", said_of(said, "program", "andon"));
    fact(&w, "operator", said_of(said, "claimed", "operator"));
    fact(&w, "ssh_connection", said_of(said, "claimed", "ssh_connection"));
    fact(&w, "sudo_user", said_of(said, "claimed", "sudo_user"));
    fact(&w, "tty", said_of(said, "kernel", "tty"));
    json_w_obj_end(&w);
    about(&w, "kernel");
    own_fact(&w, "/proc/sys/kernel/random/boot_id", "boot");
    json_w_kint(&w, "gid", (int64_t)p->gid);
    own_fact(&w, "/proc/sys/kernel/hostname", "host");
    if (p->login_sure) {
        char uid[24];
        snprintf(uid, sizeof uid, "%" PRId64, p->loginuid);
        json_w_kstr(&w, "loginuid", uid);
    }
    json_w_kint(&w, "pid", (int64_t)p->pid);
    json_w_kint(&w, "uid", (int64_t)p->uid);
    json_w_obj_end(&w);
    about(&w, "names");
    json_w_kstr(&w, "user", p->user);
    json_w_obj_end(&w);
    if (p->loginuid >= 0 && !p->login_sure) {
        char uid[24];
        about(&w, "proc"); /* of whoever had the pid when it was looked up */
        snprintf(uid, sizeof uid, "%" PRId64, p->loginuid);
        json_w_kstr(&w, "loginuid", uid);
        json_w_obj_end(&w);
    }
    about(&w, "program");
    json_w_kstr(&w, "andon", ANDON_VERSION);
    json_w_obj_end(&w);
    about(&w, "writer");
    json_w_kint(&w, "pid", getpid());
    json_w_kint(&w, "uid", (int64_t)geteuid());
    json_w_obj_end(&w);
    json_w_obj_end(&w);
}

/* ---- what a client may write ---- */

bool peer_entry(const char *user, const struct entry *en, bool *follows, struct err *e)
{
    /* What a new version adds is its writer's until it is named here. A receipt proves itself. */
    static const enum entry_kind clients[] = {
        ENTRY_SESSION, ENTRY_INTENT, ENTRY_STEP,   ENTRY_OUTCOME, ENTRY_RECOVERED, ENTRY_APPROVAL,
        ENTRY_HALT,    ENTRY_ACK,    ENTRY_WATCH,  ENTRY_REFUSED, ENTRY_DEGRADED,  ENTRY_CONFIG,
        ENTRY_EXPORT,  ENTRY_VERIFY, ENTRY_NOTICE, ENTRY_RECEIPT, ENTRY_EVIDENCE,  ENTRY_PLAN,
        ENTRY_TELL,    ENTRY_INTEL,  ENTRY_VEX,    ENTRY_ACCEPT,  ENTRY_CRA,       ENTRY_REPORT,
    };
    bool may = false, own = en->actor.kind == ACTOR_RULE || strcmp(en->actor.name, user) == 0;
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++)
        may = may || clients[i] == en->kind;
    if (en->kind == ENTRY_CONFIG && (strcmp(en->result, "removed") == 0 || strcmp(en->result, "hold-removed") == 0))
        may = false; /* what is kept is its writer's to say (audit/keep.h) */
    *follows =
        !own && en->corr != 0 && (en->kind == ENTRY_STEP || en->kind == ENTRY_OUTCOME || en->kind == ENTRY_RECOVERED);
    if (!may)
        return err_set(e, ERR_STATE, "", "an entry of kind %s is written by the guard alone",
                       entry_kind_word(en->kind));
    if (!own && !*follows)
        return err_set(e, ERR_STATE, "", "%.60s cannot write an entry in the name of %.60s", user, en->actor.name);
    return true;
}
