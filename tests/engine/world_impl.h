/* Between the files of the world. */
#ifndef ANDON_TESTS_ENGINE_WORLD_IMPL_H
#define ANDON_TESTS_ENGINE_WORLD_IMPL_H

#include "tests/engine/world.h"

void w_set(struct world *w, struct w_rollout *r, enum rollout_state s);
void w_tick(struct world *w);
void w_tell(struct world *w, struct w_rollout *r, struct w_wave *v);
void w_counts(const struct world *w, const struct w_rollout *r, const struct w_wave *v, struct counts *c);
/* Into the list of what was asked for. */
void w_note(struct world *w, const char *fmt, ...) ANDON_PRINTF(2, 3);
/* Request and answer of what changes something, into its reply. */
void w_facts(const struct w_call *c, struct reply *r);
void w_scrape(struct world *w); /* keeps what is due */
void w_seam(struct world *w);
/* Answers `done` after a while. */
void w_answer(struct world *w, backend_done done, void *ctx);
/* So much later than others, by a server whose clock is `ahead`. */
void w_answer_later(struct world *w, backend_done done, void *ctx, int64_t later, int64_t ahead);
void w_answer_err(struct world *w, backend_done done, void *ctx, enum err_code code, bool maybe, const char *what);
extern const struct backend_ops w_backend_ops;
extern const struct telemetry_ops w_telemetry_ops, w_history_ops;

#endif
