/* The log as the console's audit screen wants it. */
#ifndef ANDON_CLI_AUDIT_PAGE_H
#define ANDON_CLI_AUDIT_PAGE_H

#include "audit/log.h"
#include "tui/console.h"

/* The loader for the console; spec must outlive it. */
void audit_page_loader(const struct audit_spec *spec, struct console_audit *out);

#endif
