/* One vulnerability, many ids: which ids mean the same.
 *
 * An alias joins two ids, both ways and onwards (OSV schema, "aliases"). An upstream is directed, from a distribution's
 * advisory to what it is about: when all upstreams of an advisory are one vulnerability, it joins that one; when they
 * are several, it joins none of them and merges nothing, but speaks about each (groups_about). What is one
 * vulnerability may itself follow from such a join. A related id joins nothing.
 *
 * Union-find over numbered ids; n ids with m references cost O((n + m) log (n + m)), whatever their shape, without
 * recursion. Ids are compared by sorting and not by hashing, so that nobody can choose ids that collide. */
#ifndef ANDON_CORE_GROUPS_H
#define ANDON_CORE_GROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/advisory.h"

/* The joining alone, for whoever numbers ids himself: 0 .. n - 1. */
struct joins;
struct joins *joins_new(uint32_t n);
void joins_free(struct joins *j);
/* Before joins_close(). Both ends below n. */
void joins_alias(struct joins *j, uint32_t a, uint32_t b);
void joins_upstream(struct joins *j, uint32_t from, uint32_t to);
/* Joins what follows from upstreams; after it only the following two may be called. */
void joins_close(struct joins *j);
/* The same number for all ids of one vulnerability. */
uint32_t joins_root(struct joins *j, uint32_t id);

/* The same with names. Copies all ids. */
struct groups;
struct groups *groups_new(void);
void groups_free(struct groups *g);
/* An advisory and what it refers to. Before groups_close(). */
void groups_add(struct groups *g, const char *id, const struct adv_ref *refs, size_t n_refs);
void groups_close(struct groups *g);
/* The name of the id's group: its CVE, of several the lowest, without one its smallest id by bytes. An id that was
 * never added is its own group. Lives as long as g (or is `id` itself). */
const char *groups_name(const struct groups *g, const char *id);
/* The names of the groups it speaks about into out[max]; their number, which may be over max. */
size_t groups_about(const struct groups *g, const char *id, const char **out, size_t max);
/* All ids of the id's group, sorted by bytes; *n = 0 for one that was never added. */
const char *const *groups_members(const struct groups *g, const char *id, size_t *n);

/* "CVE-2031-20417": CVE-, four digits, -, four digits or more. */
bool id_is_cve(const char *id);
/* Order of names for a group: CVEs first, by year and number, all else by bytes. <0, 0, >0 */
int id_cmp(const char *a, const char *b);

/* What is left of a group. */
enum group_life {
    GROUP_LIVE = 0,
    GROUP_DOUBTFUL, /* its CVE is rejected (or all that is left of it), another advisory about it lives */
    GROUP_REJECTED, /* no live advisory remains, and a CVE of it is rejected */
    GROUP_WITHDRAWN /* no live advisory remains */
};
/* Of its advisories, all that are known. The CVE record's own word about its id counts before NVD's copy of it. */
enum group_life group_life(const struct advisory *const *advs, size_t n);
/* Does this one still speak? A withdrawn or rejected one does not, nor NVD's copy of a record that is rejected. */
bool group_speaks(const struct advisory *const *advs, size_t n, const struct advisory *adv);

#endif
