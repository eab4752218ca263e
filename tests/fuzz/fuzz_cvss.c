/* A CVSS vector: scores from 0 to 10, and time makes none worse. */
#include "fuzz.h"

#include "core/cvss.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct cvss c;
    bool is = cvss_score((struct slice){(const char *)data, n}, &c);
    must(is == (c.version != CVSS_NONE) && is == (*cvss_version_word(c.version) != '\0'));
    must(c.base >= 0 && c.base <= 100 && c.temporal >= 0 && c.temporal <= c.base);
    must(c.environmental >= 0 && c.environmental <= 100);
    must(is == (c.network != ADV_UNKNOWN));
    return 0;
}
