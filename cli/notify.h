/* sd_notify(3) without libsystemd: datagrams to $NOTIFY_SOCKET. */
#ifndef ANDON_CLI_NOTIFY_H
#define ANDON_CLI_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
    int fd;              /* -1: not under a supervisor */
    int64_t watchdog_us; /* from $WATCHDOG_USEC, 0 = none asked for */
};
/* Reads the environment and removes the variables from it, so that children (secret helpers) do not speak for us. */
void notify_open(struct notify *n);
/* "READY=1", "WATCHDOG=1", "STATUS=...". False when it could not be sent (nobody needs to care). */
bool notify_send(struct notify *n, const char *message);
void notify_close(struct notify *n);

#endif
