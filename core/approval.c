#include "core/approval.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "core/config.h"
#include "core/fmt.h"
#include "core/text.h"

#define HEAD "andon-approval 1\n"

enum line { L_APPROVE, L_FLEET, L_ROLLOUT, L_CREATED, L_NAME, L_RELEASE, L_WAVE, L_DEVICES, L_LOG };
static const char *const keys[APPROVAL_LINES] = {"approve", "fleet", "rollout", "created", "name",
                                                 "release", "wave",  "devices", "log"};

bool approval_subject_of(const struct verb_facts *f, enum verb v, const struct rollout_identity *who, const char *log,
                         struct approval_subject *out)
{
    const struct wave *w = v == VERB_START && f->n_waves > 0 ? &f->waves[0] : next_wave(f);

    if (!f->rollout || f->n_waves == 0)
        return false;
    *out = (struct approval_subject){
        .verb = v, .who = *who, .wave = w ? w->index : -1, .devices = w ? w->total : 0, .log = log};
    return true;
}

const char *approval_wave_words(const struct approval_subject *s, char out[64])
{
    char n[FMT_MAX];

    out[0] = '\0';
    if (s->wave >= 0)
        snprintf(out, 64, "W%d (%s device%s)", s->wave, fmt_count(n, s->devices), s->devices == 1 ? "" : "s");
    return out;
}

static void put(char out[APPROVAL_VALUE], const char *text)
{
    safe_text_into(out, APPROVAL_VALUE, text, strlen(text));
    if (!*out)
        snprintf(out, APPROVAL_VALUE, "-");
}

static void values(const struct approval_subject *s, struct approval_text *t)
{
    char b[FMT_MAX];

    put(t->value[L_APPROVE], verb_word(s->verb));
    put(t->value[L_FLEET], s->who.fleet);
    put(t->value[L_ROLLOUT], s->who.id);
    put(t->value[L_CREATED], s->who.created_at ? fmt_iso(b, s->who.created_at) : "");
    put(t->value[L_NAME], s->who.name);
    put(t->value[L_RELEASE], s->who.release);
    put(t->value[L_WAVE], "");
    put(t->value[L_DEVICES], "");
    if (s->wave >= 0) {
        snprintf(t->value[L_WAVE], APPROVAL_VALUE, "W%d", s->wave);
        snprintf(t->value[L_DEVICES], APPROVAL_VALUE, "%" PRId64, s->devices);
    }
    put(t->value[L_LOG], s->log);
}

static void write_text(const struct approval_text *t, struct buf *out)
{
    char b[FMT_MAX];

    buf_adds(out, HEAD);
    for (size_t i = 0; i < APPROVAL_LINES; i++)
        buf_printf(out, "%s: %s\n", keys[i], t->value[i]);
    buf_printf(out, "made: %s\n", fmt_iso(b, t->made));
    buf_printf(out, "expires: %s\n", fmt_iso(b, t->expires));
    buf_printf(out, "nonce: %s\n", t->nonce);
}

void approval_write(const struct approval_subject *s, int64_t made, int64_t expires, const char *nonce, struct buf *out)
{
    struct approval_text t = {.made = made, .expires = expires};

    values(s, &t);
    snprintf(t.nonce, sizeof t.nonce, "%s", nonce);
    write_text(&t, out);
}

/* The value of the line that *at begins, which must have this key. */
static bool take_line(const char **at, const char *end, const char *key, char *out, size_t size)
{
    size_t k = strlen(key);
    const char *nl = memchr(*at, '\n', (size_t)(end - *at));
    const char *from = *at + k + 2;

    if (!nl || nl <= from || (size_t)(nl - from) >= size || memcmp(*at, key, k) != 0 || memcmp(*at + k, ": ", 2) != 0 ||
        memchr(from, '\0', (size_t)(nl - from)))
        return false;
    memcpy(out, from, (size_t)(nl - from));
    out[nl - from] = '\0';
    *at = nl + 1;
    return true;
}

bool approval_read(const char *bytes, size_t n, struct approval_text *out, struct err *e)
{
    const char *at = bytes, *end = bytes + n;
    char made[APPROVAL_VALUE], expires[APPROVAL_VALUE];
    struct buf again;
    bool ok = n <= APPROVAL_TEXT_MAX && n > strlen(HEAD) && memcmp(bytes, HEAD, strlen(HEAD)) == 0;

    memset(out, 0, sizeof *out);
    at += ok ? strlen(HEAD) : 0;
    for (size_t i = 0; ok && i < APPROVAL_LINES; i++)
        ok = take_line(&at, end, keys[i], out->value[i], APPROVAL_VALUE);
    ok = ok && take_line(&at, end, "made", made, sizeof made) &&
         take_line(&at, end, "expires", expires, sizeof expires) &&
         take_line(&at, end, "nonce", out->nonce, sizeof out->nonce) && fmt_iso_parse(made, &out->made) &&
         fmt_iso_parse(expires, &out->expires) && strlen(out->nonce) == APPROVAL_NONCE - 1 &&
         strspn(out->nonce, "0123456789abcdef") == APPROVAL_NONCE - 1;
    if (ok) { /* as andon writes it, to the byte: what people have read is what was taken */
        out->verb = verb_from_word(out->value[L_APPROVE]);
        for (size_t i = 0; i < APPROVAL_LINES; i++) {
            char safe[APPROVAL_VALUE];

            safe_text_into(safe, sizeof safe, out->value[i], strlen(out->value[i]));
            ok = ok && strcmp(safe, out->value[i]) == 0;
        }
        buf_init(&again, 2 * APPROVAL_TEXT_MAX);
        write_text(out, &again);
        ok = ok && again.len == n && memcmp(again.data, bytes, n) == 0;
        buf_release(&again);
    }
    return ok ? true
              : err_set(e, ERR_SYNTAX, "Sign what `andon approval ROLLOUT --print` writes, byte for byte.",
                        "that is no text of an approval");
}

const char *approval_wave(const struct approval_text *t)
{
    return t->value[L_WAVE];
}

bool approval_fits(const struct approval_text *t, const struct approval_subject *s, struct err *why)
{
    struct approval_text want;

    values(s, &want);
    for (size_t i = 0; i < APPROVAL_LINES; i++)
        if (strcmp(want.value[i], t->value[i]) != 0)
            return err_set(why, ERR_REFUSED, "Have what is to be done now signed: andon approval ROLLOUT --print.",
                           "the approval is for another %s: %.150s, not %.150s",
                           i == L_APPROVE   ? "verb"
                           : i == L_CREATED ? "rollout of the same number, made at"
                                            : keys[i],
                           t->value[i], want.value[i]);
    return true;
}

bool approval_current(const struct approval_text *t, int64_t now, int64_t valid_us, struct err *why)
{
    char a[FMT_MAX], b[FMT_MAX];

    if (t->made > now + APPROVAL_AHEAD_US)
        return err_set(why, ERR_REFUSED, "Compare the clocks of the two hosts.",
                       "the approval was made at %s, and here it is %s", fmt_iso(a, t->made), fmt_iso(b, now));
    if (t->expires <= now)
        return err_set(why, ERR_REFUSED, "Have a new one signed: andon approval ROLLOUT --print.",
                       "the approval ended at %s", fmt_iso(a, t->expires));
    if (t->expires - t->made > valid_us)
        return err_set(why, ERR_REFUSED, "Have a new one signed: andon approval ROLLOUT --print.",
                       "the approval would be good for %s, and the policy lets one be good for %s",
                       fmt_dur(a, t->expires - t->made), fmt_dur(b, valid_us));
    return true;
}

/* The next name of a list with blanks between; false at its end. */
static bool next_name(const char **at, const char **name, size_t *n)
{
    *at += strspn(*at, " ");
    *name = *at;
    *n = strcspn(*at, " ");
    *at += *n;
    return *n > 0;
}

static bool has_name(const char *people, const char *name, size_t n)
{
    const char *each;
    size_t k;

    while (next_name(&people, &each, &k))
        if (k == n && memcmp(each, name, n) == 0)
            return true;
    return false;
}

static bool same_person(const struct approval_given *a, const struct approval_given *b)
{
    const char *at = a->people, *name;
    size_t n;

    if (strcmp(a->key, b->key) == 0)
        return true;
    while (next_name(&at, &name, &n))
        if (has_name(b->people, name, n))
            return true;
    return false;
}

static bool is_called(const struct approval_given *g, const char *who)
{
    const char *at = g->people, *name;
    size_t n, k = strlen(who);

    while (k > 0 && next_name(&at, &name, &n))
        if (n >= k && memcmp(name, who, k) == 0 && (n == k || name[k] == '@'))
            return true;
    return false;
}

int approval_people(const struct approval_state *s, enum verb v, const struct actor *asker, char names[200])
{
    size_t person[APPROVALS_MAX], len = 0;
    bool out[APPROVALS_MAX];
    int n = 0;

    for (size_t i = 0; i < s->n && i < APPROVALS_MAX; i++) {
        person[i] = i;
        out[i] = s->v[i].verb != v ||
                 (asker && (is_called(&s->v[i], asker->name) || is_called(&s->v[i], asker->operator_name)));
        for (size_t j = 0; j < i; j++) /* whoever it ties together is one person, over any number of links */
            if (person[j] != person[i] && same_person(&s->v[i], &s->v[j]))
                for (size_t k = 0, old = person[j]; k <= i; k++)
                    person[k] = person[k] == old ? person[i] : person[k];
    }
    if (names)
        names[0] = '\0';
    for (size_t i = 0; i < s->n && i < APPROVALS_MAX; i++) {
        bool first = s->v[i].verb == v;

        for (size_t j = 0; j < s->n && j < APPROVALS_MAX; j++) {
            if (person[j] == person[i] && s->v[j].verb == v && j < i)
                first = false;
            if (person[j] == person[i] && s->v[j].verb == v && out[j])
                first = false; /* who asks, by whichever key */
        }
        if (!first)
            continue;
        n++;
        if (names && len < 199)
            len += (size_t)snprintf(names + len, 200 - len, "%s%.*s", len ? ", " : "",
                                    (int)strcspn(s->v[i].people, " "), s->v[i].people);
    }
    return n;
}

bool approval_asked(const struct policy *p, enum verb v)
{
    return p && p->approval.require > 0 && (p->approval.verbs >> v & 1) != 0;
}

bool approval_anywhere(const struct fleet_spec *f)
{
    bool any = f->policy && f->policy->approval.require > 0;

    for (size_t i = 0; i < f->n_rules; i++)
        any = any || f->rules[i].policy->approval.require > 0;
    return any;
}

enum verb approval_next(enum rollout_state s, bool held)
{
    return s == ROLLOUT_READY ? VERB_START : s == ROLLOUT_PAUSED && !held ? VERB_RESUME : VERB_ADVANCE;
}

bool approval_check(const struct intent *in, const struct verb_facts *f, struct err *why)
{
    static const struct approval_state none = {.problem = "the log was not read yet"};
    const struct approval_state *s = f->approvals ? f->approvals : &none;
    const struct approval_policy *p = f->policy ? &f->policy->approval : NULL;
    char names[200], all[200], next[200];
    const char *word = verb_word(in->verb);

    if (in->actor.kind == ACTOR_RULE || !approval_asked(f->policy, in->verb))
        return true;
    if (!s->known)
        return err_set(why, ERR_REFUSED, "`andon approval ROLLOUT` says more. Halt is still possible.",
                       "%s is refused: the policy asks for signed approvals, and whether there are any is not known: "
                       "%.240s",
                       word, s->problem);
    int have = approval_people(s, in->verb, p->asker_out ? &in->actor : NULL, names);
    if (have >= p->require)
        return true;
    snprintf(next, sizeof next, "Others sign by: andon approval %.60s/%.60s --for %s --key FILE.", in->fleet,
             in->rollout, word);
    return err_set(why, ERR_REFUSED, next,
                   "%s is refused: the policy asks for signed approvals by %d %s, there %s %d%s%s%s%s%s%.200s", word,
                   p->require, p->require == 1 ? "person" : "people", have == 1 ? "is" : "are", have, have ? " (" : "",
                   names, have ? ")" : "",
                   approval_people(s, in->verb, NULL, all) > have ? "; who asks does not count" : "",
                   *s->problem ? "; " : "", s->problem);
}
