/* The themes that are compiled in. */
#ifndef ANDON_THEMES_SHIPPED_H
#define ANDON_THEMES_SHIPPED_H

#include <stddef.h>
#include "themes/theme.h"

/* The bytes of a shipped theme by name; NULL when there is none of that name. Static. */
const char *theme_shipped(const char *name, size_t *len);

#endif
