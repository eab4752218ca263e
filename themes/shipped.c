/* The shipped themes, compiled in so that the program runs from anywhere. */
#include "themes/shipped.h"

#include <string.h>

#include "core/embed.h"

EMBED(theme_default, "themes/default.yaml");
EMBED(theme_dark, "themes/dark.yaml");
EMBED(theme_light, "themes/light.yaml");
EMBED(theme_terminal16, "themes/terminal16.yaml");
EMBED(theme_high_contrast, "themes/high-contrast.yaml");
EMBED(theme_deuter, "themes/deuter.yaml");
EMBED(theme_tritan, "themes/tritan.yaml");
EMBED(theme_mono, "themes/mono.yaml");

static const char *const NAMES[] = {"default", "dark",   "light", "terminal16", "high-contrast",
                                    "deuter",  "tritan", "mono",  NULL};

const char *const *theme_names(void)
{
    return NAMES;
}

const char *theme_shipped(const char *name, size_t *len)
{
    const struct {
        const char *name, *bytes;
        size_t len;
    } all[] = {
        {"default", EMBED_BYTES(theme_default), EMBED_LEN(theme_default)},
        {"dark", EMBED_BYTES(theme_dark), EMBED_LEN(theme_dark)},
        {"light", EMBED_BYTES(theme_light), EMBED_LEN(theme_light)},
        {"terminal16", EMBED_BYTES(theme_terminal16), EMBED_LEN(theme_terminal16)},
        {"high-contrast", EMBED_BYTES(theme_high_contrast), EMBED_LEN(theme_high_contrast)},
        {"deuter", EMBED_BYTES(theme_deuter), EMBED_LEN(theme_deuter)},
        {"tritan", EMBED_BYTES(theme_tritan), EMBED_LEN(theme_tritan)},
        {"mono", EMBED_BYTES(theme_mono), EMBED_LEN(theme_mono)},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (!strcmp(all[i].name, name)) {
            *len = all[i].len;
            return all[i].bytes;
        }
    }
    return NULL;
}
