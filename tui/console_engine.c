/* A real engine behind the console's seam. */
#include "engine/engine.h"
#include "tui/console.h"

static struct snapshot *snapshot(void *ctx)
{
    return engine_snapshot(ctx);
}

static uint64_t submit(void *ctx, const struct intent *in)
{
    return engine_submit(ctx, in);
}

static void plan(void *ctx, const struct plan_wish *w, bool keep)
{
    if (keep)
        engine_plan_keep(ctx, w->number);
    else
        engine_plan(ctx, w);
}

static void focus(void *ctx, const struct focus *f)
{
    engine_focus(ctx, f);
}

static void refresh(void *ctx)
{
    engine_refresh(ctx);
}

void console_engine_of(struct engine *en, struct console_engine *out)
{
    *out = (struct console_engine){.snapshot = snapshot,
                                   .fd = engine_fd(en),
                                   .submit = submit,
                                   .focus = focus,
                                   .refresh = refresh,
                                   .plan = plan,
                                   .ctx = en};
}
