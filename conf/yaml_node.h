/* The checked tree, shared by conf/yaml.c (parsing), conf/yaml_check.c (the schema) and conf/yaml_get.c (getters).
 * Nobody else includes this. */
#ifndef ANDON_CONF_YAML_NODE_H
#define ANDON_CONF_YAML_NODE_H

#include "conf/yaml.h"

#define YAML_BYTES_MAX (1024 * 1024)
#define YAML_DEPTH_MAX 16
#define YAML_NODES_MAX 100000
#define YAML_KEYS_MAX  4096 /* in one map: duplicates are looked for one by one */

enum ynode_kind { YN_SCALAR, YN_LIST, YN_MAP };

struct ynode {
    enum ynode_kind kind;
    const char *file; /* for errors */
    int line, key_line;
    const struct ynode *parent; /* NULL for the root */
    const char *key;            /* in a map */
    size_t index;               /* in a list */
    /* scalar */
    const char *text;
    bool plain; /* written without quotes */
    /* list, map: items in the order of the file */
    struct ynode *first, *last, *next;
    const struct ynode **items; /* set by the check */
    size_t n;
    /* set by the check */
    int64_t i; /* YT_BOOL, YT_INT, YT_DUR, YT_WORD */
    double num;
};

/* Checks *node against a table of fields (a map) and fills its values. */
bool yaml_check(struct ynode *root, const struct yfield *schema, struct arena *a, struct err *e);

/* An error at a line; `node` gives file and path, `key` (may be NULL) is appended to the path. Returns false. */
bool yaml_err_at(const struct ynode *node, const char *key, int line, enum err_code code, struct err *e,
                 const char *fmt, ...) ANDON_PRINTF(6, 7);

#endif
