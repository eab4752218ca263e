#include "core/clock.h"

#include <stdatomic.h>
#include <time.h>

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

struct clock *clock_real(void)
{
    static struct clock real = {real_now, real_idle, real_wall};
    return &real;
}
