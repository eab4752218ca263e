#include "views/role.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    char letter;
} ROLES[ROLE_COUNT] = {
    [ROLE_TEXT] = {"text", '.'},
    [ROLE_DIM] = {"text.dim", 'd'},
    [ROLE_STALE] = {"text.stale", 's'},
    [ROLE_STRONG] = {"text.strong", 'S'},
    [ROLE_TITLE] = {"title", 't'},
    [ROLE_HEADER] = {"header", 'h'},
    [ROLE_BAR] = {"bar", 'b'},
    [ROLE_BAR_PROD] = {"bar.prod", 'P'},
    [ROLE_KEY] = {"key", 'k'},
    [ROLE_LIVE] = {"link.live", 'l'},
    [ROLE_SLOW] = {"link.slow", 'o'},
    [ROLE_LOST] = {"link.stale", 'L'},
    [ROLE_HALT] = {"state.halt", 'H'},
    [ROLE_WATCH] = {"state.watch", 'W'},
    [ROLE_GATE] = {"state.gate", 'G'},
    [ROLE_RUN] = {"state.run", 'r'},
    [ROLE_SOAK] = {"state.soak", 'a'},
    [ROLE_PAUSE] = {"state.pause", 'p'},
    [ROLE_PENDING] = {"state.pending", 'n'},
    [ROLE_DONE] = {"state.done", 'D'},
    [ROLE_BACK] = {"state.back", 'B'},
    [ROLE_GOOD] = {"value.good", 'g'},
    [ROLE_WARN] = {"value.warn", 'w'},
    [ROLE_BAD] = {"value.bad", 'x'},
    [ROLE_CANARY] = {"plot.canary", 'c'},
    [ROLE_CONTROL] = {"plot.control", 'C'},
    [ROLE_LIMIT] = {"plot.limit", 'i'},
    [ROLE_BANNER] = {"banner.halt", 'N'},
    [ROLE_BANNER_WARN] = {"banner.warn", 'M'},
    [ROLE_DIALOG] = {"dialog", 'q'},
    [ROLE_DIALOG_DANGER] = {"dialog.danger", 'Q'},
    [ROLE_INPUT] = {"input", 'I'},
    [ROLE_BUTTON_OFF] = {"button.locked", 'u'},
};

const char *role_name(enum role r)
{
    return (unsigned)r < ROLE_COUNT ? ROLES[r].name : NULL;
}

char role_letter(enum role r)
{
    return (unsigned)r < ROLE_COUNT ? ROLES[r].letter : '?';
}
