/* Orders of versions, one for each kind of package.
 *
 * semver: SemVer 2.0.0 (semver.org), build metadata does not order, a leading "v" is dropped, 1 and 1.2 are 1.0.0 and
 * 1.2.0; four numbers are none. deb: Debian policy 5.6.12, as dpkg. apk: apk-tools 3. rpm: rpmvercmp with epoch; no
 * release is before any. pep440: PEP 440. generic: for CPE and firmware, runs of digits and of letters, whatever stands
 * between them; dev, alpha, beta, pre, rc and what follows a "~" come before the release, any other word and any number
 * but zeros after it (1.4 is 1.4.0), letters before numbers (1.2a, 1.2.1); a version without a digit is none. Numbers
 * of any length compare as digits. Each is a total order of what it takes. */
#ifndef ANDON_CORE_VERSION_H
#define ANDON_CORE_VERSION_H

#include <stdbool.h>
#include "core/slice.h"

#define VERSION_MAX 256 /* bytes; a longer one has no order */

enum version_scheme {
    VERSION_NONE = 0, /* only equality is known */
    VERSION_SEMVER,
    VERSION_DEB,
    VERSION_APK,
    VERSION_RPM,
    VERSION_PEP440,
    VERSION_GENERIC,
    VERSION_SCHEMES
};

/* "deb"; "none" for what is no scheme. */
const char *version_scheme_word(enum version_scheme s);
/* The order of an OSV ecosystem ("Debian:12", "npm", "PyPI"); VERSION_NONE: it has none that is known here. */
enum version_scheme version_scheme_of(struct slice ecosystem);
/* *order < 0, 0, > 0 as a is older than, the same as, newer than b. False: one of them is no version of the scheme, or
 * the scheme has no order. */
bool version_compare(enum version_scheme s, struct slice a, struct slice b, int *order);

#endif
