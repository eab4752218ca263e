/* Confirmation of a verb: what is frozen when it opens, what is asked again when the world moves, and which key is
 * the last one.
 *
 * Enter is only ever the last key of a halt, a pause and an acknowledgement, which tell no device anything new. The
 * others need `y`; a roll back needs a reason, the typed phrase with the count, and then `y` on its button. */
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "views/app.h"

/* Which fields a verb has, in the order of Tab. */
static bool has_field(const struct dialog *g, int field)
{
    switch (field) {
    case FIELD_TO:
    case FIELD_WAVES:
    case FIELD_PHRASE:
        return verb_row(g->verb)->confirm == CONFIRM_PHRASE;
    case FIELD_REASON:
        return g->reason_is != REASON_NONE;
    default:
        return field == FIELD_BUTTON;
    }
}

static void step_field(struct dialog *g, int by)
{
    do {
        g->field = (g->field + by + FIELD_COUNT) % FIELD_COUNT;
    } while (!has_field(g, g->field));
}

static bool blank(const char *s)
{
    return s[strspn(s, " ")] == '\0';
}

/* Enter ends these: nothing that it does tells a device something new. */
bool dialog_by_enter(enum verb v)
{
    return verb_row(v)->confirm == CONFIRM_NONE || verb_row(v)->confirm == CONFIRM_ENTER;
}

static bool lacks_reason(const struct dialog *g)
{
    return g->reason_is == REASON_NEEDED && blank(g->reason.text);
}

bool dialog_complete(const struct dialog *g)
{
    if (g->verb == VERB_HALT)
        return true; /* a halt is never held back here: the engine judges it */
    if (!g->checked || g->why.code != ERR_NONE || !g->fits || lacks_reason(g))
        return false;
    if (verb_row(g->verb)->confirm == CONFIRM_PHRASE)
        return g->preview.phrase[0] && !strcmp(g->phrase.text, g->preview.phrase) && g->preview.devices > 0;
    return true;
}

/* What keeps the button locked, for the person who presses it. */
const char *dialog_missing(const struct dialog *g)
{
    if (g->why.code != ERR_NONE)
        return "refused: see above";
    if (!g->checked)
        return "waits for the fleet's data";
    if (!g->fits)
        return "the dialog does not fit: enlarge the terminal";
    if (lacks_reason(g))
        return "locked: a reason is missing";
    if (verb_row(g->verb)->confirm != CONFIRM_PHRASE)
        return "";
    if (g->preview.devices <= 0)
        return "locked: there is no device to bring back";
    if (strcmp(g->phrase.text, g->preview.phrase) != 0)
        return g->phrase.len == 0 ? "locked until the phrase is typed" : "locked: the phrase is not as shown";
    return "";
}

static void wave_scope(struct dialog *g)
{
    bool all = true;
    for (int i = 0; i < WAVES_MAX / 64; i++)
        all = all && (g->in.wave_mask[i] & g->told_mask[i]) == g->told_mask[i];
    g->in.all_waves = all;
}

/* Looks at the newest snapshot: what the verb would do now, and whether it may. */
void dialog_refresh(struct app *a, const struct view_data *d)
{
    struct dialog *g = &a->dlg;
    const struct snapshot *s = find_snap(d, g->in.fleet);
    struct preview before = g->preview;
    bool had = g->checked;
    g->checked = s != NULL;
    err_clear(&g->why);
    g->caps = 0;
    if (g->everywhere) {
        dialog_everywhere_preview(g, d);
        g->checked = true;
        if (g->preview.n_will == 0)
            err_set(&g->why, ERR_NOT_FOUND, "", "no rollout of it is known that has not ended");
        return;
    }
    if (!s) {
        err_set(&g->why, ERR_NOT_FOUND, "", "the fleet %s is not there any more", g->in.fleet);
        return;
    }
    struct intent in = g->in;
    struct verb_facts f;
    snprintf(in.to_release, sizeof in.to_release, "%.199s", g->to.text);
    snapshot_facts(s, in.rollout, d->now, &f);
    g->reason_is = verb_reason_by(g->verb, f.policy);
    g->caps = f.caps;
    bool mine = s->told_known && !strcmp(s->focus.rollout, in.rollout);
    preview_make(&in, &f, mine ? s->told : NULL, mine ? s->n_told : 0, d->now, &g->preview);
    if (*g->preview.to) /* what "previous" means */
        snprintf(in.to_release, sizeof in.to_release, "%s", g->preview.to);
    if (g->whole_fleet && g->verb == VERB_HALT)
        dialog_fleet_preview(g, s, d->now);
    memset(g->told_mask, 0, sizeof g->told_mask);
    g->n_waves = 0;
    for (size_t i = 0; i < f.n_waves; i++) {
        int w = f.waves[i].index;
        if (w < 0 || w >= WAVES_MAX)
            continue;
        g->n_waves = w + 1 > g->n_waves ? w + 1 : g->n_waves;
        if (wave_told(&f.waves[i]) > 0)
            g->told_mask[w / 64] |= UINT64_C(1) << (w % 64);
    }
    if (offer_passes(&in, &f, &g->why))
        err_clear(&g->why);
    else if (g->why.code == ERR_NONE)
        g->why.code = ERR_REFUSED;
    if (had && strcmp(before.phrase, g->preview.phrase) != 0) {
        char x[FMT_MAX], y[FMT_MAX];
        if (g->phrase.len > 0 || g->field == FIELD_BUTTON) {
            g->field = FIELD_PHRASE;
            snprintf(g->note, sizeof g->note, "the count was %s and is %s now: type the phrase again",
                     fmt_count(x, before.devices), fmt_count(y, g->preview.devices));
        }
        edit_set(&g->phrase, "");
    }
}

bool dialog_everywhere(struct app *a, const struct view_data *d, bool on)
{
    struct dialog *g = &a->dlg;
    if (on && !g->firmware.name[0] && !g->firmware.version[0]) {
        snprintf(g->note, sizeof g->note, "its firmware is not known: no other rollout can be said to have the same");
        return false;
    }
    g->everywhere = on;
    dialog_refresh(a, d);
    return true;
}

bool dialog_open(struct app *a, const struct view_data *d, enum verb v)
{
    char fleet[64], rollout[ID_MAX], before[ID_MAX], from[64];
    struct err why;
    size_t group;
    if (v == VERB_HALT && app_top(a)->kind == VIEW_BOARD && group_selected(a, &group)) {
        const struct snapshot *s = NULL;
        const struct rollout_view *r = group_nth(a, d, group, 0, &s);
        bool one_fleet = a->group_by == GROUP_FLEET;
        dialog_open_on(a, d, v, str(s->fleet), one_fleet ? "" : str(r->rollout.id));
        if (!one_fleet)
            dialog_everywhere(a, d, true);
        return true;
    }
    bool any = find_target(a, d, from, before, &why);
    if (v == VERB_ACK) {
        if (!offer_ack(a, d, fleet, rollout, &why) && (!rollout[0] || !any)) {
            app_say(a, true, "%s", why.what);
            return false;
        }
        if (strcmp(fleet, from) != 0 || strcmp(rollout, before) != 0) {
            app_go(a, d, fleet, rollout); /* what is acted on is what is highlighted */
            dialog_open_on(a, d, v, fleet, rollout);
            snprintf(a->dlg.note, sizeof a->dlg.note, "the cursor has moved here, to what the banner shows");
            return true;
        }
    } else if (!any) {
        app_say(a, true, "%s", why.what);
        return false;
    }
    if (!before[0] && !verb_row(v)->whole_fleet) {
        app_say(a, true, "no rollout is selected to %s", verb_row(v)->label);
        return false;
    }
    dialog_open_on(a, d, v, from, before);
    return true;
}

void dialog_open_on(struct app *a, const struct view_data *d, enum verb v, const char *fleet, const char *rollout)
{
    struct dialog *g = &a->dlg;
    memset(g, 0, sizeof *g);
    g->verb = v;
    g->in.verb = v;
    g->in.expect_devices = -1;
    g->in.all_waves = true;
    g->whole_fleet = !rollout[0];
    memset(g->in.wave_mask, 0xFF, sizeof g->in.wave_mask);
    snprintf(g->in.fleet, sizeof g->in.fleet, "%s", fleet);
    snprintf(g->in.rollout, sizeof g->in.rollout, "%s", rollout);
    snprintf(g->rollout, sizeof g->rollout, "%s", rollout);
    const struct rollout_view *r = find_rollout(d, fleet, rollout, NULL);
    if (r) {
        snprintf(g->firmware.name, sizeof g->firmware.name, "%.199s", str(r->rollout.release.name));
        snprintf(g->firmware.version, sizeof g->firmware.version, "%.199s", str(r->rollout.release.version));
        snprintf(g->release, sizeof g->release, "%.80s %.80s", str(r->rollout.release.name),
                 str(r->rollout.release.version));
        snprintf(g->name, sizeof g->name, "%.180s", str(r->rollout.name));
    }
    g->reason_is = verb_row(v)->reason;
    dialog_refresh(a, d);
    g->field = has_field(g, FIELD_REASON) ? FIELD_REASON : FIELD_BUTTON;
}

static void submit(struct app *a, const struct view_data *d, struct action *out)
{
    struct dialog *g = &a->dlg;
    out->kind = ACT_SUBMIT;
    out->intent = g->in;
    struct intent *in = &out->intent;
    in->actor.kind = ACTOR_PERSON;
    snprintf(in->actor.name, sizeof in->actor.name, "%.63s", str(d->user));
    safe_text_into(in->reason, sizeof in->reason, g->reason.text, g->reason.len);
    snprintf(in->to_release, sizeof in->to_release, "%s", g->preview.to); /* the one that was confirmed */
    if (verb_row(g->verb)->confirm == CONFIRM_YES)
        memcpy(in->remark, in->reason, sizeof in->remark); /* an approval's and a denial's is the server's */
    if (verb_row(g->verb)->confirm == CONFIRM_PHRASE)
        in->expect_devices = g->preview.devices;
    in->decided_at = d->now;
    a->n_answers = a->n_taken = 0; /* the tickets that come are these' */
    if (g->everywhere)
        dialog_submit_everywhere(a, d, out);
    else
        app_say(a, false, "%s %s%s%s is handed in", verb_word(g->verb), in->fleet, g->whole_fleet ? "" : "/",
                in->rollout);
    snprintf(out->fleet, sizeof out->fleet, "%s", in->fleet);
    g->verb = VERB_NONE;
}

static bool wave_key(struct dialog *g, uint32_t key)
{
    if (key == KEY_LEFT_ && g->wave_cursor > 0)
        g->wave_cursor--;
    else if (key == KEY_RIGHT_ && g->wave_cursor + 1 < g->n_waves)
        g->wave_cursor++;
    else if (key == ' ' && g->wave_cursor < g->n_waves) {
        g->in.wave_mask[g->wave_cursor / 64] ^= UINT64_C(1) << (g->wave_cursor % 64);
        wave_scope(g);
    } else
        return key == KEY_LEFT_ || key == KEY_RIGHT_;
    return true;
}

static bool field_key(struct dialog *g, uint32_t key)
{
    switch (g->field) {
    case FIELD_TO:
        return edit_key(&g->to, key);
    case FIELD_WAVES:
        return wave_key(g, key);
    case FIELD_REASON:
        return edit_key(&g->reason, key);
    case FIELD_PHRASE:
        g->note[0] = '\0';
        return edit_key(&g->phrase, key);
    default:
        return false;
    }
}

enum strength dialog_harder(const struct dialog *g)
{
    enum strength s = g->in.strength;
    do {
        s = s + 1 < STRENGTH_COUNT ? (enum strength)(s + 1) : STRENGTH_POLICY;
    } while (s != STRENGTH_POLICY && strength_can(s, g->caps) != s);
    return verb_row(g->verb)->strengths ? s : STRENGTH_POLICY;
}

static void confirm_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    struct dialog *g = &a->dlg;
    if (g->verb == VERB_HALT && (key == 'R' || key == 'r')) {
        dialog_everywhere(a, d, !g->everywhere);
        return;
    }
    if (g->verb == VERB_HALT && (key == 'F' || key == 'f')) {
        g->everywhere = false;
        g->whole_fleet = !g->whole_fleet || !g->rollout[0];
        snprintf(g->in.rollout, sizeof g->in.rollout, "%s", g->whole_fleet ? "" : g->rollout);
        dialog_refresh(a, d);
        return;
    }
    if (verb_row(g->verb)->strengths && (key == 'S' || key == 's')) {
        g->in.strength = dialog_harder(g);
        dialog_refresh(a, d);
        return;
    }
    bool last = dialog_by_enter(g->verb) ? key == KEY_ENTER_ : key == 'y' && g->field == FIELD_BUTTON;
    if (last && dialog_complete(g))
        submit(a, d, out);
    else if (last)
        snprintf(g->note, sizeof g->note, "%s", dialog_missing(g));
}

void dialog_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    struct dialog *g = &a->dlg;
    switch (key) {
    case KEY_ESC_:
    case 0x03: /* Ctrl-C cancels what is open */
        g->verb = VERB_NONE;
        return;
    case 0x0C:
        out->kind = ACT_REPAINT;
        return;
    case 0x12:
        out->kind = ACT_REFRESH;
        return;
    case 0x1A:
        out->kind = ACT_SUSPEND;
        return;
    case KEY_PGDN_:
        g->scroll += 3;
        return;
    case KEY_PGUP_:
        g->scroll = g->scroll > 3 ? g->scroll - 3 : 0;
        return;
    case KEY_TAB_:
    case KEY_DOWN_:
        step_field(g, 1);
        return;
    case KEY_BTAB_:
    case KEY_UP_:
        step_field(g, -1);
        return;
    default:
        break;
    }
    /* The world may have moved since the last frame: never confirm what was not checked against the newest data. */
    char phrase[sizeof g->preview.phrase];
    memcpy(phrase, g->preview.phrase, sizeof phrase);
    dialog_refresh(a, d);
    if (strcmp(phrase, g->preview.phrase) != 0)
        return; /* the key was meant for what stood there before */
    if (field_key(g, key)) {
        dialog_refresh(a, d);
        return;
    }
    if (key == KEY_ENTER_ && !dialog_by_enter(g->verb)) {
        if (g->field != FIELD_BUTTON)
            step_field(g, 1); /* Enter walks on; it never presses this button */
        else
            snprintf(g->note, sizeof g->note, "Enter does nothing here: y confirms");
        return;
    }
    confirm_key(a, d, key, out);
}
