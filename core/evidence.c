/* Evidence in the words of the log (core/verdict.h): the screens' own (core/explain.h), so that both say the same. */
#include <string.h>
#include "core/explain.h"
#include "core/trial.h"
#include "core/verdict.h"

void evidence_sentence(const struct evidence_policy *p, const struct evidence *v, char *out, size_t size)
{
    struct evidence e = *v;
    enum trial_test test = TEST_COUNT;
    size_t n;

    trial_test_find(v->test, &test); /* one of a policy's own stays TEST_COUNT */
    explain_rollback(p, &e);         /* a policy that never rolls back by itself promises none */
    explain_sentence(&e, test, out, size);
    n = strlen(out);
    if (n > 0 && out[n - 1] == '.')
        out[n - 1] = '\0';
}
