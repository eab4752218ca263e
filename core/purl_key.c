/* From a purl to what OSV calls the package, and OSV's own spellings. */
#include "core/purl.h"

#define N(a) (sizeof(a) / sizeof *(a))

/* How names of an ecosystem are brought to one spelling. */
enum {
    FOLD_CASE = 1,
    FOLD_DASH = 2, /* "_" is "-" */
    FOLD_RUNS = 4, /* PEP 503: a run of "-", "_", "." is one "-" */
    FOLD_URL = 8   /* "https://" and ".git" say nothing */
};

/* Of one package manager for everybody. */
static const struct {
    const char *type, *ecosystem;
    char join; /* between namespace and name; 0: the name alone */
    int fold;
} managers[] = {
    {"pypi", "PyPI", 0, FOLD_CASE | FOLD_RUNS},
    {"npm", "npm", '/', FOLD_CASE},
    {"cargo", "crates.io", 0, FOLD_CASE | FOLD_DASH},
    {"golang", "Go", '/', FOLD_CASE},
    {"gem", "RubyGems", 0, 0},
    {"maven", "Maven", ':', 0},
    {"nuget", "NuGet", 0, FOLD_CASE},
    {"composer", "Packagist", '/', FOLD_CASE},
    {"hex", "Hex", 0, FOLD_CASE},
    {"pub", "Pub", 0, FOLD_CASE},
    {"swift", "SwiftURL", '/', FOLD_CASE | FOLD_URL},
    {"github", "GitHub Actions", '/', FOLD_CASE},
    {"githubactions", "GitHub Actions", '/', FOLD_CASE},
    {"conan", "ConanCenter", 0, 0},
    {"cran", "CRAN", 0, 0},
    {"bioconductor", "Bioconductor", 0, 0},
    {"hackage", "Hackage", 0, FOLD_DASH},
    {"julia", "Julia", 0, 0},
    {"bitnami", "Bitnami", 0, FOLD_CASE},
};

/* How a distribution's release is written behind its name. */
enum release {
    REL_NONE = 0, /* it has none: always the newest */
    REL_ONE,      /* "12" of 12.5 */
    REL_TWO,      /* "22.04" of 22.04.3 */
    REL_V_TWO,    /* "v3.18" of 3.18.4 */
    REL_LEAP,     /* "Leap 15.5", "Tumbleweed" */
    REL_SLES,     /* "Linux Enterprise Server 15 SP5" of 15.5 */
    REL_AS_IS
};

static const struct {
    const char *type, *space, *ecosystem;
    enum release release;
    bool sources; /* its records name source packages */
} distributions[] = {
    {"deb", "debian", "Debian", REL_ONE, true},
    {"deb", "ubuntu", "Ubuntu", REL_TWO, true},
    {"apk", "alpine", "Alpine", REL_V_TWO, true},
    {"apk", "wolfi", "Wolfi", REL_NONE, true},
    {"apk", "chainguard", "Chainguard", REL_NONE, true},
    {"rpm", "redhat", "Red Hat", REL_ONE, false},
    {"rpm", "rhel", "Red Hat", REL_ONE, false},
    {"rpm", "rocky", "Rocky Linux", REL_ONE, false},
    {"rpm", "rockylinux", "Rocky Linux", REL_ONE, false},
    {"rpm", "almalinux", "AlmaLinux", REL_ONE, false},
    {"rpm", "suse", "SUSE", REL_SLES, true},
    {"rpm", "sles", "SUSE", REL_SLES, true},
    {"rpm", "opensuse", "openSUSE", REL_LEAP, true},
    {"rpm", "openeuler", "openEuler", REL_AS_IS, true},
    {"rpm", "mageia", "Mageia", REL_ONE, true},
    {"rpm", "photon", "Photon OS", REL_TWO, false},
};

/* Names of releases, for those who write no number. */
static const struct {
    const char *word, *number;
} names[] = {
    {"buster", "10"},   {"bullseye", "11"},  {"bookworm", "12"},    {"trixie", "13"},
    {"forky", "14"},    {"bionic", "18.04"}, {"focal", "20.04"},    {"jammy", "22.04"},
    {"noble", "24.04"}, {"plucky", "25.04"}, {"questing", "25.10"},
};

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The part of a version up to its n-th dot. */
static struct slice parts(struct slice v, int n)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] == '.' && --n == 0)
            return (struct slice){v.p, i};
    return v;
}

/* "debian-12.5", "12.5", "debian-bookworm", "opensuse-leap-15.5": what stands behind the distribution's name. */
static struct slice release_of(struct slice distro)
{
    for (size_t i = 0; i < distro.n; i++)
        if (digit(distro.p[i]) && (i == 0 || distro.p[i - 1] == '-' || distro.p[i - 1] == ':'))
            return (struct slice){distro.p + i, distro.n - i};
    const char *dash = distro.n ? memrchr(distro.p, '-', distro.n) : NULL;
    struct slice word = dash ? (struct slice){dash + 1, distro.n - (size_t)(dash - distro.p) - 1} : distro;
    for (size_t i = 0; i < N(names); i++)
        if (slice_is_nocase(word, names[i].word))
            return slice_of(names[i].number);
    return word;
}

/* "" when the release is not said, or is a word that is not known. */
static const char *release_text(enum release how, const char *distro, struct arena *a)
{
    struct slice v = distro ? release_of(slice_of(distro)) : (struct slice){NULL, 0};
    struct slice major = parts(v, 1), two = parts(v, 2);
    if (how == REL_LEAP && distro && slice_starts(slice_of(distro), "opensuse-tumbleweed"))
        return "Tumbleweed";
    if (v.n == 0 || !digit(*v.p))
        return "";
    switch (how) {
    case REL_NONE:
        return "";
    case REL_ONE:
        return arena_strndup(a, major.p, major.n);
    case REL_TWO:
        return arena_strndup(a, two.p, two.n);
    case REL_V_TWO:
        return arena_printf(a, "v%.*s", (int)two.n, two.p);
    case REL_LEAP:
        return arena_printf(a, "Leap %.*s", (int)two.n, two.p);
    case REL_SLES:
        if (two.n > major.n + 1 && !slice_is((struct slice){two.p + major.n + 1, two.n - major.n - 1}, "0"))
            return arena_printf(a, "Linux Enterprise Server %.*s SP%.*s", (int)major.n, major.p,
                                (int)(two.n - major.n - 1), two.p + major.n + 1);
        return arena_printf(a, "Linux Enterprise Server %.*s", (int)major.n, major.p);
    case REL_AS_IS:
        break;
    }
    return arena_strndup(a, v.p, v.n);
}

/* upstream=NAME, NAME@VERSION, or of rpm NAME-VERSION-RELEASE.src.rpm. */
static void source_of(const char *upstream, bool rpm, struct purl_key *k, struct arena *a)
{
    struct slice s = slice_of(upstream);
    const char *at = s.n ? memchr(s.p, '@', s.n) : NULL;
    if (rpm && s.n > 8 && slice_is((struct slice){s.p + s.n - 8, 8}, ".src.rpm")) {
        const char *dash = memrchr(s.p, '-', s.n);
        at = dash ? memrchr(s.p, '-', (size_t)(dash - s.p)) : NULL;
    }
    if (at == s.p)
        return;
    k->name = at ? arena_strndup(a, s.p, (size_t)(at - s.p)) : upstream;
    if (at && !rpm && at[1])
        k->version = arena_strndup(a, at + 1, s.n - (size_t)(at - s.p) - 1);
}

static bool distribution_key(const struct purl *p, struct arena *a, struct purl_key *k)
{
    for (size_t i = 0; i < N(distributions); i++) {
        if (!slice_is(slice_of(p->type), distributions[i].type) ||
            !slice_is_nocase(slice_of(p->space), distributions[i].space))
            continue;
        const char *release = release_text(distributions[i].release, purl_qualifier(p, "distro"), a);
        const char *upstream = purl_qualifier(p, "upstream"), *epoch = purl_qualifier(p, "epoch");
        bool rpm = slice_is(slice_of(p->type), "rpm");
        k->no_release = distributions[i].release != REL_NONE && !*release;
        k->ecosystem =
            *release ? arena_printf(a, "%s:%s", distributions[i].ecosystem, release) : distributions[i].ecosystem;
        k->name = p->name;
        k->version = rpm && epoch && *p->version ? arena_printf(a, "%s:%s", epoch, p->version) : p->version;
        if (upstream && distributions[i].sources)
            source_of(upstream, rpm, k, a);
        return true;
    }
    return false;
}

bool purl_key(const struct purl *p, struct arena *a, struct purl_key *out)
{
    *out = (struct purl_key){.ecosystem = "", .name = "", .version = p->version};
    bool known = distribution_key(p, a, out);
    for (size_t i = 0; !known && i < N(managers); i++) {
        if (!slice_is(slice_of(p->type), managers[i].type))
            continue;
        known = true;
        out->ecosystem = managers[i].ecosystem;
        out->name =
            *p->space && managers[i].join ? arena_printf(a, "%s%c%s", p->space, managers[i].join, p->name) : p->name;
    }
    if (known)
        out->name = purl_package(slice_of(out->ecosystem), slice_of(out->name), a);
    return known;
}

static struct slice next_field(struct slice *s)
{
    const char *colon = s->n ? memchr(s->p, ':', s->n) : NULL;
    struct slice r = {s->p, colon ? (size_t)(colon - s->p) : s->n};
    *s = colon ? (struct slice){colon + 1, s->n - r.n - 1} : (struct slice){NULL, 0};
    return r;
}

const char *purl_ecosystem(struct slice ecosystem, struct arena *a)
{
    struct slice rest = ecosystem, base = next_field(&rest), second = next_field(&rest), third = next_field(&rest);
    if (slice_is(base, "Red Hat") && slice_is(second, "enterprise_linux") && third.n > 0) {
        struct slice major = parts(third, 1);
        return arena_printf(a, "Red Hat:%.*s", (int)major.n, major.p);
    }
    if (slice_is(base, "Ubuntu") && slice_is(third, "LTS") && rest.n == 0)
        ecosystem.n = base.n + 1 + second.n;
    return arena_strndup(a, ecosystem.p ? ecosystem.p : "", ecosystem.n);
}

const char *purl_package(struct slice ecosystem, struct slice name, struct arena *a)
{
    struct slice base = next_field(&ecosystem);
    int fold = 0;
    for (size_t i = 0; i < N(managers); i++)
        if (slice_is(base, managers[i].ecosystem))
            fold = managers[i].fold;
    if ((fold & FOLD_URL) && slice_starts(name, "https://"))
        name = (struct slice){name.p + 8, name.n - 8};
    if ((fold & FOLD_URL) && name.n > 4 && slice_is((struct slice){name.p + name.n - 4, 4}, ".git"))
        name.n -= 4;
    char *out = arena_alloc(a, name.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if ((fold & FOLD_CASE) && c >= 'A' && c <= 'Z')
            c = (char)(c | 32);
        if ((fold & FOLD_DASH) && c == '_')
            c = '-';
        if ((fold & FOLD_RUNS) && byte_in(c, "-_.")) {
            if (n > 0 && out[n - 1] == '-')
                continue;
            c = '-';
        }
        out[n++] = c;
    }
    return out;
}
