/* How numbers, times and durations are written for people. Pure; all output is ASCII unless it says otherwise. */
#ifndef ANDON_CORE_FMT_H
#define ANDON_CORE_FMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/err.h"

#define FMT_MAX 40 /* a buffer of this size is always enough */

/* 1934 -> "1,934", on every screen and in every command's text. */
const char *fmt_count(char out[FMT_MAX], int64_t n);
/* Largest two units: "4s", "2m05s", "3h10m", "2d04h"; negative gives "-" + it; TIME_NEVER gives "never". */
const char *fmt_dur(char out[FMT_MAX], int64_t us);
/* "12:41:07Z", "2031-03-14T12:39:02.114Z" (milliseconds). */
const char *fmt_hms(char out[FMT_MAX], int64_t us);
const char *fmt_iso(char out[FMT_MAX], int64_t us);
/* Parses fmt_iso's form (also without fraction, or with 1-6 digits of it). */
bool fmt_iso_parse(const char *s, int64_t *us) ANDON_MUST_USE;
/* "0.31", "41%": shortest with three significant figures; NaN gives "?". */
const char *fmt_num(char out[FMT_MAX], double v);
const char *fmt_percent(char out[FMT_MAX], double fraction);
/* out holds `v` written out (in per cent when it ends in '%'). Where that is wider than `cols`, at least 5 (4 for what
 * is not below 0), it is written again as a size that fits: "12.7M", "8.6G", "-69k", "120k%", "3e-5". A figure that is
 * cut is another figure. */
const char *fmt_fit(char out[FMT_MAX], double v, int cols);
/* "0.96x", "3.12x", "15.2x", "340x", "10^5x"; NaN gives "?". The size of a harm is written by core/harm.h. */
const char *fmt_ratio(char out[FMT_MAX], double ratio);
/* Parses "90s", "10m", "1h30m", "2d", "500ms" into microseconds. */
bool fmt_dur_parse(const char *s, int64_t *us) ANDON_MUST_USE;
/* Exact, locale-free, round-trip text of a double for the log: C99 hexadecimal ("%a"), "nan", "inf", "-inf". */
const char *fmt_hexfloat(char out[FMT_MAX], double v);

#endif
