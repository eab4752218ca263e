/* OSV records. */
#include "intel.h"

#include "intel/osv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_advisory(osv_read, data, n);
    return 0;
}
