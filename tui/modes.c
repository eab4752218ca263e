/* See modes.h. */
#include "tui/modes.h"

#include <string.h>

/* Appends a capability without its padding ("$<5>"), which only terminals of old needed. NULL adds nothing. */
static void add(char *dst, size_t *n, size_t size, const char *s)
{
    while (s && *s && *n + 1 < size) {
        const char *end = s[0] == '$' && s[1] == '<' ? strchr(s, '>') : NULL;
        if (end) {
            s = end + 1;
            continue;
        }
        dst[(*n)++] = *s++;
    }
    dst[*n] = '\0';
}

void modes_init(struct modes *m, const struct caps *caps)
{
    memset(m, 0, sizeof *m);
    m->modern = caps->smcup && strstr(caps->smcup, "\033[?1049h");
    bool ansi = caps->csr && strncmp(caps->csr, "\033[", 2) == 0;
    bool title = m->modern && !strstr(caps->smcup, "\033[22;"); /* some smcup save the title themselves */

    add(m->more, &m->n_more, sizeof m->more, title ? "\033[22;2t" : NULL);
    add(m->more, &m->n_more, sizeof m->more, m->modern ? "\033[?2004h\033[?1004h" : NULL); /* paste, focus */

    add(m->enter, &m->n_enter, sizeof m->enter, caps->smcup);
    add(m->enter, &m->n_enter, sizeof m->enter, ansi ? "\033[r" : NULL);
    add(m->enter, &m->n_enter, sizeof m->enter, caps->smkx);
    add(m->enter, &m->n_enter, sizeof m->enter, caps->civis);
    add(m->enter, &m->n_enter, sizeof m->enter, m->more);

    add(m->restore, &m->n_restore, sizeof m->restore, m->modern ? SYNC_OFF "\033[?2004l\033[?1004l" : NULL);
    add(m->restore, &m->n_restore, sizeof m->restore, caps->sgr0);
    add(m->restore, &m->n_restore, sizeof m->restore, caps->op);
    add(m->restore, &m->n_restore, sizeof m->restore, ansi ? "\033[r" : NULL);
    add(m->restore, &m->n_restore, sizeof m->restore, caps->cnorm);
    add(m->restore, &m->n_restore, sizeof m->restore, caps->rmkx);
    add(m->restore, &m->n_restore, sizeof m->restore, caps->rmcup ? caps->rmcup : caps->bottom);
    add(m->restore, &m->n_restore, sizeof m->restore, caps->rmcup ? NULL : caps->el);
    add(m->restore, &m->n_restore, sizeof m->restore, title ? "\033[23;2t" : NULL);
    add(m->restore, &m->n_restore, sizeof m->restore, "\r");
}
