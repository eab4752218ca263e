/* The folder of a witness: names, its key, and what is kept of a fork. Inside of audit/witness.c. */
#ifndef ANDON_AUDIT_WITNESS_FILES_H
#define ANDON_AUDIT_WITNESS_FILES_H

#include <limits.h>
#include "audit/key.h"
#include "audit/note.h"

/* "FOLDER/name", "FOLDER/" + hash + tail; ERR_LIMIT. */
bool witness_path(const char *folder, const char *name, char out[PATH_MAX], struct err *e) ANDON_MUST_USE;
bool witness_file(const char *folder, const char *hash, const char *tail, char out[PATH_MAX],
                  struct err *e) ANDON_MUST_USE;
/* The witness's own key, made with this name when the folder has none. */
bool witness_own_key(const char *folder, const char *name, struct key **key, char vkey[VKEY_MAX],
                     struct err *e) ANDON_MUST_USE;
/* Keeps both heads. False with ERR_NONE: this one is kept already, or so many are that no more is needed. */
bool witness_keep_fork(const char *folder, const char *hash, const char *what, struct slice held, struct slice request,
                       int64_t t, struct err *e) ANDON_MUST_USE;

#endif
