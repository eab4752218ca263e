/* A Prometheus' answer, instant and range (the first byte). What is read in one pass and what is read as a tree must be
 * the same: the same answer is read once more with a member in front that only the tree takes. */
#include "fuzz.h"

#include <string.h>
#include "client/prometheus_impl.h"
#include "core/slice.h"

struct seen {
    struct one {
        size_t series;
        long device;
        int64_t at;
        uint64_t bits;
    } v[256];
    size_t n;
};

static bool on_sample(void *ctx, size_t series, long device, int64_t at_ms, double v, struct err *e)
{
    struct seen *s = ctx;
    struct one o = {series, device, at_ms, 0};
    (void)e;
    must(device >= -1 && device < 2);
    must(at_ms > 0 && at_ms <= PROM_TIME_MAX);
    if (v == v) /* all that are no number are one */
        memcpy(&o.bits, &v, sizeof v);
    if (s->n < sizeof s->v / sizeof *s->v)
        s->v[s->n] = o;
    s->n++;
    return true;
}

static void on_restart(void *ctx)
{
    ((struct seen *)ctx)->n = 0;
}

static bool read_it(const char *bytes, size_t n, const struct prom_source *src, struct seen *seen)
{
    struct buf body;
    struct err e = {0};
    struct prom_sink sink = {.sample = on_sample, .restart = on_restart, .ctx = seen};
    char warning[100] = "";
    buf_init(&body, n + 1);
    buf_add(&body, bytes, n);
    bool ok = prom_read(src, &body, &sink, warning, sizeof warning, &e);
    must(ok || (e.code != ERR_NONE && fuzz_shown(e.what) && fuzz_shown(e.cause)));
    must(fuzz_shown(warning));
    buf_release(&body);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char odd[] = "\"\\u0071z9Kp\\u0071x\":0,"; /* not plain: it has escapes */
    static struct seen one, other;
    static struct watch_set *watch;
    size_t at = 1;
    if (n == 0)
        return 0;
    if (!watch) {
        watch = watch_set_new();
        watch_set_add(watch, "gw-1");
        watch_set_add(watch, "g\xc3\xa4");
    }
    struct prom_source src = {
        .what = "reboots", .join_label = "device", .watch = watch, .n_watch = 2, .matrix = data[0] & 1};
    const char *body = (const char *)data + 1;
    one.n = other.n = 0;
    bool ok = read_it(body, n - 1, &src, &one);
    while (at < n && byte_in((char)data[at], " \t\r\n"))
        at++;
    if (at == n || data[at] != '{' || memmem(data, n, "z9Kp", 4))
        return 0;
    size_t head = at, room = n - 1 + sizeof odd - 1;
    char *longer = malloc(room);
    memcpy(longer, body, head);
    memcpy(longer + head, odd, sizeof odd - 1);
    memcpy(longer + head + sizeof odd - 1, body + head, n - 1 - head);
    bool again = read_it(longer, room, &src, &other);
    free(longer);
    must(ok == again);
    must(!ok || one.n == other.n);
    for (size_t i = 0; ok && i < one.n && i < sizeof one.v / sizeof *one.v; i++) {
        must(one.v[i].series == other.v[i].series && one.v[i].device == other.v[i].device);
        must(one.v[i].at == other.v[i].at && one.v[i].bits == other.v[i].bits);
    }
    return 0;
}
