/* How long patching takes: from where devices stayed (audit/stays.h) and what their releases have (core/outlook.h) to
 * pairs of a device and a vulnerability, and from those to figures by class (core/survival.h). docs/intel.md, "How long
 * it takes".
 *
 * A pair begins with the device's first affected release, ends with the verified installation of one that was judged
 * and is not affected, and opens again when the device goes back. It is computed from what is known now: what is
 * withdrawn, or said not to affect, has no pairs, also backwards. */
#ifndef ANDON_CORE_PATCH_H
#define ANDON_CORE_PATCH_H

#include "core/outlook.h"
#include "core/survival.h"

/* A device that had one release for a while. Times: the fleet's, us since 1970. */
struct stay {
    const char *fleet, *device, *release; /* device: raw id */
    int64_t installed;                    /* when it got it; 0 = before it was first looked at */
    int64_t first, last;                  /* it was seen so, first and last */
    int64_t ended;                        /* 0: it has it as far as is known */
    const char *next;                     /* what it had then; "" = the device was not there any more */
};

struct patch_class {
    size_t pairs, patched, open, gone; /* open and gone are counted in, not left out */
    size_t unknown;                    /* .. of the open: the device has a release that could not be judged */
    size_t left_out;                   /* pairs that are none by this clock: its moment is not known, or over before */
    int64_t target;                    /* us */
    bool under;                        /* within the target means less than it (safety-critical) */
    double within, low, high;          /* shares; low..high is the 95 % interval; NaN: none, no pair was seen so long */
    int64_t median;                    /* TIME_NEVER: not reached */
    bool few;                          /* .. and it says little */
    int64_t tau, mean;                 /* the mean to tau */
    double patched_only;               /* us; NaN */
    size_t over;
    int64_t oldest;                  /* of the open ones, us */
    double exposed_us, exploited_us; /* device time, and that of exploited ones */
    int64_t begins;                  /* of the curve: fewer than SURVIVAL_FEW were at risk before; 0 */
    struct survival curve;
};

struct patch_vuln {
    const struct vuln_facts *facts;
    size_t pairs, patched, open, gone;
    int64_t last; /* the newest verified installation that closed it, 0 */
};

struct patch_figures {
    enum risk_clock clock;
    int64_t horizon;
    int64_t since; /* the first census, 0 = there was none */
    int64_t until; /* the newest */
    size_t devices;
    struct patch_class of[CLASSES];
    struct patch_vuln *vulns; /* with pairs, most open first */
    size_t n_vulns;
    double first_exploit_us; /* from publication to the first exploitation that is known, mean; NaN */
    size_t n_exploited;
};

/* The stays of one device stand together, oldest first. Everything lives in the arena or is borrowed. */
void patch_figures(const struct outlook *o, const struct stay *v, size_t n, enum risk_clock clock, int64_t horizon,
                   struct arena *a, struct patch_figures *out);
/* Has the release what is to be patched? */
bool patch_affected(const struct outlook *o, const char *release);

#endif
