/* The log as the console's audit screen wants it. */
#ifndef ANDON_CLI_AUDIT_PAGE_H
#define ANDON_CLI_AUDIT_PAGE_H

#include "audit/log.h"
#include "tui/console.h"

/* Who did it, what, on what, and because of what; strings from the arena. */
struct entry_words {
    const char *who, *action, *object, *result, *because;
};
void entry_words(const struct stored *s, struct arena *a, struct entry_words *out);
/* The loader for the console; spec must outlive it. */
void audit_page_loader(const struct audit_spec *spec, struct console_audit *out);

#endif
