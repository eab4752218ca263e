/* Evidence in words (core/verdict.h). */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/detmath.h"
#include "core/fmt.h"
#include "core/trial.h"
#include "core/verdict.h"

const char *evidence_number(char out[EVIDENCE_NUMBER_MAX], double log_e)
{
    double v = det_exp(log_e < 690 ? log_e : 690), unit = 1;
    char digits[24];
    size_t n = 0, at = 0;

    if (!(v < 999.5e6)) {
        snprintf(out, EVIDENCE_NUMBER_MAX, isnan(log_e) ? "?" : "%.2g", v);
        return out;
    }
    if (v < 9.95) {
        snprintf(out, EVIDENCE_NUMBER_MAX, "%.1f", v);
        return out;
    }
    while (v / unit >= 999.5)
        unit *= 10;
    snprintf(digits, sizeof digits, "%.0f", floor(v / unit + 0.5) * unit);
    n = strlen(digits);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

/* "1,980" */
static const char *grouped(char out[FMT_MAX], int64_t n)
{
    fmt_count(out, n);
    for (char *c = out; *c; c++)
        *c = *c == ' ' ? ',' : *c;
    return out;
}

void evidence_sentence(const struct evidence *v, char *out, size_t size)
{
    char a[FMT_MAX], b[FMT_MAX], c[FMT_MAX], d[FMT_MAX], had[400];
    char e[EVIDENCE_NUMBER_MAX], f[EVIDENCE_NUMBER_MAX], g[EVIDENCE_NUMBER_MAX];
    enum trial_test test = TEST_COUNT;
    const char *plain = v->test;

    if (trial_test_find(v->test, &test))
        plain = trial_test_plain(test);
    grouped(a, v->canary);
    grouped(b, v->canary_of);
    if (test == TEST_INSTALL)
        snprintf(had, sizeof had, "%s of %s devices %s", a, b, plain);
    else if (test == TEST_CPU || test == TEST_VARIANCE)
        snprintf(had, sizeof had, "%s of %s canaries %s and than 95%% of %s others, %s in the middle", a, b, plain,
                 grouped(c, v->control_of), fmt_ratio(d, v->ratio));
    else
        snprintf(had, sizeof had, "%s of %s canaries %s, %s of %s others", a, b, plain, grouped(c, v->control),
                 grouped(d, v->control_of));
    snprintf(out, size, "%s; evidence %s, %s needed to pause, %s to roll back", had, evidence_number(e, v->log_e),
             evidence_number(f, v->log_pause), evidence_number(g, v->log_rollback));
}
