/* A query as the drill's server reads it: the language itself, and through the address of a request, with its other
 * parameters (the first byte chooses). */
#include "fuzz.h"

#include <string.h>
#include <strings.h>
#include "drill/api.h"

static int field(const char *name)
{
    return strcasecmp(name, "name") == 0 ? 0 : strcasecmp(name, "id") == 0 ? 1 : strcasecmp(name, "none") == 0 ? 2 : -1;
}

static void get(const void *ctx, int item, int f, struct rsql_value *v)
{
    (void)ctx;
    v->present = f != 2;
    v->is_num = f == 1;
    v->num = item;
    v->str = "Hearth 4";
}

static void language(const char *text, size_t n)
{
    static const struct rsql_table table = {field, get};
    enum rsql_error err;
    struct rsql *r = rsql_parse((struct slice){text, n}, &table, &err);
    must((r != NULL) == (err == RSQL_OK));
    if (r)
        for (int item = -1; item < 20; item += 7)
            (void)rsql_match(r, NULL, item);
    rsql_free(r);
}

static struct world *small_world(void)
{
    static const char yaml[] =
        "name: small\ndescription: d\ndevices: {count: 12, poll: 20s, download: 8s, install: 4s, models: [{name: A}], "
        "sites: [x, y]}\nrollout:\n  name: main\n  old: {name: fw, version: \"1\"}\n  new: {name: fw, version: "
        "\"2\"}\n  waves:\n    - {name: w0, percent: 50}\n    - {name: w1, percent: 50}\nends: {after: 4h}\n"
        "expect: {halted: false}\n";
    static struct world *w;
    static struct arena a;
    if (!w) {
        struct err e = {0};
        arena_init(&a);
        const struct scenario *sc = scenario_parse("small", yaml, sizeof yaml - 1, &a, &e);
        must(sc);
        w = world_new(sc, 1, INT64_C(1700000000000000));
        world_advance(w, 60 * US_PER_S);
    }
    return w;
}

/* Only what reads: the world stays as it is from input to input. */
static void address(const char *text, size_t n)
{
    static const struct api_user user = {.name = "u", .authorization = "Basic eA=="};
    struct world *w = small_world();
    struct http_out out = {.status = 500};
    char *target = malloc(n + sizeof "/rest/v1/");
    memcpy(target, "/rest/v1/", 9);
    memcpy(target + 9, text, n);
    target[9 + n] = '\0';
    struct http_in in = {.method = "GET", .target = target, .auth = user.authorization, .now = w->epoch};
    buf_init(&out.body, (size_t)8 << 20);
    api_answer(w, &user, 1, &in, &out);
    must(out.status >= 200 && out.status < 600);
    must(!out.body.over);
    buf_release(&out.body);
    free(target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    if (data[0] & 1)
        address((const char *)data + 1, n - 1);
    else
        language((const char *)data + 1, n - 1);
    return 0;
}
