#include "client/backend.h"

#include <stdio.h>
#include <string.h>
#include "client/awsiot_impl.h"
#include "client/fault.h"
#include "client/goosebit_impl.h"
#include "client/hawkbit_impl.h"
#include "client/mender_impl.h"
#include "client/openmv_impl.h"
#include "client/plugin.h"
#include "client/record.h"
#include "core/text.h"

/* One row for each kind of fleet server: all that is known of them outside of their own files, besides the word in the
 * configuration's schema (conf/config.c). */
static const struct kind {
    const char *word;
    struct backend *(*open)(struct http *h, const struct fleet_spec *spec, struct err *e);
    bool needs_secret; /* nobody is let in without */
} kinds[] = {
    {"hawkbit", hawkbit_open, false}, {"goosebit", goosebit_open, true}, {"awsiot", awsiot_open, true},
    {"mender", mender_open, true},    {"openmv", openmv_open, true},     {"plugin", plugin_open, false},
    {"replay", replay_open, false},
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

static const struct kind *kind_find(const char *word, struct err *e)
{
    char shown[80], words[160];
    size_t n = 0;
    for (size_t i = 0; i < N_KINDS && n < sizeof words; i++) {
        if (strcmp(word, kinds[i].word) == 0)
            return &kinds[i];
        n += (size_t)snprintf(words + n, sizeof words - n, "%s%s", i ? ", " : "", kinds[i].word);
    }
    safe_text_into(shown, sizeof shown, word, strlen(word));
    err_set(e, ERR_UNSUPPORTED, "", "andon knows no back end of the kind \"%s\"", shown);
    if (e)
        snprintf(e->next, sizeof e->next, "for `kind` use: %s", words);
    return NULL;
}

struct backend *backend_open(struct http *h, const struct fleet_spec *spec, struct err *e)
{
    const struct kind *k = kind_find(spec->kind, e);
    struct backend *b = NULL;
    if (k && k->needs_secret && spec->endpoint.secret.source == SECRET_NONE)
        err_set(e, ERR_AUTH,
                "give it secret: {command: [...]}, {file: ...} or {env: ...}, as docs/configuration.md has it",
                "a server of the kind %s lets nobody in without a secret", k->word);
    else if (k)
        b = k->open(h, spec, e);
    const struct fault_spec *f = &spec->faults;
    const struct traced *t = &spec->endpoint.traced;
    if (b && (f->delay_us > 0 || f->lost > 0 || f->lies > 0))
        b = fault_open(b, f);
    if (b && t->trace && t->trace->kinds >> TRACE_CALLS & 1) /* as andon saw it */
        b = record_open(b, t);
    if (!b)
        err_prefix(e, "fleet %s: ", spec->name);
    return b;
}

void reply_date(struct reply *r, const struct http_answer *a)
{
    bool better = r->server_date == 0 || a->answered_at - a->sent_at <= r->date_answered - r->date_sent;
    if (!a->server_date || !better)
        return;
    r->server_date = a->server_date;
    r->date_sent = a->sent_at;
    r->date_answered = a->answered_at;
}
