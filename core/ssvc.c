#include "core/ssvc.h"

#include <stddef.h>
#include "core/clock.h"

/* A letter for each row, in the order of the table: exploitation by exposure by automatable, and within each the four
 * human impacts from low to very high. */
static const char DEPLOYER[] = /* small, controlled, open; each: not automatable, automatable */
    "ddssdsss"
    "dsssssss"
    "dssssss"
    "o" /* none */
    "dsssssss"
    "dsssssso"
    "sssossoo" /* public poc */
    "ssoosooo"
    "ssoooooo"
    "sooiooii"; /* active */
_Static_assert(sizeof DEPLOYER == (size_t)EXPLOITS * SYSTEM_EXPOSURES * 2 * IMPACTS + 1, "a row is missing");

/* By listed, exposed, automatable, total as the bits 8, 4, 2, 1. */
static const struct {
    int row;
    enum bod_days days;
} BOD[16] = {
    {0, BOD_UPGRADE}, {4, BOD_UPGRADE},     {3, BOD_60}, {10, BOD_60},         {2, BOD_60}, {9, BOD_14},
    {7, BOD_14},      {14, BOD_3},          {1, BOD_14}, {8, BOD_14},          {6, BOD_14}, {13, BOD_3_FORENSIC},
    {5, BOD_14},      {12, BOD_3_FORENSIC}, {11, BOD_3}, {15, BOD_3_FORENSIC},
};

static const char *const EXPLOITATION_WORDS[EXPLOITS] = {"none", "public poc", "active"};
static const char *const EXPOSURE_WORDS[SYSTEM_EXPOSURES] = {"small", "controlled", "open"};
static const char *const IMPACT_WORDS[IMPACTS] = {"low", "medium", "high", "very high"};
static const struct {
    char letter;
    const char *word;
    int days;
} TIER[TIERS] = {{'i', "immediate", 3}, {'o', "out-of-cycle", 7}, {'s', "scheduled", 30}, {'d', "defer", 90}};
static const struct {
    const char *word;
    int days;
} BOD_SAYS[BODS] = {{"3 days & forensic investigation", 3},
                    {"3 days", 3},
                    {"14 days", 14},
                    {"60 days", 60},
                    {"fix on system upgrade", 0}};

enum ssvc_tier ssvc_tier(const struct ssvc_case *c, int *row)
{
    int n =
        (((int)c->exploitation * SYSTEM_EXPOSURES + (int)c->exposure) * 2 + c->automatable) * IMPACTS + (int)c->impact;
    enum ssvc_tier t = TIER_IMMEDIATE;
    if (row)
        *row = n;
    while (t < TIER_DEFER && TIER[t].letter != DEPLOYER[n])
        t++;
    return t;
}

enum bod_days bod_days(const struct bod_case *c, int *row)
{
    unsigned n = (unsigned)c->listed << 3 | (unsigned)c->exposed << 2 | (unsigned)c->automatable << 1 | c->total;
    if (row)
        *row = BOD[n].row;
    return BOD[n].days;
}

const char *ssvc_exploitation_word(enum ssvc_exploitation e)
{
    return (unsigned)e < EXPLOITS ? EXPLOITATION_WORDS[e] : "?";
}

const char *ssvc_exposure_word(enum ssvc_exposure x)
{
    return (unsigned)x < SYSTEM_EXPOSURES ? EXPOSURE_WORDS[x] : "?";
}

const char *ssvc_impact_word(enum ssvc_impact i)
{
    return (unsigned)i < IMPACTS ? IMPACT_WORDS[i] : "?";
}

const char *ssvc_tier_word(enum ssvc_tier t)
{
    return (unsigned)t < TIERS ? TIER[t].word : "?";
}

const char *bod_word(enum bod_days b)
{
    return (unsigned)b < BODS ? BOD_SAYS[b].word : "?";
}

int64_t ssvc_tier_us(enum ssvc_tier t)
{
    return (unsigned)t < TIERS ? TIER[t].days * US_PER_DAY : 0;
}

int64_t bod_us(enum bod_days b)
{
    return (unsigned)b < BODS ? BOD_SAYS[b].days * US_PER_DAY : 0;
}
