/* A small world of records for the tests of intel/, and a store in a temporary folder. */
#ifndef ANDON_TESTS_INTEL_WORLD_H
#define ANDON_TESTS_INTEL_WORLD_H

#include <stddef.h>
#include "core/arena.h"
#include "intel/import.h"
#include "intel/store.h"

#define WORLD_NOW INT64_C(1900000000000000) /* 2030-03-17T17:46:40Z */

struct world {
    char dir[64];   /* the folder that is imported */
    char state[64]; /* where the store is */
    char db[100];
    struct arena a;
    int64_t now;
    bool force;
    char said[4000]; /* "outcome source: error\n" of the last import */
};

void world_begin(struct world *w);
void world_end(struct world *w);
/* A file of the folder; folders in its path are made. */
void world_file(struct world *w, const char *path, const char *text);
void world_bytes(struct world *w, const char *path, const void *bytes, size_t n);
void world_remove(struct world *w, const char *path);
/* Imports; how many sources were refused. */
size_t world_import(struct world *w);
struct intel_store *world_open(struct world *w);
/* The text with each ' as a ". In the world's arena. */
const char *world_json(struct world *w, const char *text);

#endif
