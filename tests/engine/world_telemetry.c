/* The world's telemetry: one sample of each watched device at each poll. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/engine/world_impl.h"

static void t_free(struct telemetry *t)
{
    (void)t;
}

static int by_index(const void *a, const void *b)
{
    const struct sample_row *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void t_poll(struct telemetry *t, const struct watch_set *watch, int64_t at, int64_t window_us, struct arena *a,
                   struct sample_list *out, backend_done done, void *ctx)
{
    struct world *w = (struct world *)((char *)t - offsetof(struct world, telemetry));
    (void)at;
    (void)window_us;
    if (w->telemetry_down) {
        w_answer_err(w, done, ctx, ERR_NETWORK, false, "no telemetry");
        return;
    }
    out->v = arena_array(a, (size_t)w->n_devices + 1, sizeof *out->v);
    for (int i = 0; i < w->n_devices; i++) {
        struct w_device *d = &w->devices[i];
        long k = watch_set_find(watch, d->id, strlen(d->id));
        if (k < 0 || d->silent)
            continue;
        if (d->installed == 1)
            d->reboots =
                floor((double)(w->now - (d->reboots_from > d->installed_at ? d->reboots_from : d->installed_at)) / 1e6 *
                      d->reboots_per_s_new);
        out->v[out->n++] = (struct sample_row){(size_t)k, w->now, d->reboots, d->cpu, d->variance};
    }
    qsort(out->v, out->n, sizeof *out->v, by_index);
    out->newest = w->now;
    w_answer(w, done, ctx);
}

static void t_probe(struct telemetry *t, struct arena *a, const char **out, backend_done done, void *ctx)
{
    (void)a;
    *out = "";
    w_answer((struct world *)((char *)t - offsetof(struct world, telemetry)), done, ctx);
}

const struct telemetry_ops w_telemetry_ops = {.kind = "world", .free = t_free, .poll = t_poll, .probe = t_probe};
