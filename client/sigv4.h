/* AWS Signature Version 4 (docs.aws.amazon.com, "Create a signed AWS API request"): the headers that sign a request.
 * Our own, since libcurl 7.88 signs a query in the order in which it is sent, and a ':' in a path wrongly. Pure. */
#ifndef ANDON_CLIENT_SIGV4_H
#define ANDON_CLIENT_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/err.h"

struct sigv4_key {
    const char *id, *secret, *token; /* token: of temporary ones; "" = none */
};
/* From what `aws configure export-credentials` prints, or a file as ~/.aws/credentials is: then the section `profile`
 * ("" = the first). Into the arena. False with *e, which holds none of it. */
bool sigv4_key_parse(const char *text, size_t n, const char *profile, struct arena *a, struct sigv4_key *out,
                     struct err *e) ANDON_MUST_USE;

struct sigv4_request {
    const char *method, *host; /* as in the Host header: without the port of the scheme */
    const char *target;        /* path and query as they are sent, percent-encoded */
    const void *body;
    size_t body_n;
    const char *region, *service;
    int64_t at; /* wall clock, microseconds */
};
#define SIGV4_HEADERS 3
/* Name and value of X-Amz-Date, Authorization and, with a token, X-Amz-Security-Token, from the arena: how many. */
size_t sigv4_sign(const struct sigv4_request *r, const struct sigv4_key *k, struct arena *a,
                  const char *out[SIGV4_HEADERS][2]);

#endif
