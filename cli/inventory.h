/* What `andon inventory` prints of one inventory. */
#ifndef ANDON_CLI_INVENTORY_H
#define ANDON_CLI_INVENTORY_H

#include "cli/cli.h"
#include "core/inventory.h"

struct inventory_said {
    const struct inventory *v;
    const char *fleet;  /* "" = of rows alone */
    const char *source; /* where it was counted, for the first line */
    const char *model;  /* NULL = all */
    bool names;         /* --blind */
    const char *note;   /* what could not be counted, and why; "" */
};
void inventory_text(const struct inventory_said *s, struct buf *out);
void inventory_json(const struct inventory_said *s, struct json_w *w);

#endif
