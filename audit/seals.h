/* Committed values (audit/opening.h) while a log is verified: how many are open, erased by an entry's word, or just not
 * here, and whether each opening is the one that its leaf commits to. Over all files of a log. */
#ifndef ANDON_AUDIT_SEALS_H
#define ANDON_AUDIT_SEALS_H

#include "audit/leaf.h"
#include "audit/tree.h"

struct seal_word {
    uint64_t key; /* of "NUMBER PATH" */
    int64_t by;   /* number of an entry */
};
struct seal_list {
    uint8_t digest[HASH_LEN];
    int64_t by;
    bool read;
};

struct seals {
    struct seal_word *open, *gone; /* with an opening, and without (`by`: who has erased it, as the file has it; 0) */
    struct seal_word *erased;      /* by the word of entries */
    struct seal_list *list;        /* blobs that these entries name */
    size_t n_open, n_gone, n_erased, n_list;
    size_t cap_open, cap_gone, cap_erased, cap_list;
};

/* Frees what it holds; a zeroed one is empty. */
void seals_release(struct seals *s);
/* The next entry by its number over all files, with the openings that are at hand. False with `why`. */
bool seals_entry(struct seals *s, int64_t number, const struct leaf *l, struct slice open, char why[160]);
/* A blob: is it one of those lists? Before seals_judge. */
void seals_blob(struct seals *s, const uint8_t digest[HASH_LEN], const void *bytes, size_t n);
/* The digests of lists that have not come yet; false at the end. */
bool seals_missing(const struct seals *s, size_t *at, uint8_t digest[HASH_LEN]);
/* The entry that says that the value was erased; 0: none. After seals_judge. */
int64_t seals_erased(const struct seals *s, int64_t number, struct slice path);
/* Fills committed, opened, erased and reopened of the report. False: the file tells a value as erased by an entry, up
 * to number `newest`, which does not say so: *seq is that entry. */
bool seals_judge(struct seals *s, int64_t newest, struct audit_report *r, int64_t *seq);

#endif
