/* See changes.h. Everything said here is said in words: no marks, no colours. */
#include "tui/changes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/fmt.h"

struct told {
    const struct snapshot *s;
    int64_t now;
    struct buf *out;
};

ANDON_PRINTF(2, 3) static void say(const struct told *t, const char *fmt, ...)
{
    char at[FMT_MAX], text[1200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_printf(t->out, "%s %s: %s\n", fmt_hms(at, t->now), t->s->fleet, text);
}

/* A string that an engine left out. */
static const char *str(const char *s)
{
    return s ? s : "";
}

/* " words", or nothing. */
static const char *gap(const char *s)
{
    return s && *s ? " " : "";
}

static bool differ(const char *a, const char *b)
{
    return strcmp(str(a), str(b)) != 0;
}

static void link_line(const struct told *t, const char *what, const struct link_view *l)
{
    if (l->state == LINK_STALE || l->state == LINK_FAILED)
        say(t, "%s is %s.%s%s%s%s", what, link_state_word(l->state), gap(l->error), str(l->error), gap(l->next),
            str(l->next));
    else
        say(t, "%s is %s", what, link_state_word(l->state));
}

static const char *state_words(const struct rollout_view *r)
{
    struct halt_said halt = halt_said(r->stop, r->stop_old);
    if (*halt.word)
        return halt.title;
    return *str(r->rollout.state_word) ? r->rollout.state_word : rollout_state_word(r->rollout.state);
}

static void rollout_line(const struct told *t, const struct rollout_view *r)
{
    char done[FMT_MAX], all[FMT_MAX];
    say(t, "rollout %s %s %s %s: %s, %s of %s devices finished.%s%s", r->rollout.id, r->rollout.name,
        str(r->rollout.release.name), str(r->rollout.release.version), state_words(r),
        fmt_count(done, r->rollout.counts.finished), fmt_count(all, r->rollout.total), gap(r->next), str(r->next));
}

static void wave_changes(const struct told *t, const struct rollout_view *a, const struct rollout_view *b)
{
    for (size_t i = 0; i < b->n_waves; i++) {
        const struct wave_view *w = &b->waves[i], *v = a && i < a->n_waves ? &a->waves[i] : NULL;
        if (v && v->wave.state != w->wave.state)
            say(t, "rollout %s wave %d %s: %s", b->rollout.id, w->wave.index, w->wave.name,
                wave_state_word(w->wave.state));
        enum reaction was = v ? v->verdict.react : REACT_NONE;
        if (w->verdict.react != was)
            say(t, "rollout %s wave %d verdict: %s. %s", b->rollout.id, w->wave.index, reaction_word(w->verdict.react),
                w->verdict.text);
    }
}

static void rollback_changes(const struct told *t, const struct rollout_view *a, const struct rollout_view *b)
{
    const struct rollback_view *r = &b->rollback;
    enum rollback_step was = a ? a->rollback.step : RB_NONE;
    char done[FMT_MAX], all[FMT_MAX];
    if (r->step == was)
        return;
    say(t, "roll back of %s: %s, %s of %s devices verified. %s", b->rollout.id, rollback_word(r),
        fmt_count(done, r->verified), fmt_count(all, r->devices), str(r->step == RB_DONE ? r->left : r->text));
}

static void rollout_changes(const struct told *t, const struct rollout_view *a, const struct rollout_view *b)
{
    if (!a) {
        if (!rollout_state_ended(b->rollout.state) || b->latched)
            rollout_line(t, b);
    } else if (differ(state_words(a), state_words(b))) {
        const char *by = b->latched ? str(b->halted_by) : "", *why = b->latched ? str(b->halt_text) : "";
        say(t, "rollout %s %s: %s -> %s%s%s.%s%s", b->rollout.id, b->rollout.name, state_words(a), state_words(b),
            *by ? " by " : "", by, gap(why), why);
    }
    if (b->gate_waits && !(a && a->gate_waits))
        say(t, "rollout %s waits for a person: %s", b->rollout.id, str(b->next));
    wave_changes(t, a, b);
    rollback_changes(t, a, b);
}

static void alert_changes(const struct told *t, const struct snapshot *a)
{
    const struct snapshot *b = t->s;
    for (size_t i = 0; i < b->n_alerts; i++) {
        const struct alert *x = &b->alerts[i];
        bool known = x->acked;
        for (size_t k = 0; a && !known && k < a->n_alerts; k++)
            known = a->alerts[k].kind == x->kind && a->alerts[k].since == x->since &&
                    !differ(a->alerts[k].rollout, x->rollout);
        if (!known)
            say(t, "ALERT %s%s%s", str(x->rollout), gap(x->rollout), str(x->text));
    }
}

static void op_changes(const struct told *t, const struct snapshot *a)
{
    const struct snapshot *b = t->s;
    for (size_t i = b->n_ops; i-- > 0;) {
        const struct op_view *x = &b->ops[i];
        bool same = false;
        for (size_t k = 0; a && !same && k < a->n_ops; k++)
            same = a->ops[k].ticket == x->ticket && a->ops[k].phase == x->phase;
        if (!same)
            say(t, "%s %s: %s.%s%s%s%s", verb_word(x->verb), str(x->rollout), op_phase_word(x->phase), gap(x->text),
                str(x->text), gap(x->next), str(x->next));
    }
}

void changes_between(const struct snapshot *before, const struct snapshot *after, int64_t now, struct buf *out)
{
    struct told t = {after, now, out};
    if (!before || before->link.state != after->link.state)
        link_line(&t, "link", &after->link);
    if (after->telemetry.state != LINK_NONE && (!before || before->telemetry.state != after->telemetry.state))
        link_line(&t, "telemetry", &after->telemetry);
    if (after->audit.degraded && !(before && before->audit.degraded))
        say(&t, "the log can't be written: %s. Only halts are possible.", str(after->audit.error));
    for (size_t i = 0; i < after->n_rollouts; i++) {
        const struct rollout_view *b = &after->rollouts[i];
        rollout_changes(&t, before ? snapshot_rollout(before, b->rollout.id) : NULL, b);
    }
    alert_changes(&t, before);
    op_changes(&t, before);
}

void changes_status(const struct snapshot *s, int64_t now, struct buf *out)
{
    struct told t = {s, now, out};
    link_line(&t, "link", &s->link);
    for (size_t i = 0; i < s->n_rollouts; i++) {
        if (!rollout_state_ended(s->rollouts[i].rollout.state) || s->rollouts[i].latched)
            rollout_line(&t, &s->rollouts[i]);
    }
}
