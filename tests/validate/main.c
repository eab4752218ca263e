/* validate-statistics: simulates fleets, runs the same tests as the engine over them (core/trial.h) and beside them the
 * usual methods on the same data, and holds the measured error rates and delays against what is promised.
 *
 *   validate [-s SEED] [-q] [-w TEXT] [TABLE...]  tables: boots strata cpu rollout loops power shift installs
 *                                                     worlds (-w: those whose names hold TEXT)
 *
 * Exit code 0 when all holds, 1 when not. The same seed gives the same figures, whatever the number of processes
 * (ANDON_WORKERS, default one a processor). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/validate/validate.h"

static const struct {
    const char *name, *title;
    void (*run)(void);
    bool own_head; /* it prints the heads of its columns itself */
} tables[] = {
    {"boots", "False halts, reboots: 10,000 looks (83 h at 30 s), .02 an hour and device", table_boots, false},
    {"strata",
     "Canaries that were not picked at random: 80 % of them of a model with 5 times the reboots (control 20 %)",
     table_strata, false},
    {"cpu", "False halts, CPU and sensor variance: 10,000 looks, 5 % for each engine", table_cpu, false},
    {"rollout", "Whole rollouts: 5, 20, 100, 300 of 600 devices, 24 h, all tests, one ledger", table_rollout, false},
    {"loops", "Delays: canaries that reboot 12 times an hour; first of four waves, defaults", table_loops, true},
    {"power", "Delays: more reboots in all canaries; first of four waves, defaults", table_power, true},
    {"shift", "Delays: CPU and sensor variance; alpha .00125 for each engine, defaults", table_shift, true},
    {"seen", "Bad firmware: share of rollouts that are halted, and how long after its begin", table_seen, true},
    {"installs",
     "False halts, installs: devices that are in touch seldom, and sites that fail as a whole; a share of 1 %",
     table_installs, false},
    {"worlds", "False halts, rollouts on fleets as they are: all tests and looks, 5 % promised", table_worlds, true},
};

static bool chosen(const char *name, int argc, char *const *argv)
{
    if (optind >= argc)
        return true;
    for (int i = optind; i < argc; i++)
        if (!strcmp(argv[i], name))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    const char *world = "";
    bool quick = false;
    for (int c; (c = getopt(argc, argv, "s:qw:")) != -1;) {
        if (c == 's')
            seed = strtoull(optarg, NULL, 10);
        else if (c == 'q')
            quick = true;
        else if (c == 'w')
            world = optarg;
        else
            return 2;
    }
    pool_setup(seed, quick, world);
    printf("seed %llu%s\n", (unsigned long long)seed,
           quick ? "; quick: a tenth of the runs, so errors are three times as large and small faults are not seen"
                 : "");
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (!chosen(tables[i].name, argc, argv))
            continue;
        time_t begin = time(NULL);
        printf("\n%s\n", tables[i].title);
        if (!tables[i].own_head)
            printf("  %-58s %8s %10s %7s %6s %9s\n", "", "nominal", "measured", "s.e.", "runs", "design");
        tables[i].run();
        printf("  (%d s)\n", (int)(time(NULL) - begin));
    }
    return report_end();
}
