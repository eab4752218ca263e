/* What comes from others about when and how far a log was there: a time stamping authority's token and answer, and
 * lines with the log's heads in a file that anybody may have written to. Nothing that is not signed counts. */
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "audit/heads.h"
#include "audit/stamp.h"

static void token(const uint8_t *p, size_t n)
{
    unsigned char digest[SHA256_BYTES] = {0}, nonce[STAMP_NONCE] = {0};
    struct stamp s;
    struct err e = {0};
    struct buf out;
    if (stamp_token(p, n, digest, NULL, &s, &e))
        must(fuzz_shown(s.serial) && fuzz_shown(s.signer));
    else
        must(e.code != ERR_NONE && fuzz_shown(e.what));
    buf_init(&out, STAMP_TOKEN_MAX);
    must(!stamp_answer(p, n, digest, nonce, "/nonexistent", &out, &s, &e));
    must(fuzz_shown(e.what));
    buf_release(&out);
}

static void heads(const uint8_t *p, size_t n)
{
    static char path[] = "/tmp/andon-fuzz-heads-XXXXXX";
    static int fd = -1;
    static struct note_key key;
    static struct verifier *v;
    const uint8_t pub[KEY_PUBLIC_LEN] = {11}; /* nobody has its key */
    const uint8_t leaf[HASH_LEN] = {0};
    struct heads_word w;
    struct heads h;
    struct tree t;
    struct err e = {0};
    if (fd < 0) {
        fd = mkstemp(path);
        v = verifier_new(pub, &e);
        must(fd >= 0 && v && note_key_init(&key, "andon/hub-a", pub, &e));
    }
    must(ftruncate(fd, 0) == 0 && pwrite(fd, p, n, 0) == (ssize_t)n);
    if (!heads_read(&h, path, &e)) {
        must(e.code != ERR_NONE && fuzz_shown(e.what));
        return;
    }
    tree_init(&t);
    for (int i = 0; i < 3; i++) {
        tree_push(&t, leaf);
        heads_meet(&h, &t);
    }
    heads_judge(&h, &key, v, &w);
    must(w.good == 0 && !w.wrong && w.newest == 0 && w.others == (int64_t)h.n);
    heads_release(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    token(data, n);
    heads(data, n);
    return 0;
}
