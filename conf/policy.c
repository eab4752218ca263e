#include "conf/policy.h"

#include <stdio.h>
#include <string.h>
#include "conf/evidence.h"
#include "conf/file.h"
#include "conf/metrics.h"
#include "conf/yaml_node.h"
#include "core/clock.h"
#include "core/digest.h"
#include "core/intent.h"
#include "core/text.h"
#include "core/verdict.h"

#define DAY_S 86400.0

/* In the order of enum basis, reaction (from REACT_WATCH), promotion. */
static const char *const basis_words[] = {"absolute", "control", NULL};
static const char *const breach_words[] = {"watch", "hold", "pause", "rollback", NULL};
static const char *const lost_words[] = {"hold", "pause", NULL};
static const char *const halt_words[] = {"pause", "stop", NULL};
static const char *const foreign_words[] = {"alert", "halt", NULL}; /* from FOREIGN_ALERT */
static const char *const promotion_words[] = {"server", "hold", NULL};

static const struct yfield limit_fields[] = {
    {.key = "id", .type = YT_STR, .required = true, .doc = "its name on the screen and in the log, such as R-REBOOT"},
    {.key = "metric",
     .type = YT_STR,
     .required = true,
     .doc = "what is measured: reboots, cpu-mean, cpu-p95, variance, install-failed, or a metric of the policy's own"},
    {.key = "above", .type = YT_NUM, .doc = "more is a breach: a value of the metric, or a ratio to control"},
    {.key = "below", .type = YT_NUM, .doc = "less is a breach, of a metric of which less is worse"},
    {.key = "relative_to", .type = YT_WORD, .words = basis_words, .doc = "control (a ratio), or absolute (a value)"},
    {.key = "for", .type = YT_DUR, .max = 7 * DAY_S, .doc = "how long the breach must last (0s)"},
    {.key = "min_devices", .type = YT_INT, .min = 1, .max = 1e9, .doc = "how many devices must carry it (3)"},
    {.key = "wave", .type = YT_INT, .max = WAVES_MAX - 1, .doc = "only this wave, 0 for W0 (each wave)"},
    {.key = "class", .type = YT_STR, .doc = "only devices whose id matches, with * and ? (all)"},
    {.key = "on_breach", .type = YT_WORD, .required = true, .words = breach_words, .doc = "what andon then does"},
    {.key = "dry_run", .type = YT_BOOL, .doc = "evaluated, shown and logged, but never acting (false)"},
    {0}};

static const struct yfield lost_fields[] = {
    {.key = "react", .type = YT_WORD, .words = lost_words, .doc = "hold, or pause after a while (pause)"},
    {.key = "after", .type = YT_DUR, .max = 7 * DAY_S, .doc = "how long data must be missing for a pause (10m)"},
    {.key = "devices", .type = YT_INT, .min = 1, .max = 1e6, .doc = "so many must be silent at least (3)"},
    {.key = "resume",
     .type = YT_BOOL,
     .doc = "andon's own pause ends by itself after 3 good polls (true); false: a person ends it"},
    {0}};

/* A halt waits for nobody, and what makes a rollout safer does not either. */
static const char *const operator_words[] = {"optional", "required", NULL};
static const char *const reason_words[] = {"start", "advance", "pause", "resume", "approve", "retry", "ack", NULL};
static const enum verb reason_verbs[] = {VERB_START,   VERB_ADVANCE, VERB_PAUSE, VERB_RESUME,
                                         VERB_APPROVE, VERB_RETRY,   VERB_ACK};

static const struct yfield people_fields[] = {
    {.key = "operator",
     .type = YT_WORD,
     .words = operator_words,
     .doc = "required: nothing but a halt without --operator NAME or ANDON_OPERATOR (optional)"},
    {.key = "reason",
     .type = YT_LIST,
     .item = YT_WORD,
     .words = reason_words,
     .max = 7,
     .doc = "verbs that need a reason; a roll back and a denial always do (none)"},
    {0}};

static const char *const witnessed_words[] = {"start", "advance", "resume", "rollback", "approve", "retry", NULL};
static const enum verb witnessed_verbs[] = {VERB_START,    VERB_ADVANCE, VERB_RESUME,
                                            VERB_ROLLBACK, VERB_APPROVE, VERB_RETRY};

static const struct yfield witness_policy_fields[] = {
    {.key = "require", .type = YT_INT, .min = 1, .max = 8, .required = true, .doc = "so many witnesses"},
    {.key = "within", .type = YT_DUR, .min = 1, .max = 3600, .doc = "how long a verb waits for them (60s)"},
    {.key = "for",
     .type = YT_LIST,
     .item = YT_WORD,
     .words = witnessed_words,
     .min = 1,
     .max = 6,
     .doc = "which verbs wait (advance, rollback); a halt never does"},
    {0}};

/* Rolling back and halting make a rollout safer: they ask nobody. */
static const char *const approved_words[] = {"start", "advance", "resume", NULL};
static const enum verb approved_verbs[] = {VERB_START, VERB_ADVANCE, VERB_RESUME};
static const char *const asker_words[] = {"counts", "excluded", NULL};

static const struct yfield approval_fields[] = {
    {.key = "require", .type = YT_INT, .min = 1, .max = 8, .required = true, .doc = "so many people, by their keys"},
    {.key = "signers", .type = YT_STR, .required = true, .doc = "OpenSSH's allowed_signers: whose key is whose"},
    {.key = "revoked", .type = YT_STR, .doc = "a KRL, or public keys, that count no more (none)"},
    {.key = "for",
     .type = YT_LIST,
     .item = YT_WORD,
     .words = approved_words,
     .min = 1,
     .max = 3,
     .doc = "which verbs need them (start, advance, resume)"},
    {.key = "valid",
     .type = YT_DUR,
     .min = 60,
     .max = 7 * DAY_S,
     .doc = "an approval is good for so long at most (24h)"},
    {.key = "asker", .type = YT_WORD, .words = asker_words, .doc = "excluded: who asks is not one of them (counts)"},
    {0}};

const struct yfield policy_schema[] = {
    {.key = "limits",
     .type = YT_LIST,
     .item = YT_MAP,
     .fields = limit_fields,
     .max = VERDICT_LIMITS_MAX,
     .doc = "what counts as a breach (the built-in limits)"},
    {.key = "window", .type = YT_DUR, .min = 60, .max = DAY_S, .doc = "rates and means are over the last .. (10m)"},
    {.key = "grace", .type = YT_DUR, .max = DAY_S, .doc = "reboots so soon after an install do not count (3m)"},
    {.key = "install_time",
     .type = YT_DUR,
     .min = 1,
     .max = 7 * DAY_S,
     .doc = "a device told so long ago is judged even if it never reported (10m)"},
    {.key = "coverage",
     .type = YT_NUM,
     .min = 0.01,
     .max = 1,
     .doc = "share of the devices that must report; fewer is missing data (0.8)"},
    {.key = "lost_telemetry", .type = YT_MAP, .fields = lost_fields, .doc = "what missing data does"},
    {.key = "evidence", .type = YT_MAP, .fields = evidence_fields, .doc = "the tests of canary against control"},
    {.key = "metrics",
     .type = YT_DICT,
     .item = YT_MAP,
     .fields = metrics_fields,
     .max = METRICS_OWN + METRICS_BUILTIN - 1, /* an install has no keys here */
     .doc = "what else is measured and tested, by name; and of the built-in ones their grace, and whether cpu and "
            "variance are worse both ways"},
    {.key = "bake", .type = YT_DUR, .max = 90 * DAY_S, .doc = "how long a wave must run before advance (0s)"},
    {.key = "min_device_hours",
     .type = YT_NUM,
     .max = 1e9,
     .doc = "how many hours, over all its devices, a wave must be watched before advance (0)"},
    {.key = "promotion",
     .type = YT_WORD,
     .words = promotion_words,
     .doc = "server: its own conditions start the next wave; hold: a person does (server)"},
    {.key = "halt",
     .type = YT_WORD,
     .words = halt_words,
     .doc = "pause, or stop for good where the server can (pause)"},
    {.key = "on_foreign_resume",
     .type = YT_WORD,
     .words = foreign_words,
     .doc = "when another client resumes what is halted: alert, or halt it again (a rule's halt: halt, a person's: "
            "alert)"},
    {.key = "rollback_to", .type = YT_STR, .doc = "previous, or one release as name:version (previous)"},
    {.key = "drain", .type = YT_DUR, .max = DAY_S, .doc = "how long a roll back waits for recalled devices (10m)"},
    {.key = "people", .type = YT_MAP, .fields = people_fields, .doc = "what is asked of people (nothing)"},
    {.key = "witness",
     .type = YT_MAP,
     .fields = witness_policy_fields,
     .doc = "verbs that go out only when their entry in the log is witnessed (none)"},
    {.key = "approval",
     .type = YT_MAP,
     .fields = approval_fields,
     .doc = "verbs that people must have approved, each with an SSH key of his own (none)"},
    {.key = "control_max", .type = YT_INT, .min = 1, .max = 100000, .doc = "most control devices watched (2000)"},
    {0}};

static bool plain_id(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
    return n > 0 && n <= 32 && s[n] == '\0';
}

/* A limit that can never be met, or is always met, is worse than none: it looks like a guard. */
static bool limit_makes_sense(const struct ynode *n, const struct limit *l, const struct figure *f, struct err *e)
{
    const struct ynode *at = y_get(n, l->under ? "below" : "above");
    bool any = f->row >= METRICS_BUILTIN && f->kind == FIGURE_MEAN && l->basis == BASIS_ABSOLUTE;
    if (l->under && f->worse == WORSE_UP)
        return y_err(at, e, "of %s more is worse: say above", f->word);
    if (!l->under && f->worse == WORSE_DOWN)
        return y_err(at, e, "of %s less is worse: say below", f->word);
    if (f->diff && l->basis == BASIS_RELATIVE && y_has(n, "relative_to"))
        return (l->under ? l->value < 0 : l->value > 0) ||
               y_err(at, e, "expected %s than 0: the difference to control, in the unit of %s",
                     l->under ? "less" : "more", f->word);
    if (!(l->value > 0) && !any)
        return y_err(at, e, "expected more than 0, found '%s'", y_text(at));
    if (f->kind == FIGURE_SHARE) {
        if (l->basis == BASIS_RELATIVE)
            return y_err(y_get(n, "relative_to"), e, "control devices install nothing; leave this key out");
        if (l->value >= 1)
            return y_err(at, e, "a share of devices is never above '%s'; for 5 %% write 0.05", y_text(at));
        return true;
    }
    if (!y_has(n, "relative_to")) {
        yaml_err_at(n, NULL, y_line(n), ERR_SYNTAX, e, "the key relative_to is missing");
        if (e)
            snprintf(e->next, sizeof e->next, "say relative_to: control (`%s` is a ratio) or absolute (a value)",
                     l->under ? "below" : "above");
        return false;
    }
    if (l->basis == BASIS_RELATIVE && (l->under ? l->value >= 1 : l->value <= 1))
        return y_err(at, e, "expected %s than 1, found '%s'; a ratio of 1 is no change", l->under ? "less" : "more",
                     y_text(at));
    if (l->basis == BASIS_ABSOLUTE && f->kind == FIGURE_OWN && (l->under ? l->value >= 1 : l->value <= 1))
        return y_err(at, e, "expected %s than 1, found '%s'; 1 is each device's own baseline",
                     l->under ? "less" : "more", y_text(at));
    return true;
}

static bool read_limit(const struct ynode *n, const struct evidence_policy *p, struct limit *l, struct arena *a,
                       struct err *e)
{
    const char *words[FIGURES_MAX + 1] = {NULL};
    size_t figure;
    for (size_t i = 0; i < figure_count(p); i++)
        words[i] = figure_of(p, i)->word;
    if (!y_one_of(y_get(n, "metric"), words, &figure, e))
        return false;
    *l = (struct limit){
        .id = arena_strdup(a, y_str(n, "id", "")),
        .metric = figure_of(p, figure)->word,
        .basis = (enum basis)y_word(n, "relative_to", BASIS_ABSOLUTE),
        .under = y_has(n, "below"),
        .value = y_num(n, y_has(n, "below") ? "below" : "above", 0),
        .for_us = y_dur(n, "for", 0),
        .min_devices = (int)y_int(n, "min_devices", 3),
        .wave = (int)y_int(n, "wave", -1),
        .device_class = arena_strdup(a, y_str(n, "class", "")),
        .react = (enum reaction)(REACT_WATCH + y_word(n, "on_breach", 0)),
        .dry_run = y_bool(n, "dry_run", false),
    };
    if (!plain_id(l->id))
        return y_err(y_get(n, "id"), e, "expected 1 to 32 letters, digits, '-', '_' or '.'");
    if (strlen(l->device_class) > 128)
        return y_err(y_get(n, "class"), e, "longer than 128 bytes");
    if (y_has(n, "above") == y_has(n, "below"))
        return y_err(n, e, y_has(n, "above") ? "above and below: a limit has one of them" : "the key above is missing");
    return limit_makes_sense(n, l, figure_of(p, figure), e);
}

static bool read_limits(const struct ynode *list, struct policy *p, struct arena *a, struct err *e)
{
    size_t n = y_len(list);
    struct limit *limits = ARENA_ARRAY(a, struct limit, n);
    for (size_t i = 0; i < n; i++) {
        if (!read_limit(y_at(list, i), &p->evidence, &limits[i], a, e))
            return false;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(limits[i].id, limits[j].id) == 0)
                return y_err(y_get(y_at(list, i), "id"), e, "'%s' is the id of the limit in line %d too", limits[i].id,
                             y_line(y_at(list, j)));
        }
    }
    p->limits = limits;
    p->n_limits = n;
    return true;
}

static bool release_ok(const char *s)
{
    const char *colon = strrchr(s, ':');
    return strcmp(s, "previous") == 0 || (colon && colon != s && colon[1] != '\0' && strlen(s) < 200);
}

static void read_times(const struct ynode *node, struct policy *p)
{
    const struct ynode *lost = y_get(node, "lost_telemetry");
    p->window_us = y_dur(node, "window", p->window_us);
    p->grace_us = y_dur(node, "grace", p->grace_us);
    p->install_us = y_dur(node, "install_time", p->install_us);
    p->lost_pause_us = y_dur(lost, "after", p->lost_pause_us);
    p->bake_us = y_dur(node, "bake", p->bake_us);
    p->drain_us = y_dur(node, "drain", p->drain_us);
    if (y_has(lost, "react"))
        p->lost_react = y_word(lost, "react", 0) == 0 ? REACT_HOLD : REACT_PAUSE;
    p->lost_devices = (int)y_int(lost, "devices", p->lost_devices);
    p->lost_resume = y_bool(lost, "resume", p->lost_resume);
}

static bool read_people(const struct ynode *n, struct people_policy *p, struct err *e)
{
    const struct ynode *verbs = y_get(n, "reason");
    *p = (struct people_policy){.operator_named = y_word(n, "operator", 0) == 1};
    for (size_t i = 0; i < y_len(verbs); i++) {
        size_t which;
        if (!y_one_of(y_at(verbs, i), reason_words, &which, e))
            return false;
        p->reasons |= 1u << reason_verbs[which];
    }
    return true;
}

static bool read_witness(const struct ynode *n, struct witness_policy *w, struct err *e)
{
    const struct ynode *verbs = y_get(n, "for");
    *w = (struct witness_policy){0};
    if (!n)
        return true;
    w->require = (int)y_int(n, "require", 1);
    w->within_us = y_dur(n, "within", 60 * US_PER_S);
    w->verbs = verbs ? 0 : 1u << VERB_ADVANCE | 1u << VERB_ROLLBACK;
    for (size_t i = 0; i < y_len(verbs); i++) {
        size_t which;
        if (!y_one_of(y_at(verbs, i), witnessed_words, &which, e))
            return false;
        w->verbs |= 1u << witnessed_verbs[which];
    }
    return true;
}

/* A name in a policy file is beside that file; a policy within another file has no place of its own. */
static const char *file_named(const struct ynode *n, const char *key, const char *folder, struct arena *a,
                              struct err *e)
{
    const char *s = y_str(n, key, "");
    const char *path = *s == '/' ? arena_strdup(a, s) : folder ? arena_printf(a, "%s/%s", folder, s) : NULL;
    if (!path)
        y_err(y_get(n, key), e, "expected an absolute path, found '%.60s'", s);
    return path;
}

static bool read_approval(const struct ynode *n, const char *folder, struct policy *p, struct arena *a, struct err *e)
{
    struct approval_policy *ap = &p->approval;
    const struct ynode *verbs = y_get(n, "for");
    if (!n)
        return true;
    *ap = (struct approval_policy){.signers = "", .revoked = ""};
    ap->require = (int)y_int(n, "require", 1);
    ap->valid_us = y_dur(n, "valid", US_PER_DAY);
    ap->asker_out = y_word(n, "asker", 0) == 1;
    ap->verbs = verbs ? 0 : 1u << VERB_START | 1u << VERB_ADVANCE | 1u << VERB_RESUME;
    for (size_t i = 0; i < y_len(verbs); i++) {
        size_t which;
        if (!y_one_of(y_at(verbs, i), approved_words, &which, e))
            return false;
        ap->verbs |= 1u << approved_verbs[which];
    }
    if (ap->verbs >> VERB_ADVANCE & 1 && p->promotion != PROMOTE_HOLD)
        return y_err(n, e, "approvals of advance need promotion: hold, else the server starts waves by itself");
    if (ap->verbs >> VERB_ADVANCE & 1 && !(ap->verbs >> VERB_RESUME & 1))
        return y_err(verbs, e, "a resume may start the next wave as an advance does: name resume too");
    ap->signers = file_named(n, "signers", folder, a, e);
    if (y_has(n, "revoked"))
        ap->revoked = file_named(n, "revoked", folder, a, e);
    return ap->signers && ap->revoked;
}

static const struct policy *from_node(const struct ynode *node, const char *name, const char *folder, struct arena *a,
                                      struct err *e)
{
    struct policy *p = ARENA_NEW(a, struct policy);
    *p = *policy_default(); /* what the file does not say, its limits included, is as built in */
    p->name = arena_strdup(a, name);
    p->digest = "";
    p->text = NULL;
    read_times(node, p);
    p->min_coverage = y_num(node, "coverage", p->min_coverage);
    p->promotion = (enum promotion)y_word(node, "promotion", (int)p->promotion);
    p->halt_stops = y_word(node, "halt", p->halt_stops) == 1;
    if (y_has(node, "on_foreign_resume"))
        p->foreign = (enum foreign_resume)(FOREIGN_ALERT + y_word(node, "on_foreign_resume", 0));
    p->control_max = y_int(node, "control_max", p->control_max);
    p->min_device_hours = y_num(node, "min_device_hours", p->min_device_hours);
    if (!evidence_read(y_get(node, "evidence"), &p->evidence, a, e) ||
        !metrics_read(y_get(node, "metrics"), y_get(y_get(node, "evidence"), "shares"), &p->evidence, a, e))
        return NULL;
    if (p->min_device_hours > 0 && p->evidence.tests == TESTS_OFF) {
        y_err(y_get(node, "min_device_hours"), e,
              "the tests measure device-hours, and they are off: no wave could ever be "
              "advanced");
        return NULL;
    }
    if (!read_people(y_get(node, "people"), &p->people, e) || !read_witness(y_get(node, "witness"), &p->witness, e) ||
        !read_approval(y_get(node, "approval"), folder, p, a, e))
        return NULL;
    if (y_has(node, "limits") && !read_limits(y_get(node, "limits"), p, a, e))
        return NULL;
    if (y_has(node, "rollback_to")) {
        p->rollback_to = arena_strdup(a, y_str(node, "rollback_to", ""));
        if (!release_ok(p->rollback_to)) {
            y_err(y_get(node, "rollback_to"), e, "expected previous or name:version, found '%.60s'", p->rollback_to);
            return NULL;
        }
    }
    return p;
}

const struct policy *policy_from_node(const struct ynode *node, const char *name, struct arena *a, struct err *e)
{
    return from_node(node, name, NULL, a, e);
}

/* "/etc/andon/careful.yaml" is called "careful". File names are bytes from outside. */
static const char *base_name(const char *path, struct arena *a)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    return safe_text(a, base, dot && dot != base ? (size_t)(dot - base) : strlen(base), 64);
}

const struct policy *policy_load(const char *path, struct arena *a, struct err *e)
{
    struct buf bytes;
    buf_init(&bytes, YAML_BYTES_MAX);
    struct arena tree; /* what is kept is copied out of it */
    arena_init(&tree);
    const struct policy *out = NULL;
    if (file_read(path, FILE_OWNED, &bytes, e)) {
        const struct ynode *root = yaml_parse(path, bytes.data, bytes.len, policy_schema, &tree, e);
        const char *slash = strrchr(path, '/');
        const char *folder = slash ? arena_strndup(&tree, path, slash > path ? (size_t)(slash - path) : 1) : ".";
        out = root ? from_node(root, base_name(path, &tree), folder, a, e) : NULL;
    }
    if (out) {
        char digest[SHA256_HEX];
        sha256_hex(bytes.data, bytes.len, digest);
        struct policy *p = arena_memdup(a, out, sizeof *out);
        p->digest = arena_strdup(a, digest);
        p->text = arena_strdup(a, bytes.data);
        out = p;
    }
    arena_release(&tree);
    buf_release(&bytes);
    return out;
}
