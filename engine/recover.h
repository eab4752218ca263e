/* The part "recover": what an earlier session left open in the log, and what other sessions write into it meanwhile.
 *
 * The log is the state. For each intent without outcome the server is asked what became of it, and `recovered` says
 * so. Nothing is sent again, but for what may be repeated: a halt is asked for until it shows, and a roll back goes on
 * from its last step. Intents of a process that still lives are its own business. */
#ifndef ANDON_ENGINE_RECOVER_H
#define ANDON_ENGINE_RECOVER_H

#include <stdbool.h>
#include <stdint.h>
#include "audit/log.h"
#include "engine/parts.h"

struct leftovers;
struct job;

struct en_recover {
    bool recovered;           /* the past was read from the log; at once when there is none */
    bool looking, look_again; /* a look is under way; one more was wanted meanwhile */
    int64_t read_size;        /* entries of the log that were read; what was written since is not known, but by whom */
    bool past_taken;          /* holds and acknowledgements, once the server's rollouts were known */
    bool anew;                /* the next look reads the latches whatever the log's size: a rollout was replaced */
    struct job *leftovers;    /* kept until the rollouts are known */
};

/* A look (JOB_LOOK) that another part has asked for: what it reads, and what it has read. */
struct job *recover_look(struct engine *en);
void recover_looked(struct engine *en, const struct job *j);

/* ---- recover_log.c: what was read, handed on ---- */
struct stop_asker log_asker(const struct stored *s);          /* the process that wrote it */
bool log_surely(const struct ro *ro, const struct stored *s); /* about the rollout that has the number now */
bool log_of_another(struct ro *ro, const struct stored *s);   /* surely about another one; that is said, once */
void log_say_another(struct ro *ro);                          /* that another one had its number; into the log, once */
void log_hold(struct ro *ro, const struct leftovers *l,
              const struct stored *s);                          /* it says that an andon has paused it */
void log_latched(struct engine *en, const struct leftovers *l); /* halts that nobody has acknowledged */
/* Halts that stood in the log when it had so many entries, and that it does not call latched any more. */
void log_lifted(struct engine *en, const struct leftovers *l, int64_t read_size);
/* By the newest word about each rollout, where that is later than the first `read_size` entries. */
void log_holds(struct engine *en, const struct leftovers *l, int64_t read_size);
void log_runs(struct engine *en, const struct leftovers *l); /* an andon has told it to run since */
void log_acks(struct engine *en, const struct leftovers *l); /* of evidence; a rule's say nothing about it */

extern const struct part part_recover;

#endif
