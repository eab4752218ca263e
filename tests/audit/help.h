/* Shared by the tests of audit: a log in a folder of its own, entries, changes behind andon's back. */
#ifndef ANDON_TESTS_AUDIT_HELP_H
#define ANDON_TESTS_AUDIT_HELP_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "audit/log.h"

struct box {
    char dir[64], db[96], key[96];
    struct audit_spec spec;
    struct clock clock; /* stands still at `now` until it is set */
    int64_t now;
};

void box_init(struct box *b);    /* folder, nothing in it */
void box_release(struct box *b); /* removes everything */
/* Opens for writing; fails the test when it cannot. */
struct audit_log *box_open(struct box *b);
/* A log with genesis + n entries, closed. */
void box_fill(struct box *b, int n);

/* An entry with all the usual members; corr as given. */
void make_entry(struct entry *e, enum entry_kind kind, uint64_t corr, const char *result);
/* Appends; fails the test when it cannot. Returns seq. */
int64_t put(struct audit_log *l, const struct entry *e);

/* Verifies; the report must be ok / tampered (and then say so). */
void must_verify(struct box *b, struct audit_report *r);
void must_fail(struct box *b, struct audit_report *r);

/* SQL on the file itself, triggers off the way an intruder would; fails the test when it does not work. */
void sql(struct box *b, const char *text);
bool sql_works(struct box *b, const char *text);
/* Removes the triggers, runs the text, puts them back as they were. */
void tamper(struct box *b, const char *text);
int64_t sql_number(struct box *b, const char *text);

void remove_tree(const char *dir);
/* Whole file; free(). */
char *read_all(const char *path, size_t *n);
void write_all(const char *path, const void *p, size_t n);
void copy_tree(const char *from, const char *to);
uint64_t rnd(uint64_t *state);

#endif
