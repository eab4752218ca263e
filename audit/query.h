/* Which entries a query means. */
#ifndef ANDON_AUDIT_QUERY_H
#define ANDON_AUDIT_QUERY_H

#include "audit/leaf.h"
#include "audit/log.h"

/* The range of seq that it allows. */
void query_range(const struct audit_query *q, int64_t *from, int64_t *to);
/* NULL means everything. */
bool query_takes(const struct audit_query *q, const struct leaf *l);
/* Appends in words what it chooses, "; " between them; nothing for everything. */
void query_words(const struct audit_query *q, struct buf *out);

#endif
