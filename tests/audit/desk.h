/* An auditor's desk: the three verifiers of an exported folder (andon, verify.sh, verify.py), and somebody who has the
 * log's key and signs whatever is in it. */
#ifndef ANDON_TESTS_AUDIT_DESK_H
#define ANDON_TESTS_AUDIT_DESK_H

#include "tests/audit/help.h"

/* What a verifier ends with. */
enum { DESK_OK = 0, DESK_TAMPERED = 1, DESK_CANNOT = 2 };

struct desk {
    int andon, sh, py;
    struct audit_report r;                            /* of andon, unless it cannot tell */
    char why[sizeof((struct audit_report *)0)->text]; /* andon's own words */
};
/* Never the scripts in the folder itself, but those of the source. vkey may be NULL. A verifier that hangs fails the
 * test after ten minutes. */
void desk_ask(struct desk *d, const char *dir, const char *vkey);
/* All three must end with this; else the test fails, and says what was done. */
void desk_all(const char *dir, const char *vkey, int want, const char *what);
/* Runs a command of the shell in the folder; fails the test when it ends with another number than 0. */
void desk_run(const char *dir, const char *command);
/* A manifest of what is there, with the head of the old one, signed with the box's key. */
void desk_sign(const struct box *b, const char *dir);
/* Signs the manifest's text as it stands. */
void desk_sign_text(const struct box *b, const char *dir);
/* A log of n entries and a blob. */
void desk_fill(struct box *b, int n);
void desk_export(struct box *b, const struct audit_export_spec *spec, const char *dir);

#endif
