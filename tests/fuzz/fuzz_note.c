/* A board of notes as the server has it: what is taken off it can be shown, and written again it says the same. */
#include "fuzz.h"

#include <string.h>
#include "engine/notes.h"
#include "engine/notes_board.h"

static const struct rollout_identity here = {"hearth", "4471", INT64_C(1699999999999995), "spring", "hearth:4.12.1"};

static void side(const struct halt_note_side *s)
{
    must(fuzz_shown(s->by) && fuzz_shown(s->host) && fuzz_shown(s->reason) && fuzz_shown(s->origin));
    must(s->corr != 0 && s->t > 0 && *s->by);
}

static void halts(const struct known_keys *keys, struct slice text)
{
    struct board *b = board_read(keys, text, true, &here);
    struct buf again;
    struct err e = {0};
    for (size_t i = 0; i < b->n; i++) {
        struct halt_note back;
        must(!b->v[i].known && !b->v[i].own);
        side(&b->v[i].halt.halted);
        buf_init(&again, 8000);
        must(halt_note_encode(&b->v[i].halt, &again, &e));
        must(halt_note_decode(again.data, again.len, &back, &e));
        must(memcmp(&back, &b->v[i].halt, sizeof back) == 0);
        buf_release(&again);
    }
    struct own_note own = {.id = 1, .text = "{}\n", .sealed = true};
    buf_init(&again, HALT_NOTE_MAX);
    must(board_write(b, &own, 1, true, &again, &e));
    must(!again.over && again.len <= HALT_NOTE_MAX);
    free(b);
    buf_release(&again);
}

static void backs(const struct known_keys *keys, struct slice text)
{
    struct board *b = board_read(keys, text, false, &here);
    for (size_t i = 0; i < b->n; i++) {
        struct rollback_note back;
        struct buf again;
        struct err e = {0};
        side(&b->v[i].back.started);
        must(fuzz_shown(b->v[i].back.of) && *b->v[i].back.of);
        buf_init(&again, 8000);
        must(rollback_note_encode(&b->v[i].back, &again, &e));
        must(rollback_note_decode(again.data, again.len, &back, &e));
        must(memcmp(&back, &b->v[i].back, sizeof back) == 0);
        buf_release(&again);
    }
    free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct known_keys *keys = known_keys_new();
    struct err e = {0};
    char name[200], of[ID_MAX];
    size_t k = n < sizeof name ? n : sizeof name - 1;
    memcpy(name, data, k);
    name[k] = '\0';
    rollback_named(name, of);
    must(fuzz_shown(of));
    must(known_keys_add(keys, "andon/x+9b2f3c51+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false, &e) || e.code);
    if (n <= 4 * NOTE_VALUE_MAX) {
        halts(keys, (struct slice){(const char *)data, n});
        backs(keys, (struct slice){(const char *)data, n});
    }
    known_keys_free(keys);
    return 0;
}
