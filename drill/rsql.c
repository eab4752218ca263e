#include "drill/rsql.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/err.h"

#define TEXT_MAX  65536
#define DEPTH_MAX 16
#define NODES_MAX 1000

enum node_kind { N_AND, N_OR, N_EQ, N_NE, N_GT, N_GE, N_LT, N_LE, N_IN, N_OUT };

struct node {
    enum node_kind kind;
    int left, right; /* N_AND, N_OR */
    int field;
    size_t first, n; /* values */
};

struct rsql {
    const struct rsql_table *table;
    struct node *nodes;
    size_t n_nodes;
    struct {
        char *text;
        bool is_num, wild;
        int64_t num;
    } * values; /* looked at once for each item of a list: what can be known of them is worked out first */
    size_t n_values;
    int root;
};

struct parser {
    struct rsql *r;
    const char *at;
    int depth;
    enum rsql_error err;
};

static int fail(struct parser *p, enum rsql_error e)
{
    if (p->err == RSQL_OK)
        p->err = e;
    return -1;
}

static int add_node(struct parser *p, struct node n)
{
    struct rsql *r = p->r;
    if (r->n_nodes >= NODES_MAX)
        return fail(p, RSQL_SYNTAX);
    r->nodes = xreallocarray(r->nodes, r->n_nodes + 1, sizeof *r->nodes);
    r->nodes[r->n_nodes] = n;
    return (int)r->n_nodes++;
}

static bool plain(char c)
{
    return c && !strchr("\"'();,=!~<> \t", c);
}

static void blanks(struct parser *p)
{
    while (*p->at == ' ')
        p->at++;
}

static bool value(struct parser *p)
{
    blanks(p);
    const char *from = p->at;
    size_t n = 0;
    char *v;
    if (*from == '"' || *from == '\'') {
        char q = *from++;
        v = xmalloc(strlen(from) + 1);
        while (*from && *from != q) {
            if (*from == '\\' && from[1])
                from++;
            v[n++] = *from++;
        }
        if (*from != q) {
            free(v);
            return fail(p, RSQL_SYNTAX) == 0;
        }
        p->at = from + 1;
    } else {
        while (plain(from[n]))
            n++;
        if (n == 0)
            return fail(p, RSQL_SYNTAX) == 0;
        v = xmalloc(n + 1);
        memcpy(v, from, n);
        p->at += n;
    }
    v[n] = 0;
    struct rsql *r = p->r;
    r->values = xreallocarray(r->values, r->n_values + 1, sizeof *r->values);
    char *end;
    errno = 0;
    long long num = strtoll(v, &end, 10);
    bool is_num = !errno && *v && !*end;
    r->values[r->n_values].text = v;
    r->values[r->n_values].num = is_num ? num : 0;
    r->values[r->n_values].is_num = is_num;
    r->values[r->n_values++].wild = strchr(v, '*') != NULL;
    return true;
}

static bool operator_(struct parser *p, enum node_kind *k)
{
    static const struct {
        const char *text;
        enum node_kind kind;
    } ops[] = {{"==", N_EQ},   {"!=", N_NE},     {"=gt=", N_GT}, {"=ge=", N_GE}, {"=lt=", N_LT}, {"=le=", N_LE},
               {"=in=", N_IN}, {"=out=", N_OUT}, {">=", N_GE},   {"<=", N_LE},   {">", N_GT},    {"<", N_LT}};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        size_t n = strlen(ops[i].text);
        if (!strncmp(p->at, ops[i].text, n)) {
            p->at += n;
            *k = ops[i].kind;
            return true;
        }
    }
    return false;
}

static int parse_or(struct parser *p);

static int comparison(struct parser *p)
{
    const char *from = p->at;
    while (plain(*p->at))
        p->at++;
    size_t n = (size_t)(p->at - from);
    char name[128];
    if (n == 0 || n >= sizeof name)
        return fail(p, RSQL_SYNTAX);
    memcpy(name, from, n);
    name[n] = 0;
    struct node c = {.first = p->r->n_values, .left = -1, .right = -1};
    blanks(p);
    if (!operator_(p, &c.kind))
        return fail(p, RSQL_SYNTAX);
    if (c.kind == N_IN || c.kind == N_OUT) {
        if (*p->at != '(')
            return fail(p, RSQL_SYNTAX);
        do {
            p->at++;
            if (!value(p))
                return -1;
            blanks(p);
        } while (*p->at == ',');
        if (*p->at++ != ')')
            return fail(p, RSQL_SYNTAX);
    } else if (!value(p)) {
        return -1;
    }
    c.n = p->r->n_values - c.first;
    c.field = p->r->table->field(name);
    if (c.field < 0)
        return fail(p, RSQL_FIELD);
    return add_node(p, c);
}

static int term(struct parser *p)
{
    blanks(p);
    if (*p->at != '(')
        return comparison(p);
    p->at++;
    int n = parse_or(p);
    blanks(p);
    if (n < 0 || *p->at != ')')
        return fail(p, RSQL_SYNTAX);
    p->at++;
    return n;
}

static bool joined(struct parser *p, char sign, const char *word)
{
    blanks(p);
    if (*p->at == sign) {
        p->at++;
        return true;
    }
    size_t n = strlen(word);
    if (!strncasecmp(p->at, word, n) && (p->at[n] == ' ' || p->at[n] == '(')) {
        p->at += n;
        return true;
    }
    return false;
}

static int parse_and(struct parser *p)
{
    int left = term(p);
    while (left >= 0 && joined(p, ';', "and")) {
        int right = term(p);
        if (right < 0)
            return -1;
        left = add_node(p, (struct node){.kind = N_AND, .left = left, .right = right});
    }
    return left;
}

static int parse_or(struct parser *p)
{
    if (++p->depth > DEPTH_MAX)
        return fail(p, RSQL_SYNTAX);
    int left = parse_and(p);
    while (left >= 0 && joined(p, ',', "or")) {
        int right = parse_and(p);
        if (right < 0)
            return -1;
        left = add_node(p, (struct node){.kind = N_OR, .left = left, .right = right});
    }
    p->depth--;
    return left;
}

struct rsql *rsql_parse(const char *q, const struct rsql_table *t, enum rsql_error *err)
{
    struct parser p = {.r = xcalloc(1, sizeof(struct rsql)), .at = q};
    p.r->table = t;
    p.r->root = strlen(q) > TEXT_MAX ? fail(&p, RSQL_SYNTAX) : parse_or(&p);
    if (p.r->root >= 0) {
        blanks(&p);
        if (*p.at)
            fail(&p, RSQL_SYNTAX);
    }
    *err = p.err;
    if (p.err == RSQL_OK)
        return p.r;
    rsql_free(p.r);
    return NULL;
}

void rsql_free(struct rsql *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_values; i++)
        free(r->values[i].text);
    free(r->values);
    free(r->nodes);
    free(r);
}

bool rsql_like(const char *pattern, const char *text)
{
    const char *star = NULL, *mark = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            mark = text;
        } else if (tolower((unsigned char)*pattern) == tolower((unsigned char)*text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++mark;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

static bool equal(const struct rsql *r, size_t i, const struct rsql_value *v)
{
    if (!v->present)
        return false;
    if (!v->is_num)
        return r->values[i].wild ? rsql_like(r->values[i].text, v->str) : !strcasecmp(r->values[i].text, v->str);
    if (r->values[i].is_num)
        return v->num == r->values[i].num;
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)v->num);
    return rsql_like(r->values[i].text, text);
}

/* Numbers by value; a word where a number should stand counts as 0. */
static int compare(const struct rsql *r, size_t i, const struct rsql_value *v)
{
    if (!v->is_num)
        return strcasecmp(v->str, r->values[i].text);
    int64_t n = r->values[i].num;
    return v->num < n ? -1 : v->num > n;
}

static bool match_node(const struct rsql *r, int at, const void *ctx, int item)
{
    const struct node *n = &r->nodes[at];
    if (n->kind == N_AND)
        return match_node(r, n->left, ctx, item) && match_node(r, n->right, ctx, item);
    if (n->kind == N_OR)
        return match_node(r, n->left, ctx, item) || match_node(r, n->right, ctx, item);
    struct rsql_value v = {0};
    r->table->get(ctx, item, n->field, &v);
    bool any = false;
    switch (n->kind) {
    case N_EQ:
    case N_IN:
    case N_NE:
    case N_OUT:
        for (size_t i = 0; i < n->n; i++)
            any |= equal(r, n->first + i, &v);
        return (n->kind == N_EQ || n->kind == N_IN) ? any : !any;
    case N_GT:
        return v.present && compare(r, n->first, &v) > 0;
    case N_GE:
        return v.present && compare(r, n->first, &v) >= 0;
    case N_LT:
        return v.present && compare(r, n->first, &v) < 0;
    case N_LE:
        return v.present && compare(r, n->first, &v) <= 0;
    case N_AND:
    case N_OR:
        break;
    }
    return false;
}

bool rsql_match(const struct rsql *r, const void *ctx, int item)
{
    return match_node(r, r->root, ctx, item);
}
