#include "core/plan_wish.h"

#include <string.h>
#include "core/text.h"

static const char *safe(struct arena *a, const char *text)
{
    return safe_text(a, text, strlen(text), NAME_MAX_BYTES);
}

static bool target_words(const char *text, struct arena *a, struct wave_plan *p, struct plan_target *t, struct err *e)
{
    static const char file[] = "file:", release[] = "release:";
    const char *equals = strchr(text, '=');

    *t = (struct plan_target){.value = "", .attribute = ""};
    if (strcmp(text, "all") == 0) {
        p->target = "all devices";
    } else if (strncmp(text, file, sizeof file - 1) == 0 && text[sizeof file - 1]) {
        t->among = PLAN_AMONG_FILE;
        t->value = arena_strdup(a, text + sizeof file - 1);
        p->target = "devices that a file names";
    } else if (strncmp(text, release, sizeof release - 1) == 0 && text[sizeof release - 1]) {
        t->among = PLAN_AMONG_RELEASE;
        t->value = arena_strdup(a, text + sizeof release - 1);
        p->target = arena_printf(a, "devices with %s", safe(a, t->value));
    } else if (equals && equals > text) {
        t->among = PLAN_AMONG_ATTRIBUTE;
        t->attribute = arena_strndup(a, text, (size_t)(equals - text));
        t->value = arena_strdup(a, equals + 1);
        p->target = arena_printf(a, "devices with %s", safe(a, text));
    } else {
        return err_set(e, ERR_SYNTAX, "", "the target is all, file:PATH, release:NAME:VERSION or ATTRIBUTE=VALUE");
    }
    return true;
}

static bool order_words(const char *words, struct arena *a, struct wave_plan *p, struct err *e)
{
    char *text = arena_strdup(a, words), *colon = strchr(text, ':');

    p->order = "";
    p->n_order = 0;
    if (!*text)
        return true;
    if (!colon || colon == text || !colon[1])
        return err_set(e, ERR_SYNTAX, "",
                       "the order is an attribute and its values, least exposed first: net:isolated,lan");
    *colon = '\0';
    p->order = text;
    p->order_values = ARENA_ARRAY(a, const char *, PLAN_VALUES_MAX);
    for (char *v = colon + 1; v;) {
        char *comma = strchr(v, ',');
        if (comma)
            *comma = '\0';
        if (p->n_order == PLAN_VALUES_MAX || !*v)
            return err_set(e, ERR_SYNTAX, "", "the order has an empty value, or more than %d", PLAN_VALUES_MAX);
        p->order_values[p->n_order++] = safe(a, v);
        v = comma ? comma + 1 : NULL;
    }
    return true;
}

static bool percent_of(const char *text, const char *what, bool all, int *bp, struct err *e)
{
    struct plan_size s[PLAN_WAVES_MAX];
    size_t n;

    *bp = 0;
    if (!*text)
        return true;
    if (!plan_sizes(text, s, &n, NULL) || n != 1 || s[0].measure != PLAN_SHARE || (!all && s[0].bp == 10000))
        return err_set(e, ERR_SYNTAX, "", "%s is a share of a wave's devices, as in 5%%", what);
    *bp = s[0].bp;
    return true;
}

bool plan_wish_read(const struct plan_wish *w, struct arena *a, struct wave_plan *p, struct plan_target *t,
                    struct err *e)
{
    const char *name = w->word[PLAN_F_NAME], *release = w->word[PLAN_F_RELEASE];

    if (!strchr(release, ':'))
        return err_set(e, ERR_SYNTAX, "As the server has it.", "the release is written NAME:VERSION");
    if (!*w->word[PLAN_F_TARGET] || !*w->word[PLAN_F_WAVES])
        return err_set(e, ERR_SYNTAX, "See andon-plan(1).", "a plan needs a target and waves");
    if (strlen(name) > 120)
        return err_set(e, ERR_LIMIT, "", "the name is longer than 120 bytes");
    p->name = *name ? safe_text(a, name, strlen(name), 128) : NULL;
    p->description = "";
    p->strata = arena_strdup(a, w->word[PLAN_F_STRATA]);
    return plan_sizes(w->word[PLAN_F_WAVES], p->sizes, &p->n_waves, e) &&
           target_words(w->word[PLAN_F_TARGET], a, p, t, e) && order_words(w->word[PLAN_F_ORDER], a, p, e) &&
           percent_of(w->word[PLAN_F_SUCCESS], "success", true, &p->success_bp, e) &&
           percent_of(w->word[PLAN_F_FAILURE], "failure", false, &p->failure_bp, e);
}

void plan_strata_text(const struct wave_plan *p, size_t wave, struct buf *out)
{
    const char *before = "";

    for (size_t k = 0; p->stratum && k <= p->n_strata; k++) {
        size_t n = plan_in_stratum(p, wave, k);
        if (n == 0)
            continue;
        buf_printf(out, "%s%s (%zu)", before, k < p->n_strata ? p->strata_values[k] : "not known", n);
        before = ", ";
    }
}

void plan_ids_text(const struct wave_plan *p, size_t wave, size_t most, struct buf *out)
{
    const struct plan_wave *v = &p->waves[wave];

    for (size_t i = 0; i < v->n && i < most; i++) {
        const char *raw = p->raw_ids[v->first + i];
        buf_adds(out, i ? ", " : "");
        safe_text_append(out, raw, strlen(raw));
    }
    buf_adds(out, v->n > most ? ", ..." : "");
}
