/* Shared by the fuzz harnesses: each is one LLVMFuzzerTestOneInput() that gives bytes to what reads bytes from outside,
 * and ends the process when something that must hold does not. `make fuzz` builds and runs them (docs/fuzzing.md). */
#ifndef ANDON_TESTS_FUZZ_H
#define ANDON_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What must hold. The sanitizers' report shows where. */
#define must(what)                                                                                                     \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);                                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Text that may be shown: no control characters. */
static inline bool fuzz_shown(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    return true;
}

#endif
