#include "drill/rsql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
        struct slice text; /* owned */
        bool is_num, wild;
        int64_t num;
    } * values; /* looked at once for each item of a list: what can be known of them is worked out first */
    size_t n_values;
    int root;
};

struct parser {
    struct rsql *r;
    const char *at, *end;
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

static struct slice rest(const struct parser *p)
{
    return (struct slice){p->at, (size_t)(p->end - p->at)};
}

/* Takes c when it is next. */
static bool taken(struct parser *p, char c)
{
    bool yes = p->at < p->end && *p->at == c;
    p->at += yes;
    return yes;
}

static void blanks(struct parser *p)
{
    while (taken(p, ' '))
        continue;
}

/* A run of characters that need no quotes. */
static struct slice word(struct parser *p)
{
    const char *from = p->at;
    while (p->at < p->end && *p->at != '\0' && !byte_in(*p->at, "\"'();,=!~<> \t"))
        p->at++;
    return (struct slice){from, (size_t)(p->at - from)};
}

/* Behind an opening quote: the text up to the closing one, which is taken, without its backslashes. */
static bool quoted(struct parser *p, char quote, struct slice *out)
{
    char *v = xmalloc((size_t)(p->end - p->at) + 1);
    size_t n = 0;
    while (p->at < p->end && *p->at != quote) {
        if (*p->at == '\\' && p->end - p->at > 1)
            p->at++;
        v[n++] = *p->at++;
    }
    if (!taken(p, quote) || memchr(v, '\0', n)) {
        free(v);
        return fail(p, RSQL_SYNTAX) == 0;
    }
    *out = (struct slice){v, n};
    return true;
}

static bool value(struct parser *p)
{
    struct slice v;
    blanks(p);
    if (taken(p, '"') || taken(p, '\'')) {
        if (!quoted(p, p->at[-1], &v))
            return false;
    } else {
        v = word(p);
        if (v.n == 0)
            return fail(p, RSQL_SYNTAX) == 0;
        v.p = xstrndup(v.p, v.n);
    }
    struct rsql *r = p->r;
    int64_t num = 0;
    r->values = xreallocarray(r->values, r->n_values + 1, sizeof *r->values);
    r->values[r->n_values].text = v;
    r->values[r->n_values].is_num = slice_int(v, &num);
    r->values[r->n_values].num = num;
    r->values[r->n_values++].wild = v.n > 0 && memchr(v.p, '*', v.n) != NULL;
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
        if (slice_starts(rest(p), ops[i].text)) {
            p->at += slice_of(ops[i].text).n;
            *k = ops[i].kind;
            return true;
        }
    }
    return false;
}

static int parse_or(struct parser *p);

static int comparison(struct parser *p)
{
    struct slice called = word(p);
    char name[128];
    if (called.n == 0 || called.n >= sizeof name)
        return fail(p, RSQL_SYNTAX);
    memcpy(name, called.p, called.n);
    name[called.n] = '\0';
    struct node c = {.first = p->r->n_values, .left = -1, .right = -1};
    blanks(p);
    if (!operator_(p, &c.kind))
        return fail(p, RSQL_SYNTAX);
    if (c.kind == N_IN || c.kind == N_OUT) {
        if (!taken(p, '('))
            return fail(p, RSQL_SYNTAX);
        do {
            if (!value(p))
                return -1;
            blanks(p);
        } while (taken(p, ','));
        if (!taken(p, ')'))
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
    if (!taken(p, '('))
        return comparison(p);
    int n = parse_or(p);
    if (n < 0)
        return -1;
    blanks(p);
    return taken(p, ')') ? n : fail(p, RSQL_SYNTAX);
}

static bool joined(struct parser *p, char sign, const char *and_or)
{
    blanks(p);
    if (taken(p, sign))
        return true;
    size_t n = slice_of(and_or).n;
    struct slice left = rest(p);
    if (left.n <= n || !slice_is_nocase((struct slice){left.p, n}, and_or) || !byte_in(left.p[n], " ("))
        return false;
    p->at += n;
    return true;
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

struct rsql *rsql_parse(struct slice q, const struct rsql_table *t, enum rsql_error *err)
{
    struct parser p = {.r = xcalloc(1, sizeof(struct rsql)), .at = q.p, .end = q.p + q.n};
    p.r->table = t;
    p.r->root = q.n > TEXT_MAX ? fail(&p, RSQL_SYNTAX) : parse_or(&p);
    if (p.r->root >= 0) {
        blanks(&p);
        if (p.at < p.end)
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
        free((char *)(uintptr_t)r->values[i].text.p);
    free(r->values);
    free(r->nodes);
    free(r);
}

bool rsql_like(struct slice pattern, struct slice text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0; /* star: behind the newest '*' */
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = ++p;
            mark = t;
        } else if (p < pattern.n &&
                   slice_cmp_nocase((struct slice){pattern.p + p, 1}, (struct slice){text.p + t, 1}) == 0) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

/* In a list ('*' means itself there), or by itself, where hawkBit compares with LIKE: '*' is a wildcard, and a
 * backslash escapes once more, so that a value that holds one finds nothing. */
static bool equal(const struct rsql *r, size_t i, const struct rsql_value *v, bool list)
{
    struct slice want = r->values[i].text;
    if (!v->present)
        return false;
    if (!v->is_num && !list && memchr(want.p, '\\', want.n))
        return false;
    if (!v->is_num)
        return r->values[i].wild && !list ? rsql_like(want, slice_of(v->str)) : slice_is_nocase(want, v->str);
    if (r->values[i].is_num)
        return v->num == r->values[i].num;
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)v->num);
    return rsql_like(want, slice_of(text));
}

/* Numbers by value; a word where a number should stand counts as 0. */
static int compare(const struct rsql *r, size_t i, const struct rsql_value *v)
{
    if (!v->is_num)
        return slice_cmp_nocase(slice_of(v->str), r->values[i].text);
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
            any |= equal(r, n->first + i, &v, n->kind == N_IN || n->kind == N_OUT);
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
