#include "core/device_state.h"

#include "core/passage.h"
#include "core/trial.h"

/* What says most comes first. The rank tests are about all canaries together and say nothing of one of them. */
static const struct {
    enum trial_test test;
    enum device_state state;
    const char *note;
} levels[] = {
    {TEST_LOOP, DEV_BAD, "has rebooted in a loop"},
    {TEST_BOOT8, DEV_BAD, "has rebooted 8 times or more"},
    {TEST_BOOT4, DEV_BAD, "has rebooted 4 times or more"},
    {TEST_BOOT2, DEV_BAD, "has rebooted twice or more"},
    {TEST_STUCK, DEV_ODD, "its sensor has hardly moved"},
    {TEST_VAR16, DEV_ODD, "has measured with 16 times its own variance or more"},
    {TEST_VAR8, DEV_ODD, "has measured with 8 times its own variance or more"},
    {TEST_VAR4, DEV_ODD, "has measured with 4 times its own variance or more"},
    {TEST_CPU300, DEV_ODD, "has used 3 times its own CPU or more"},
    {TEST_CPU200, DEV_ODD, "has used twice its own CPU or more"},
    {TEST_CPU150, DEV_ODD, "has used 1.5 times its own CPU or more"},
    {TEST_BOOT1, DEV_ODD, "has rebooted"},
    {TEST_CPU125, DEV_ODD, "has used 1.25 times its own CPU or more"},
};

enum device_state device_state(const struct device_facts *f, const char **note)
{
    *note = "";
    if (f->overdue)
        return *note = "does not call in", DEV_GONE;
    if (f->status == DEVICE_ERROR)
        return *note = "the install failed", DEV_FAILED;
    if (f->status == DEVICE_PENDING)
        return DEV_UPDATING;
    if (!f->told)
        return DEV_WAITING;
    if (!f->watched)
        return *note = "not watched any more", DEV_STALE;
    if (f->now - f->last_sample > f->stale_us)
        return *note = "no telemetry", DEV_STALE;
    if (!f->counts)
        return *note = "does not count yet", DEV_OK;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (f->reached & f->tested & 1U << levels[i].test)
            return *note = levels[i].note, levels[i].state;
    if (f->own)
        return *note = f->own, DEV_ODD;
    return DEV_OK;
}

uint32_t device_reached(int64_t reboots, double cpu, double variance)
{
    static const struct {
        int64_t least;
        enum trial_test test;
    } boots[] = {{1, TEST_BOOT1}, {2, TEST_BOOT2}, {4, TEST_BOOT4}, {8, TEST_BOOT8}};
    struct gauge c, v;
    gauge_init(&c, &policy_default()->evidence, ROW_CPU);
    gauge_init(&v, &policy_default()->evidence, ROW_VARIANCE);
    uint32_t set = (uint32_t)(gauge_levels(&c, cpu) | gauge_levels(&v, variance));

    for (size_t i = 0; i < sizeof boots / sizeof boots[0]; i++)
        if (reboots >= boots[i].least)
            set |= 1U << boots[i].test;
    return set;
}

const char *device_state_word(enum device_state s)
{
    static const char *const words[DEV_STATES] = {"ok", "bad", "odd", "stale", "updating", "waiting", "failed", "gone"};

    return (unsigned)s < DEV_STATES ? words[s] : "?";
}
