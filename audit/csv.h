/* The report for spreadsheets (RFC 4180). Every text cell is quoted, has no control character, and can not be taken for
 * a formula: what begins like one (= + - @, their full-width forms, tab, return) gets an apostrophe in front. */
#ifndef ANDON_AUDIT_CSV_H
#define ANDON_AUDIT_CSV_H

#include "audit/leaf.h"
#include "core/buf.h"

/* The line of column names. */
void csv_head(struct buf *out);
/* One entry. */
void csv_row(struct buf *out, const struct leaf *l, const uint8_t *hash);
/* One cell without the comma. */
void csv_cell(struct buf *out, const char *text);

#endif
