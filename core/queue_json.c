/* Rows of a queue as JSON. */
#include <string.h>
#include "core/queue.h"

static const char *const KIND_WORDS[QUEUE_KINDS] = {"step", "nofix", "blind"};
static const char *const STATE_WORDS[FIX_STATES] = {"", "waiting", "running", "paused", "halted", "finished"};

static const char *kind_word(enum queue_kind k)
{
    return (unsigned)k < QUEUE_KINDS ? KIND_WORDS[k] : "?";
}

const char *fix_state_word(enum fix_state s)
{
    return (unsigned)s < FIX_STATES ? STATE_WORDS[s] : "?";
}

static const char *or_null(const char *s)
{
    return s && *s ? s : NULL;
}

static void risk_json(const struct queue_input *in, const struct risk *r, struct json_w *w)
{
    json_w_obj(w);
    json_w_kstr(w, "tier", ssvc_tier_word(r->tier));
    json_w_kstr(w, "table", "SSVC deployer 1.0.0");
    json_w_kint(w, "row", r->row);
    json_w_kstr(w, "by_table", ssvc_tier_word(r->by_table));
    json_w_key(w, "rules");
    json_w_arr(w);
    for (unsigned rule = RISK_R1; rule <= RISK_R2; rule <<= 1) {
        if (r->rules & rule)
            json_w_str(w, risk_rule_text(rule));
    }
    json_w_arr_end(w);
    json_w_key(w, "points");
    json_w_obj(w);
    for (int p = 0; p < POINTS; p++) {
        json_w_key(w, risk_point_word((enum risk_point)p));
        json_w_obj(w);
        json_w_kstr(w, "value", risk_value_word((enum risk_point)p, r->why[p].value));
        json_w_kstr(w, "source", or_null(risk_source_word(r->why[p].source)));
        json_w_ktime(w, "since", r->why[p].at);
        json_w_ktime(w, "data_of", in->source_at[r->why[p].source]);
        json_w_kbool(w, "assumed", r->why[p].assumed);
        json_w_obj_end(w);
    }
    json_w_obj_end(w);
    json_w_kstr(w, "bod_26_04", bod_word(r->bod));
    json_w_kint(w, "bod_row", r->bod_row);
    json_w_kbool(w, "bod_binds", r->bod_us != 0);
    json_w_kstr(w, "clock", risk_clock_word(r->clock));
    json_w_ktime(w, "from", r->from);
    json_w_kint(w, "within_s", r->within_us / 1000000);
    json_w_ktime(w, "due", r->due);
    json_w_obj_end(w);
}

static void ids(struct json_w *w, const char *key, const char *const *v, size_t n)
{
    json_w_key(w, key);
    json_w_arr(w);
    for (size_t i = 0; i < n; i++)
        json_w_str(w, v[i]);
    json_w_arr_end(w);
}

static void accepted(const struct risk_accept *x, struct json_w *w)
{
    json_w_key(w, "accepted");
    if (!x) {
        json_w_null(w);
        return;
    }
    json_w_obj(w);
    json_w_ktime(w, "until", x->until);
    json_w_kstr(w, "by", x->by);
    json_w_kstr(w, "reason", x->reason);
    json_w_kstr(w, "control", or_null(x->control));
    json_w_kint(w, "log_entry", x->seq);
    json_w_obj_end(w);
}

static void worst(const struct queue_input *in, const struct queue_row *r, struct json_w *w)
{
    const struct vuln_facts *f = r->worst.facts;
    json_w_key(w, "worst");
    json_w_obj(w);
    json_w_kstr(w, "id", f->id);
    json_w_kstr(w, "status", finding_status_word(r->finding->status));
    json_w_kstr(w, "component", or_null(r->finding->component));
    json_w_kstr(w, "version", or_null(r->finding->version));
    json_w_kstr(w, "fixed_in", or_null(r->finding->fixed_in));
    json_w_kstr(w, "by", or_null(r->finding->by));
    json_w_kstr(w, "class", device_class_word(r->worst.cell->cls));
    json_w_kstr(w, "exposure", exposure_word(r->worst.cell->exposure));
    json_w_kint(w, "devices", r->worst.devices);
    json_w_key(w, "cvss");
    if (f->tenths < 0)
        json_w_null(w);
    else
        json_w_num(w, f->tenths / 10.0);
    json_w_kstr(w, "vector", or_null(f->vector));
    json_w_key(w, "epss");
    if (f->scored)
        json_w_num(w, f->epss);
    else
        json_w_null(w);
    json_w_ktime(w, "published", f->published);
    json_w_ktime(w, "learned", f->learned);
    json_w_kbool(w, "ransomware", f->ransomware);
    json_w_key(w, "risk");
    risk_json(in, r->worst.risk, w);
    json_w_obj_end(w);
}

void queue_row_json(const struct queue_input *in, const struct queue_row *r, size_t number, struct json_w *w)
{
    json_w_obj(w);
    json_w_kint(w, "number", (int64_t)number);
    json_w_kstr(w, "kind", kind_word(r->kind));
    json_w_kstr(w, "from", or_null(r->from));
    json_w_kstr(w, "to", r->to ? r->to->name : NULL);
    json_w_kint(w, "devices", r->devices);
    json_w_key(w, "exposure");
    json_w_obj(w);
    for (int x = 0; x < EXPOSURES; x++)
        json_w_kint(w, x == EXPOSURE_UNKNOWN ? "unknown" : exposure_word((enum exposure)x), r->exposed[x]);
    json_w_obj_end(w);
    json_w_kint(w, "past_end_of_life", r->past_life);
    if (r->kind == QUEUE_BLIND) {
        json_w_kstr(w, "blind", r->blind);
        json_w_kint(w, "not_judged", (int64_t)r->n_unknown);
        json_w_obj_end(w);
        return;
    }
    json_w_kstr(w, "rollout", r->to ? or_null(r->to->rollout) : NULL);
    json_w_kstr(w, "state", r->to ? or_null(fix_state_word(r->to->state)) : NULL);
    json_w_kstr(w, "halted_fix", r->halted_fix);
    json_w_kstr(w, "exploited_there", r->exploited_there);
    ids(w, "closes", r->closes, r->n_closes);
    ids(w, "opens", r->opens, r->n_opens);
    accepted(r->accepted, w);
    worst(in, r, w);
    json_w_obj_end(w);
}
