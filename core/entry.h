/* One entry of the audit log, before it is numbered, and its canonical form.
 *
 * The canonical form is the leaf of the tree: one line of UTF-8 JSON, keys in RFC 8785 (JCS) order, integers and
 * strings only, at most 16 KiB; real numbers are hexadecimal floating-point strings (fmt_hexfloat). What is larger
 * (a device list) is a blob, named by its sha-256 in the entry. */
#ifndef ANDON_CORE_ENTRY_H
#define ANDON_CORE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/digest.h"
#include "core/identity.h"
#include "core/intent.h"

#define ENTRY_MAX    16384
#define ENTRY_FIELDS 40
/* 2: an entry about a rollout says which (entry_identity), an entry of a halt has an id (entry_event). A reader of
 * version 1 can read it; what is missing in an entry of version 1 is not known.
 * 3: mono is the boot clock (before: andon's own time, whose zero is the epoch); docs/audit.md has the rest. */
#define ENTRY_VERSION 3

enum entry_kind {
    ENTRY_GENESIS = 0, /* first of a log: origin, key */
    ENTRY_KEY,         /* key rotation */
    ENTRY_SESSION,     /* a console, guard or command started or ended */
    ENTRY_INTENT,      /* before a request is sent */
    ENTRY_STEP,        /* a step of a saga is done */
    ENTRY_OUTCOME,     /* after the state was read back */
    ENTRY_RECOVERED,   /* what became of an intent that a crash left open */
    ENTRY_APPROVAL,
    ENTRY_HALT, /* a halt's intent; may be late */
    ENTRY_ACK,
    ENTRY_WATCH,    /* a rule crossed into or out of watch/hold; dry-run limits too */
    ENTRY_REFUSED,  /* a verb that andon refused, and why */
    ENTRY_DEGRADED, /* the log could not be written for a while */
    ENTRY_CLOCK_STEP,
    ENTRY_CONFIG, /* configuration and policy digests in force */
    ENTRY_EXPORT,
    ENTRY_VERIFY,
    ENTRY_RECEIPT,  /* a witness's word about the log so far (audit/receipts.h) */
    ENTRY_NOTICE,   /* somebody was told, or was to be; notices were silenced (docs/notices.md) */
    ENTRY_EVIDENCE, /* which devices are concerned and what they run, after a halt and the like */
    ENTRY_REDACT,   /* committed values were erased (audit/opening.h): how many, which, why; never the values */
    ENTRY_PLAN,     /* a rollout whose waves andon keeps: made, opened, paused, ... (core/plan_state.h) */
    ENTRY_TELL,     /* devices of one are to be told or recalled, or were (docs/audit.md) */
    ENTRY_INTEL,    /* what is known about vulnerabilities came in from a source, or was refused (docs/intel.md) */
    ENTRY_VEX,      /* somebody here says whether a release is affected */
    ENTRY_ACCEPT,   /* a risk is accepted until a day, or no more */
    ENTRY_CRA,      /* clocks of CRA article 14 (core/cra.h) */
    ENTRY_REPORT,   /* a report was written, from which data */
    ENTRY_KIND_COUNT
};

struct entry_field {
    const char *key; /* lower-case with dots or underscores; unique in the entry */
    const char *str; /* NULL: an integer */
    int64_t num;
};

struct entry {
    enum entry_kind kind;
    uint64_t corr; /* ties intent, steps and outcome together; 0 = none (assigned by the engine, unique) */
    int64_t t;     /* wall clock, us; of the event itself when late */
    int64_t mono;  /* CLOCK_BOOTTIME, us */
    bool late;     /* logged after the fact */
    struct actor actor;
    const char *fleet, *rollout, *wave; /* "" */
    enum verb verb;
    const char *result; /* "ok", "refused", "failed", "unknown", "applied", "not-applied", "" (notices: notify.h) */
    const char *reason;
    const char *before, *after;              /* state words */
    struct entry_field fields[ENTRY_FIELDS]; /* the rest: http.status, http.request_id, devices, evidence, ... */
    size_t n_fields;
};

/* Where an entry of a halt can be found afterwards. */
enum trail {
    TRAIL_NONE = 0, /* nobody has asked for one yet */
    TRAIL_LOG,
    TRAIL_SPOOL,  /* durable; the log takes it in when it is next opened (audit/spool.h) */
    TRAIL_SYSLOG, /* this host's system log: for people, andon does not read it back */
    TRAIL_NOWHERE
};

/* "intent", "clock-step"; "unknown" for what is no kind. */
const char *entry_kind_word(enum entry_kind k);
/* ENTRY_KIND_COUNT for what is no kind's word. */
enum entry_kind entry_kind_from_word(const char *s);
/* "log", "spool", "syslog", "nowhere"; "" for TRAIL_NONE. */
const char *trail_word(enum trail t);
/* "rule", "script"; anything else is a person. */
enum actor_kind actor_kind_from(const char *word);
/* All strings "", no fields, everything else 0; the caller sets what it knows. */
void entry_init(struct entry *e, enum entry_kind kind);
/* Adds a field (a second one of the same key replaces the first); strings are borrowed and must outlive the entry.
 * Past ENTRY_FIELDS the field "truncated" counts what was left out. */
void entry_str(struct entry *e, const char *key, const char *value);
void entry_int(struct entry *e, const char *key, int64_t value);
/* Says which rollout the entry is about: sets fleet and rollout, and as far as they are known the fields
 * "rollout.created" (microseconds), "rollout.name" and "rollout.release". Borrows the strings. */
void entry_identity(struct entry *e, const struct rollout_identity *who);
/* Is it one that a halt leaves: the halt, its intent for a whole fleet, its outcome, or that the log could not be
 * written? These go out although the log cannot take them, and may come into it late; nothing else may. */
bool entry_of_halt(const struct entry *e);
/* The entry's id: the SHA-256 of its facts, a JSON array of corr, t, mono and of all its words (kind, actor, fleet,
 * rollout, wave, result, reason, before, after, verb). Number, lateness, fields, host and version are not among them:
 * one event has one id, however often and by whatever way it comes into the log. Appends the facts to *facts (NULL: not
 * wanted). ERR_LIMIT past ENTRY_MAX. */
bool entry_event(const struct entry *e, struct buf *facts, char id[SHA256_HEX], struct err *err) ANDON_MUST_USE;
/* Appends the canonical line, without newline, to *out:
 *
 *   {"actor":{"kind":"person","name":"m.ito"},"after":"paused","before":"running","corr":"00000000000004d2",
 *    "f":{"devices":1934,"http.status":200},"fleet":"hearth","host":{...},"kind":"outcome","late":1,"mono_us":5,
 *    "reason":"...","result":"ok","rollout":"4471","seq":7,"t":1700000000000000,"v":3,"verb":"pause","wave":"W2"}
 *
 * (on one line). after, before, corr, f, fleet, host, late, reason, result, rollout, verb and wave are left out when
 * they say nothing. corr is 16 hexadecimal digits; an integer beyond 2^53 is a decimal string, since RFC 8785 numbers
 * are doubles. Every string passes safe_text. host_json: a canonical JSON object with the facts that audit/ adds
 * (NULL or "" = none). Fails when the line is over ENTRY_MAX (ERR_LIMIT) or a field's key is not lower-case ASCII. */
bool entry_canonical(const struct entry *e, uint64_t seq, const char *host_json, struct buf *out,
                     struct err *err) ANDON_MUST_USE;

#endif
