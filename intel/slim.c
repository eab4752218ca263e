#include "intel/slim.h"

#include "core/osv_range.h"

size_t slim_versions(const struct adv_affected *of, const char **versions, size_t n)
{
    size_t kept = 0, events = 0;
    for (size_t k = 0; k < of->n_ranges; k++)
        events += of->ranges[k].n_events;
    if (events * n > 4000000) /* comparing them would cost more than keeping them */
        return n;
    for (size_t i = 0; i < n; i++) {
        bool is = false;
        for (size_t k = 0; k < of->n_ranges && !is; k++)
            is = of->ranges[k].scheme != VERSION_NONE &&
                 osv_range_judge(&of->ranges[k], versions[i]).affected == ADV_YES;
        if (!is && *versions[i])
            versions[kept++] = versions[i];
    }
    return kept;
}
