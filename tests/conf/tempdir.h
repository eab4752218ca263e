/* A folder of its own for each test, gone after it. */
#ifndef ANDON_TESTS_CONF_TEMPDIR_H
#define ANDON_TESTS_CONF_TEMPDIR_H

#include <sys/types.h>

/* cmocka setup and teardown: *state is the folder's path. */
int tempdir_setup(void **state);
int tempdir_teardown(void **state);
/* Writes a file into it with exactly this mode. The path is good until the next call. */
const char *tempdir_write(const char *dir, const char *name, const char *text, mode_t mode);

#endif
