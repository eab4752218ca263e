/* What a standard wants to see of a rollout, as questions that an audit log can be asked: a mapping, which is data
 * (conf/standard.h reads it, audit/report.h asks it). */
#ifndef ANDON_CORE_STANDARD_H
#define ANDON_CORE_STANDARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which entries: all that is given must fit. Lists end with NULL; a NULL list fits any. */
struct standard_match {
    const char *const *kinds, *const *verbs, *const *results, *const *actor_kinds;
    int late; /* -1: either */
    struct standard_field {
        const char *key, *pattern; /* a field, and what its value is like (glob_match) */
    } * fields;
    size_t n_fields;
};

enum standard_take {
    TAKE_LAST,
    TAKE_FIRST,
    TAKE_ALL,
    TAKE_COUNT, /* how many */
    TAKE_NONE   /* there must be none: each that is found is a deviation */
};

struct standard_item {
    const char *id, *section;
    const char *asks; /* our own words */
    const char *hint; /* how it comes into the log, "" */
    bool whole_log;   /* entries of the whole log are looked at, not only the rollout's */
    struct standard_match find;
    enum standard_take take;
    const char *const *values;            /* what of the entry is shown; each must say something */
    const char *const *extra;             /* shown where it says something */
    int64_t min;                          /* at least so many entries (1) */
    const struct standard_match *applies; /* asked only where there is such an entry; NULL: always */
    /* One of them or none: for each entry like this there must be one that is found before, or after it. */
    const struct standard_match *before, *after;
    bool same_corr, same_wave; /* ... of the same operation, of the same wave */
    bool other_actor;          /* ... by somebody else */
    int64_t within_us;         /* ... at most so long before or after it; 0: however long */
};

struct standard {
    const char *name; /* "r156" */
    const char *title, *about;
    const struct standard_item *items;
    size_t n_items;
};

#endif
