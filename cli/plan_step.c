/* andon plan step N: row N of the queue as waves by exposure: the most exposed first, behind a canary of theirs.
 * Printed, with the server's filter for each and the command that would make the plan; nothing is written or sent. */
#include <inttypes.h>
#include <string.h>
#include "cli/plan.h"
#include "cli/queue.h"
#include "client/backend.h"
#include "client/http.h"
#include "core/clock.h"
#include "core/fmt.h"

enum { FILTERS_MAX = 64 };

struct step_wave {
    enum exposure exposure;
    int64_t devices, safety;
    const char *filter[FILTERS_MAX]; /* in the server's words */
    size_t n;
};
struct stepping {
    struct arena mem;
    const struct queue_row *row;
    const struct inv_rules *rules; /* NULL */
    const struct inv_says *says;   /* how an attribute tells the exposure, NULL = none does */
    struct backend *b;
    struct step_wave wave[EXPOSURES];
    size_t n;
};

static const char *word(enum exposure x)
{
    return x == EXPOSURE_UNKNOWN ? "unknown" : exposure_word(x);
}

static const enum exposure ORDER[EXPOSURES] = {EXPOSURE_INTERNET, EXPOSURE_UNKNOWN, EXPOSURE_SITE, EXPOSURE_ISOLATED};

static void count(struct stepping *t, const struct outlook *o)
{
    for (int k = 0; k < EXPOSURES; k++) {
        struct step_wave *w = &t->wave[t->n];
        *w = (struct step_wave){.exposure = ORDER[k]};
        for (size_t i = 0; i < o->in.n_cells; i++) {
            const struct fleet_cell *c = &o->in.cells[i];
            if (strcmp(c->release, t->row->from) != 0 || c->exposure != ORDER[k])
                continue;
            w->devices += c->devices;
            w->safety += c->cls == CLASS_SAFETY ? c->devices : 0;
        }
        t->n += w->devices > 0;
    }
    for (size_t i = 0; t->rules && i < t->rules->n && !t->says; i++)
        if (t->rules->v[i].says[INV_EXPOSURE].kind == SAYS_ATTRIBUTE)
            t->says = &t->rules->v[i].says[INV_EXPOSURE];
}

/* One filter for each value of the attribute that means this exposure; without an attribute, one for all that have the
 * release. A server that has no filters in words gets none. */
static bool filters(struct stepping *t, struct step_wave *w, struct err *e)
{
    const char *colon = strrchr(t->row->from, ':');
    size_t n = colon ? (size_t)(colon - t->row->from) : strlen(t->row->from);
    struct release r = {.id = "", .name = arena_strndup(&t->mem, t->row->from, n), .version = colon ? colon + 1 : ""};
    size_t values = t->says ? t->says->n_words : 1;
    for (size_t i = 0; t->b->ops->filter_parts && i < values && w->n < FILTERS_MAX; i++) {
        const char *equals[1][2] = {{t->says ? t->says->text : "", t->says ? t->says->words[i].value : ""}};
        struct device_filter f = {
            .installed = &r, .equals = (const char *const(*)[2])equals, .n_equals = t->says != NULL};
        struct filter_parts parts = {0};
        if (t->says && strcmp(t->says->words[i].means, exposure_word(w->exposure)) != 0)
            continue;
        if (!t->says && t->n > 1)
            continue;
        if (!t->b->ops->filter_parts(t->b, &f, &t->mem, &parts, e))
            return false;
        for (size_t k = 0; k < parts.n && w->n < FILTERS_MAX; k++)
            w->filter[w->n++] = parts.v[k].text;
    }
    return true;
}

/* "net_zone:dmz,lan": most exposed first; "" where no attribute tells. */
static const char *order_words(const struct stepping *t, struct arena *a)
{
    const char *words = "";
    for (size_t k = 0; t->says && k < t->n; k++)
        for (size_t i = 0; i < t->says->n_words; i++)
            if (strcmp(t->says->words[i].means, exposure_word(t->wave[k].exposure)) == 0)
                words = arena_printf(a, "%s%s%s", words, *words ? "," : "", t->says->words[i].value);
    return *words ? arena_printf(a, " --order \"%s:%s\"", t->says->text, words) : "";
}

/* The canary first: one in a hundred of all, from the most exposed. */
static const char *command(const struct stepping *t, struct arena *a)
{
    int64_t all = t->row->devices, canary = (all + 99) / 100;
    const char *waves = arena_printf(a, "%" PRId64, canary);
    int64_t sum = canary;
    for (size_t i = 0; i + 1 < t->n; i++) {
        int64_t more = t->wave[i].devices - (i == 0 ? canary : 0);
        if (more <= 0)
            continue;
        waves = arena_printf(a, "%s,%" PRId64, waves, more);
        sum += more;
    }
    if (sum < all)
        waves = arena_printf(a, "%s,rest", waves);
    return arena_printf(a, "andon plan create %s --target release:%s --waves %s%s", t->row->to->name, t->row->from,
                        waves, order_words(t, a));
}

static const char *note_of(const struct stepping *t, const struct step_wave *w)
{
    if (w->n > 0)
        return "";
    if (!t->b->ops->filter_parts)
        return "this server takes no filters: by the plan";
    return w->exposure == EXPOSURE_UNKNOWN ? "nobody says how they are exposed: no filter finds them"
                                           : "told by rows or by other rules: no one filter finds them";
}

static void print_text(const struct stepping *t, size_t number, struct arena *a)
{
    char n[FMT_MAX], s[FMT_MAX];
    printf("step %zu: %s, %s devices, closes %zu, opens %zu\n", number, outlook_step(a, t->row, true),
           fmt_count(n, t->row->devices), t->row->n_closes, t->row->n_opens);
    if (t->row->exploited_there)
        printf("WARNING: %s has %s, which is exploited\n", t->row->to->name, t->row->exploited_there);
    if (t->row->to->state == FIX_HALTED)
        printf("WARNING: rollout %s of %s is halted\n", t->row->to->rollout, t->row->to->name);
    for (size_t i = 0; i < t->n; i++) {
        const struct step_wave *w = &t->wave[i];
        printf("  W%zu  %-9s %9s devices", i, word(w->exposure), fmt_count(n, w->devices));
        if (w->safety)
            printf(", %s of them safety-critical: people should approve this wave", fmt_count(s, w->safety));
        printf("\n");
        for (size_t k = 0; k < w->n; k++)
            printf("      %s\n", w->filter[k]);
        if (*note_of(t, w))
            printf("      (%s)\n", note_of(t, w));
    }
    printf("as waves that andon keeps, behind a canary of the most exposed:\n  %s\n", command(t, a));
}

static void print_json(const struct stepping *t, size_t number, struct arena *a)
{
    struct json_out o;
    json_begin(&o);
    json_w_kint(&o.w, "number", (int64_t)number);
    json_w_kstr(&o.w, "from", t->row->from);
    json_w_kstr(&o.w, "to", t->row->to->name);
    json_w_kint(&o.w, "devices", t->row->devices);
    json_w_kint(&o.w, "closes", (int64_t)t->row->n_closes);
    json_w_kint(&o.w, "opens", (int64_t)t->row->n_opens);
    json_w_kstr(&o.w, "exploited_there", t->row->exploited_there);
    json_w_kbool(&o.w, "halted", t->row->to->state == FIX_HALTED);
    json_w_kstr(&o.w, "command", command(t, a));
    json_w_key(&o.w, "waves");
    json_w_arr(&o.w);
    for (size_t i = 0; i < t->n; i++) {
        const struct step_wave *w = &t->wave[i];
        json_w_obj(&o.w);
        json_w_kstr(&o.w, "exposure", word(w->exposure));
        json_w_kint(&o.w, "devices", w->devices);
        json_w_kint(&o.w, "safety_critical", w->safety);
        json_w_key(&o.w, "filters");
        json_w_arr(&o.w);
        for (size_t k = 0; k < w->n; k++)
            json_w_str(&o.w, w->filter[k]);
        json_w_arr_end(&o.w);
        json_w_kstr(&o.w, "note", note_of(t, w));
        json_w_obj_end(&o.w);
    }
    json_w_arr_end(&o.w);
    json_end(&o);
}

static bool number_read(const char *s, const struct outlook *o, size_t *out, struct err *e)
{
    int64_t n;
    if (!slice_int(slice_of(s), &n) || n < 1)
        return err_set(e, ERR_SYNTAX, "`andon queue` numbers them.", "\"%.40s\" is no number of a row", s);
    if ((size_t)n > o->q.n)
        return err_set(e, ERR_NOT_FOUND, "`andon queue` numbers them.", "the queue has %zu rows", o->q.n);
    if (o->q.rows[n - 1].kind != QUEUE_STEP)
        return err_set(e, ERR_STATE, "", "row %" PRId64 " is no step: there is nothing to roll out", n);
    *out = (size_t)n;
    return true;
}

int plan_step(const struct args *a)
{
    struct stepping t = {0};
    struct queue_world w;
    struct http *http = NULL;
    struct err e = {0};
    size_t number = 0;
    int rc = EXIT_OK;
    arena_init(&t.mem);
    bool ok = queue_world_open(a, &w, &rc, &e) && number_read(a->pos[2], w.o, &number, &e);
    if (ok && w.fleets.n != 1)
        ok = err_set(&e, ERR_SYNTAX, "Say which with --fleet.", "a plan is of one fleet");
    if (ok) {
        t.row = &w.o->q.rows[number - 1];
        t.rules = w.fleets.v[0].spec->inventory;
        http = http_new(clock_real(), random_seed());
        t.b = backend_open(http, w.fleets.v[0].spec, &e);
        ok = t.b != NULL;
    }
    if (ok)
        count(&t, w.o);
    for (size_t i = 0; ok && i < t.n; i++)
        ok = filters(&t, &t.wave[i], &e);
    if (ok && a->json)
        print_json(&t, number, &t.mem);
    else if (ok)
        print_text(&t, number, &t.mem);
    if (!ok && rc == EXIT_OK)
        rc = print_err(a, &e);
    backend_free(t.b);
    if (http)
        http_free(http);
    arena_release(&t.mem);
    queue_world_free(&w);
    return rc;
}
