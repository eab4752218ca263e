/* The report for spreadsheets (RFC 4180). Every text cell is as core/csv.h writes it. */
#ifndef ANDON_AUDIT_CSV_H
#define ANDON_AUDIT_CSV_H

#include "audit/leaf.h"
#include "core/buf.h"

/* The line of column names. */
void csv_head(struct buf *out);
/* One entry. */
void csv_row(struct buf *out, const struct leaf *l, const uint8_t *hash);

#endif
