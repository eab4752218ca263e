/* The outlook: what to roll out next, with all that the answer rests on, in one piece that many may look at.
 *
 * It is computed where the store of advisories is at hand (intel/outlook.h), by a command or by the engine's thread for
 * it, and is immutable from then on. Here is what is said of it in words; where it stands on a line is for whoever
 * prints it. docs/intel.md, "What first". */
#ifndef ANDON_CORE_OUTLOOK_H
#define ANDON_CORE_OUTLOOK_H

#include "core/arena.h"
#include "core/fmt.h"
#include "core/intent.h"
#include "core/inventory.h"
#include "core/match.h"
#include "core/model.h"
#include "core/queue.h"

struct outlook_source {
    const char *name, *sha256;
    int64_t age; /* us; < 0: not known */
    bool stale;  /* older than its kind may be */
};
struct patch_figures;
struct outlook {
    int refs;
    struct arena mem;
    struct inventory_held *inventory; /* whose strings are used, NULL = somebody else keeps them */
    void *kept;                       /* what it borrows from besides, freed by drop */
    void (*drop)(void *kept);
    struct queue_input in;
    struct queue q;
    const struct outlook_source *sources;
    size_t n_sources;
    struct match_gaps gaps;        /* of all releases on devices together; no_sbom is not used */
    size_t releases, without_sbom; /* on devices */
    bool cut;                      /* a release has more than can be looked at */
    const char *of;                /* where devices were counted, for people */
    struct patch_figures *patch;   /* how long patching takes (core/patch.h); NULL: no census was read */
};

struct outlook *outlook_new(void);              /* refs = 1 */
struct outlook *outlook_ref(struct outlook *o); /* NULL is fine; thread-safe */
void outlook_unref(struct outlook *o);

/* How a rollout in this state stands; a halt that nobody has acknowledged is one, whatever the server shows. FIX_NONE:
 * it says nothing of its release. */
enum fix_state outlook_standing(enum rollout_state state, bool halted);

/* "-2d  4h", "+71d  6h", from 100 days on "+330d": past due, and still to go. */
const char *outlook_due(char out[FMT_MAX], int64_t due, int64_t now);
/* "2031-03-12 08:00Z" */
const char *outlook_time(char out[FMT_MAX], int64_t t);
/* "9.8", "?" when nobody scores it. */
const char *outlook_score(char out[FMT_MAX], const struct vuln_facts *f);
/* "X NOW", "## NOFIX", "? BLIND" */
const char *outlook_tier(const struct queue_row *r, bool ascii);
/* "gate 2.8.4 -> 2.9.0" */
const char *outlook_step(struct arena *a, const struct queue_row *r, bool ascii);
/* "CVE-2031-20417 !": the ! of what is exploited; "cannot be judged". */
const char *outlook_worst(struct arena *a, const struct queue_row *r);
/* How the step stands: "4472 running", "accepted to 2031-06-30", "no SBOM". */
const char *outlook_state(struct arena *a, const struct queue_row *r, bool ascii);
/* Who is exposed to what is exploited, and what cannot be judged. *bad: somebody is. */
void outlook_headline(const struct outlook *o, bool ascii, bool *bad, struct buf *out);
/* What is not seen: "not judged: 212 devices without an SBOM or a release, ..." */
void outlook_unseen(const struct outlook *o, struct buf *out);

/* Why a row stands where it does, a line for each thing that decided. */
struct outlook_line {
    const char *label;
    const char *value; /* "yes", "internet"; "" = the text takes its place */
    const char *text;
    const char *says; /* who says so, and how old that is; "" */
    bool warn;        /* it was assumed, or is to be minded */
};
enum { OUTLOOK_LINES = 20 };
size_t outlook_why(const struct outlook *o, size_t row, bool ascii, struct arena *a,
                   struct outlook_line out[OUTLOOK_LINES]);

/* What somebody should know of the release that devices get by this verb, as the first note of its preview: that it has
 * what is known to be exploited, or that it cannot be judged. */
void outlook_preview(const struct intent *in, const struct verb_facts *f, struct preview *p);
/* The first step that this rollout would carry out; NULL: none that is known, or its risks are accepted. */
const struct queue_row *outlook_next(const struct outlook *o, const char *rollout);
/* The first row that concerns devices of this model; NULL: none. */
const struct queue_row *outlook_model(const struct outlook *o, const char *model);
/* What is known of a vulnerability; NULL. */
const struct vuln_facts *outlook_facts(const struct outlook *o, const char *id);

#endif
