/* An entry in words, for people: the table's columns, and full sentences. What a sentence says stands in the entry, in
 * fields that it names; how something ended is another entry's to say. Every string is safe text. */
#ifndef ANDON_AUDIT_WORDS_H
#define ANDON_AUDIT_WORDS_H

#include "audit/log.h"

/* Who did it, what, on what, how it went and because of what; strings from the arena or the entry's own. */
struct entry_words {
    const char *who, *action, *object, *result, *because;
};
void entry_words(const struct stored *s, struct arena *a, struct entry_words *out);

/* What the entry says, in one to four sentences. */
const char *entry_sentence(const struct stored *s, struct arena *a);
/* Who wrote it, and by whose word: the kernel's, the user database's, or only claimed by the environment. */
const char *entry_source(const struct stored *s, struct arena *a);
/* "rollout 4471 (hearth 4.12.1) of the fleet emea, wave 0". */
const char *entry_object(const struct stored *s, struct arena *a);
/* A field's value for people: microseconds as a time or a duration, exact real numbers with their decimal value behind
 * them; everything else as it is. */
const char *entry_value(struct arena *a, const char *key, const char *value);
/* A host's fact by its path, as in "kernel.uid"; "" where there is none. */
const char *entry_host(const struct stored *s, struct arena *a, const char *path);

#endif
