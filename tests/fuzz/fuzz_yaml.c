/* A file of ours: configuration, policy, scenario, theme, mapping of a standard (the first byte). Read, or refused with
 * an error that can be shown and names the file. */
#include "fuzz.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "conf/config.h"
#include "conf/policy.h"
#include "conf/scenario.h"
#include "conf/standard.h"
#include "themes/theme.h"

static char dir[] = "/tmp/andon-fuzz-XXXXXX", path[sizeof dir + 20];

static void clean(void)
{
    unlink(path);
    rmdir(dir);
}

static void put(const uint8_t *data, size_t n)
{
    if (!path[0]) {
        must(mkdtemp(dir));
        snprintf(path, sizeof path, "%s/f.yaml", dir);
        atexit(clean);
    }
    FILE *f = fopen(path, "w");
    must(f && fwrite(data, 1, n, f) == n && fclose(f) == 0 && chmod(path, 0600) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct err e = {0};
    struct arena a;
    struct config c;
    struct theme theme;
    bool ok;
    if (n == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    arena_init(&a);
    switch (data[0] & 7) {
    case 0: {
        put(data + 1, n - 1);
        if ((ok = config_load(path, &c, &e)))
            config_release(&c);
        break;
    }
    case 1: {
        const struct ynode *node = yaml_parse("f.yaml", bytes, n - 1, policy_schema, &a, &e);
        ok = node && policy_from_node(node, "f", &a, &e);
        break;
    }
    case 2:
        ok = scenario_parse("f.yaml", bytes, n - 1, &a, &e);
        break;
    case 4: {
        struct standard st;
        ok = standard_parse("f.yaml", bytes, n - 1, &a, &st, &e);
        break;
    }
    default:
        put(data + 1, n - 1);
        ok = theme_load("f", dir, DEPTH_256, &theme, &e);
        break;
    }
    must(ok || (e.code != ERR_NONE && e.what[0] && fuzz_shown(e.what) && fuzz_shown(e.next)));
    arena_release(&a);
    return 0;
}
