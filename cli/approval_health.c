#include "cli/approval_health.h"

#include <stdio.h>
#include "audit/sshsig.h"
#include "core/approval.h"

bool approval_health(const struct approval_policy *p, char text[200], struct err *e)
{
    struct sshsig_trust t;
    struct sshsig_list l = {0};
    bool ok = sshsig_trust_read(p->signers, p->revoked, &t, e);

    if (ok && !sshsig_signers(&t.signers, APPROVAL_NAMESPACE, &l, e)) {
        err_prefix(e, "%.150s: ", p->signers);
        ok = false;
    }
    sshsig_trust_release(&t);
    if (ok && (size_t)p->require > l.people && l.authorities == 0)
        ok = err_set(e, ERR_STATE, "Give each of them a key there, under one name that is no pattern.",
                     "%d people have to approve, and %.150s has keys of %zu%s", p->require, p->signers, l.people,
                     l.elsewhere  ? " (others are for another purpose: namespaces=)"
                     : l.nameless ? " (others have only a pattern for a name)"
                                  : "");
    if (!ok || !sshsig_there(e))
        return false;
    snprintf(text, 200, "%zu keys of %zu people can approve, %d people have to%s", l.keys, l.people, p->require,
             l.authorities ? "; certificates count as well" : "");
    return true;
}
