/* What was sent that changes something, for the log's entries: of each request its method, path, the digests of both
 * bodies, the answer's status, Date and request id. Kept until the entry that tells of it is written. */
#ifndef ANDON_ENGINE_SENT_H
#define ANDON_ENGINE_SENT_H

#include <stddef.h>
#include <stdint.h>
#include "client/backend.h"
#include "core/buf.h"
#include "engine/scribe.h"

#define SENT_LIST_MAX ((size_t)1 << 20) /* of the list, some 2,500 requests; what is beyond it is only counted */

struct sent {
    struct buf list;            /* JSON objects with commas between; no memory until the first */
    size_t n, listed;           /* requests; of them in the list */
    struct request_facts first; /* its path in `path` */
    char path[300];
};

/* Takes the requests of a reply. `wall` and `now`: the clocks of this moment, since the log's times are the wall
 * clock's. */
void sent_take(struct sent *s, const struct reply *r, int64_t wall, int64_t now);
/* Says it in the entry of a job: of one request as fields "http.method", "http.path" and so on; of several as the blob
 * "requests.blob" and their number, "requests". Nothing when nothing was sent. Strings are copied. */
void sent_tell(const struct sent *s, struct job *j);
/* Forgets them, and frees the memory. */
void sent_clear(struct sent *s);

#endif
