/* andon approval: what the policy asks for, who has approved, the text to sign, and a signed one into the log. The text
 * is made, and looked at, for the rollout as the server shows it now. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "audit/sshsig.h"
#include "cli/cli.h"
#include "cli/fleets.h"
#include "conf/file.h"
#include "core/approval.h"
#include "core/clock.h"
#include "core/fmt.h"

#define READY_US (20 * US_PER_S)
#define BEGIN    "-----BEGIN SSH SIGNATURE-----"

struct approving {
    const struct args *args;
    struct session session;
    struct fleets fleets;
    struct fleet_run *run;
    const char *id;
    const struct rollout_view *v;
    const struct approval_policy *policy;
    char log[128], release[IDENTITY_RELEASE_BYTES];
    struct approval_subject s;
    struct buf text, sig;
    struct approval_text read;
    struct sshsig_trust trust;
    struct sshsig_good who;
};

static bool known(const struct snapshot *s, void *id)
{
    const struct rollout_view *v = snapshot_rollout(s, id);

    return fleet_has_waves(s, id) && (!v || !v->approvals || v->approvals->looked);
}

/* The rollout, its policy, and the verb that is meant. */
static bool find(struct approving *p, int64_t timeout, struct err *e)
{
    struct focus focus = {.wave = -1};
    const char *word = args_str(p->args, OPT_FOR);

    fleets_wait(&p->fleets, timeout);
    if (!p->run->en) {
        *e = p->run->err;
        return false;
    }
    if (!p->run->snap || !p->run->snap->rollouts_known) {
        fleet_error(p->run, e);
        return false;
    }
    if (strlen(p->id) >= sizeof focus.rollout || !snapshot_rollout(p->run->snap, p->id))
        return err_set(e, ERR_NOT_FOUND, "`andon get rollouts` lists them.", "there is no rollout %.60s", p->id);
    snprintf(focus.rollout, sizeof focus.rollout, "%s", p->id);
    engine_focus(p->run->en, &focus);
    (void)fleet_until(p->run, timeout, known, focus.rollout);
    p->v = snapshot_rollout(p->run->snap, p->id);
    if (!p->v || !p->v->waves_known)
        return err_set(e, ERR_TIMEOUT, "`andon doctor` tests the connection.", "the waves of %.60s could not be read",
                       p->id);
    p->policy = p->v->policy ? &p->v->policy->approval : NULL;
    if (!p->policy || p->policy->require <= 0)
        return err_set(e, ERR_STATE,
                       "approval: in andon-policy(5). The server's own approval is given by `andon approve`.",
                       "the policy of %.60s asks for no signed approvals", p->id);
    p->s.verb = *word ? verb_from_word(word) : approval_next(p->v->rollout.state, p->v->held);
    if (!approval_asked(p->v->policy, p->s.verb))
        return err_set(e, ERR_SYNTAX, "`andon approval ROLLOUT` says which, `--for VERB` names one.",
                       "the policy of %.60s asks for no approval of %.20s", p->id, *word ? word : verb_word(p->s.verb));
    return true;
}

/* What the text must name. */
static bool subject(struct approving *p, struct err *e)
{
    const struct verb_row *row = verb_row(p->s.verb);
    struct verb_facts f;
    struct rollout_identity who = identity_of(p->run->spec->name, &p->v->rollout, p->release);

    if (!state_in(row->from, p->v->rollout.state))
        return err_set(e, ERR_STATE, "", "%.60s is %s: %s", p->id, rollout_state_word(p->v->rollout.state), row->needs);
    snapshot_facts(p->run->snap, p->id, clock_now(clock_real()), &f);
    if (!approval_subject_of(&f, p->s.verb, &who, p->log, &p->s))
        return err_set(e, ERR_STATE, "Try again when they are.", "the waves of %.60s are not known", p->id);
    if (p->s.verb == VERB_ADVANCE && p->s.wave < 0)
        return err_set(e, ERR_STATE, "", "%.60s has no wave left to start", p->id);
    return true;
}

static bool log_name(struct approving *p, struct err *e)
{
    struct audit_log *l = audit_open(&p->session.audit_looks, e);
    struct audit_head head;
    bool ok = l && audit_head(l, &head, e);

    if (ok)
        snprintf(p->log, sizeof p->log, "%s", head.origin);
    else if (e->code == ERR_NOT_FOUND)
        err_set(e, ERR_NOT_FOUND, "The console, a guard or a verb makes it: ask on the host that sends the verb.",
                "there is no audit log here, and an approval is for one");
    audit_close(l);
    return ok;
}

static bool make_text(struct approving *p, struct err *e)
{
    uint8_t bytes[16];
    char nonce[APPROVAL_NONCE];
    int64_t now = clock_wall(clock_real()) / US_PER_MS * US_PER_MS;

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return err_errno(e, ERR_IO, "", "no random bytes");
    hex_encode(nonce, bytes, sizeof bytes);
    approval_write(&p->s, now, now + p->policy->valid_us, nonce, &p->text);
    return true;
}

/* ---- what was signed elsewhere ---- */

static bool read_stdin(struct buf *out, struct err *e)
{
    char bytes[4096];
    size_t n;

    while ((n = fread(bytes, 1, sizeof bytes, stdin)) > 0)
        buf_add(out, bytes, n);
    return out->over ? err_set(e, ERR_LIMIT, "", "that is too long for an approval") : true;
}

/* Both in one file: the text up to the signature's first line. Else the text is in the file of the same name without
 * .sig. */
static bool read_signed(struct approving *p, const char *path, struct err *e)
{
    struct buf all;
    size_t n = strlen(path);
    char *beside = xstrndup(path, n > 4 && strcmp(path + n - 4, ".sig") == 0 ? n - 4 : 0);
    bool ok;

    buf_init(&all, APPROVAL_TEXT_MAX + SSHSIG_MAX);
    ok = strcmp(path, "-") == 0 ? read_stdin(&all, e) : file_read(path, FILE_ANY, &all, e);
    const char *begin = ok ? memmem(all.data, all.len, BEGIN, strlen(BEGIN)) : NULL;
    if (ok && !begin)
        ok = err_set(e, ERR_SYNTAX, "Name the file that ssh-keygen -Y sign has written (TEXT.sig).",
                     "%.200s holds no SSH signature", path);
    if (ok && begin == all.data && !*beside)
        ok = err_set(e, ERR_SYNTAX, "Put the text that was signed before it, or name it TEXT.sig beside TEXT.",
                     "%.200s holds a signature without its text", path);
    if (ok && begin > all.data)
        buf_add(&p->text, all.data, (size_t)(begin - all.data));
    else if (ok)
        ok = file_read(beside, FILE_ANY, &p->text, e);
    if (ok)
        buf_add(&p->sig, begin, all.len - (size_t)(begin - all.data));
    ok = ok && (!p->text.over || err_set(e, ERR_LIMIT, "", "that is too long for an approval"));
    buf_release(&all);
    free(beside);
    return ok;
}

/* ---- into the log ---- */

struct seen {
    const char *nonce;
    int64_t seq;
};

static bool on_approval(void *ctx, const struct stored *s)
{
    struct seen *x = ctx;

    if (strcmp(stored_field(s, "approval.nonce"), x->nonce) == 0)
        x->seq = s->seq;
    return x->seq == 0;
}

static bool put(struct approving *p, struct audit_log *l, struct receipt *out, struct err *e)
{
    struct audit_query q = {.kind = "approval", .fleet = p->run->spec->name};
    struct seen seen = {.nonce = p->read.nonce};
    struct entry en;
    struct audit_blob blobs[4] = {
        {.key = "approval.text.blob", .bytes = p->text.data, .n = p->text.len},
        {.key = "approval.signature.blob", .bytes = p->sig.data, .n = p->sig.len},
        {.key = "approval.signers.blob", .bytes = p->trust.signers.data, .n = p->trust.signers.len},
        {.key = "approval.revoked.blob", .bytes = p->trust.revoked.data, .n = p->trust.revoked.len}};
    struct audit_item item = {.entry = &en, .blobs = blobs, .n_blobs = p->trust.revoked.len ? 4 : 3};
    size_t refused;

    if (!audit_each(l, &q, on_approval, &seen, e))
        return false;
    if (seen.seq)
        return err_set(e, ERR_REFUSED, "One counts once. Another has a text of its own: --print, or --key.",
                       "this approval is in the log already, entry %" PRId64, seen.seq);
    entry_init(&en, ENTRY_APPROVAL);
    en.t = clock_wall(clock_real());
    en.mono = clock_boot(clock_real());
    en.actor = p->session.actor;
    en.verb = p->s.verb;
    en.result = "ok";
    en.wave = p->s.wave >= 0 ? approval_wave(&p->read) : "";
    entry_identity(&en, &p->s.who);
    entry_str(&en, "approval.principal", p->who.people);
    entry_str(&en, "approval.key", p->who.key);
    entry_str(&en, "approval.key.type", p->who.type);
    entry_int(&en, "approval.made", p->read.made);
    entry_int(&en, "approval.expires", p->read.expires);
    entry_str(&en, "approval.nonce", p->read.nonce);
    if (!audit_append_all(l, &item, 1, &refused, e))
        return false;
    *out = item.receipt;
    return true;
}

/* That somebody handed in what does not count is in the log, with what he handed in; the answer is the same if it
 * cannot be written. */
static void put_refused(const struct approving *p, const struct err *why)
{
    struct entry en;
    struct err e = {0};
    struct audit_blob blobs[2] = {{.key = "approval.text.blob", .bytes = p->text.data, .n = p->text.len},
                                  {.key = "approval.signature.blob", .bytes = p->sig.data, .n = p->sig.len}};
    struct audit_item item = {.entry = &en, .blobs = blobs, .n_blobs = 2};
    struct audit_log *l = audit_open(&p->session.audit, &e);
    size_t refused;

    entry_init(&en, ENTRY_REFUSED);
    en.t = clock_wall(clock_real());
    en.mono = clock_boot(clock_real());
    en.actor = p->session.actor;
    en.verb = p->s.verb;
    en.result = "refused";
    entry_identity(&en, &p->s.who);
    entry_str(&en, "why", why->what);
    entry_str(&en, "code", err_word(why->code));
    if (!l || !audit_append_all(l, &item, 1, &refused, &e))
        fprintf(stderr, "andon: that it was refused is not in the log: %s\n", e.what);
    audit_close(l);
}

/* With this one. */
static int counted(const struct approving *p, char names[200])
{
    struct approval_state s = p->v->approvals ? *p->v->approvals : (struct approval_state){0};

    if (s.n < APPROVALS_MAX)
        s.v[s.n++] = (struct approval_given){.verb = p->s.verb, .people = p->who.people, .key = p->who.key};
    return approval_people(&s, p->s.verb, NULL, names);
}

static bool give(struct approving *p, struct err *e)
{
    const char *key = p->args->val[OPT_KEY];
    struct audit_log *l;
    struct receipt r = {0};
    char names[200], wave[64];
    bool ok = key ? make_text(p, e) && sshsig_sign(APPROVAL_NAMESPACE, key, &p->text, &p->sig, e)
                  : read_signed(p, p->args->val[OPT_SIGNATURE], e);

    ok = ok && approval_read(p->text.data, p->text.len, &p->read, e) && approval_fits(&p->read, &p->s, e) &&
         approval_current(&p->read, clock_wall(clock_real()), p->policy->valid_us, e) &&
         sshsig_trust_read(p->policy->signers, p->policy->revoked, &p->trust, e) &&
         sshsig_check(APPROVAL_NAMESPACE, &p->text, &p->sig, &p->trust, &p->who, e);
    if (ok) {
        l = audit_open(&p->session.audit, e);
        ok = l && put(p, l, &r, e);
        audit_close(l);
    }
    if (!ok && p->text.len > 0 && p->sig.len > 0 && (e->code == ERR_REFUSED || e->code == ERR_SYNTAX))
        put_refused(p, e);
    if (!ok)
        return false;
    int n = counted(p, names);
    if (p->args->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kstr(&o.w, "verb", verb_word(p->s.verb));
        json_w_kstr(&o.w, "fleet", p->run->spec->name);
        json_w_kstr(&o.w, "rollout", p->id);
        json_w_kint(&o.w, "log_entry", r.seq);
        json_w_kstr(&o.w, "principal", p->who.people);
        json_w_kstr(&o.w, "key", p->who.key);
        json_w_kint(&o.w, "people", n);
        json_w_kint(&o.w, "require", p->policy->require);
        json_end(&o);
        return true;
    }
    approval_wave_words(&p->s, wave);
    printf("%s of %s/%s%s%s is approved by %s (%s %s), entry %" PRId64 "\n", verb_word(p->s.verb), p->run->spec->name,
           p->id, *wave ? ", " : "", wave, p->who.people, p->who.type, p->who.key, r.seq);
    printf("  %d of %d: %s\n", n, p->policy->require, names);
    return true;
}

/* ---- how it stands ---- */

static void show(const struct approving *p)
{
    const struct approval_state *s = p->v->approvals;
    char names[200], wave[64], t[FMT_MAX];
    int n = s ? approval_people(s, p->s.verb, NULL, names) : 0;

    approval_wave_words(&p->s, wave);
    if (p->args->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kstr(&o.w, "verb", verb_word(p->s.verb));
        json_w_kstr(&o.w, "fleet", p->run->spec->name);
        json_w_kstr(&o.w, "rollout", p->id);
        json_w_kint(&o.w, "require", p->policy->require);
        json_w_kbool(&o.w, "known", s && s->known);
        json_w_kint(&o.w, "people", n);
        json_w_kstr(&o.w, "problem", s && *s->problem ? s->problem : NULL);
        json_w_key(&o.w, "approvals");
        json_w_arr(&o.w);
        for (size_t i = 0; s && i < s->n; i++) {
            if (s->v[i].verb != p->s.verb)
                continue;
            json_w_obj(&o.w);
            json_w_kint(&o.w, "log_entry", s->v[i].seq);
            json_w_kstr(&o.w, "principal", s->v[i].people);
            json_w_kstr(&o.w, "key", s->v[i].key);
            json_w_kstr(&o.w, "expires", fmt_iso(t, s->v[i].expires));
            json_w_obj_end(&o.w);
        }
        json_w_arr_end(&o.w);
        json_end(&o);
        return;
    }
    printf("%s of %s/%s%s%s needs the signed approval of %d %s%s\n", verb_word(p->s.verb), p->run->spec->name, p->id,
           *wave ? ", " : "", wave, p->policy->require, p->policy->require == 1 ? "person" : "people",
           p->policy->asker_out ? ", other than who asks for it" : "");
    if (s && s->known)
        printf("  there %s %d%s%s\n", n == 1 ? "is" : "are", n, n ? ": " : "", n ? names : "");
    for (size_t i = 0; s && i < s->n; i++)
        if (s->v[i].verb == p->s.verb)
            printf("  entry %" PRId64 ": %s, key %s, good until %s\n", s->v[i].seq, s->v[i].people, s->v[i].key,
                   fmt_iso(t, s->v[i].expires));
    if (s && *s->problem)
        printf("  %s\n", s->problem);
    printf("Approve it here:       andon approval %s/%s --for %s --key ~/.ssh/id_ed25519\n", p->run->spec->name, p->id,
           verb_word(p->s.verb));
    printf("or on another machine: andon approval %s/%s --for %s --print >step.txt\n", p->run->spec->name, p->id,
           verb_word(p->s.verb));
    printf("                       ssh-keygen -Y sign -n %s -f KEY step.txt        (there)\n", APPROVAL_NAMESPACE);
    printf("                       andon approval %s/%s --for %s --signature step.txt.sig\n", p->run->spec->name, p->id,
           verb_word(p->s.verb));
}

static bool carry_out(struct approving *p, int64_t timeout, struct err *e)
{
    const struct args *a = p->args;

    if (!find(p, timeout, e) || !log_name(p, e) || !subject(p, e))
        return false;
    if (a->val[OPT_KEY] || a->val[OPT_SIGNATURE])
        return give(p, e);
    if (!a->val[OPT_PRINT]) {
        show(p);
        return true;
    }
    if (!make_text(p, e))
        return false;
    print_out(&p->text);
    return true;
}

int cmd_approval(const struct args *a)
{
    struct approving p = {.args = a, .id = a->pos[1]};
    struct args one = *a;
    struct err e = {0};
    int64_t timeout;
    bool ok;

    if (!!a->val[OPT_KEY] + !!a->val[OPT_SIGNATURE] + !!a->val[OPT_PRINT] > 1) {
        err_set(&e, ERR_SYNTAX, "", "--print, --key and --signature exclude each other");
        return print_err(a, &e);
    }
    int rc = args_dur(a, OPT_TIMEOUT, READY_US, &timeout, &e) ? session_need(a, &p.session) : print_err(a, &e);
    if (rc != EXIT_OK)
        return rc;
    buf_init(&p.text, APPROVAL_TEXT_MAX);
    buf_init(&p.sig, SSHSIG_MAX);
    buf_init(&p.trust.signers, 0);
    buf_init(&p.trust.revoked, 0);
    const struct fleet_spec *f =
        fleet_named(&p.session.config, a->pos[1], &one, &p.id, &e) ? session_fleet(&p.session, &one, &e) : NULL;
    ok = f != NULL;
    if (ok) {
        one.val[OPT_FLEET] = f->name;
        session_drop_telemetry(&p.session, f);
        ok = fleets_open(&p.session, &one, false, true, &p.fleets, &e);
    }
    if (ok) {
        p.run = &p.fleets.v[0];
        ok = carry_out(&p, timeout, &e);
        fleets_close(&p.fleets);
    }
    sshsig_trust_release(&p.trust);
    buf_release(&p.text);
    buf_release(&p.sig);
    rc = ok ? EXIT_OK : print_err(a, &e);
    session_close(&p.session);
    return rc;
}
