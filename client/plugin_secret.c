/* A plug-in's secret: read again when the server refuses it, or a person asks. With a new one the plug-in starts again.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "client/plugin_impl.h"
#include "core/clock.h"

static void read_secret_again(struct plugin *p)
{
    if (p->secret_fd < 0)
        p->secret_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->secret_fd >= 0 && !p->job)
        p->job = secret_begin(&p->ref, SECRET_LIMIT_US, p->secret_fd, NULL);
}

/* The server refused the credentials: another secret may be there by now. */
void plugin_secret_refused(struct plugin *p, const struct pcall *c)
{
    bool unknown = c->err.code == ERR_AUTH;
    if ((!unknown && c->err.code != ERR_FORBIDDEN) || !p->secret || !secret_may_change(&p->ref) || p->job)
        return;
    enum secret_refusal why = unknown ? SECRET_UNKNOWN_USER : SECRET_NOT_PERMITTED;
    if (secret_pace_due(&p->pace, p->ref.source, why, clock_now(p->clock)))
        read_secret_again(p);
}

void plugin_secret_turn(struct plugin *p)
{
    uint64_t drained;
    bool ok;
    char *s;
    struct err e;
    unsigned asked = p->ref.again ? *p->ref.again : p->again;
    while (p->secret_fd >= 0 && read(p->secret_fd, &drained, sizeof drained) == (ssize_t)sizeof drained)
        continue;
    if (p->job && secret_ended(p->job, &ok, &s, &e)) {
        p->job = NULL;
        if (ok && p->secret && strcmp(s, p->secret) != 0) {
            char *old = p->secret;
            p->secret = s;
            s = old;
            p->renew = true;
            plugin_process_secret(p->link, p->secret);
        }
        secret_free(s);
    }
    if (asked != p->again && !p->job) {
        p->again = asked;
        p->pace = (struct secret_pace){0};
        if (p->secret && secret_may_change(&p->ref))
            read_secret_again(p);
    }
}
