/* An exported folder, from strangers: its files follow each other, with a byte 0x1e between them. */
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/log.h"

static const char *const FILES[] = {"entries.jsonl", "checkpoint", "vkey", "log.pub", "manifest", "left-out"};
enum { N_FILES = sizeof FILES / sizeof FILES[0] };

static char dir[] = "/tmp/andon-fuzz-XXXXXX";
static int folder = -1;

static void clean(void)
{
    for (int i = 0; i < N_FILES; i++)
        unlinkat(folder, FILES[i], 0);
    rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct audit_report r;
    struct err e = {0};
    struct arena a;
    struct stored s;
    struct buf blob;
    if (folder < 0) {
        must(mkdtemp(dir));
        folder = open(dir, O_RDONLY | O_DIRECTORY);
        atexit(clean);
    }
    for (int i = 0; i < N_FILES; i++) {
        const uint8_t *end = n ? memchr(data, 0x1e, n) : NULL;
        size_t len = end ? (size_t)(end - data) : n;
        unlinkat(folder, FILES[i], 0);
        if (len) {
            int fd = openat(folder, FILES[i], O_WRONLY | O_CREAT | O_TRUNC, 0600);
            must(fd >= 0 && write(fd, data, len) == (ssize_t)len);
            close(fd);
        }
        data += len + (end != NULL);
        n -= len + (end != NULL);
    }
    if (audit_verify_export(dir, NULL, NULL, 0, NULL, &r, &e))
        must(r.text[0] && fuzz_shown(r.text) && strlen(r.text) < sizeof r.text);
    else
        must(e.code != ERR_NONE && fuzz_shown(e.what));
    arena_init(&a);
    for (int64_t seq = 1; seq <= 3; seq++)
        if (audit_export_entry(dir, seq, &a, &s, &e))
            must(s.seq == seq && fuzz_shown(s.reason));
    buf_init(&blob, 1000);
    must(!audit_export_blob(dir, "00", &blob, &e));
    buf_release(&blob);
    arena_release(&a);
    return 0;
}
