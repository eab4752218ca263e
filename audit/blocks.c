#include "audit/blocks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/folder.h"
#include "audit/place.h"

#define MAGIC     "andon-subtrees 1\n"
#define MAGIC_LEN (sizeof MAGIC - 1)
#define FILE_MAX  ((size_t)1 << 30)

void blocks_init(struct blocks *b)
{
    memset(b, 0, sizeof *b);
}

void blocks_release(struct blocks *b)
{
    free(b->root);
}

static void add(struct blocks *b, const uint8_t root[HASH_LEN])
{
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 64;
        b->root = xreallocarray(b->root, b->cap, sizeof *b->root);
    }
    memcpy(b->root[b->n++], root, HASH_LEN);
}

bool blocks_load(struct blocks *b, const char *path)
{
    struct buf text;
    buf_init(&text, FILE_MAX);
    bool ok = folder_read(AT_FDCWD, path, &text, NULL) && text.len >= MAGIC_LEN &&
              memcmp(text.data, MAGIC, MAGIC_LEN) == 0 && (text.len - MAGIC_LEN) % HASH_LEN == 0;
    b->n = 0;
    for (size_t at = MAGIC_LEN; ok && at < text.len; at += HASH_LEN)
        add(b, (const uint8_t *)text.data + at);
    b->loaded = b->n;
    buf_release(&text);
    return ok;
}

void blocks_save(struct blocks *b, const char *path)
{
    char temp[4096];
    if (b->n <= b->loaded || snprintf(temp, sizeof temp, "%s.XXXXXX", path) >= (int)sizeof temp)
        return;
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return;
    bool ok = place_write(fd, MAGIC, MAGIC_LEN) && place_write(fd, b->root, b->n * HASH_LEN);
    if (close(fd) != 0 || !ok || rename(temp, path) != 0)
        unlink(temp);
}

struct reading {
    struct tree tree;
    uint64_t next;
    struct blocks *fill; /* NULL: one range */
    bool bad;
};

static bool on_hash(void *ctx, const struct store_row *row)
{
    struct reading *r = ctx;
    r->bad = row->hash_n != HASH_LEN || row->seq != (int64_t)r->next + 1;
    if (r->bad)
        return false;
    tree_push(&r->tree, row->hash);
    r->next++;
    if (r->fill && r->tree.size == BLOCK) {
        add(r->fill, r->tree.node[BLOCK_LEVEL]);
        tree_init(&r->tree);
    }
    return true;
}

static bool read_hashes(struct reading *r, struct store *s, uint64_t to, struct err *e)
{
    if (r->next < to && !store_rows(s, (int64_t)r->next + 1, (int64_t)to, false, on_hash, r, e))
        return false;
    return !r->bad && r->next == to ? true
                                    : err_set(e, ERR_TAMPERED, "run `andon audit verify`",
                                              "audit log: entry %" PRIu64 " is missing", r->next + 1);
}

bool blocks_fill(struct blocks *b, struct store *s, uint64_t size, struct err *e)
{
    struct reading r = {.next = b->n * BLOCK, .fill = b};
    tree_init(&r.tree);
    if (b->n > size / BLOCK)
        b->n = size / BLOCK; /* of another log, or of one that was longer */
    return r.next >= size / BLOCK * BLOCK || read_hashes(&r, s, size / BLOCK * BLOCK, e);
}

bool blocks_root(const struct blocks *b, struct store *s, uint64_t from, uint64_t to, uint8_t root[HASH_LEN],
                 struct err *e)
{
    struct reading r = {.next = from};
    tree_init(&r.tree);
    while (r.next < to) {
        bool whole = r.next % BLOCK == 0 && to - r.next >= BLOCK && r.next / BLOCK < b->n;
        if (whole) {
            (void)tree_push_subtree(&r.tree, BLOCK_LEVEL, b->root[r.next / BLOCK]);
            r.next += BLOCK;
        } else if (!read_hashes(&r, s, to, e)) {
            return false;
        }
    }
    tree_root(&r.tree, root);
    return true;
}
