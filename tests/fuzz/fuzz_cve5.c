/* records of the CVE Program. */
#include "intel.h"

#include "intel/cve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    fuzz_advisory(cve5_read, data, n);
    return 0;
}
