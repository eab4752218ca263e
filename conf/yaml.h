/* YAML read strictly against a schema. The only user of libyaml (conf/yaml.c).
 *
 * A file is checked whole before anything reads it: unknown keys (with the nearest known one), wrong types, values out
 * of range, duplicate keys, anchors used as bombs, several documents, bad UTF-8. Errors name file, line, key path and
 * what was expected: "config.yaml:12: fleets[0].read_only: expected true or false, found 'flase'". Booleans are only
 * true and false; numbers only decimal; durations like 90s, 10m, 1h30m. After a successful check the getters cannot
 * fail. Limits: 1 MiB, depth 16, 100,000 nodes. */
#ifndef ANDON_CONF_YAML_H
#define ANDON_CONF_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/err.h"

enum ytype {
    YT_STR, /* any scalar, as text */
    YT_BOOL,
    YT_INT,
    YT_NUM,
    YT_DUR,  /* microseconds */
    YT_WORD, /* one of .words */
    YT_LIST, /* of .item (a map's fields in .fields) */
    YT_MAP,  /* with .fields */
    YT_DICT, /* free keys, each value of .item */
    YT_TEXT  /* any scalar, or a map with .fields in its place */
};

struct yfield {
    const char *key; /* NULL ends a table */
    enum ytype type;
    bool required;
    double min, max;             /* YT_INT, YT_NUM; YT_DUR in seconds; both 0 = any. Lists: number of items */
    const char *const *words;    /* YT_WORD, NULL-terminated */
    const struct yfield *fields; /* YT_MAP, or items that are maps */
    enum ytype item;             /* YT_LIST, YT_DICT */
    const char *doc;             /* one line for `andon help config` and the docs */
    bool hush;                   /* its value is never shown in an error: somebody may have put a secret there */
};

struct ynode;

/* Parses and checks. `name` is used in errors. The tree lives in the arena. NULL with *e filled. */
const struct ynode *yaml_parse(const char *name, const char *bytes, size_t n, const struct yfield *schema,
                               struct arena *a, struct err *e);
/* The same from a file, whoever it belongs to (conf/file.h for the checks). ERR_NOT_FOUND when there is none. */
const struct ynode *yaml_load(const char *path, const struct yfield *schema, struct arena *a, struct err *e);

/* Getters on a checked map node: the default when absent. */
bool y_has(const struct ynode *map, const char *key);
const char *y_str(const struct ynode *map, const char *key, const char *dflt);
bool y_bool(const struct ynode *map, const char *key, bool dflt);
int64_t y_int(const struct ynode *map, const char *key, int64_t dflt);
double y_num(const struct ynode *map, const char *key, double dflt);
int64_t y_dur(const struct ynode *map, const char *key, int64_t dflt_us);
int y_word(const struct ynode *map, const char *key, int dflt);      /* index into .words */
const struct ynode *y_get(const struct ynode *map, const char *key); /* NULL when absent */
size_t y_len(const struct ynode *list_or_dict);                      /* NULL gives 0 */
const struct ynode *y_at(const struct ynode *list_or_dict, size_t i);
const char *y_key_at(const struct ynode *dict, size_t i);
const char *y_text(const struct ynode *scalar); /* its text */
bool y_is_map(const struct ynode *node);        /* of YT_TEXT: it is the map */
int y_line(const struct ynode *node);
/* Is the text one of the words (NULL ends them)? Which; else false with an error that names them. */
bool y_one_of(const struct ynode *node, const char *const *words, size_t *which, struct err *e) ANDON_MUST_USE;
/* An error at a node, for checks that a schema can't say: "file:line: path: " + message. Returns false. */
bool y_err(const struct ynode *node, struct err *e, const char *fmt, ...) ANDON_PRINTF(3, 4);

#endif
