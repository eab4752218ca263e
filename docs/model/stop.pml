/* Two watchers, two people, a rule, a server, a foreign client: does a halt hold, whatever is lost and whoever dies?
 * README.md says what is and is not in here. The phases and transitions are those of core/stop_table.c, printed by
 * tests/model/stop_table.c.
 *
 *   SHARED 1: both watchers have one log; 0: each has its own, and a signed note on the server.
 */
#include "stop_table.pml"

#ifndef SHARED
#define SHARED 1
#endif
#define LOG(w) (SHARED -> 0 : w)

/* Halts are bits: 1 by a person, 2 by a rule. */
#define PERSON 1
#define RULE   2

#define UNREAD  0
#define RUNNING 1
#define STOPPED 2

/* the server, and what is on its way to it */
bit runs = 1;
bit pausing[2], resuming[2];
/* a watcher: lost when it dies */
bit up[2] = 1, ours[2], sent[2], by_rule[2];
byte phase[2], shown[2], known[2], standing[2], unlogged[2];
/* logs, and the note */
byte halted[2], acked[2], once[2];
bit told_to_run[2];
byte note;
bit note_acked;
/* what is true, whoever knows it */
byte owed;   /* halts that are in a log */
byte lifted; /* halts that a person has acknowledged */
/* what may still go wrong */
byte losses = LOSSES, crashes = CRASHES, foreign = FOREIGN, acks = ACKS, resumes = RESUMES;
byte may_halt = HALTS;

hidden byte W, S;
hidden int did;

#define latched(p)                                                                                                   \
    (p == STOP_ASKED || p == STOP_ESCALATED || p == STOP_UNSEEN || p == STOP_RECALLED || p == STOP_HALTED ||          \
     p == STOP_STANDBY || p == STOP_DOUBT || p == STOP_RUNS || p == STOP_OVER)
#define driving(p) (p == STOP_ASKED || p == STOP_ESCALATED || p == STOP_LIFTING)
#define clocked(p) (driving(p) || p == STOP_UNSEEN)

/* One step of the table, and its requests. */
inline step(w, g)
{
    W = w;
    S = g;
    did = clocked(phase[w]);
    c_code {
        int asks_already = did;
        did = stop_did[now.phase[W]][S];
        now.phase[W] = stop_next[now.phase[W]][S];
        if (!asks_already)
            now.sent[W] = 0;
    };
    if
    :: driving(phase[w]) && !sent[w] && (g == SG_RUNNING || g == SG_RUNNING_OURS) -> did = did | DID_SEND
    :: else
    fi;
    if
    :: (did & DID_REPEAT) || ((did & DID_SEND) && shown[w] != STOPPED) -> pausing[w] = 1; sent[w] = 1
    :: else
    fi;
    if
    :: !clocked(phase[w]) -> sent[w] = 0
    :: else
    fi;
    if
    :: did & DID_UNLATCHED -> standing[w] = 0; by_rule[w] = 0
    :: else
    fi;
    /* I2, I3: what is said is what was seen */
    assert(phase[w] != STOP_HALTED || shown[w] == STOPPED);
    assert((phase[w] != STOP_RUNS && phase[w] != STOP_DOUBT) || shown[w] == RUNNING);
    assert(latched(phase[w]) == (standing[w] != 0) || (did & DID_LATCHED));
}

inline take(w, id, g)
{
    if
    :: !(known[w] & id) ->
        if
        :: !latched(phase[w]) -> by_rule[w] = 0; standing[w] = 0
        :: else
        fi;
        step(w, g);
        assert(did & DID_LATCHED);
        known[w] = known[w] | id;
        standing[w] = standing[w] | id;
        if
        :: id == RULE -> by_rule[w] = 1
        :: else
        fi
    :: else
    fi
}

inline lift(w, id)
{
    if
    :: (standing[w] & id) && standing[w] != id -> standing[w] = standing[w] & ~id
    :: standing[w] == id -> step(w, SG_ACK)
    :: else
    fi
}

inline found(w, id)
{
    if
    :: (halted[LOG(w)] & ~acked[LOG(w)]) & id ->
        if
        :: once[LOG(w)] & id -> take(w, id, SG_FOUND_ONCE)
        :: else -> take(w, id, SG_FOUND)
        fi
    :: else
    fi;
    if
    :: acked[LOG(w)] & id -> lift(w, id)
    :: else
    fi
}

/* The server is read. A verb of ours that had ended before has no effect any more. */
inline poll(w)
{
    ended = !resuming[w];
    if
    :: runs ->
        shown[w] = RUNNING;
        if
        :: ours[w] -> step(w, SG_RUNNING_OURS)
        :: else -> step(w, SG_RUNNING)
        fi
    :: else ->
        shown[w] = STOPPED;
        step(w, SG_STOPPED);
        if
        :: did & DID_SHOWN -> once[LOG(w)] = once[LOG(w)] | (standing[w] & halted[LOG(w)]) /* the outcome */
        :: else
        fi
    fi;
    if
    :: ended -> ours[w] = 0
    :: else
    fi
}

/* The log, and the note where logs are not shared. */
inline look(w)
{
    if /* what was asked for here is in the log by now */
    :: unlogged[w] ->
        halted[LOG(w)] = halted[LOG(w)] | unlogged[w];
        owed = owed | unlogged[w];
        unlogged[w] = 0;
        told_to_run[LOG(w)] = 0
    :: else
    fi;
    found(w, PERSON);
    found(w, RULE);
    if
    :: !SHARED && note && !note_acked ->
        if
        :: !(known[w] & note) -> take(w, note, SG_FOUND); halted[w] = halted[w] | note
        :: else
        fi
    :: !SHARED && note && note_acked && (standing[w] & note) -> lift(w, note); acked[w] = acked[w] | note
    :: else
    fi;
    if
    :: !SHARED && note && (acked[w] & note) -> note_acked = 1
    :: else
    fi;
    if /* a note that says nothing of a halt that stands is written anew */
    :: !SHARED && standing[w] && (!note || note_acked || !(note & standing[w])) ->
        note = (standing[w] & RULE -> RULE : PERSON);
        note_acked = 0
    :: else
    fi;
    if
    :: told_to_run[LOG(w)] && (phase[w] == STOP_LOOSE || phase[w] == STOP_LIFTING) -> step(w, SG_RUN_FOUND)
    :: else
    fi;
    if
    :: (phase[w] == STOP_DOUBT || phase[w] == STOP_LOOSE) && by_rule[w] ->
        step(w, SG_LOOKED_AGAIN);
        assert(!SHARED || phase[w] == STOP_FREE || (owed & ~lifted)) /* what was acknowledged is not fought */
    :: (phase[w] == STOP_DOUBT || phase[w] == STOP_LOOSE) && !by_rule[w] -> step(w, SG_LOOKED)
    :: else
    fi;
    /* no latch is lost: what stands in the log stands here, also after a crash */
    assert(((halted[LOG(w)] & ~acked[LOG(w)]) & ~standing[w]) == 0)
}

inline time(w)
{
    if
    :: driving(phase[w]) -> step(w, SG_RETRY)
    :: phase[w] == STOP_UNSEEN || phase[w] == STOP_ASKED -> step(w, SG_LATE)
    :: !driving(phase[w])
    fi
}

proctype watcher(byte w)
{
    bit ended;
    do
    :: atomic {
           if /* who comes back reads the log first */
           :: !up[w] -> up[w] = 1
           :: else
           fi;
           look(w)
       }
       atomic {
           if
           :: up[w] -> poll(w); time(w)
           :: up[w] && losses > 0 -> losses--; time(w) /* no answer */
           :: !up[w]
           fi;
           ended = 0
       }
    od
}

/* Requests arrive in any order, or not at all. */
proctype net()
{
    do
    :: atomic { pausing[0] -> pausing[0] = 0; runs = 0 }
    :: atomic { pausing[1] -> pausing[1] = 0; runs = 0 }
    :: atomic { resuming[0] -> resuming[0] = 0; runs = 1 }
    :: atomic { resuming[1] -> resuming[1] = 0; runs = 1 }
    :: atomic { pausing[0] && losses > 0 -> pausing[0] = 0; losses-- }
    :: atomic { pausing[1] && losses > 0 -> pausing[1] = 0; losses-- }
    :: atomic { resuming[0] && losses > 0 -> resuming[0] = 0; losses-- }
    :: atomic { resuming[1] && losses > 0 -> resuming[1] = 0; losses-- }
    od
}

inline die(w)
{
    up[w] = 0;
    ours[w] = 0;
    sent[w] = 0;
    by_rule[w] = 0;
    phase[w] = STOP_FREE;
    shown[w] = UNREAD;
    known[w] = 0;
    standing[w] = 0;
    unlogged[w] = 0
}

inline ask(w, id, g)
{
    may_halt = may_halt & ~id;
    take(w, id, g);
    unlogged[w] = unlogged[w] | id
}

inline acknowledge(w)
{
    acks--;
    acked[LOG(w)] = acked[LOG(w)] | standing[w];
    lifted = lifted | standing[w];
    step(w, SG_ACK)
}

inline resume(w)
{
    resumes--;
    step(w, SG_RUN);
    if
    :: did & DID_REFUSED
    :: else ->
        /* I4: nothing that this watcher has heard of and nobody has acknowledged is run over */
        assert((known[w] & owed & ~lifted) == 0);
        ours[w] = 1;
        resuming[w] = 1;
        told_to_run[LOG(w)] = 1
    fi
}

#define rule_may(w)                                                                                                  \
    (phase[w] == STOP_FREE || phase[w] == STOP_LOOSE || (phase[w] == STOP_RUNS && !by_rule[w]))

proctype world()
{
    do
    :: atomic { up[0] && (may_halt & PERSON) -> ask(0, PERSON, SG_HALT) }
    :: atomic { up[0] && (may_halt & RULE) && rule_may(0) -> ask(0, RULE, SG_HALT_RULE) }
    :: atomic { up[1] && (may_halt & RULE) && rule_may(1) -> ask(1, RULE, SG_HALT_RULE) }
    :: atomic { up[0] && acks > 0 && standing[0] && !unlogged[0] -> acknowledge(0) }
    :: atomic { up[1] && acks > 0 && standing[1] && !unlogged[1] -> acknowledge(1) }
    :: atomic { up[0] && resumes > 0 && shown[0] == STOPPED -> resume(0) }
    :: atomic { up[1] && resumes > 0 && shown[1] == STOPPED -> resume(1) }
    :: atomic { foreign > 0 && !runs -> foreign--; runs = 1 }
    :: atomic { crashes > 0 && up[0] -> crashes--; die(0) }
    :: atomic { crashes > 0 && up[1] -> crashes--; die(1) }
#ifdef LTL
    :: break /* what may happen need not */
#endif
    od
}

init
{
    atomic {
        run watcher(0);
        run watcher(1);
        run net();
        run world()
    }
}

/* A halt that is in a log ends with the server stopped, unless a person has acknowledged it. */
#define open_person ((owed & PERSON) && !(lifted & PERSON))
#define open_rule   ((owed & RULE) && !(lifted & RULE))
#if LTL == 1
ltl stops { [] ((open_person || open_rule) -> <> (!runs || (!open_person && !open_rule))) }
#endif
/* A rule's halt keeps it stopped: whoever resumes it, until a person acknowledges. */
#if LTL == 2
ltl stays { (<> [] open_rule) -> (<> [] (!runs)) }
#endif
