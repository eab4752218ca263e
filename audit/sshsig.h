/* Signatures with people's SSH keys, made and checked by ssh-keygen (OpenSSH 8.9 or newer).
 *
 * By the program and not by libcrypto: keys of agents and of hardware sign only there, and only it knows all of an
 * allowed_signers file (several names, options, certificates, times) and of a revocation list as OpenSSH means them. So
 * what andon takes is what anybody's `ssh-keygen -Y verify` takes. It is started without a shell, is handed files that
 * were read and judged here as descriptors, sees of the environment only PATH and TZ, may say 4 KiB, and is ended
 * after SSHSIG_LIMIT_US. Blocks: not for a worker's thread. */
#ifndef ANDON_AUDIT_SSHSIG_H
#define ANDON_AUDIT_SSHSIG_H

#include <stdbool.h>
#include <stddef.h>
#include "core/buf.h"
#include "core/digest.h"
#include "core/err.h"

#define SSHSIG_MAX      ((size_t)16 << 10) /* bytes of a signature */
#define SSHSIG_LIMIT_US (5 * INT64_C(1000000))

/* Whose keys count. */
struct sshsig_trust {
    struct buf signers; /* allowed_signers */
    struct buf revoked; /* a KRL or public keys; empty = none */
    char digest[SHA256_HEX];
};
/* Reads both, which must be nobody else's to write to. `revoked` "": none. ERR_NOT_FOUND, ERR_FORBIDDEN, ERR_IO,
 * ERR_SYNTAX (a revocation list that ssh-keygen would take for an empty one). sshsig_trust_release() in any case. */
bool sshsig_trust_read(const char *signers, const char *revoked, struct sshsig_trust *out,
                       struct err *e) ANDON_MUST_USE;
void sshsig_trust_release(struct sshsig_trust *t);

/* What a list says by itself; how far its keys' times go is not looked at. */
struct sshsig_list {
    size_t keys;        /* that are good for the namespace, */
    size_t people;      /* and so many people's: each line's first name that is no pattern, once */
    size_t nameless;    /* keys with patterns alone for a name: they count for nobody */
    size_t elsewhere;   /* lines whose namespaces= leave this one out */
    size_t authorities; /* cert-authority: for how many people nobody can say */
};
/* ERR_SYNTAX: a line that holds no key, by its number. ssh-keygen passes over such lines. */
bool sshsig_signers(const struct buf *list, const char *name_space, struct sshsig_list *out,
                    struct err *e) ANDON_MUST_USE;
/* The name in the nth line (from 0) that the key of this fingerprint ("SHA256:...") has for the namespace. */
bool sshsig_signer(const struct buf *list, const char *name_space, const char *print, size_t nth, char *out,
                   size_t size);
/* Can ssh-keygen be run? ERR_IO. */
bool sshsig_there(struct err *e) ANDON_MUST_USE;

struct sshsig_good {
    char people[256]; /* names of the key in the list of signers, with blanks between; no patterns */
    char key[100];    /* "SHA256:..." */
    char type[40];    /* "ED25519" */
};
/* Is it a good signature of these bytes, now, in the namespace, by a key of the list that has a name and is not
 * revoked? ERR_REFUSED with what is wrong; ERR_IO when ssh-keygen cannot be had. */
bool sshsig_check(const char *name_space, const struct buf *text, const struct buf *sig, const struct sshsig_trust *t,
                  struct sshsig_good *out, struct err *e) ANDON_MUST_USE;
/* Signs with the key in a file (of a private key, or of a public one that an agent or a device has the private part
 * of). It may ask on the terminal, and takes as long as the person does. Appends the armoured signature to *sig. */
bool sshsig_sign(const char *name_space, const char *key, const struct buf *text, struct buf *sig,
                 struct err *e) ANDON_MUST_USE;

#endif
