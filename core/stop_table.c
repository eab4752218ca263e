/* The machine's table, its words, and what can be asked of a state: all that is data. */
#include "core/stop.h"

/* ---- the table ---- */

#define P(x)    (1u << STOP_##x)
#define G(x)    (1u << SG_##x)
#define D(x)    ((unsigned)STOP_##x)
#define OPEN    (P(FREE) | P(HELD) | P(ACKED) | P(LOOSE))
#define CLAIMS  (P(CLAIMED) | P(CLAIM_RUN))
#define ASKING  (P(ASKED) | P(ESCALATED))
#define DRIVING (ASKING | P(LIFTING))
#define UNSURE  (P(UNSEEN) | P(RECALLED))
#define SEEN    (P(HALTED) | P(STANDBY) | P(DOUBT) | P(RUNS) | P(OVER))
#define LATCHES (CLAIMS | ASKING | UNSURE | SEEN)
#define ALL     (OPEN | DRIVING | LATCHES)
#define ASK     (D(SEND) | D(NOTE_HALT) | D(READ))
#define LIFT    (D(UNLATCHED) | D(NOTE_ACK) | D(LOG_FOREIGN))
#define TAKE    (D(LATCHED) | D(LOG_FOREIGN) | D(READ))
#define SAME    STOP_PHASES

static const struct rule {
    unsigned phases, signals;
    enum stop_phase next;
    unsigned did;
} rules[] = {
    /* the server shows it stopped */
    {P(FREE) | P(HELD) | P(ACKED) | P(HALTED) | P(CLAIMED), G(STOPPED), SAME, 0},
    {P(LOOSE), G(STOPPED), STOP_HELD, D(SAY_RESUMED)},
    {P(CLAIM_RUN), G(STOPPED) | G(IDLE) | G(OVER) | G(OTHER), STOP_CLAIMED, 0},
    {P(LIFTING), G(STOPPED), STOP_ACKED, D(SHOWN)},
    {ASKING | UNSURE | P(STANDBY) | P(RUNS) | P(OVER), G(STOPPED), STOP_HALTED, D(SHOWN)},
    {P(DOUBT), G(STOPPED), STOP_HALTED, D(SHOWN) | D(SAY_RESUMED)},
    /* not started */
    {P(FREE) | P(HELD) | P(ACKED) | P(LOOSE), G(IDLE), STOP_FREE, 0},
    {P(CLAIMED), G(IDLE) | G(OVER) | G(OTHER), SAME, 0},
    {P(LIFTING), G(IDLE), STOP_FREE, D(SHOWN)},
    {P(STANDBY), G(IDLE), SAME, 0},
    {ASKING | UNSURE | P(HALTED) | P(DOUBT) | P(RUNS) | P(OVER), G(IDLE), STOP_STANDBY, D(SHOWN)},
    /* running */
    {P(FREE) | P(LOOSE), G(RUNNING), SAME, 0},
    {P(HELD) | P(ACKED), G(RUNNING), STOP_LOOSE, D(LOOK)},
    {OPEN, G(RUNNING_OURS), STOP_FREE, 0},
    {P(CLAIMED), G(RUNNING) | G(RUNNING_OURS), STOP_CLAIM_RUN, D(SAY_RUNS)},
    {P(CLAIM_RUN), G(RUNNING) | G(RUNNING_OURS), SAME, 0},
    {DRIVING, G(RUNNING) | G(RUNNING_OURS), SAME, 0},
    {P(UNSEEN) | P(STANDBY) | P(OVER), G(RUNNING) | G(RUNNING_OURS), STOP_ASKED, ASK},
    {P(RECALLED) | P(HALTED), G(RUNNING), STOP_DOUBT, D(LOOK)},
    {P(DOUBT) | P(RUNS), G(RUNNING), SAME, 0},
    {P(RECALLED) | P(HALTED) | P(DOUBT) | P(RUNS), G(RUNNING_OURS), STOP_ASKED, ASK},
    /* ended */
    {OPEN & ~P(LOOSE), G(OVER), STOP_FREE, D(NOTE_CLEAN)},
    {P(LOOSE), G(OVER), STOP_FREE, D(NOTE_CLEAN) | D(SAY_RESUMED)},
    {P(LIFTING), G(OVER), STOP_FREE, D(SHOWN) | D(NOTE_CLEAN)},
    {ASKING | UNSURE | P(HALTED) | P(STANDBY) | P(DOUBT) | P(RUNS), G(OVER), STOP_OVER, D(SHOWN) | D(SAY_OVER)},
    {P(OVER), G(OVER), SAME, 0},
    /* a state that nobody here knows: neither halted nor running may be said */
    {OPEN | DRIVING | UNSURE, G(OTHER), SAME, 0},
    {P(HALTED) | P(DOUBT) | P(RUNS), G(OTHER), STOP_RECALLED, 0},
    {P(STANDBY) | P(OVER), G(OTHER), STOP_UNSEEN, D(READ)},
    /* asked for here */
    {ALL & ~ASKING, G(HALT), STOP_ASKED, D(LATCHED) | ASK},
    {ASKING, G(HALT), SAME, D(LATCHED) | D(REPEAT) | D(READ)},
    {P(FREE) | P(HELD) | P(LOOSE) | P(RUNS) | CLAIMS, G(HALT_RULE), STOP_ASKED, D(LATCHED) | ASK},
    {P(ACKED) | DRIVING | UNSURE | (SEEN & ~P(RUNS)), G(HALT_RULE), SAME, D(REFUSED)},
    /* asked for elsewhere */
    {OPEN | CLAIMS | SEEN | UNSURE, G(FOUND), STOP_UNSEEN, TAKE},
    {OPEN | CLAIMS | SEEN | P(RECALLED), G(FOUND_ONCE), STOP_RECALLED, TAKE},
    {P(UNSEEN), G(FOUND_ONCE), SAME, TAKE},
    {ASKING, G(FOUND) | G(FOUND_ONCE), SAME, TAKE},
    {P(LIFTING), G(FOUND) | G(FOUND_ONCE), STOP_ASKED, TAKE},
    {OPEN, G(CLAIM), STOP_CLAIMED, D(LATCHED) | D(SAY_CLAIM)},
    {ALL & ~OPEN, G(CLAIM), SAME, D(REFUSED)},
    /* on its way */
    {DRIVING, G(ANSWERED), SAME, D(READ)},
    {ALL & ~DRIVING, G(ANSWERED), SAME, 0},
    {DRIVING, G(RETRY), SAME, D(REPEAT) | D(READ)},
    {P(UNSEEN), G(RETRY), SAME, D(READ)},
    {ALL & ~(DRIVING | P(UNSEEN)), G(RETRY) | G(LATE), SAME, 0},
    {ASKING, G(LATE), STOP_ESCALATED, D(ESCALATE) | D(REPEAT) | D(READ)},
    {P(LIFTING), G(LATE), SAME, D(ESCALATE) | D(REPEAT) | D(READ)},
    {P(UNSEEN), G(LATE), STOP_ESCALATED, D(ESCALATE) | ASK},
    /* log and notes have been read, and say nothing of an acknowledgement */
    {P(LOOSE), G(LOOKED) | G(LOOKED_AGAIN), STOP_FREE, D(SAY_RESUMED)},
    {P(DOUBT), G(LOOKED), STOP_RUNS, D(SAY_RUNS)},
    {P(DOUBT), G(LOOKED_AGAIN), STOP_ASKED, D(SAY_RUNS) | ASK},
    {ALL & ~(P(LOOSE) | P(DOUBT)), G(LOOKED) | G(LOOKED_AGAIN), SAME, 0},
    /* acknowledged */
    {OPEN | P(LIFTING), G(ACK) | G(ACK_RULE), SAME, D(REFUSED)},
    {ASKING | P(UNSEEN), G(ACK), STOP_LIFTING, LIFT},
    {P(RECALLED) | P(HALTED) | P(CLAIMED), G(ACK), STOP_ACKED, LIFT},
    {P(STANDBY) | P(DOUBT) | P(RUNS) | P(CLAIM_RUN), G(ACK), STOP_FREE, LIFT},
    {P(OVER), G(ACK) | G(ACK_RULE), STOP_FREE, LIFT | D(NOTE_CLEAN)},
    {ASKING | P(UNSEEN) | CLAIMS, G(ACK_RULE), SAME, D(REFUSED)},
    {P(RECALLED) | P(HALTED), G(ACK_RULE), STOP_HELD, LIFT},
    {P(STANDBY) | P(DOUBT) | P(RUNS), G(ACK_RULE), STOP_FREE, LIFT},
    {LATCHES, G(ACK_CLAIM), SAME, D(SAY_CLAIM)},
    {OPEN | P(LIFTING), G(ACK_CLAIM), SAME, D(REFUSED)},
    /* holds, and being let go */
    {P(FREE) | P(LOOSE), G(HELD), STOP_HELD, 0},
    {ALL & ~(P(FREE) | P(LOOSE)), G(HELD), SAME, 0},
    {OPEN, G(RUN), SAME, 0},
    {ALL & ~OPEN, G(RUN), SAME, D(REFUSED)},
    {P(LOOSE) | P(LIFTING), G(RUN_FOUND), STOP_FREE, 0},
    {ALL & ~(P(LOOSE) | P(LIFTING)), G(RUN_FOUND), SAME, 0},
};

struct stop_cell stop_cell(enum stop_phase p, enum stop_signal g, int *n)
{
    struct stop_cell c = {p, 0};
    int found = 0;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (!(rules[i].phases >> p & 1) || !(rules[i].signals >> g & 1))
            continue;
        if (found++ == 0)
            c = (struct stop_cell){rules[i].next == SAME ? p : rules[i].next, rules[i].did};
    }
    if (n)
        *n = found;
    return c;
}

/* ---- words ---- */

#define NAME(p, x) [p##_##x] = #p "_" #x
static const char *const phase_names[STOP_PHASES] = {
    NAME(STOP, FREE),    NAME(STOP, HELD),      NAME(STOP, ACKED),    NAME(STOP, LOOSE),
    NAME(STOP, CLAIMED), NAME(STOP, CLAIM_RUN), NAME(STOP, ASKED),    NAME(STOP, ESCALATED),
    NAME(STOP, LIFTING), NAME(STOP, UNSEEN),    NAME(STOP, RECALLED), NAME(STOP, HALTED),
    NAME(STOP, STANDBY), NAME(STOP, DOUBT),     NAME(STOP, RUNS),     NAME(STOP, OVER),
};
static const char *const signal_names[STOP_SIGNALS] = {
    NAME(SG, STOPPED),      NAME(SG, IDLE),      NAME(SG, RUNNING),   NAME(SG, RUNNING_OURS), NAME(SG, OVER),
    NAME(SG, OTHER),        NAME(SG, HALT),      NAME(SG, HALT_RULE), NAME(SG, FOUND),        NAME(SG, FOUND_ONCE),
    NAME(SG, CLAIM),        NAME(SG, ANSWERED),  NAME(SG, RETRY),     NAME(SG, LATE),         NAME(SG, LOOKED),
    NAME(SG, LOOKED_AGAIN), NAME(SG, ACK),       NAME(SG, ACK_RULE),  NAME(SG, ACK_CLAIM),    NAME(SG, HELD),
    NAME(SG, RUN),          NAME(SG, RUN_FOUND),
};
static const char *const did_names[STOP_DIDS] = {
    "STOP_SEND",      "STOP_REPEAT",    "STOP_READ",       "STOP_LOOK",        "STOP_LATCHED",  "STOP_ESCALATE",
    "STOP_SHOWN",     "STOP_UNLATCHED", "STOP_SAY_RUNS",   "STOP_SAY_RESUMED", "STOP_SAY_OVER", "STOP_SAY_CLAIM",
    "STOP_NOTE_HALT", "STOP_NOTE_ACK",  "STOP_NOTE_CLEAN", "STOP_LOG_FOREIGN", "STOP_PART",     "STOP_REFUSED",
};

const char *stop_phase_name(enum stop_phase p)
{
    return (unsigned)p < STOP_PHASES ? phase_names[p] : "?";
}

const char *stop_signal_name(enum stop_signal g)
{
    return (unsigned)g < STOP_SIGNALS ? signal_names[g] : "?";
}

const char *stop_did_name(int bit)
{
    return bit >= 0 && bit < STOP_DIDS ? did_names[bit] : "?";
}

/* The second is said while the server's newest answer is old (of a hold: does not show it); where there is none the
 * first holds all the same. */
static const struct stop_words words[STOP_PHASES][2] = {
    [STOP_FREE] = {{"free", "", ""}, {NULL, NULL, NULL}},
    [STOP_HELD] = {{"held", "HELD", "is held by andon"},
                   {"held-not-confirmed", "HELD?", "was held by andon; the server does not show that now"}},
    [STOP_ACKED] = {{"acknowledged", "ACKNOWLEDGED", "was halted and acknowledged, and was not resumed by andon"},
                    {NULL, NULL, NULL}},
    [STOP_LOOSE] = {{"resumed", "RESUMED", "was held and is shown running; the log is being read for who resumed it"},
                    {NULL, NULL, NULL}},
    [STOP_CLAIMED] = {{"halt-claimed", "HALT CLAIMED", "is halted, says a note that no known key has signed"},
                      {NULL, NULL, NULL}},
    [STOP_CLAIM_RUN] = {{"halt-claimed-but-running", "HALT CLAIMED, BUT RUNNING",
                         "is halted, says a note that no known key has signed; the server shows it running"},
                        {"halt-claimed", "HALT CLAIMED",
                         "is halted, says a note that no known key has signed; it ran when the server was last seen"}},
    [STOP_ASKED] = {{"halting", "HALTING", "is being halted; the server does not show it yet"}, {NULL, NULL, NULL}},
    [STOP_ESCALATED] = {{"halt-escalated", "HALT NOT SHOWN", "is not shown halted by the server; andon goes on trying"},
                        {NULL, NULL, NULL}},
    [STOP_LIFTING] = {{"halting-acknowledged", "HALTING",
                       "is being halted, and that was acknowledged; the server does not show it yet"},
                      {NULL, NULL, NULL}},
    [STOP_UNSEEN] = {{"halt-not-confirmed", "HALT NOT CONFIRMED",
                      "is to be halted; this andon has not seen the server show it"},
                     {NULL, NULL, NULL}},
    [STOP_RECALLED] = {{"halt-not-confirmed", "HALT NOT CONFIRMED", "was halted; whether it still is, is not known"},
                       {NULL, NULL, NULL}},
    [STOP_HALTED] = {{"halted", "HALTED", "is halted, and the server shows it"},
                     {"halted-when-last-seen", "HALTED?", "was halted when the server was last seen"}},
    [STOP_STANDBY] = {{"standby", "HALTED, NOT STARTED", "has not started; it is paused at once if somebody starts it"},
                      {"standby-when-last-seen", "HALTED, NOT STARTED?",
                       "had not started when the server was last seen; it is paused as soon as it is shown started"}},
    [STOP_DOUBT] = {{"halted-but-running", "HALTED, BUT RUNNING",
                     "was halted and is shown running; the log is being read for an acknowledgement"},
                    {"halted-running-when-last-seen", "HALTED, BUT RUNNING?",
                     "was halted, and ran when the server was last seen"}},
    [STOP_RUNS] = {{"halted-but-running", "HALTED, BUT RUNNING",
                    "was halted, and was resumed by another client: the server shows it running"},
                   {"halted-running-when-last-seen", "HALTED, BUT RUNNING?",
                    "was halted, was resumed by another client, and ran when the server was last seen"}},
    [STOP_OVER] = {{"halted-over", "HALTED, ENDED", "was halted, and has ended"}, {NULL, NULL, NULL}},
};

const struct stop_words *stop_phase_words(enum stop_phase p, bool stale)
{
    const struct stop_words *w = words[(unsigned)p < STOP_PHASES ? p : STOP_FREE];
    return stale && w[1].word ? &w[1] : &w[0];
}

const struct stop_words *stop_words(const struct stop *s)
{
    return stop_phase_words(s->phase, s->stale || (s->phase == STOP_HELD && s->shown != SHOWS_PAUSED));
}

/* ---- questions ---- */

static bool in(const struct stop *s, unsigned phases)
{
    return phases >> s->phase & 1;
}

bool stop_phase_latched(enum stop_phase p)
{
    return LATCHES >> p & 1;
}

bool stop_latched(const struct stop *s)
{
    return stop_phase_latched(s->phase);
}

int stop_standing(const struct stop *s, uint64_t ids[STOP_KNOWN])
{
    int n = 0;
    for (int i = 0; i < s->n_known; i++)
        if (s->open >> i & 1)
            ids[n++] = s->known[i];
    return n;
}

bool stop_driving(const struct stop *s)
{
    return in(s, DRIVING);
}

bool stop_escalated(const struct stop *s)
{
    return in(s, DRIVING) && s->escalated;
}

bool stop_held(const struct stop *s)
{
    return in(s, P(HELD) | P(ACKED)) && s->shown == SHOWS_PAUSED;
}

bool stop_by_rule(const struct stop *s)
{
    return s->latched_by & (1u << STOP_RULE | 1u << STOP_RULE_LOST);
}

bool stop_rule_may_halt(const struct stop *s)
{
    /* Where the policy lets another's resume stand, the rules that had halted it stand back as well. */
    if (s->phase == STOP_RUNS && stop_by_rule(s))
        return false;
    return !(stop_cell(s->phase, SG_HALT_RULE, NULL).did & D(REFUSED));
}

bool stop_lost_only(const struct stop *s)
{
    return s->latched_by == 1u << STOP_RULE_LOST;
}

int64_t stop_due(const struct stop *s)
{
    if (in(s, P(LOOSE) | P(DOUBT)))
        return s->next;
    if (!in(s, DRIVING | P(UNSEEN)))
        return 0;
    int64_t late = s->since + STOP_ESCALATE_US;
    return !s->escalated && late < s->next ? late : s->next;
}
