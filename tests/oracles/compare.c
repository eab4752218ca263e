/* Answers of core/version, osv_range, purl, cpe, cvss for the oracles of other people's making (oracles.py): a question
 * a line on stdin, its words separated by tabs; an answer a line on stdout. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/arena.h"
#include "core/cpe.h"
#include "core/cvss.h"
#include "core/osv_range.h"
#include "core/purl.h"
#include "core/version.h"

#define WORDS 64

static enum version_scheme scheme_of(const char *word)
{
    for (int i = 0; i < VERSION_SCHEMES; i++)
        if (strcmp(word, version_scheme_word((enum version_scheme)i)) == 0)
            return (enum version_scheme)i;
    return VERSION_NONE;
}

/* SCHEME A B */
static void version(struct arena *a, char **w, size_t n)
{
    int order;
    (void)a;
    if (n == 3 && version_compare(scheme_of(w[0]), slice_of(w[1]), slice_of(w[2]), &order))
        printf("%d\n", order);
    else
        puts("none");
}

/* TEXT: type, namespace, name, version, subpath, qualifiers */
static void purl(struct arena *a, char **w, size_t n)
{
    struct purl p;
    if (n != 1 || !purl_parse(slice_of(w[0]), a, &p)) {
        puts("none");
        return;
    }
    printf("%s\t%s\t%s\t%s\t%s\t", p.type, p.space, p.name, p.version, p.subpath);
    for (size_t i = 0; i < p.n_qualifiers; i++)
        printf("%s%s=%s", i ? "&" : "", p.qualifiers[i].key, p.qualifiers[i].value);
    puts("");
}

/* TEXT: the eleven fields */
static void cpe(struct arena *a, char **w, size_t n)
{
    struct cpe c;
    if (n != 1 || !cpe_parse(slice_of(w[0]), a, &c)) {
        puts("none");
        return;
    }
    for (int i = 0; i < CPE_FIELDS; i++)
        printf("%s%s", i ? "\t" : "", c.field[i]);
    puts("");
}

/* CRITERIA KNOWN: the number of enum cpe_fit */
static void cpe_fits(struct arena *a, char **w, size_t n)
{
    struct cpe c, k;
    if (n != 2 || !cpe_parse(slice_of(w[0]), a, &c) || !cpe_parse(slice_of(w[1]), a, &k))
        puts("none");
    else
        printf("%d\n", (int)cpe_match(&c, &k, a));
}

/* VECTOR: base, temporal, environmental in tenths */
static void cvss(struct arena *a, char **w, size_t n)
{
    struct cvss c;
    (void)a;
    if (n != 1 || !cvss_score(slice_of(w[0]), &c))
        puts("none");
    else
        printf("%s %d %d %d\n", cvss_version_word(c.version), c.base, c.temporal, c.environmental);
}

/* SCHEME VERSION EVENT...: each "introduced=1.0"; yes, no, none */
static void range(struct arena *a, char **w, size_t n)
{
    static const char *const kinds[] = {"introduced", "fixed", "last_affected", "limit"};
    struct adv_event ev[WORDS];
    struct adv_range r = {.scheme = n > 1 ? scheme_of(w[0]) : VERSION_NONE, .events = ev};
    (void)a;
    for (size_t i = 2; i < n; i++) {
        char *is = strchr(w[i], '=');
        for (size_t k = 0; is && k < 4; k++)
            if (strlen(kinds[k]) == (size_t)(is - w[i]) && strncmp(w[i], kinds[k], (size_t)(is - w[i])) == 0)
                ev[r.n_events++] = (struct adv_event){(enum adv_event_kind)k, is + 1};
    }
    struct osv_answer o = n > 1 ? osv_range_judge(&r, w[1]) : (struct osv_answer){.fixed = ""};
    puts(o.affected == ADV_YES ? "yes" : o.affected == ADV_NO ? "no" : "none");
}

static const struct {
    const char *word;
    void (*answer)(struct arena *a, char **w, size_t n);
} questions[] = {{"version", version},   {"purl", purl}, {"cpe", cpe},
                 {"cpe-fits", cpe_fits}, {"cvss", cvss}, {"range", range}};

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    while ((len = getline(&line, &cap, stdin)) > 0) {
        char *w[WORDS];
        size_t n = 0;
        struct arena a;
        if (line[len - 1] == '\n')
            line[len - 1] = '\0';
        for (char *rest = line, *one; n < WORDS && (one = strsep(&rest, "\t")) != NULL;)
            w[n++] = one;
        arena_init(&a);
        bool known = false;
        for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
            if (strcmp(w[0], questions[i].word) == 0) {
                questions[i].answer(&a, w + 1, n - 1);
                known = true;
            }
        if (!known)
            puts("?");
        arena_release(&a);
    }
    free(line);
    return 0;
}
