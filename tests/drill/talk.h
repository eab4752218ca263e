/* Shared by the drill's tests: a small fleet, a plain HTTP client over one kept-alive connection, virtual time. */
#ifndef ANDON_TESTS_DRILL_TALK_H
#define ANDON_TESTS_DRILL_TALK_H

#include "core/json.h"
#include "drill/drill.h"

struct talk {
    struct arena arena;
    const struct scenario *sc;
    struct drill *d;
    char auth[200];
    int fd; /* -1 = not connected */
    /* the newest answer */
    int status;
    char *head, *body;
    size_t n_body;
    struct json_t *json; /* NULL when it is not JSON */
};

/* 200 devices that poll every 20 s and install in seconds; `extra` is more YAML (faults, operator, ...), or replaces
 * whole sections: a top-level key given there takes the place of the fixture's. */
void talk_open(struct talk *t, const char *extra, uint64_t seed);
void talk_open_scenario(struct talk *t, const char *yaml, uint64_t seed, double speed);
void talk_close(struct talk *t);
/* Lets virtual time pass. */
void talk_wait(struct talk *t, double seconds);
/* One request with admin's credentials; fails the test when there is no answer. Returns the status. */
int talk(struct talk *t, const char *method, const char *path, const char *body);
int talk_as(struct talk *t, const char *auth, const char *headers, const char *method, const char *path,
            const char *body);
/* Without waiting for the answer; then wait for it (false on a closed connection). */
void talk_send(struct talk *t, const char *headers, const char *method, const char *path, const char *body);
bool talk_read(struct talk *t);
/* Value of a header of the newest answer, into buf; NULL when absent. */
const char *talk_header(const struct talk *t, const char *name, char *buf, size_t size);
const char *talk_str(const struct talk *t, const char *key); /* member of the newest answer, "" */
int64_t talk_int(const struct talk *t, const char *key);
const struct json_t *talk_at(const struct talk *t, const char *list, size_t i);
/* Creates a rollout of release `ds` to devices em-<from>.. and drives it to `state` (the server's word). Its id. */
int64_t talk_rollout(struct talk *t, const char *name, int ds, int from, int n, const char *state);

#endif
