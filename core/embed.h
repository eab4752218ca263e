/* Files compiled into the program: EMBED(name, "path") defines the bytes `name`, NUL-terminated, and `name_len`.
 * Paths are relative to the top folder, from where make runs. */
#ifndef ANDON_CORE_EMBED_H
#define ANDON_CORE_EMBED_H

#include <stddef.h>

#define EMBED_STR_(x) #x
#define EMBED(name, path)                                                                                              \
    __asm__(".section .rodata\n"                                                                                       \
            ".balign 16\n"                                                                                             \
            "embed_" EMBED_STR_(name) ":\n"                                                                            \
                                      ".incbin \"" path "\"\n"                                                         \
                                      "embed_" EMBED_STR_(name) "_end:\n"                                              \
                                                                ".byte 0\n"                                            \
                                                                ".previous\n");                                        \
    extern const char embed_##name[], embed_##name##_end[]

#define EMBED_BYTES(name) (embed_##name)
#define EMBED_LEN(name)   ((size_t)(embed_##name##_end - embed_##name))

#endif
