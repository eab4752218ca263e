/* Time is handed in, so that a drill or a test can run in virtual time.
 *
 * All times in andon are int64_t microseconds since the epoch (UTC) on one clock's own line; all durations are
 * microseconds. Nobody below cli/ calls time() or clock_gettime() except the real clock here and tui/ (for pacing
 * frames). */
#ifndef ANDON_CORE_CLOCK_H
#define ANDON_CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define US_PER_MS   INT64_C(1000)
#define US_PER_S    INT64_C(1000000)
#define US_PER_MIN  (60 * US_PER_S)
#define US_PER_HOUR (60 * US_PER_MIN)
#define US_PER_DAY  (24 * US_PER_HOUR)
#define TIME_NEVER  INT64_MAX

/* Is the wall clock held to a reference, as the kernel was told by whoever does it (Linux: adjtimex(2), read only)? */
enum clock_synced { CLOCK_SYNC_UNKNOWN = 0, CLOCK_SYNC_NO, CLOCK_SYNC_YES };
struct clock_sync {
    enum clock_synced synced;
    int64_t error_us; /* CLOCK_SYNC_YES: the estimated error, as it was told; else 0 */
};

struct clock {
    /* Microseconds since the epoch. Monotonic: a real clock is steered by CLOCK_BOOTTIME from its first reading, so
     * that a step of the wall clock never moves a soak or a `for:`. Thread-safe. */
    int64_t (*now)(struct clock *c);
    /* An event loop says: nothing to do before `deadline` (TIME_NEVER allowed), while `in_flight` requests (HTTP
     * and log appends) of mine are unanswered. Returns how long, in real microseconds, the loop may now block on its
     * descriptors before it calls idle() again; 0 means time has moved (or work was handed in): look again.
     *
     * The real clock returns deadline - now (at least 0). A virtual clock with in_flight == 0 jumps to the deadline
     * and returns 0; with requests under way it returns a short time, unless whoever answers them has said that it
     * holds them all back until a later time: then it jumps there. */
    int64_t (*idle)(struct clock *c, int64_t deadline, unsigned in_flight);
    /* Wall-clock microseconds of this host (CLOCK_REALTIME), for log entries; a virtual clock gives its own now. */
    int64_t (*wall)(struct clock *c);
    /* Microseconds since the host was started (CLOCK_BOOTTIME), which nobody can set; a virtual clock counts from its
     * own beginning. NULL: now() stands in, for a clock that is never set. */
    int64_t (*boot)(struct clock *c);
    /* What steers the wall clock. NULL: not known. */
    struct clock_sync (*sync)(struct clock *c);
};

/* The machine's clock. One shared object, no state that the caller must free. */
struct clock *clock_real(void);

static inline int64_t clock_now(struct clock *c)
{
    return c->now(c);
}
static inline int64_t clock_wall(struct clock *c)
{
    return c->wall(c);
}
static inline int64_t clock_boot(struct clock *c)
{
    return c->boot ? c->boot(c) : c->now(c);
}
static inline struct clock_sync clock_sync_state(struct clock *c)
{
    return c->sync ? c->sync(c) : (struct clock_sync){CLOCK_SYNC_UNKNOWN, 0};
}
/* "yes", "no", "unknown" */
const char *clock_sync_word(enum clock_synced s);
/* Wall clock less boot clock, read together: it moves only when the wall clock is set (both are slewed alike). False
 * when this thread was held up between the readings, so that they do not belong together. */
bool clock_offset(struct clock *c, int64_t *out);

#endif
