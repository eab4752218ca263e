/* Options: a table, one pass over argv, and checks against what a command takes. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cli.h"
#include "core/fmt.h"

struct option_row {
    const char *name, *value; /* value: what stands for it in the help, NULL = a flag */
    char letter;              /* 0 = none */
    const char *doc;
};

static const struct option_row rows[OPT_COUNT] = {
    [OPT_CONFIG] = {"config", "FILE", 'c', "configuration to use instead of $XDG_CONFIG_HOME/andon/config.yaml"},
    [OPT_THEME] = {"theme", "NAME", 0,
                   "default, dark, light, terminal16, high-contrast, deuter, tritan, mono, or your own"},
    [OPT_COLOR] = {"color", "WHEN", 0, "auto, never, 16, 256 or true"},
    [OPT_ASCII] = {"ascii", NULL, 0, "draw with ASCII only"},
    [OPT_PLAIN] = {"plain", NULL, 0, "no screen: one line for each change, for screen readers and logs"},
    [OPT_OPERATOR] = {"operator", "NAME", 0,
                      "who you are, where several share the account (ANDON_OPERATOR); in the log as claimed"},
    [OPT_READ_ONLY] = {"read-only", NULL, 0, "change nothing; a person may still halt"},
    [OPT_OUTPUT] = {"output", "FORMAT", 'o', "text (default) or json; of inventory also csv"},
    [OPT_LOCAL_TIME] = {"local-time", NULL, 0, "show local time instead of UTC"},
    [OPT_HELP] = {"help", NULL, 'h', "say how to use the command"},
    [OPT_VERSION] = {"version", NULL, 'V', "print the version"},
    [OPT_FLEET] = {"fleet", "NAME", 'f', "fleet to work on (needed when there are several)"},
    [OPT_REASON] = {"reason", "TEXT", 'r', "why; goes into the audit log (needed for rollback and deny)"},
    [OPT_REMARK] = {"remark", "TEXT", 0, "remark of an approval or denial, kept by the server"},
    [OPT_YES] = {"yes", NULL, 'y', "do not ask"},
    [OPT_CONFIRM] = {"confirm", "PHRASE", 0, "the phrase of the roll back's preview, as in \"emea/4471 ALL 2387\""},
    [OPT_TO] = {"to", "NAME:VERSION", 0, "release to go back to instead of the policy's"},
    [OPT_WAVES] = {"waves", "LIST", 0,
                   "roll back only these waves, as in 0,2-3 (default: every wave that was told); plan: 1%,10%,rest"},
    [OPT_WAIT] = {"wait", NULL, 'w', "wait until a roll back has verified every device"},
    [OPT_TIMEOUT] = {"timeout", "DURATION", 0, "how long to wait for the outcome (default 60s; with --wait 24h)"},
    [OPT_PREVIEW] = {"preview", NULL, 'n', "only show what would happen"},
    [OPT_RELEASE] =
        {"release", "NAME:VERSION", 0,
         "every rollout of this release that has not ended, in all fleets; accept: only in it; vex: the release"},
    [OPT_ALL] =
        {"all", NULL, 0,
         "every rollout of the fleet that has not ended; intel import: also ask each fleet which SBOM a release has"},
    [OPT_SEED] = {"seed", "N", 0, "seed of the drill: the same seed gives the same drill (default 1)"},
    [OPT_SPEED] = {"speed", "N", 0, "times real time (default: the scenario's)"},
    [OPT_HEADLESS] = {"headless", NULL, 0, "no screen: run in virtual time and print the result"},
    [OPT_SERVE] = {"serve", NULL, 0, "only the drill's server, in real time, until it is told to end"},
    [OPT_PORT] = {"port", "N", 0, "port of the drill's or replay's server (default: any free one)"},
    [OPT_LIST] = {"list", NULL, 0, "name the shipped scenarios"},
    [OPT_KEEP_LOG] = {"keep-log", "DIR", 0, "keep the drill's audit log in this folder"},
    [OPT_KIND] = {"kind", "WORD", 0, "only entries of this kind: intent, outcome, halt, ack, refused, ..."},
    [OPT_ROLLOUT] = {"rollout", "ID", 0, "only entries of this rollout"},
    [OPT_ACTOR] = {"actor", "NAME", 0, "only entries of this person or rule"},
    [OPT_SINCE] = {"since", "TIME", 0, "only entries since then: 2031-03-14T12:00:00Z, or a duration ago (2h)"},
    [OPT_UNTIL] = {"until", "TIME", 0, "only entries before then; accept: 2031-06-30, or 90d from now"},
    [OPT_LIMIT] = {"limit", "N", 0, "at most so many entries, the newest (default 1000)"},
    [OPT_DB] = {"db", "FILE", 0, "audit log to read instead of the configured one"},
    [OPT_VKEY] = {"vkey", "KEY", 0, "verifier key that must have signed (name+hash+base64), from outside this host"},
    [OPT_HEADS] = {"heads", "FILE", 0,
                   "where heads of the log were noted: a file, a syslog archive (lines andon-head)"},
    [OPT_WAVE] = {"wave", "N", 0, "only this wave (0 is the canary)"},
    [OPT_METRICS] = {"metrics", "ADDR:PORT", 0, "serve the guard's own figures at /metrics (9464: this machine only)"},
    [OPT_HISTORY] = {"history", "FLEET", 0, "the fleet whose past rollouts are replayed"},
    [OPT_DEVICES] = {"devices", "N", 0, "devices in the whole fleet; what no wave has is control"},
    [OPT_WAVE_SIZES] = {"wave-sizes", "LIST", 0, "devices in each wave, as in 20,100,500,1380"},
    [OPT_STRATA] = {"strata", "N", 0,
                    "values of the policy's strata that devices are spread over, as 40 sites; plan: an attribute, of "
                    "whose values each wave has its share"},
    [OPT_TARGET] = {"target", "WHICH", 0, "all, file:PATH (an id a line), release:NAME:VERSION, or ATTRIBUTE=VALUE"},
    [OPT_ORDER] = {"order", "ATTR:A,B,...", 0, "devices with the value A before those with B, others last"},
    [OPT_NAME] = {"name", "TEXT", 0, "the plan's name (default: the release)"},
    [OPT_SUCCESS] = {"success", "PERCENT", 0,
                     "the next wave begins by itself when so much of a wave has it (default: never)"},
    [OPT_FAILURE] = {"failure", "PERCENT", 0,
                     "paused when more of a wave has failed (default: by people and policy only)"},
    [OPT_HOURS] = {"hours", "N", 0, "hours that each wave is watched (default: the policy's bake time, else 24)"},
    [OPT_TRACE] = {"trace", "FILE", 0, "append what is sent, answered and decided to this file, as JSON lines"},
    [OPT_VERB] = {"verb", "WORD", 0, "only entries of this verb: advance, halt, rollback, approve, ack, ..."},
    [OPT_RESULT] = {"result", "WORD", 0, "only entries with this result: ok, failed, unknown, refused, ..."},
    [OPT_CORR] = {"corr", "ID", 0, "only entries of this operation (16 hexadecimal digits)"},
    [OPT_DEVICE] = {"device", "ID", 0, "only entries that name this device, in a field or in a list of devices"},
    [OPT_LATE] = {"late", NULL, 0, "only entries that were logged after the fact"},
    [OPT_OPEN] = {"open", NULL, 0, "what has no end yet: no outcome, an unknown one, a halt not acknowledged"},
    [OPT_WITNESS] = {"witness", NULL, 0, "also ask the configured witnesses what they have of the named log"},
    [OPT_FORMAT] = {"format", "WORD", 0,
                    "of show: jsonl, csv, cef, ocsf or html, oldest first; of report: text, csv, json or html"},
    [OPT_FOR] = {"for", "WORD", 0,
                 "of report: cra, iec62443, r156, part11, soc2, etsi303645, pci, nist80040; of approval: a verb"},
    [OPT_MAPPING] = {"mapping", "FILE", 0, "a mapping of your own instead of a shipped one"},
    [OPT_EXPECTED] = {"expected", "TEXT", 0, "what the runbook expects of the step"},
    [OPT_OBSERVED] = {"observed", "TEXT", 0, "what was observed"},
    [OPT_SKIPPED] = {"skipped", "REASON", 0, "the step was not carried out, and why"},
    [OPT_INCREMENTAL] = {"incremental", "DIR", 0, "only what came after this earlier export"},
    [OPT_PLAY] = {"play", NULL, 0, "also tell and recall a device: only on a fleet that may be thrown away"},
    [OPT_PRINT] = {"print", NULL, 0, "write the text that is to be signed, and nothing else"},
    [OPT_KEY] = {"key", "FILE", 0, "sign with this SSH key, by ssh-keygen (a public key: of an agent or a device)"},
    [OPT_SIGNATURE] = {"signature", "FILE", 0,
                       "what was signed elsewhere: TEXT.sig beside TEXT, or both in one file (- for standard input)"},
    [OPT_REDACTED] = {"redacted", "KINDS", 0,
                      "without the openings of these kinds of values, with commas between; or all"},
    [OPT_STOP] = {"stop", "HOW", 0,
                  "halt: stop it for good; soft: what has begun goes on, force: that is cut off, and may be lost"},
    [OPT_CONTROL] = {"control", "TEXT", 0, "what is done instead, as in \"port closed at the site's gate\""},
    [OPT_AT] = {"at", "TIME", 0, "when: 2031-03-11T10:20:00Z, or a duration ago (2h)"},
    [OPT_BY] = {"by", "NAME", 0, "by whose word, where it is another's than yours"},
    [OPT_REFERENCE] = {"reference", "TEXT", 0, "what the receiver calls it"},
    [OPT_TEXT] = {"text", "FILE", 0, "the report that was sent: its SHA-256 goes into the log"},
    [OPT_MODEL] = {"model", "NAME", 0, "only devices of this model, with each field's source"},
    [OPT_BLIND] = {"blind", NULL, 0, "name the devices that do not report"},
    [OPT_CSV] = {"csv", "FILE", 0, "the inventory of this file of rows alone; no server is asked"},
    [OPT_RULES] = {"rules", "FILE", 0, "with --csv: an inventory.yaml whose rules apply"},
    [OPT_NOW] = {"now", "TIME", 0, "with --csv: judge as of then, as in 2031-03-14T12:00:00Z"},
    [OPT_STATUS] = {"status", "WORD", 0, "affected, not-affected, fixed or under-investigation"},
    [OPT_COMPONENT] = {"component", "PURL", 0,
                       "only of this part of the release: its purl, CPE, or name with its version"},
    [OPT_JUSTIFICATION] = {"justification", "WORD", 0,
                           "why not affected, as OpenVEX has it: component_not_present, ..."},
    [OPT_CLOCK] = {"clock", "WORD", 0, "from when a pair counts: published (default), learned, fix, exploited"},
    [OPT_HORIZON] = {"horizon", "DURATION", 0, "the mean time to patch is taken up to this day (default 30d)"},
    [OPT_VEX_UNUSED] = {"vex-unused", NULL, 0, "statements that decided nothing, and why"},
    [OPT_WHY] = {"why", "N", 0, "why this row stands where it does: values, sources, ages, the table's row"},
    [OPT_EXPORT] = {"export", "DIR", 0, "exported folder to read instead of the log (replay)"},
    [OPT_FORCE] = {"force", NULL, 0, "take files with fewer records than last time, and read unchanged ones again"},
};

const char *nearest(const char *s, const char *const *words, size_t n)
{
    const char *best = NULL;
    size_t best_d = 3, len = strlen(s);

    for (size_t w = 0; w < n; w++) {
        size_t m = strlen(words[w]), row[40];

        if (m >= 39 || len >= 39)
            continue;
        for (size_t j = 0; j <= m; j++)
            row[j] = j;
        for (size_t i = 1; i <= len; i++) {
            size_t diag = row[0];

            row[0] = i;
            for (size_t j = 1; j <= m; j++) {
                size_t up = row[j], d = diag + (s[i - 1] != words[w][j - 1]);

                if (up + 1 < d)
                    d = up + 1;
                if (row[j - 1] + 1 < d)
                    d = row[j - 1] + 1;
                diag = up;
                row[j] = d;
            }
        }
        if (row[m] < best_d || (m > len && len >= 3 && strncmp(s, words[w], len) == 0)) {
            best_d = row[m] < best_d ? row[m] : best_d;
            best = words[w];
        }
    }
    return best;
}

static bool unknown_option(const char *arg, struct err *e)
{
    const char *names[OPT_COUNT], *near;
    char next[100] = "Run `andon help` for all of them.";

    for (int o = 0; o < OPT_COUNT; o++)
        names[o] = rows[o].name;
    near = strncmp(arg, "--", 2) == 0 ? nearest(arg + 2, names, OPT_COUNT) : NULL;
    if (near)
        snprintf(next, sizeof next, "Did you mean --%s?", near);
    return err_set(e, ERR_SYNTAX, next, "there is no option %.60s", arg);
}

/* The option that `arg` names, -1 = none. *value is what follows "=" or the letter, NULL = nothing. */
static int find_option(const char *arg, const char **value)
{
    *value = NULL;
    for (int o = 0; o < OPT_COUNT; o++) {
        size_t n = strlen(rows[o].name);

        if (arg[1] != '-') {
            if (rows[o].letter && arg[1] == rows[o].letter && (!arg[2] || rows[o].value)) {
                *value = arg[2] ? arg + 2 + (arg[2] == '=') : NULL;
                return o;
            }
        } else if (strncmp(arg + 2, rows[o].name, n) == 0 && (!arg[2 + n] || arg[2 + n] == '=')) {
            *value = arg[2 + n] ? arg + 3 + n : NULL;
            return o;
        }
    }
    return -1;
}

static bool take_word(struct args *out, const char *w, struct err *e)
{
    if (out->n_pos >= ARGS_MAX)
        return err_set(e, ERR_SYNTAX, "", "too many words on the command line");
    out->pos[out->n_pos++] = w;
    return true;
}

bool args_read(int argc, char **argv, struct args *out, struct err *e)
{
    bool words_only = false;

    memset(out, 0, sizeof *out);
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *value;
        int o;

        if (words_only || arg[0] != '-' || !arg[1]) {
            if (!take_word(out, arg, e))
                return false;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            words_only = true;
            continue;
        }
        o = find_option(arg, &value);
        if (o < 0)
            return unknown_option(arg, e);
        if (!rows[o].value && value)
            return err_set(e, ERR_SYNTAX, "", "--%s takes no value", rows[o].name);
        if (rows[o].value && !value && ++i >= argc)
            return err_set(e, ERR_SYNTAX, "", "--%s needs a value (%s)", rows[o].name, rows[o].value);
        if (out->val[o] && rows[o].value)
            return err_set(e, ERR_SYNTAX, "", "--%s is given twice", rows[o].name);
        out->val[o] = !rows[o].value ? "" : value ? value : argv[i];
    }
    if (out->val[OPT_OUTPUT]) {
        out->json = strcmp(out->val[OPT_OUTPUT], "json") == 0;
        out->csv = strcmp(out->val[OPT_OUTPUT], "csv") == 0;
        if (!out->json && !out->csv && strcmp(out->val[OPT_OUTPUT], "text") != 0)
            return err_set(e, ERR_SYNTAX, "", "--output: expected text or json, found %.40s", out->val[OPT_OUTPUT]);
    }
    return true;
}

bool args_check(const struct args *a, const struct command *c, struct err *e)
{
    char next[100];
    size_t n = a->n_pos > 0 ? a->n_pos - 1 : 0;

    snprintf(next, sizeof next, "Run `andon help %s`.", c->name);
    for (int o = 0; o < OPT_COUNT; o++)
        if (a->val[o] && !((c->opts | OPTS_GLOBAL) & OPT(o)))
            return err_set(e, ERR_SYNTAX, next, "%s takes no option --%s", c->name, rows[o].name);
    if (a->csv && c->run != cmd_inventory)
        return err_set(e, ERR_SYNTAX, next, "--output: expected text or json, found csv");
    if (n < c->min)
        return err_set(e, ERR_SYNTAX, next, "something is missing: andon %s %s", c->name, c->args);
    if (n > c->max)
        return err_set(e, ERR_SYNTAX, next, "%s does not take \"%.60s\"", c->name, a->pos[c->max + 1]);
    return true;
}

bool args_int(const struct args *a, enum opt o, int64_t min, int64_t max, int64_t dflt, int64_t *out, struct err *e)
{
    const char *s = a->val[o];
    char *end;
    long long v;

    *out = dflt;
    if (!s)
        return true;
    errno = 0;
    v = strtoll(s, &end, 10);
    if (!isdigit((unsigned char)s[s[0] == '-']) || *end || errno || v < min || v > max)
        return err_set(e, ERR_SYNTAX, "", "--%s: expected a whole number from %lld to %lld, found %.40s", rows[o].name,
                       (long long)min, (long long)max, s);
    *out = v;
    return true;
}

bool args_dur(const struct args *a, enum opt o, int64_t dflt, int64_t *out, struct err *e)
{
    *out = dflt;
    if (a->val[o] && !fmt_dur_parse(a->val[o], out))
        return err_set(e, ERR_SYNTAX, "", "--%s: expected a duration like 90s, 10m or 1h30m, found %.40s", rows[o].name,
                       a->val[o]);
    return true;
}

const char *args_str(const struct args *a, enum opt o)
{
    return a->val[o] ? a->val[o] : "";
}

/* A wave number at *s; "W2" is accepted as well as "2". */
static bool wave_number(const char **s, long *out)
{
    char *end;

    if (**s == 'W' || **s == 'w')
        (*s)++;
    if (!isdigit((unsigned char)**s))
        return false;
    errno = 0;
    *out = strtol(*s, &end, 10);
    *s = end;
    return errno == 0 && *out < WAVES_MAX;
}

bool args_waves(const char *text, uint64_t mask[WAVES_MAX / 64], struct err *e)
{
    const char *s = text;

    memset(mask, 0, sizeof(uint64_t) * (WAVES_MAX / 64));
    do {
        long from, to;

        if (s != text)
            s++;
        if (!wave_number(&s, &from))
            goto bad;
        to = from;
        if (*s == '-') {
            s++;
            if (!wave_number(&s, &to) || to < from)
                goto bad;
        }
        for (long w = from; w <= to; w++)
            mask[w / 64] |= UINT64_C(1) << (w % 64);
    } while (*s == ',');
    if (!*s)
        return true;
bad:
    return err_set(e, ERR_SYNTAX, "", "--waves: expected numbers like 0,2-3 (up to %d), found %.40s", WAVES_MAX - 1,
                   text);
}

void options_help(struct buf *out, optset opts)
{
    for (int o = 0; o < OPT_COUNT; o++) {
        char left[60];

        if (!(opts & OPT(o)))
            continue;
        snprintf(left, sizeof left, "%c%c%s--%s %s", rows[o].letter ? '-' : ' ', rows[o].letter ? rows[o].letter : ' ',
                 rows[o].letter ? ", " : "  ", rows[o].name, rows[o].value ? rows[o].value : "");
        buf_printf(out, "  %-26s %s\n", left, rows[o].doc);
    }
}
