/* One page of OpenMetrics or of the older text format, written sample by sample (cli/metrics_page.c). */
#ifndef ANDON_CLI_SAMPLE_H
#define ANDON_CLI_SAMPLE_H

#include <stdbool.h>
#include "core/buf.h"

/* Whose samples a family has, and so which labels. */
enum level { OF_PROCESS, OF_FLEET, OF_SOURCE, OF_ROLLOUT, OF_STATE, OF_WAVE, OF_FIGURE, OF_LIMIT, OF_TEST };
enum type { GAUGE, COUNTER, INFO };

struct spot; /* where a sample is taken */

struct family {
    const char *name; /* without _total or _info */
    enum type type;
    const char *unit; /* a suffix of the name, or "" */
    enum level level;
    double (*value)(const struct spot *s); /* NaN = no such sample */
    const char *help;
};

struct page {
    struct buf *out;
    bool openmetrics;
    const struct family *family;
    bool begun;  /* the family's head is written */
    bool labels; /* a label is written */
};

/* A sample of the page's family: its name (before the first one the family's head), each label, its value. */
void sample_begin(struct page *p);
void sample_label(struct page *p, const char *name, const char *value);
void sample_end(struct page *p, double v);

#endif
