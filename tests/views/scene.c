#include "scene.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"

static void answer(struct scene *s, const struct action *a)
{
    if (a->kind == ACT_FOCUS && !strcmp(a->fleet, s->f.s->fleet))
        fixture_focus(&s->f, a->focus.rollout, a->focus.wave, a->focus.device), fixture_target(&s->f, a->focus.to);
    if (a->kind == ACT_SUBMIT)
        s->submits++;
    if (a->kind != ACT_NONE && a->kind != ACT_REDRAW && a->kind != ACT_FOCUS)
        s->last = *a;
}

void scene_init(struct scene *s, int rows, int cols, bool ascii)
{
    memset(s, 0, sizeof *s);
    fixture_init(&s->f);
    s->app = app_new(ascii);
    canvas_init(&s->c, rows, cols);
    struct action a;
    app_update(s->app, &s->f.d, &a);
    answer(s, &a);
    scene_draw(s);
}

void scene_release(struct scene *s)
{
    app_free(s->app);
    canvas_release(&s->c);
    fixture_release(&s->f);
}

void scene_key(struct scene *s, uint32_t key)
{
    struct action a;
    app_key(s->app, &s->f.d, key, &a);
    answer(s, &a);
    for (int i = 0; i < 3; i++) { /* what did not fit in one action comes with the next update */
        app_update(s->app, &s->f.d, &a);
        answer(s, &a);
    }
}

void scene_type(struct scene *s, const char *keys)
{
    while (*keys) {
        size_t len;
        uint32_t k = text_next(keys, &len);
        keys += len;
        scene_key(s, k == '\n' ? KEY_ENTER_ : k == '\t' ? KEY_TAB_ : k == 033 ? KEY_ESC_ : k);
        scene_draw(s);
    }
}

void scene_draw(struct scene *s)
{
    app_draw(s->app, &s->f.d, &s->c);
}

char *scene_text(struct scene *s)
{
    struct buf b;
    scene_draw(s);
    buf_init(&b, 1 << 20);
    canvas_dump(&s->c, false, &b);
    char *text = buf_take(&b);
    buf_release(&b);
    return text;
}

bool scene_shows(struct scene *s, const char *text)
{
    char *all = scene_text(s);
    bool yes = strstr(all, text) != NULL;
    free(all);
    return yes;
}
