/* What andon has paused because something was not known goes on by itself when it is known again: a reaction must not
 * outlast its cause. Only its own pause does, of a rollout that ran, and only where it was asked for (engine/stop.h): a
 * person's pause, and a halt that a person has acknowledged, are a person's to end. */
#include <stdio.h>
#include <string.h>
#include "core/fmt.h"
#include "engine/worker.h"

/* Is anything of what such a rule is about not known just now? */
static bool wanting(const struct ro *ro)
{
    char text[100];
    for (size_t i = 0; i < ro->facts.n_waves; i++)
        if (ro->wv[i].facts.told && (ro->wv[i].judge.verdict.thin || (ro->en->tm && !ro->wv[i].judge.judged)))
            return true;
    return trial_catching(ro) || trial_clocks(ro, text, sizeof text);
}

/* Which rule has paused it, and what has come to pass since. */
static const char *passed(const struct ro *ro, const char **rule)
{
    static const char *const rules[][2] = {{VERDICT_RULE_CATCHING, "the evidence is known"},
                                           {VERDICT_RULE_CLOCKS, "the clocks agree"},
                                           {VERDICT_RULE_LOST, "telemetry is back"}};
    size_t i = 0;
    while (i < 2 && (strncmp(ro->stop.paused_by, "rule ", 5) != 0 || strcmp(ro->stop.paused_by + 5, rules[i][0]) != 0))
        i++;
    *rule = rules[i][0];
    return rules[i][1];
}

void judge_polled(struct ro *ro, bool answered)
{
    struct ro_judge *j = &ro->judge;
    bool good = answered && !wanting(ro);
    if (good && j->good_polls++ == 0)
        j->good_since = now_of(ro->en);
    if (!good)
        j->good_polls = 0;
    j->passing_held = j->passing_held && !good;
    judge_go_on(ro);
}

/* A rule would stop it again at once: it stays paused. Its latch is lifted all the same, and the other rule halts. */
static bool stopped_again(const struct ro *ro)
{
    for (size_t i = 0; i < ro->facts.n_waves; i++)
        if (ro->wv[i].facts.told && ro->wv[i].judge.verdict.react >= REACT_HOLD)
            return true;
    return false;
}

void judge_go_on(struct ro *ro)
{
    struct engine *en = ro->en;
    struct verb_facts f;
    struct intent in;
    struct err why;
    char t[FMT_MAX];
    bool lifts = ro_stop_lost_lifts(ro), passes = !lifts && ro_stop_passes(ro);
    if ((!lifts && !passes) || ro->facts.past || !en->spec.judge || !ro->policy.applies->lost_resume ||
        *ro->rollback.of || rollback_acted(ro) || ro->judge.good_polls < VERDICT_POLLS || wanting(ro) ||
        (passes && stopped_again(ro)) || verbs_busy(en, ro) || notes_known(ro) != NOTES_KNOWN)
        return;
    const char *rule = VERDICT_RULE_LOST, *since = "telemetry is back";
    if (passes)
        since = passed(ro, &rule);
    judge_intent(ro, ro->facts.n_waves, lifts ? VERB_ACK : VERB_RESUME, rule, &in);
    snprintf(in.reason, sizeof in.reason, "%s since %s, for %d polls in a row: andon %s", since,
             fmt_hms(t, ro->judge.good_since), ro->judge.good_polls,
             lifts ? "lifts its own halt" : "ends its own pause");
    verbs_facts(en, ro, &f);
    if (!verb_check(&in, &f, &why))
        return; /* until then */
    if (passes)
        ro->judge.good_polls = 0; /* one that is in vain is not asked for again at once */
    verbs_by_rule(en, &in);
}
