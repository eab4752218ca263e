/* The table of commands, help and version. */
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"
#include "conf/config.h"
#include "conf/policy.h"
#include "core/text.h"

#define VERB_OPTS (OPT(OPT_FLEET) | OPT(OPT_REASON) | OPT(OPT_YES) | OPT(OPT_TIMEOUT) | OPT(OPT_PREVIEW))
#define LOG_OPTS                                                                                                       \
    (OPT(OPT_KIND) | OPT(OPT_ROLLOUT) | OPT(OPT_ACTOR) | OPT(OPT_FLEET) | OPT(OPT_SINCE) | OPT(OPT_UNTIL) |            \
     OPT(OPT_LIMIT) | OPT(OPT_DB) | OPT(OPT_VKEY) | OPT(OPT_EXPORT))

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
};
static const struct command after_verbs[] = {
    {"audit", "show|verify|export|head|replay [DIR|ENTRY]", "read, verify and export the audit log, recompute a halt",
     LOG_OPTS, 1, 2, cmd_audit},
    {"notify", "test|status|silence DURATION|unsilence", "who is told of halts and the like, and whether it works",
     OPT(OPT_FLEET) | OPT(OPT_REASON) | OPT(OPT_DB) | OPT(OPT_LIMIT), 1, 2, cmd_notify},
    {"doctor", "", "test everything that the configuration names", OPT(OPT_FLEET) | OPT(OPT_TIMEOUT), 0, 0, cmd_doctor},
    {"policy", "check|test FILE", "check a policy file and say what it does; try it on past rollouts",
     OPT(OPT_FLEET) | OPT(OPT_ROLLOUT) | OPT(OPT_SINCE) | OPT(OPT_TIMEOUT) | OPT(OPT_HISTORY) | OPT(OPT_DEVICES) |
         OPT(OPT_WAVE_SIZES) | OPT(OPT_STRATA) | OPT(OPT_HOURS),
     2, 2, cmd_policy},
    {"replay", "FILE", "a recorded trace as a fleet server: the same answers, in the same order", OPT(OPT_PORT), 1, 1,
     cmd_replay},
    {"help", "[TOPIC]", "how to use a command; topics: config, policy, exit", 0, 0, 1, cmd_help},
    {"version", "", "print the version", 0, 0, 0, cmd_version},
};
enum { N_BEFORE = sizeof before_verbs / sizeof before_verbs[0], N_AFTER = sizeof after_verbs / sizeof after_verbs[0] };

/* A verb's command follows from its row. */
static struct command of_verb(enum verb v)
{
    const struct verb_row *row = verb_row(v);
    uint64_t opts = VERB_OPTS;

    if (row->whole_fleet)
        opts |= OPT(OPT_ALL);
    if (row->confirm == CONFIRM_PHRASE)
        opts |= OPT(OPT_CONFIRM) | OPT(OPT_TO) | OPT(OPT_WAVES) | OPT(OPT_WAIT);
    else if (row->reason != REASON_NONE)
        opts |= OPT(OPT_REMARK);
    return (struct command){.name = row->word,
                            .args = row->whole_fleet ? "ROLLOUT|--all" : "ROLLOUT",
                            .summary = row->help,
                            .opts = opts,
                            .min = row->whole_fleet ? 0 : 1,
                            .max = 1,
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
        if (c->opts) {
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
