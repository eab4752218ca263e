#include "tests/conf/tempdir.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/err.h"

int tempdir_setup(void **state)
{
    char dir[] = "/tmp/andon-test-XXXXXX";
    if (!mkdtemp(dir))
        return -1;
    *state = xstrdup(dir);
    return 0;
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

int tempdir_teardown(void **state)
{
    int rc = nftw(*state, drop, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return rc;
}

const char *tempdir_write(const char *dir, const char *name, const char *text, mode_t mode)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    return path;
}
