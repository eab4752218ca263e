/* What a plug-in's program may do: set up between fork and exec, where only async-signal-safe calls are allowed. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "client/plugin_impl.h"

/* Landlock's own numbers (Linux 5.13, linux/landlock.h), which do not change: the headers here may be older than the
 * kernel. */
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#define __NR_landlock_add_rule       445
#define __NR_landlock_restrict_self  446
#endif
#define RULESET_VERSION   1u
#define RULE_PATH_BENEATH 1
#define FS_EXECUTE        (UINT64_C(1) << 0)
#define FS_WRITE_FILE     (UINT64_C(1) << 1)
#define FS_READ_FILE      (UINT64_C(1) << 2)
#define FS_READ_DIR       (UINT64_C(1) << 3)
#define FS_TRUNCATE       (UINT64_C(1) << 14)
#define FS_IOCTL_DEV      (UINT64_C(1) << 15)
#define FS_OF_FILE        (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define FS_LOOK           (FS_EXECUTE | FS_READ_FILE | FS_READ_DIR)
#define SCOPE_SIGNAL      (UINT64_C(1) << 1)

struct ruleset {
    uint64_t fs, net, scoped;
};
struct path_beneath {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

/* All that a version knows: 13 rights, then one each with versions 2 (moves), 3 (truncate) and 5 (devices' ioctl). */
static uint64_t all_rights(int abi)
{
    return (UINT64_C(1) << (abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13)) - 1;
}

/* What is not there needs no rule. */
static void allow(int rules, const char *path, uint64_t rights)
{
    struct stat st;
    int fd = *path ? open(path, O_PATH | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0) {
        struct path_beneath rule = {.allowed = S_ISDIR(st.st_mode) ? rights : rights & FS_OF_FILE, .fd = fd};
        syscall(__NR_landlock_add_rule, rules, RULE_PATH_BENEATH, &rule, 0);
    }
    close(fd);
}

int sandbox_rules(const struct plugin_spec *spec, const char *program, const char *ca_file, int *abi)
{
    /* Programs and their libraries, certificates, the names of hosts. Not /proc: other processes' environments. */
    static const char *const system_files[] = {
        "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/etc", "/run/systemd/resolve"};
    static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
    long version = syscall(__NR_landlock_create_ruleset, NULL, 0, RULESET_VERSION);
    *abi = version > 0 ? (int)version : 0;
    if (version <= 0)
        return -1;
    uint64_t all = all_rights(*abi);
    struct ruleset r = {.fs = all, .scoped = *abi >= 6 ? SCOPE_SIGNAL : 0};
    size_t size = *abi >= 6 ? sizeof r : *abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    int rules = (int)syscall(__NR_landlock_create_ruleset, &r, size, 0);
    if (rules < 0)
        return -1;
    for (size_t i = 0; i < sizeof system_files / sizeof *system_files; i++)
        allow(rules, system_files[i], FS_LOOK);
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        allow(rules, devices[i], FS_READ_FILE | FS_WRITE_FILE);
    allow(rules, program, FS_LOOK);
    if (!spec->argv && spec->folder)
        allow(rules, spec->folder, FS_LOOK);
    allow(rules, ca_file, FS_READ_FILE);
    for (size_t i = 0; spec->read && spec->read[i]; i++)
        allow(rules, spec->read[i], FS_LOOK);
    for (size_t i = 0; spec->write && spec->write[i]; i++)
        allow(rules, spec->write[i], all & ~FS_EXECUTE);
    return rules;
}

static bool limit(int what, rlim_t most)
{
    struct rlimit l;
    if (getrlimit((__rlimit_resource_t)what, &l) != 0)
        return false;
    l.rlim_max = l.rlim_max < most ? l.rlim_max : most;
    l.rlim_cur = l.rlim_max;
    return setrlimit((__rlimit_resource_t)what, &l) == 0;
}

void sandbox_enter(pid_t parent, int rules, struct sandbox_report *out)
{
    out->dies_with_us = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
    if (getppid() != parent) /* it died before that call */
        _exit(127);
    /* Memory of its own, not address space: some languages reserve much that they never touch. */
    bool data = limit(RLIMIT_DATA, (rlim_t)512 << 20), files = limit(RLIMIT_NOFILE, 256), core = limit(RLIMIT_CORE, 0);
    out->limits = data && files && core;
    out->new_privileges = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    out->landlock = rules >= 0 && out->new_privileges && syscall(__NR_landlock_restrict_self, rules, 0) == 0;
}
