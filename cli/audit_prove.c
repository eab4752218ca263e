/* andon audit prove: the proof that one entry is in the log; and what verify says of such a file. */
#include "cli/audit_prove.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/audit_export.h"
#include "core/fmt.h"
#include "core/text.h"

/* Where the work of one proof is kept for the next: $XDG_CACHE_HOME/andon/KEY.subtrees. False: nowhere. */
static bool cache_path(struct audit_log *l, char *out, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char dir[512], key[SHA256_HEX];
    bool xdg = cache && cache[0] == '/';

    if ((!xdg && !(home && home[0] == '/')) ||
        snprintf(dir, sizeof dir, "%s%s", xdg ? cache : home, xdg ? "" : "/.cache") >= (int)sizeof dir - 8)
        return false;
    mkdir(dir, 0700);
    memcpy(dir + strlen(dir), "/andon", sizeof "/andon");
    mkdir(dir, 0700);
    sha256_hex(audit_vkey(l), strlen(audit_vkey(l)), key);
    return access(dir, W_OK) == 0 && snprintf(out, size, "%s/%.16s.subtrees", dir, key) < (int)size;
}

static bool entry_number(const char *text, int64_t *out, struct err *e)
{
    char *end;

    errno = 0;
    *out = strtoll(text, &end, 10);
    return (*text >= '1' && *text <= '9' && !*end && errno == 0) ||
           err_set(e, ERR_SYNTAX, "`andon audit show` has the numbers.", "\"%.40s\" is no entry's number", text);
}

/* Into a new file, whole or not at all; one that is there is not touched. */
static bool write_new(const char *path, const struct buf *text, struct err *e)
{
    struct buf name;

    buf_init(&name, 8192);
    buf_printf(&name, "%s.XXXXXX", path);
    int fd = name.over ? -1 : mkostemp(name.data, O_CLOEXEC);
    bool made = fd >= 0;
    bool ok = made && fchmod(fd, 0644) == 0 && write(fd, text->data, text->len) == (ssize_t)text->len && fsync(fd) == 0;

    ok = (!made || close(fd) == 0) && ok && link(name.data, path) == 0;
    if (!ok)
        err_errno(e, errno == EEXIST ? ERR_CONFLICT : ERR_IO, "Name a new file.",
                  "the proof cannot be written to %.200s", path);
    if (made)
        unlink(name.data);
    buf_release(&name);
    return ok;
}

static bool prove(const struct args *a, struct audit_log *l, struct err *e)
{
    char cache[600], n[FMT_MAX], of[FMT_MAX];
    bool kept = cache_path(l, cache, sizeof cache), ok;
    struct audit_proved p;
    struct buf text;
    int64_t seq;

    if (!entry_number(a->pos[2], &seq, e))
        return false;
    buf_init(&text, (size_t)64 << 10);
    ok = audit_prove(l, seq, kept ? cache : NULL, &text, &p, e) && (a->n_pos < 4 || write_new(a->pos[3], &text, e));
    if (ok && a->n_pos < 4) {
        print_out(&text);
    } else if (ok && a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kstr(&o.w, "file", a->pos[3]);
        json_w_kint(&o.w, "seq", p.seq);
        json_w_kint(&o.w, "size", p.size);
        json_w_kstr(&o.w, "root", p.root);
        json_w_kint(&o.w, "cosignatures", p.cosignatures);
        json_w_kstr(&o.w, "vkey", audit_vkey(l));
        json_end(&o);
    } else if (ok) {
        printf("%s: entry %s is one of the first %s of the log; with it go %d cosignature%s, not checked here\n"
               "Verify it with: sh verify.sh '%s' %s\n",
               a->pos[3], fmt_count(n, p.seq), fmt_count(of, p.size), p.cosignatures, p.cosignatures == 1 ? "" : "s",
               audit_vkey(l), a->pos[3]);
    }
    buf_release(&text);
    return ok;
}

int audit_prove_run(const struct args *a, const struct session *s)
{
    struct audit_spec spec = s->audit;
    struct audit_log *l;
    struct err e = {0};
    bool ok;

    /* The log is not verified whole before it: a proof is checked against the signed root before it is given away. */
    spec.read_only = true;
    l = audit_open(&spec, &e);
    ok = l && prove(a, l, &e);
    if (l)
        audit_close(l);
    return ok ? EXIT_OK : audit_fail(a, &e);
}

/* The key that was named, else that of the session's own log. */
static bool log_key(const struct args *a, const struct session *s, char *out, size_t size, struct err *e)
{
    struct audit_spec spec = s->audit;
    struct audit_log *l;

    spec.read_only = true;
    if (a->val[OPT_VKEY]) {
        snprintf(out, size, "%s", a->val[OPT_VKEY]);
        return true;
    }
    l = audit_open(&spec, e);
    if (!l)
        return err_set(e, ERR_NOT_FOUND, "Name the key of the log that it is of, with --vkey.",
                       "a proof is verified with a key, and there is no log here to take it from");
    snprintf(out, size, "%s", audit_vkey(l));
    audit_close(l);
    return true;
}

int audit_verify_proof_file(const struct args *a, const struct session *s, const char *path)
{
    char vkey[256];
    struct audit_proved p;
    struct buf leaf;
    struct err e = {0};

    buf_init(&leaf, ENTRY_MAX);
    if (!log_key(a, s, vkey, sizeof vkey, &e) ||
        !audit_verify_proof(path, vkey, s->audit.witnesses, s->audit.n_witnesses, &p, &leaf, &e)) {
        buf_release(&leaf);
        return audit_fail(a, &e);
    }
    if (a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kbool(&o.w, "verified", p.ok);
        json_w_kint(&o.w, "seq", p.seq);
        json_w_kint(&o.w, "size", p.size);
        json_w_kstr(&o.w, "origin", p.origin);
        json_w_kstr(&o.w, "root", p.root);
        json_w_kstr(&o.w, "key", p.key_id);
        json_w_kint(&o.w, "witnesses", p.witnesses);
        json_w_kstr(&o.w, "entry", p.ok ? leaf.data : "");
        json_w_kstr(&o.w, "text", p.text);
        json_end(&o);
    } else {
        if (p.ok) {
            struct buf shown;

            buf_init(&shown, ENTRY_MAX * 8);
            safe_text_append(&shown, leaf.data, leaf.len);
            printf("entry      %s\nroot       %s, of %" PRId64 " entries\n", shown.data, p.root, p.size);
            buf_release(&shown);
        }
        printf("%s\n", p.text);
    }
    buf_release(&leaf);
    return p.ok ? EXIT_OK : EXIT_FAILED;
}
