/* A log-in: user and password against a token, which is then sent as a bearer with each request of a back end. One
 * log-in serves all jobs that wait for it; a token that is refused is got anew once for each request. Belongs to one
 * back end and its loop. */
#ifndef ANDON_CLIENT_LOGIN_H
#define ANDON_CLIENT_LOGIN_H

#include "client/job.h"

#define LOGIN_BODY_MAX 65536 /* bytes of an answer to a log-in */

struct login {
    struct http_peer *door; /* that the password goes to and nothing else does; owned */
    const char *what;       /* "POST /login", for errors */
    /* Sends the log-in to the door; login_answered() with the login takes its answer. */
    void (*ask)(struct login *l);
    /* Appends the token of a 200 to *out, or nothing; what is no token is refused by the caller. */
    void (*take)(const struct http_answer *a, struct buf *out);
    /* its own */
    struct job_home *home;
    char *token;     /* NULL: not logged in */
    unsigned number; /* of the token: rises with each */
    bool asking;
    struct part *held; /* parts that wait for a token */
};

/* The home's error() and wrong_server tell what went wrong with a log-in. */
static inline void login_init(struct login *l, struct job_home *home)
{
    l->home = home;
}
/* What waits for a token ends; then the token is wiped. */
void login_release(struct login *l);
void login_answered(void *login, const struct http_answer *a);
/* For job_home.dress: true, the request bears the token; false, it is held until there is one. */
bool login_dress(struct login *l, struct part *p, struct http_request *q);
/* For job_home.refused, when an answer says that the token is none: true, it is sent once more with another; false, it
 * was already. */
bool login_again(struct login *l, struct part *p);

#endif
