/* Presets: what a telemetry source is asked for a metric, where the configuration does not say. One table of preset,
 * metric's id and query, for the built-in metrics and for those that a policy may have of its own (docs/telemetry.md
 * lists them with the kinds that fit). A query in the configuration goes before the preset's. */
#ifndef ANDON_CORE_PRESET_H
#define ANDON_CORE_PRESET_H

#include <stdbool.h>

/* The presets' names, the first is the default; NULL ends. */
extern const char *const preset_names[];
/* "" and NULL are the default. */
bool preset_known(const char *preset);
/* What the preset asks for the metric `id`: PromQL, with `page` the name of a sample on an OpenMetrics page. $sensor in
 * it stands for the sensor's metric, other placeholders are the source's. NULL: the preset does not know it. */
const char *preset_query(const char *preset, const char *id, bool page);

#endif
