#include "core/identity.h"

#include <stdio.h>
#include <string.h>
#include "core/digest.h"
#include "core/text.h"

struct rollout_identity identity_of(const char *fleet, const struct rollout *r, char release[IDENTITY_RELEASE_BYTES])
{
    char whole[2 * NAME_MAX_BYTES + 2];
    bool known = *r->release.name || *r->release.version;
    snprintf(whole, sizeof whole, "%s%s%s", r->release.name, known ? ":" : "", r->release.version);
    safe_text_into(release, IDENTITY_RELEASE_BYTES, whole, strlen(whole)); /* clipped as it reads back from the log */
    return (struct rollout_identity){fleet, r->id, r->created_at, r->name, release};
}

/* Two texts of which either may be unknown. */
static enum identity_answer texts(const char *a, const char *b)
{
    if (!*a || !*b)
        return IDENTITY_NOT_KNOWN;
    return strcmp(a, b) == 0 ? IDENTITY_SAME : IDENTITY_OTHER;
}

enum identity_answer identity_same(const struct rollout_identity *a, const struct rollout_identity *b)
{
    enum identity_answer name = texts(a->name, b->name), release = texts(a->release, b->release);
    if (strcmp(a->fleet, b->fleet) != 0 || strcmp(a->id, b->id) != 0)
        return IDENTITY_OTHER;
    if (a->created_at > 0 && b->created_at > 0) {
        if (a->created_at != b->created_at)
            return IDENTITY_OTHER;
        return release == IDENTITY_OTHER ? IDENTITY_NOT_KNOWN : IDENTITY_SAME;
    }
    if (name == IDENTITY_OTHER && release == IDENTITY_OTHER)
        return IDENTITY_OTHER;
    return name == IDENTITY_SAME && release != IDENTITY_OTHER ? IDENTITY_SAME : IDENTITY_NOT_KNOWN;
}

enum identity_answer identity_about(const struct identity_mark *mark, const struct rollout_identity *now)
{
    enum identity_answer same = identity_same(&mark->who, now);
    if (same == IDENTITY_OTHER || mark->who.created_at > 0 || now->created_at <= 0)
        return same;
    int64_t age = (mark->t > 0 ? mark->t : 0) - now->created_at; /* both positive: no overflow */
    if (age < -IDENTITY_CLOCK_US)
        return IDENTITY_OTHER;
    return age <= IDENTITY_CLOCK_US ? IDENTITY_NOT_KNOWN : same;
}

bool identity_ack_lifts(const struct identity_mark *ack, const struct identity_mark *halt)
{
    if (ack->who.created_at > 0)
        return identity_about(halt, &ack->who) != IDENTITY_OTHER;
    if (halt->who.created_at > 0)
        return identity_about(ack, &halt->who) == IDENTITY_SAME;
    return identity_same(&ack->who, &halt->who) != IDENTITY_OTHER &&
           texts(ack->who.name, halt->who.name) != IDENTITY_OTHER;
}

void identity_key(const struct rollout_identity *r, char out[IDENTITY_KEY_BYTES])
{
    char created[24], hex[SHA256_HEX];
    struct sha256 sum;
    snprintf(created, sizeof created, "%lld", (long long)(r->created_at > 0 ? r->created_at : 0));
    const char *parts[] = {r->fleet, r->id, created, r->created_at > 0 ? "" : r->name};
    sha256_init(&sum);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        sha256_add(&sum, parts[i], strlen(parts[i]) + 1);
    sha256_done_hex(&sum, hex);
    memcpy(out, hex, IDENTITY_KEY_BYTES - 1);
    out[IDENTITY_KEY_BYTES - 1] = '\0';
}
