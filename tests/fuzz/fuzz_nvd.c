/* NVD's records. */
#include "intel.h"

#include "intel/cve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_advisory(nvd_read, data, n);
    return 0;
}
