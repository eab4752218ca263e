/* The words of the halts that are known of a rollout: for whoever shows them, tells of them, lists devices after them.
 */
#include <stddef.h>
#include "engine/worker.h"

struct halt_known *ro_stop_known(const struct ro *ro, uint64_t id)
{
    for (size_t i = 0; i < ro->stop.n_halts; i++)
        if (ro->stop.halts[i].id == id)
            return &ro->stop.halts[i];
    return NULL;
}

const struct halt_known *ro_stop_halt(const struct ro *ro)
{
    static const struct halt_known none;
    const struct halt_known *k = ro_stop_known(ro, ro->stop.m.id);
    return k ? k : &none;
}
