/* The table of commands, help and version. */
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"
#include "conf/config.h"
#include "conf/policy.h"
#include "core/text.h"

#define VERB_OPTS    (OPT(OPT_FLEET) | OPT(OPT_REASON) | OPT(OPT_YES) | OPT(OPT_TIMEOUT) | OPT(OPT_PREVIEW))
#define OPTS_BY_WORD (~(optset)0) /* each word after the command has its own: audit_command_at */

static const struct command before_verbs[] = {
    {"", "", "the console on every configured fleet", OPT(OPT_FLEET), 0, 0, cmd_console},
    {"drill", "[SCENARIO|FILE]", "an embedded fleet with a rollout that goes as the scenario says",
     OPT(OPT_SEED) | OPT(OPT_SPEED) | OPT(OPT_HEADLESS) | OPT(OPT_SERVE) | OPT(OPT_PORT) | OPT(OPT_LIST) |
         OPT(OPT_KEEP_LOG),
     0, 1, cmd_drill},
    {"guard", "", "the same engine without a screen: halts by itself when nobody is looking",
     OPT(OPT_FLEET) | OPT(OPT_METRICS), 0, 0, cmd_guard},
    {"get", "fleets|rollouts|waves|devices|health [ROLLOUT]", "what the console shows, for scripts",
     OPT(OPT_FLEET) | OPT(OPT_WAVE) | OPT(OPT_TIMEOUT), 1, 2, cmd_get},
    {"explain", "ROLLOUT", "why a rollout is judged as it is: evidence, who carries it, what they share",
     OPT(OPT_FLEET) | OPT(OPT_WAVE) | OPT(OPT_TIMEOUT), 1, 1, cmd_explain},
    {"inventory", "", "what the fleet consists of, who says so, who does not report, what nobody knows",
     OPT(OPT_FLEET) | OPT(OPT_MODEL) | OPT(OPT_BLIND) | OPT(OPT_CSV) | OPT(OPT_RULES) | OPT(OPT_NOW) | OPT(OPT_TIMEOUT),
     0, 0, cmd_inventory},
};
static const struct command after_verbs[] = {
    {"approval", "ROLLOUT",
     "who has approved the next step; approve it with an SSH key, where the policy asks for that",
     OPT(OPT_FLEET) | OPT(OPT_FOR) | OPT(OPT_PRINT) | OPT(OPT_KEY) | OPT(OPT_SIGNATURE) | OPT(OPT_TIMEOUT), 1, 1,
     cmd_approval},
    {"audit", "WORD [...]", "read, verify and export the audit log, recompute a halt", OPTS_BY_WORD, 1, ARGS_MAX,
     cmd_audit},
    {"notify", "test|status|silence DURATION|unsilence", "who is told of halts and the like, and whether it works",
     OPT(OPT_FLEET) | OPT(OPT_REASON) | OPT(OPT_DB) | OPT(OPT_LIMIT), 1, 2, cmd_notify},
    {"doctor", "", "test everything that the configuration names", OPT(OPT_FLEET) | OPT(OPT_TIMEOUT), 0, 0, cmd_doctor},
    {"policy", "check|test FILE", "check a policy file and say what it does; try it on past rollouts",
     OPT(OPT_FLEET) | OPT(OPT_ROLLOUT) | OPT(OPT_SINCE) | OPT(OPT_TIMEOUT) | OPT(OPT_HISTORY) | OPT(OPT_DEVICES) |
         OPT(OPT_WAVE_SIZES) | OPT(OPT_STRATA) | OPT(OPT_HOURS),
     2, 2, cmd_policy},
    {"plan", "create RELEASE|show ID|step N",
     "a rollout whose waves andon keeps: made and previewed; who is in which wave; a step of the queue as waves",
     OPT(OPT_FLEET) | OPT(OPT_TARGET) | OPT(OPT_WAVES) | OPT(OPT_STRATA) | OPT(OPT_ORDER) | OPT(OPT_NAME) |
         OPT(OPT_SUCCESS) | OPT(OPT_FAILURE) | OPT(OPT_PREVIEW) | OPT(OPT_YES) | OPT(OPT_REASON) | OPT(OPT_TIMEOUT) |
         OPT(OPT_WAVE),
     2, 2, cmd_plan},
    {"queue", "", "what to roll out next: which step closes what, for whom, by when, and why",
     OPT(OPT_FLEET) | OPT(OPT_TIMEOUT) | OPT(OPT_CSV) | OPT(OPT_RULES) | OPT(OPT_NOW) | OPT(OPT_WHY), 0, 0, cmd_queue},
    {"census", "", "note which device has which release; once a day, and reports count from it",
     OPT(OPT_FLEET) | OPT(OPT_TIMEOUT), 0, 0, cmd_census},
    {"report", "time-to-patch|inventory|executive|auditor|owner NAME",
     "how long patching takes, what is to be decided, from which data: for people without a console",
     OPT(OPT_FLEET) | OPT(OPT_TIMEOUT) | OPT(OPT_FORMAT) | OPT(OPT_CLOCK) | OPT(OPT_HORIZON), 1, 2, cmd_report},
    {"accept", "ID|list|end ENTRY", "a risk that stays until a day: why, and what is done instead; in the log",
     OPT(OPT_UNTIL) | OPT(OPT_REASON) | OPT(OPT_CONTROL) | OPT(OPT_RELEASE), 1, 2, cmd_accept},
    {"cra", "[list|aware ID|measure ID|sent ID STAGE]", "clocks of CRA article 14, as people have declared them",
     OPT(OPT_AT) | OPT(OPT_BY) | OPT(OPT_REASON) | OPT(OPT_REFERENCE) | OPT(OPT_TEXT), 0, 3, cmd_cra},
    {"intel", "import|check DIR, status", "what is known of vulnerabilities: read a mirrored folder, say how old it is",
     OPT(OPT_FORCE) | OPT(OPT_ALL), 1, 2, cmd_intel},
    {"vulns", "[RELEASE|ID]", "which vulnerabilities the releases have, why, and what could not be judged",
     OPT(OPT_VEX_UNUSED), 0, 1, cmd_vulns},
    {"vex", "add ID|end ENTRY|list", "say in the log whether a release is affected by a vulnerability; what was said",
     OPT(OPT_RELEASE) | OPT(OPT_COMPONENT) | OPT(OPT_STATUS) | OPT(OPT_JUSTIFICATION) | OPT(OPT_REASON), 1, 2, cmd_vex},
    {"witness", "[serve|key|show]", "a witness for other hosts' logs; its key; what it has seen", 0, 0, 1, cmd_witness},
    {"replay", "FILE", "a recorded trace as a fleet server: the same answers, in the same order", OPT(OPT_PORT), 1, 1,
     cmd_replay},
    {"backend", "check [-- COMMAND [...]]", "does a fleet's back end, or this plug-in, hold to the interface",
     OPT(OPT_FLEET) | OPT(OPT_TIMEOUT) | OPT(OPT_PLAY) | OPT(OPT_TO) | OPT(OPT_DEVICE), 1, ARGS_MAX - 2, cmd_backend},
    {"help", "[TOPIC]", "how to use a command; topics: config, policy, exit", 0, 0, 1, cmd_help},
    {"version", "", "print the version", 0, 0, 0, cmd_version},
};
enum { N_BEFORE = sizeof before_verbs / sizeof before_verbs[0], N_AFTER = sizeof after_verbs / sizeof after_verbs[0] };

/* A verb's command follows from its row. */
static struct command of_verb(enum verb v)
{
    const struct verb_row *row = verb_row(v);
    bool several = row->confirm != CONFIRM_PHRASE; /* a phrase names one rollout and its devices */
    optset opts = VERB_OPTS;

    if (row->whole_fleet)
        opts |= OPT(OPT_ALL);
    if (row->all_fleets)
        opts |= OPT(OPT_RELEASE);
    if (row->strengths)
        opts |= OPT(OPT_STOP);
    if (row->confirm == CONFIRM_PHRASE)
        opts |= OPT(OPT_CONFIRM) | OPT(OPT_TO) | OPT(OPT_WAVES) | OPT(OPT_WAIT);
    else if (row->reason != REASON_NONE)
        opts |= OPT(OPT_REMARK);
    return (struct command){.name = row->word,
                            .args = row->all_fleets    ? "ROLLOUT...|--all|--release NAME:VERSION"
                                    : row->whole_fleet ? "ROLLOUT...|--all"
                                    : several          ? "ROLLOUT..."
                                                       : "ROLLOUT",
                            .summary = row->help,
                            .opts = opts,
                            .min = row->whole_fleet ? 0 : 1,
                            .max = several ? ARGS_MAX - 1 : 1,
                            .run = cmd_verb};
}

bool command_at(size_t i, struct command *out)
{
    size_t verbs = VERB_COUNT - (VERB_NONE + 1);

    if (i < N_BEFORE)
        *out = before_verbs[i];
    else if (i < N_BEFORE + verbs)
        *out = of_verb((enum verb)(i - N_BEFORE + VERB_NONE + 1));
    else if (i < N_BEFORE + verbs + N_AFTER)
        *out = after_verbs[i - N_BEFORE - verbs];
    else
        return false;
    return true;
}

bool command_find(const char *name, struct command *out)
{
    for (size_t i = 0; command_at(i, out); i++)
        if (strcmp(out->name, name) == 0)
            return true;
    return false;
}

/* usage.c */
static void usage_print(const struct command *c, struct buf *out)
{
    struct command each;

    if (c && *c->name) {
        buf_printf(out, "andon %s %s\n\n  %s\n", c->name, c->args, c->summary);
        for (size_t i = 0; c->opts == OPTS_BY_WORD && audit_command_at(i, &each); i++) {
            buf_printf(out, "\nandon %s %s %s\n  %s\n", c->name, each.name, each.args, each.summary);
            options_help(out, each.opts);
        }
        if (c->opts && c->opts != OPTS_BY_WORD) {
            buf_adds(out, "\nOptions:\n");
            options_help(out, c->opts);
        }
        buf_adds(out, "\nOptions of every command:\n");
        options_help(out, OPTS_GLOBAL);
        return;
    }
    buf_adds(out, "andon watches staged firmware rollouts and stops a bad one.\n\n");
    for (size_t i = 0; command_at(i, &each); i++)
        buf_printf(out, "  andon %-9s %-22.22s %s\n", each.name, strlen(each.args) <= 22 ? each.args : "...",
                   each.summary);
    buf_adds(out, "\nOptions of every command:\n");
    options_help(out, OPTS_GLOBAL);
    buf_adds(out, "\n`andon help COMMAND` says more; `man andon` says all.\n");
}

/* The keys that a schema knows, with their types. */
static void schema_print(const struct yfield *f, int depth, struct buf *out)
{
    static const char *const types[] = {"text", "true or false", "whole number", "number", "duration (90s, 10m, 1h30m)",
                                        "word", "list",          "map",          "map",    "text, or map"};

    for (; f && f->key; f++) {
        char left[60];

        snprintf(left, sizeof left, "%*s%s:", depth * 2 + 2, "", f->key);
        buf_printf(out, "%-28s %s%s", left, f->doc ? f->doc : "", f->doc && *f->doc ? "; " : "");
        if (f->type == YT_WORD && f->words) {
            for (size_t i = 0; f->words[i]; i++)
                buf_printf(out, "%s%s", i ? " | " : "", f->words[i]);
            buf_addc(out, '\n');
        } else {
            buf_printf(out, "%s%s\n", types[f->type], f->required ? ", needed" : "");
        }
        if (f->fields && depth < 6)
            schema_print(f->fields, depth + 1, out);
    }
}

static const char exit_help[] =
    "Exit codes:\n"
    "  0  done\n"
    "  1  failed; a drill was not passed; a log does not verify\n"
    "  2  the command line or the configuration is wrong\n"
    "  3  andon refuses (gate, state, latch, read-only, stale data); guard: ended while a halt could not be had\n"
    "  4  the fleet server does not answer, or refuses the credentials\n"
    "  5  sent, but what became of it can't be told: a person must look\n"
    "  7  done, but standard output could not be written (a full disk; not `| head`)\n";

int cmd_help(const struct args *a)
{
    const char *topic = a->n_pos > 1 && strcmp(a->pos[0], "help") == 0 ? a->pos[1] : a->n_pos > 0 ? a->pos[0] : "";
    struct command found;
    const struct command *c = command_find(topic, &found) ? &found : NULL;
    struct buf out;
    int rc = EXIT_OK;

    buf_init(&out, 1 << 20);
    if (strcmp(topic, "config") == 0) {
        buf_adds(&out, "~/.config/andon/config.yaml (see andon-config(5)):\n\n");
        schema_print(config_schema, 0, &out);
    } else if (strcmp(topic, "policy") == 0 && strcmp(a->pos[0], "help") == 0) {
        usage_print(c, &out);
        buf_adds(&out, "\nKeys of a policy file (see andon-policy(5)):\n\n");
        schema_print(policy_schema, 0, &out);
    } else if (strcmp(topic, "exit") == 0) {
        buf_adds(&out, exit_help);
    } else if (c) {
        usage_print(strcmp(topic, "help") == 0 ? NULL : c, &out);
    } else {
        struct err e = {0};

        err_set(&e, ERR_SYNTAX, "Run `andon help` for the list.", "there is no topic \"%.60s\"", topic);
        print_err(a, &e);
        rc = EXIT_USAGE;
    }
    print_out(&out);
    buf_release(&out);
    return rc;
}

int cmd_version(const struct args *a)
{
    if (a->json)
        printf("{\"version\": \"%s\"}\n", ANDON_VERSION);
    else
        printf("andon %s\n", ANDON_VERSION);
    return EXIT_OK;
}
