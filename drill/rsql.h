/* RSQL as far as a fleet console uses it: == != =gt= =ge= =lt= =le= =in= =out=, `;` and `,` (also " and ", " or "),
 * parentheses, quoted values, text compared without regard to case. As on the real server, `*` is a wildcard with ==
 * and
 * != only, where a value with a backslash finds nothing; != holds where the value is absent, and an unknown field is
 * another error than bad syntax. */
#ifndef ANDON_DRILL_RSQL_H
#define ANDON_DRILL_RSQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/slice.h"

struct rsql_value {
    bool present;
    bool is_num;
    int64_t num;
    const char *str; /* may point at tmp */
    char tmp[64];
};

/* What a list of things offers to a query. */
struct rsql_table {
    int (*field)(const char *name); /* any case; -1 = unknown */
    void (*get)(const void *ctx, int item, int field, struct rsql_value *out);
};

enum rsql_error { RSQL_OK, RSQL_SYNTAX, RSQL_FIELD };

struct rsql;
/* NULL with *err set. Limits: 64 KiB of text, depth 16, 1,000 comparisons. A NUL has no place in a query. */
struct rsql *rsql_parse(struct slice q, const struct rsql_table *t, enum rsql_error *err);
void rsql_free(struct rsql *r);
bool rsql_match(const struct rsql *r, const void *ctx, int item);
/* `*` matches any run of characters; case is ignored. */
bool rsql_like(struct slice pattern, struct slice text);

#endif
