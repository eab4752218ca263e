/* Drives an app through keys on the fixture, as a person would, and answers what it asks the engine for. */
#ifndef ANDON_TESTS_VIEWS_SCENE_H
#define ANDON_TESTS_VIEWS_SCENE_H

#include "fixture.h"

struct scene {
    struct fixture f;
    struct app *app;
    struct canvas c;
    struct action last; /* of the newest key that was not only drawing */
    int submits;        /* ACT_SUBMIT seen */
};
void scene_init(struct scene *s, int rows, int cols, bool ascii);
void scene_release(struct scene *s);
/* One key; carries out ACT_FOCUS as the engine would. */
void scene_key(struct scene *s, uint32_t key);
/* Text as typed keys; '\n' is Enter, '\t' Tab, '\033' Esc. */
void scene_type(struct scene *s, const char *keys);
void scene_draw(struct scene *s);
/* The screen as text, to be freed. */
char *scene_text(struct scene *s);
bool scene_shows(struct scene *s, const char *text);

#endif
