/* A VFS for SQLite that fails the nth write, sync or truncate of the log's files, once or from then on, and an
 * allocator that fails the nth allocation. Registered as the default, so that audit/ uses it without knowing. */
#ifndef ANDON_TESTS_AUDIT_FAULT_VFS_H
#define ANDON_TESTS_AUDIT_FAULT_VFS_H

#include <stdbool.h>

enum fault_kind { FAULT_WRITE, FAULT_SYNC, FAULT_READ, FAULT_KINDS };
enum fault_how { FAULT_IOERR, FAULT_FULL, FAULT_SHORT /* half of the bytes, then IOERR */ };

void fault_install(void); /* before the first use of SQLite */
/* The nth (from 1) operation of that kind from now on fails; with `sticky` all after it as well. */
void fault_arm(enum fault_kind kind, enum fault_how how, int nth, bool sticky);
void fault_arm_malloc(int nth, bool sticky);
/* Ends the faults; true when one was met. */
bool fault_disarm(void);

#endif
