#include "engine/inventory_run.h"

#include <string.h>

#define AMONG     40             /* ids in one question: as many as a path has room for */
#define NAMES_MAX ((size_t)1000) /* of one kind */
#define KINDS_MAX 2000

static struct question *question(struct inventory_run *r)
{
    struct question *q = &r->q[r->n_q++];
    *q = (struct question){.has = "", .equals = {"", ""}};
    return q;
}

/* The rule's word for the field, when it is by device. */
static const struct inv_says *by_device(const struct inventory_run *r, const struct inv_record *k, enum inv_field f)
{
    for (size_t i = 0; i < r->rules->n && k->field[f].apart; i++)
        if (r->rules->v[i].says[f].kind == SAYS_ATTRIBUTE &&
            strcmp(r->rules->v[i].says[f].source, k->field[f].source) == 0)
            return &r->rules->v[i].says[f];
    return NULL;
}

static size_t batches(const struct row_group *g)
{
    return (g->n + AMONG - 1) / AMONG;
}

/* All questions about the kind; kind_known() takes the answers in the same order. */
static void lay_out(struct inventory_run *r, const struct inv_record *k)
{
    const struct inv_says *sign = by_device(r, k, INV_SIGNATURE);
    size_t room = 4 + INV_FIELDS + (sign ? sign->n_words : 0);
    for (size_t g = 0; g < r->n_groups; g++)
        room += 3 * batches(&r->groups[g]);
    r->q = ARENA_ARRAY(&r->a, struct question, room);
    r->n_q = r->at_q = 0;
    question(r)->seen = true;
    if (sign) {
        struct question *q = question(r);
        q->has = sign->text;
        q->seen = true;
    }
    for (size_t i = 0; sign && i < sign->n_words; i++) {
        struct question *q = question(r);
        q->equals[0] = sign->text;
        q->equals[1] = sign->words[i].value;
    }
    for (int f = 0; f < INV_FIELDS; f++) {
        const struct inv_says *says = by_device(r, k, (enum inv_field)f);
        if (says)
            question(r)->has = says->text;
    }
    for (size_t g = 0; g < r->n_groups; g++)
        for (size_t i = 0; i < r->groups[g].n; i += AMONG)
            for (int what = 0; what < (sign ? 3 : 2); what++) {
                struct question *q = question(r);
                q->among = r->groups[g].ids + i;
                q->n_among = r->groups[g].n - i < AMONG ? r->groups[g].n - i : AMONG;
                q->seen = what > 0;
                q->has = what > 1 ? sign->text : "";
            }
}

static int64_t take(struct inventory_run *r)
{
    int64_t n = r->q[r->at_q++].answer;
    return n > 0 ? n : 0;
}

static struct inv_counts counts_of(const struct inventory_run *r, bool sign, int64_t devices, int64_t seen,
                                   int64_t signature)
{
    int64_t version = r->now.release ? seen : 0;
    return (struct inv_counts){.devices = devices,
                               .version = version,
                               .state = seen,
                               .signature = signature,
                               .all = sign && signature < version ? signature : version};
}

/* Values of the fields that are by device. */
static void tell_fields(struct inventory_run *r, const struct inv_record *k, int64_t verified)
{
    struct inventory *v = &r->held->v;
    const char *model = k->field[INV_MODEL].value;
    for (int i = 0; i < INV_FIELDS; i++) {
        enum inv_field f = (enum inv_field)i;
        const struct inv_says *says = by_device(r, k, f);
        if (!says)
            continue;
        bool told = r->q[r->at_q].answer >= 0;
        int64_t has = take(r), none = told && r->now.devices > has ? r->now.devices - has : 0;
        if (f == INV_SIGNATURE) {
            inventory_told(v, model, f, "verified", says->source, verified < has ? verified : has, none);
            inventory_told(v, model, f, "invalid", says->source, has > verified ? has - verified : 0, 0);
        } else {
            inventory_told(v, model, f, NULL, says->source, has, none);
        }
    }
}

static int64_t since(const struct inventory_run *r, const struct inv_record *k)
{
    return now_of(r->en) - inventory_within(r->rules, k->cls);
}

static void take_names(struct inventory_run *r, int64_t devices, const struct device_list *l)
{
    struct inv_subject s = inventory_subject(r, &r->now);
    struct inv_record k;
    inventory_combine(r->rules, &s, &r->a, &k);
    for (size_t i = 0; i < l->n; i++)
        inventory_silent(&r->held->v, k.field[INV_MODEL].value, l->v[i].id);
    if (devices > (int64_t)l->n)
        inventory_note(r, "not all devices that do not report are named: at most 1,000 of a kind");
}

static void silent_named(struct inventory_run *r, int64_t devices, const struct device_list *l)
{
    take_names(r, devices, l);
    inventory_next(r);
}

static void kind_known(struct inventory_run *r)
{
    struct inv_subject s = inventory_subject(r, &r->now);
    struct inv_record k;
    int64_t now = now_of(r->en), verified = 0;
    inventory_combine(r->rules, &s, &r->a, &k);
    const struct inv_says *sign = by_device(r, &k, INV_SIGNATURE);
    r->at_q = 0;
    int64_t seen = take(r), signature = sign ? take(r) : 0, named = 0, named_seen = 0, named_sign = 0;
    for (size_t i = 0; sign && i < sign->n_words; i++)
        verified += take(r);
    tell_fields(r, &k, verified);
    inventory_told(&r->held->v, k.field[INV_MODEL].value, INV_REPORT, NULL, k.field[INV_REPORT].source, seen, 0);
    for (size_t g = 0; g < r->n_groups; g++) {
        int64_t n[3] = {0, 0, 0};
        for (size_t b = 0; b < batches(&r->groups[g]); b++)
            for (int what = 0; what < (sign ? 3 : 2); what++)
                n[what] += take(r);
        struct inv_record own;
        s.row = r->groups[g].row;
        inventory_combine(r->rules, &s, &r->a, &own);
        struct inv_counts c = counts_of(r, sign != NULL, n[0], n[1], n[2]);
        inventory_add(&r->held->v, &own, &c, NULL, now);
        named += n[0];
        named_seen += n[1];
        named_sign += n[2];
    }
    struct inv_counts c = counts_of(r, sign != NULL, r->now.devices - named, seen > named_seen ? seen - named_seen : 0,
                                    signature > named_sign ? signature - named_sign : 0);
    inventory_add(&r->held->v, &k, &c, NULL, now);
    r->seen += seen;
    if (!r->held->names || seen >= r->now.devices) {
        if (r->held->names && sign && signature < seen)
            inventory_note(r, "devices without a word on their signature are found by no filter, and not named");
        inventory_next(r);
        return;
    }
    struct find_filter f = inventory_filter(r, &r->now);
    f.silent_since = since(r, &k);
    inventory_ask(r, &f, NAMES_MAX, silent_named);
}

static void kind_next(struct inventory_run *r);

static void kind_answered(struct inventory_run *r, int64_t devices, const struct device_list *l)
{
    (void)l;
    r->q[r->at_q++].answer = devices;
    kind_next(r);
}

static void kind_next(struct inventory_run *r)
{
    if (r->at_q == r->n_q) {
        kind_known(r);
        return;
    }
    const struct question *q = &r->q[r->at_q];
    struct inv_subject s = inventory_subject(r, &r->now);
    struct inv_record k;
    struct find_filter f = inventory_filter(r, &r->now);
    inventory_combine(r->rules, &s, &r->a, &k);
    if (*q->equals[0])
        inventory_also(&f, q->equals[0], q->equals[1]);
    if (*q->has)
        inventory_has(&f, q->has);
    f.seen_since = q->seen ? since(r, &k) : 0;
    f.among = q->among;
    f.n_among = q->n_among;
    inventory_ask(r, &f, 1, kind_answered);
}

void inventory_ask_kind(struct inventory_run *r)
{
    struct inv_subject s = inventory_subject(r, &r->now);
    struct inv_record k;
    if (r->kinds++ == KINDS_MAX) {
        inventory_end_why(r, ERR_LIMIT, "the fleet consists of more than 2,000 kinds of devices");
        return;
    }
    inventory_combine(r->rules, &s, &r->a, &k);
    lay_out(r, &k);
    kind_next(r);
}
