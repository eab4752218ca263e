/* What all parts of the notary lean on: the log that it speaks for, and what others see of it. */
#include <unistd.h>
#include "engine/notary_impl.h"

/* --- the log --- */

static void set_base(struct notary_view *v, void *ctx)
{
    const struct audit_head *h = ctx;
    int64_t base = h->newest - h->size;
    for (size_t i = 0; base != v->base && i < v->n; i++)
        v->v[i].size = v->v[i].forgot = 0; /* of the older file: nobody has signed for this one so far */
    v->base = base;
}

bool notary_log(struct notary *n, struct err *e)
{
    if (n->log)
        return true;
    if (access(n->audit.db_path, F_OK) != 0)
        return err_set(e, ERR_NOT_FOUND, "", "there is no audit log at %.200s", n->audit.db_path);
    n->log = audit_open(&n->audit, e);
    if (!n->log)
        return false;
    verifier_free(n->log_verifier);
    n->log_verifier = NULL;
    struct audit_head h;
    if (note_key_parse(&n->log_key, audit_vkey(n->log), e) && audit_head(n->log, &h, e) &&
        (n->log_verifier = verifier_new(n->log_key.pub, e)) != NULL) {
        notary_set(n, set_base, &h);
        sha256_hex(n->log_key.name, strlen(n->log_key.name), n->hash);
        for (size_t i = 0; i < n->n_desks; i++)
            n->desk[i].signed_for = -1; /* it may go on in another file */
        return true;
    }
    notary_log_failed(n);
    return false;
}

void notary_log_failed(struct notary *n)
{
    audit_close(n->log);
    n->log = NULL;
}

/* --- what others see --- */

static void wake_all(struct notary *n)
{
    uint64_t one = 1;
    for (size_t i = 0; i < n->n_wake; i++)
        (void)!write(n->wake[i], &one, sizeof one);
}

void notary_set(struct notary *n, notary_change *fn, void *ctx)
{
    pthread_mutex_lock(&n->lock);
    fn(&n->view, ctx);
    n->generation++;
    wake_all(n);
    pthread_mutex_unlock(&n->lock);
}
