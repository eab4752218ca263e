/* The inside of the page for people, shared by the files that make it: page.c takes entries, page_write.c writes. */
#ifndef ANDON_AUDIT_PAGE_INNER_H
#define ANDON_AUDIT_PAGE_INNER_H

#include "audit/open.h"
#include "audit/page.h"

#define PAGE_MAX     ((size_t)512 << 20)
#define ROLLOUTS_MAX 5000

struct rollout_part {
    struct rollout_identity id; /* as it was said last */
    int64_t n, shown, first_t, last_t;
    struct buf rows;
};

/* An intent or a halt, for when it turns out to be open. */
struct noted {
    int64_t seq;
    const char *text;
};

struct person {
    const char *who, *source;
    int64_t n;
};

struct page {
    struct arena arena;
    struct ops ops;
    struct buf gaps; /* list items */
    size_t n_gaps;
    struct rollout_part *part;
    size_t n_part, cap_part;
    struct rollout_part rest; /* what is about no rollout */
    struct noted *noted;
    size_t n_noted, cap_noted;
    struct stored *halt; /* that no acknowledgement has lifted */
    size_t n_halt, cap_halt;
    struct person *person;
    size_t n_person, cap_person;
    int64_t n, kinds[ENTRY_KIND_COUNT + 1], first_t, last_t;
    const char *origin;
    bool in_folder;
    int64_t shown;
    size_t last_part;      /* + 1; of the entry before */
    size_t last_person;    /* + 1 */
    struct buf last_known; /* name and facts of that person, as they stand in the entry */
};

/* Writes the whole, once every gap is known. */
void page_write(const struct page *p, struct buf *out);

#endif
