/* Pages for people, of one file each: no script, nothing that is loaded from elsewhere, black on white on paper. What
 * comes from entries goes through html_text. */
#ifndef ANDON_AUDIT_HTML_H
#define ANDON_AUDIT_HTML_H

#include "core/buf.h"

/* The head of a page and its heading; the title is escaped. */
void html_begin(struct buf *out, const char *title);
void html_end(struct buf *out);
/* Text that is no markup, whatever is in it; it passes safe_text first. */
void html_text(struct buf *out, const char *text);
/* The same between a tag: <tag class="cls">text</tag>; cls may be "". */
void html_element(struct buf *out, const char *tag, const char *cls, const char *text);

#endif
