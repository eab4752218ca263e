/* A report: what a standard wants to see of a rollout, asked of the log's entries. Each row has a value, the entry that
 * it stands in and its leaf hash; or it is missing. What is missing comes first. Pure: entries in, rows out. */
#ifndef ANDON_AUDIT_REPORT_H
#define ANDON_AUDIT_REPORT_H

#include "audit/log.h"
#include "core/standard.h"

enum report_state {
    REPORT_MISSING,   /* no entry shows it, or not all of it */
    REPORT_DEVIATION, /* an entry shows it otherwise than wanted: too late, or it should not be there */
    REPORT_FOUND,
    REPORT_NOT_ASKED /* it is not asked of this rollout: nothing happened that it is about */
};
/* "MISSING", "DEVIATION", "found", "not asked". */
const char *report_state_word(enum report_state s);

struct report_row {
    enum report_state state;
    const struct standard_item *item;
    const char *value; /* "actor: mara; reason: it burns"; "" */
    const char *note;  /* about which entry, what is missing; "" */
    int64_t seq, t;    /* of the entry that shows it; 0: none */
    const char *leaf;  /* its leaf hash, "" */
};

struct report;

/* About one rollout: the newest that the log knows by this number, by its identity (core/identity.h). standard and who
 * must outlive the report. */
struct report *report_begin(const struct standard *st, const struct rollout_identity *who);
/* Each entry of the log, in order; what is needed of it is copied. */
void report_take(struct report *r, const struct stored *s);

struct report_result {
    struct report_row *rows; /* what is missing first, else in the mapping's order */
    size_t n;
    size_t counts[REPORT_NOT_ASKED + 1]; /* of the states */
    int64_t entries;                     /* of the rollout */
    int64_t others;                      /* of another rollout of the same number: left out */
    struct report_step {                 /* steps of the runbook, in their order */
        int64_t seq, t;
        const char *id, *who, *expected, *observed, *skipped, *leaf;
        bool deviates; /* skipped, or observed is not what was expected, word for word */
    } * steps;
    size_t n_steps;
};
/* Works it out; everything in it lives until report_end. */
const struct report_result *report_result(struct report *r);
void report_end(struct report *r);

/* The whole as a page or a file; one table of formats. */
struct report_head {
    const struct standard *standard;
    const struct rollout_identity *who;
    const char *origin, *root; /* of the log */
    int64_t size;
    int64_t made; /* wall clock */
};
typedef void report_write_fn(const struct report_head *h, const struct report_result *r, struct buf *out);
/* "text", "csv", "json", "html"; NULL for another. */
report_write_fn *report_writer(const char *format);

#endif
