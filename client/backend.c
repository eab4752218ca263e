#include "client/backend.h"

#include <string.h>
#include "client/hawkbit_impl.h"
#include "core/text.h"

struct backend *backend_open(struct http *h, const struct fleet_spec *spec, struct err *e)
{
    struct backend *b = NULL;
    if (strcmp(spec->kind, "hawkbit") == 0) {
        b = hawkbit_open(h, spec, e);
    } else {
        char kind[80];
        safe_text_into(kind, sizeof kind, spec->kind, strlen(spec->kind));
        err_set(e, ERR_UNSUPPORTED, "use kind: hawkbit", "andon knows no back end of the kind \"%s\"", kind);
    }
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
