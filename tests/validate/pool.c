/* Processes that share out the runs of an experiment. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/err.h"
#include "tests/validate/validate.h"

static uint64_t seed_of_all;
static bool quick_look;
static const char *world_text = "";
static int workers = 1;

void pool_setup(uint64_t seed, bool quick, const char *world)
{
    seed_of_all = seed;
    quick_look = quick;
    world_text = world;
    const char *w = getenv("ANDON_WORKERS");
    long n = w ? strtol(w, NULL, 10) : sysconf(_SC_NPROCESSORS_ONLN);
    workers = n < 1 ? 1 : n > 64 ? 64 : (int)n;
}

bool pool_world(const char *name)
{
    return strstr(name, world_text) != NULL;
}

double pool_errors(void)
{
    return quick_look ? 4 : 3;
}

int pool_runs(int full)
{
    int n = quick_look ? full / 10 : full;
    return n < 20 ? 20 : n;
}

static void work(run_fn *fn, const void *arg, const char *name, int runs, atomic_int *next, double *results)
{
    for (int i; (i = atomic_fetch_add(next, 1)) < runs;) {
        struct rng r;
        rng_init_named(&r, seed_of_all + (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15), name);
        fn(arg, &r, results + (size_t)i * SLOTS);
    }
}

double *pool_run(run_fn *fn, const void *arg, const char *name, int runs)
{
    size_t bytes = sizeof(double) * (size_t)runs * SLOTS;
    char *shared = mmap(NULL, bytes + 64, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    atomic_int *next = (atomic_int *)(void *)shared;
    double *results = (double *)(void *)(shared + 64);
    pid_t pid[64];
    bool failed = false;
    fflush(NULL);
    for (int w = 0; w < workers; w++) {
        pid[w] = fork();
        if (pid[w] == 0) {
            work(fn, arg, name, runs, next, results);
            _exit(0);
        }
        failed |= pid[w] < 0;
    }
    for (int w = 0; w < workers; w++) {
        int status = 1;
        if (pid[w] > 0)
            waitpid(pid[w], &status, 0);
        failed |= status != 0;
    }
    if (failed) {
        fprintf(stderr, "a worker of \"%s\" failed\n", name);
        exit(2);
    }
    double *out = xmalloc(bytes);
    memcpy(out, results, bytes);
    munmap(shared, bytes + 64);
    return out;
}
