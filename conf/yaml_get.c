/* Getters on a checked tree. A key that the schema does not have gives the default. */
#include "conf/yaml_node.h"

#include <string.h>

const struct ynode *y_get(const struct ynode *map, const char *key)
{
    if (!map || map->kind != YN_MAP)
        return NULL;
    for (const struct ynode *it = map->first; it; it = it->next) {
        if (strcmp(it->key, key) == 0)
            return it;
    }
    return NULL;
}

bool y_has(const struct ynode *map, const char *key)
{
    return y_get(map, key) != NULL;
}

static const struct ynode *scalar(const struct ynode *map, const char *key)
{
    const struct ynode *n = y_get(map, key);
    return n && n->kind == YN_SCALAR ? n : NULL;
}

const char *y_str(const struct ynode *map, const char *key, const char *dflt)
{
    const struct ynode *n = scalar(map, key);
    return n ? n->text : dflt;
}

bool y_bool(const struct ynode *map, const char *key, bool dflt)
{
    const struct ynode *n = scalar(map, key);
    return n ? n->i != 0 : dflt;
}

int64_t y_int(const struct ynode *map, const char *key, int64_t dflt)
{
    const struct ynode *n = scalar(map, key);
    return n ? n->i : dflt;
}

double y_num(const struct ynode *map, const char *key, double dflt)
{
    const struct ynode *n = scalar(map, key);
    return n ? n->num : dflt;
}

int64_t y_dur(const struct ynode *map, const char *key, int64_t dflt_us)
{
    return y_int(map, key, dflt_us);
}

int y_word(const struct ynode *map, const char *key, int dflt)
{
    return (int)y_int(map, key, dflt);
}

size_t y_len(const struct ynode *list_or_dict)
{
    return list_or_dict ? list_or_dict->n : 0;
}

const struct ynode *y_at(const struct ynode *list_or_dict, size_t i)
{
    return list_or_dict && list_or_dict->items && i < list_or_dict->n ? list_or_dict->items[i] : NULL;
}

const char *y_key_at(const struct ynode *dict, size_t i)
{
    const struct ynode *n = y_at(dict, i);
    return n ? n->key : NULL;
}

const char *y_text(const struct ynode *node)
{
    return node && node->kind == YN_SCALAR ? node->text : "";
}

bool y_is_map(const struct ynode *node)
{
    return node && node->kind == YN_MAP;
}

int y_line(const struct ynode *node)
{
    return node->line;
}
