/* One message to a syslog server: RFC 5424's header, in RFC 5425's frames over TLS.
 *
 * The protocol has no answer: what was handed over to the connection may still be lost, and nobody is told. So a true
 * here is never a receipt; whoever keeps the messages can be asked for them (audit/heads.h). Blocks: for a thread of
 * its own (engine/aside.h). */
#ifndef ANDON_CLIENT_SYSLOG_H
#define ANDON_CLIENT_SYSLOG_H

#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/config.h"
#include "core/err.h"

#define SYSLOG_PRIORITY 109 /* facility 13 (log audit), severity 5 (notice) */
#define SYSLOG_MAX      ((size_t)8 << 10)

/* Appends the whole message for `text` (visible ASCII), of time t (us since 1970, UTC). What the header's fields cannot
 * hold (anything but visible ASCII; host over 255 characters) stands there as "-" or cut. */
void syslog_line(struct buf *out, int64_t t, const char *host, long pid, const char *msgid, const char *text);
/* Hands it over: a connection for each message, closed in order. ep->url is tls://HOST[:PORT] (6514), or
 * tcp://HOST:PORT where plain_http allows it or HOST is this machine; ca_file, client_cert and client_key as
 * everywhere. Waits at most timeout_us for each of connecting and writing. ERR_UNREACHABLE, ERR_TIMEOUT; ERR_RANGE: too
 * long. */
bool syslog_send(const struct endpoint *ep, const char *line, size_t n, int64_t timeout_us,
                 struct err *e) ANDON_MUST_USE;

#endif
