/* A verb as a command carries it out: looked at, confirmed, handed in, waited for. Of several rollouts, one of these
 * for each. */
#ifndef ANDON_CLI_VERB_RUN_H
#define ANDON_CLI_VERB_RUN_H

#include "cli/fleets.h"

#define VERB_READY_US (20 * US_PER_S)
/* A halt does not wait for the board: it is handed in when the server has been silent for so long. */
#define VERB_HALT_READY_US (3 * US_PER_S)

struct verb_run {
    const struct args *args;
    const struct session *session;
    struct fleet_run *run;
    const char *id; /* of the rollout, "" with --all */
    struct intent in;
    struct preview preview;
    struct err refusal; /* of verb_check on the newest snapshot; code ERR_NONE = it may go ahead */
    int64_t timeout;
};

/* ---- verb_look.c ---- */

/* What --stop says, STRENGTH_POLICY without it. */
bool verb_strength(const struct args *a, enum strength *out, struct err *e) ANDON_MUST_USE;
/* The intent, by the command line. */
bool verb_fill(struct verb_run *r, struct err *e) ANDON_MUST_USE;
/* Waits for what the verb's checks and its preview look at, and fills preview and refusal. What does not come in time
 * is not there: the checks then refuse by themselves. */
void verb_look_at(struct verb_run *r);
void verb_preview_text(const struct verb_run *r, FILE *to);
void verb_preview_json(const struct verb_run *r, struct json_w *w); /* into an object */

/* ---- verbs.c ---- */

/* A line from the terminal, without its end; false at the end of input. */
bool verb_ask(const char *question, char *out, size_t size) ANDON_MUST_USE;
bool verb_person(void);                                      /* somebody can be asked */
bool verb_knows_server(const struct snapshot *s, void *ctx); /* for fleet_until() */
/* What a command ends with when the op has come so far. */
int verb_phase_exit(enum op_phase p);

/* ---- verb_several.c ---- */

/* Does it stand for several: by --release, or by more than one id? */
bool verb_is_several(const struct args *a);
/* Are the command's words those of a verb for several? */
bool verb_several_words(const struct args *a, struct err *e) ANDON_MUST_USE;
/* Carries it out, and says each rollout's answer on its own. */
int verb_several(const struct args *a, struct session *s, int64_t timeout);

#endif
