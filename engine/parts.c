#include "engine/parts.h"

#include "engine/worker.h"

#define EACH(en, hook, ...)                                                                                            \
    do {                                                                                                               \
        for (const struct part *const *p_ = (en)->parts; *p_; p_++)                                                    \
            if ((*p_)->hook)                                                                                           \
                (*p_)->hook(__VA_ARGS__);                                                                              \
    } while (0)

/* What is above goes first. */
#define EACH_BACK(en, hook, ...)                                                                                       \
    do {                                                                                                               \
        const struct part *const *p_ = (en)->parts;                                                                    \
        while (*p_)                                                                                                    \
            p_++;                                                                                                      \
        while (p_-- > (en)->parts)                                                                                     \
            if ((*p_)->hook)                                                                                           \
                (*p_)->hook(__VA_ARGS__);                                                                              \
    } while (0)

void parts_init(struct engine *en)
{
    EACH(en, init, en);
}

bool parts_start(struct engine *en, struct err *e)
{
    for (const struct part *const *p = en->parts; *p; p++)
        if ((*p)->start && !(*p)->start(en, e))
            return false;
    return true;
}

void parts_begin(struct engine *en)
{
    EACH(en, begin, en);
}

void parts_end(struct engine *en)
{
    EACH_BACK(en, end, en);
}

void parts_free(struct engine *en)
{
    EACH_BACK(en, free, en);
}

void parts_ro_init(struct ro *ro)
{
    EACH(ro->en, ro_init, ro);
}

void parts_ro_free(struct ro *ro)
{
    EACH_BACK(ro->en, ro_free, ro);
}

void parts_wave_init(struct ro *ro, size_t wave)
{
    EACH(ro->en, wave_init, ro, wave);
}

void parts_wave_free(struct ro *ro, size_t wave)
{
    EACH_BACK(ro->en, wave_free, ro, wave);
}

void parts_drain(struct engine *en)
{
    EACH(en, drain, en);
}

void parts_sweep(struct engine *en)
{
    EACH(en, sweep, en);
}

void parts_refresh(struct engine *en)
{
    EACH(en, refresh, en);
}

void parts_seen(struct ro *ro, enum rollout_state was)
{
    EACH(ro->en, seen, ro, was);
}

void parts_listed(struct engine *en)
{
    EACH(en, listed, en);
}

void parts_waves(struct ro *ro)
{
    EACH(ro->en, waves, ro);
}

void parts_alive(struct ro *ro)
{
    EACH(ro->en, alive, ro);
}

void parts_found(struct engine *en)
{
    EACH(en, found, en);
}

void parts_devices(struct ro *ro)
{
    EACH(ro->en, devices, ro);
}

void parts_asking(struct engine *en)
{
    EACH(en, asking, en);
}

void parts_ticked(struct engine *en, const struct sample_list *l)
{
    EACH(en, ticked, en, l);
}

void parts_learned(struct ro *ro)
{
    EACH(ro->en, learned, ro);
}

void parts_history(struct engine *en, struct ro *ro)
{
    EACH(en, history, en, ro);
}

void parts_ruled(struct ro *ro)
{
    EACH(ro->en, ruled, ro);
}

void parts_acknowledged(struct ro *ro)
{
    EACH(ro->en, acknowledged, ro);
}
