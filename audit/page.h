/* The page that people read first (report.html of an exported folder): what is missing or open, then what happened to
 * each rollout and by whose word. Made from the entries as they go by; what counts is the entries, the page says so.
 * Pure, and its text hostile until proved otherwise (audit/html.h). Its functions are those of an audit_page_maker. */
#ifndef ANDON_AUDIT_PAGE_H
#define ANDON_AUDIT_PAGE_H

#include <stdint.h>
#include "audit/leaf.h"
#include "core/buf.h"

/* Entries that are shown, of one rollout and in all; more are counted, and what is missing is told of all. */
#define PAGE_ROWS     2000
#define PAGE_ROWS_ALL 10000

struct page;

/* in_folder: the blobs that entries name lie beside the page, and it links to them. */
struct page *page_new(bool in_folder);
void page_free(struct page *p);
/* Forgets what was taken: the page begins, or begins again. ctx is the struct page. */
void page_head(void *ctx, struct buf *out);
/* The next entry. Nothing is written yet: what is missing comes first. */
void page_row(void *ctx, struct buf *out, const struct leaf *l, const uint8_t hash[32]);
/* Writes the whole. */
void page_foot(void *ctx, struct buf *out);
/* For audit_export: the file report.html. p must outlive it. */
struct audit_page_maker page_maker(struct page *p);

#endif
