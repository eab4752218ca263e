/* What doctor asks of where the log's heads are noted besides witnesses: each is really done, with the head as it is.
 */
#include <unistd.h>
#include "audit/growth.h"
#include "audit/heads.h"
#include "audit/stamp.h"
#include "cli/doctor.h"
#include "client/http.h"
#include "client/syslog.h"
#include "core/fmt.h"

#define ASK_US (10 * US_PER_S)

static void check_file(struct doctor *d, const char *path, const struct buf *note)
{
    struct err e = {0};

    if (heads_note(path, note->data, note->len, &e))
        doctor_tell(d, MARK_OK, "heads", "", "the log's head was added to %s", path);
    else
        doctor_err(d, "heads", &e);
}

static void check_syslog(struct doctor *d, const struct endpoint *to, const struct buf *note)
{
    struct buf text, line;
    struct err e = {0};
    char host[256] = "";

    buf_init(&text, 2 * NOTE_MAX);
    buf_init(&line, SYSLOG_MAX);
    gethostname(host, sizeof host - 1);
    heads_line(note->data, note->len, &text);
    syslog_line(&line, clock_wall(clock_real()), host, (long)getpid(), "head", text.data);
    if (syslog_send(to, line.data, line.len, ASK_US, &e))
        doctor_tell(d, MARK_OK, "syslog", "", "the log's head was handed over to %s (it says nothing of having it)",
                    to->url);
    else
        doctor_err(d, "syslog", &e);
    buf_release(&text);
    buf_release(&line);
}

struct answer {
    bool done;
    int status;
    struct buf body;
    struct err err;
};

static void take(void *ctx, const struct http_answer *a)
{
    struct answer *w = ctx;

    w->done = true;
    w->status = a->status;
    if (a->err)
        w->err = *a->err;
    buf_add(&w->body, a->body.data, a->body.len);
}

static bool ask(const struct endpoint *to, const struct buf *request, struct answer *w, struct err *e)
{
    struct http *h = http_new(clock_real(), random_seed());
    struct http_peer *p = http_peer_new(h, to, 1, e);

    if (p) {
        http_peer_type(p, "application/timestamp-query");
        http_send_bytes(p, "POST", "", request->data, request->len, STAMP_TOKEN_MAX, 0, take, w);
        while (!w->done)
            http_run(h, -1, clock_now(clock_real()) + US_PER_S, 0);
        http_peer_free(p);
    }
    http_free(h);
    if (p && w->err.code != ERR_NONE)
        *e = w->err;
    else if (p && w->status != 200)
        return err_set(e, ERR_PROTOCOL, "Is it a time stamping authority (RFC 3161 over HTTP)?", "%.200s answers %d",
                       to->url, w->status);
    return p && w->err.code == ERR_NONE;
}

static void check_stamps(struct doctor *d, const struct witness_conf *w, const struct buf *note)
{
    struct answer answer = {.done = false};
    struct buf request, token;
    struct stamp st = {0};
    struct err e = {0};
    unsigned char digest[SHA256_BYTES], nonce[STAMP_NONCE];
    char when[FMT_MAX];

    buf_init(&request, STAMP_TOKEN_MAX);
    buf_init(&token, STAMP_TOKEN_MAX);
    buf_init(&answer.body, STAMP_TOKEN_MAX);
    sha256_bytes(note->data, note->len, digest);
    if (stamp_request(digest, nonce, &request, &e) && ask(&w->stamps, &request, &answer, &e) &&
        stamp_answer(answer.body.data, answer.body.len, digest, nonce, w->stamps_root, &token, &st, &e))
        doctor_tell(d, MARK_OK, "time stamps", "", "%s stamps with the time %s", st.signer, fmt_iso(when, st.t));
    else
        doctor_err(d, "time stamps", &e);
    buf_release(&request);
    buf_release(&token);
    buf_release(&answer.body);
}

void doctor_copies(struct doctor *d, struct audit_log *l)
{
    const struct witness_conf *w = &d->session.config.witness;
    struct buf note;
    struct err e = {0};
    uint64_t size;

    if (!d->session.configured || (!*w->heads && !*w->syslog.url && !*w->stamps.url))
        return;
    buf_init(&note, NOTE_MAX);
    if (!growth_head(l, &note, &size, &e)) {
        doctor_err(d, "heads", &e);
    } else {
        if (*w->heads)
            check_file(d, w->heads, &note);
        if (*w->syslog.url)
            check_syslog(d, &w->syslog, &note);
        if (*w->stamps.url)
            check_stamps(d, w, &note);
    }
    buf_release(&note);
}
