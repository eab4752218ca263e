#include "core/clock.h"

#include <stdatomic.h>
#include <sys/timex.h>
#include <time.h>

#define TOGETHER_US (10 * US_PER_MS) /* two readings of one clock, and what was read between them */

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

/* The offset between the two clocks, taken once: after that only CLOCK_BOOTTIME moves andon's time, and it goes on
 * through a suspend, so that a soak is neither stretched nor cut by one. */
static int64_t real_now(struct clock *c)
{
    (void)c;
    static _Atomic int64_t offset;
    int64_t boot = read_us(CLOCK_BOOTTIME);
    int64_t off = atomic_load(&offset);
    if (off == 0) {
        int64_t fresh = read_us(CLOCK_REALTIME) - boot;
        if (atomic_compare_exchange_strong(&offset, &off, fresh))
            off = fresh;
    }
    return boot + off;
}

static int64_t real_idle(struct clock *c, int64_t deadline, unsigned in_flight)
{
    (void)in_flight;
    if (deadline == TIME_NEVER)
        return US_PER_HOUR;
    int64_t left = deadline - real_now(c);
    return left > 0 ? left : 0;
}

static int64_t real_wall(struct clock *c)
{
    (void)c;
    return read_us(CLOCK_REALTIME);
}

static int64_t real_boot(struct clock *c)
{
    (void)c;
    return read_us(CLOCK_BOOTTIME);
}

/* The kernel takes a clock for adrift that nobody has steered for a while (maxerror beyond 16 s). A container may not
 * be let ask. */
static struct clock_sync real_sync(struct clock *c)
{
    struct timex t = {.modes = 0};
    (void)c;
    int state = adjtimex(&t);
    if (state < 0)
        return (struct clock_sync){CLOCK_SYNC_UNKNOWN, 0};
    if (state == TIME_ERROR || (t.status & STA_UNSYNC))
        return (struct clock_sync){CLOCK_SYNC_NO, 0};
    return (struct clock_sync){CLOCK_SYNC_YES, t.esterror};
}

struct clock *clock_real(void)
{
    static struct clock real = {real_now, real_idle, real_wall, real_boot, real_sync};
    return &real;
}

const char *clock_sync_word(enum clock_synced s)
{
    return s == CLOCK_SYNC_YES ? "yes" : s == CLOCK_SYNC_NO ? "no" : "unknown";
}

bool clock_offset(struct clock *c, int64_t *out)
{
    int64_t before = clock_boot(c), wall = clock_wall(c), after = clock_boot(c);
    *out = wall - after;
    return after - before <= TOGETHER_US;
}
