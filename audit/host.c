#include "audit/host.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/json.h"
#include "core/text.h"

#define FACT_MAX 256 /* bytes of one fact */

/* Member, through safe_text; left out when there is nothing to say. */
static void fact(struct json_w *w, const char *key, const char *value)
{
    if (!value || !*value)
        return;
    char safe[FACT_MAX];
    safe_text_into(safe, sizeof safe, value, strnlen(value, FACT_MAX));
    json_w_kstr(w, key, safe);
}

/* First line of a small file of the kernel; "" when it cannot be read. */
static void first_line(const char *path, char *out, size_t size)
{
    out[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, out, size - 1);
    close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

static void claimed(struct json_w *w)
{
    json_w_key(w, "claimed");
    json_w_obj(w);
    fact(w, "operator", getenv(HOST_OPERATOR));
    fact(w, "ssh_connection", getenv("SSH_CONNECTION"));
    fact(w, "sudo_user", getenv("SUDO_USER"));
    json_w_obj_end(w);
}

static void kernel(struct json_w *w)
{
    char text[FACT_MAX];
    json_w_key(w, "kernel");
    json_w_obj(w);
    first_line("/proc/sys/kernel/random/boot_id", text, sizeof text);
    fact(w, "boot", text);
    if (gethostname(text, sizeof text) == 0) {
        text[sizeof text - 1] = '\0';
        fact(w, "host", text);
    }
    first_line("/proc/self/loginuid", text, sizeof text);
    if (strcmp(text, "4294967295") != 0) /* (uid_t)-1: no login */
        fact(w, "loginuid", text);
    json_w_kint(w, "pid", getpid());
    if (ttyname_r(STDIN_FILENO, text, sizeof text) == 0 || ttyname_r(STDERR_FILENO, text, sizeof text) == 0)
        fact(w, "tty", text);
    json_w_kint(w, "uid", (int64_t)geteuid());
    json_w_obj_end(w);
}

static void names(struct json_w *w)
{
    struct passwd pw, *found = NULL;
    char *mem = xmalloc(16384);
    json_w_key(w, "names");
    json_w_obj(w);
    if (getpwuid_r(geteuid(), &pw, mem, 16384, &found) == 0 && found)
        fact(w, "user", found->pw_name);
    json_w_obj_end(w);
    free(mem);
}

/* A quote within a string is escaped: this is found only where a member begins. */
#define AFTER_CLOCK ",\"kernel\":"

bool host_facts_now(const struct buf *facts, struct clock *c, struct buf *out)
{
    const char *rest = facts->len > 0 ? strstr(facts->data, AFTER_CLOCK) : NULL;
    struct clock_sync s = clock_sync_state(c);
    if (!rest)
        return buf_add(out, facts->data, facts->len);
    buf_add(out, facts->data, (size_t)(rest - facts->data));
    buf_adds(out, ",\"clock\":{");
    if (s.synced == CLOCK_SYNC_YES)
        buf_printf(out, "\"error_us\":%lld,", (long long)s.error_us);
    buf_printf(out, "\"sync\":\"%s\"}", clock_sync_word(s.synced));
    return buf_adds(out, rest);
}

void host_facts(struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out, 0);
    json_w_obj(&w);
    claimed(&w);
    kernel(&w);
    names(&w);
    json_w_key(&w, "program");
    json_w_obj(&w);
    json_w_kstr(&w, "andon", ANDON_VERSION);
    json_w_obj_end(&w);
    json_w_obj_end(&w);
}
