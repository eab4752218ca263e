#include "outlook.h"

#include <stdio.h>
#include <string.h>
#include "core/clock.h"
#include "core/err.h"
#include "core/outlook.h"
#include "core/patch.h"

#define WALL INT64_C(1931258467000000) /* 2031-03-14 12:41:07Z, as the drawings show */

struct world {
    struct outlook *o;
    struct queue_release *releases;
    struct finding *findings;
    struct vuln_facts *facts;
    struct fleet_cell *cells;
    struct risk_accept *accepts;
};

static void release(struct world *w, const char *name, const char *line, enum fix_state state, const char *rollout,
                    const char *blind)
{
    struct queue_input *in = &w->o->in;
    w->releases[in->n_releases] = (struct queue_release){.name = name,
                                                         .line = line,
                                                         .order = (int64_t)in->n_releases,
                                                         .judged = !*blind,
                                                         .blind = blind,
                                                         .offered = true,
                                                         .state = state,
                                                         .rollout = rollout};
    in->n_releases++;
}

static void finds(struct world *w, const char *rel, const char *id, enum finding_status s, const char *component,
                  const char *fixed)
{
    enum finding_why why = s == FINDING_AFFECTED ? WHY_IN_RANGE
                           : s == FINDING_FIXED  ? WHY_AT_OR_ABOVE_FIX
                                                 : WHY_VEX_NOT_AFFECTED;
    w->findings[w->o->in.n_findings++] = (struct finding){.release = rel,
                                                          .id = id,
                                                          .status = s,
                                                          .why = why,
                                                          .by = "DEBIAN-CVE-2031-20417",
                                                          .component = component,
                                                          .version = "",
                                                          .fixed_in = fixed};
}

static struct vuln_facts *knows(struct world *w, const char *id, int tenths, int days)
{
    struct vuln_facts *f = &w->facts[w->o->in.n_facts++];
    *f = (struct vuln_facts){.id = id,
                             .summary = "",
                             .vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
                             .tenths = tenths,
                             .scored_by = "NVD",
                             .published = WALL - days * US_PER_DAY,
                             .learned = WALL - (days - 1) * US_PER_DAY};
    return f;
}

static void has(struct world *w, const char *rel, enum device_class cls, enum exposure x, int64_t n)
{
    size_t end = strcspn(rel, ":");
    w->cells[w->o->in.n_cells++] = (struct fleet_cell){.release = rel,
                                                       .model = arena_strndup(&w->o->mem, rel, end),
                                                       .cls = cls,
                                                       .exposure = x,
                                                       .devices = n,
                                                       .owner = "",
                                                       .function = "",
                                                       .mechanism = "",
                                                       .cpe_firmware = "",
                                                       .cpe_hardware = ""};
}

static struct world begin(void)
{
    struct world w = {.o = outlook_new()};
    struct outlook *o = w.o;
    w.releases = ARENA_ARRAY(&o->mem, struct queue_release, 20);
    w.findings = ARENA_ARRAY(&o->mem, struct finding, 40);
    w.facts = ARENA_ARRAY(&o->mem, struct vuln_facts, 20);
    w.cells = ARENA_ARRAY(&o->mem, struct fleet_cell, 20);
    w.accepts = ARENA_ARRAY(&o->mem, struct risk_accept, 4);
    o->of = "emea-home";
    o->in = (struct queue_input){.now = WALL,
                                 .policy = risk_policy_default(),
                                 .releases = w.releases,
                                 .findings = w.findings,
                                 .facts = w.facts,
                                 .cells = w.cells,
                                 .accepts = w.accepts};
    return w;
}

static void show(struct fixture *f, struct world *w)
{
    queue_make(&w->o->in, &w->o->mem, &w->o->q);
    f->s->outlook = (struct outlook_view){.held = w->o, .at = NOW - 20 * US_PER_S, .looked = true};
    f->s->generation++;
}

void outlook_drawn(struct fixture *f)
{
    struct world w = begin();
    struct outlook *o = w.o;
    release(&w, "gate:2.8.4", "gate", FIX_NONE, "", "");
    release(&w, "gate:2.9.0-rc4", "gate", FIX_NONE, "", "no SBOM");
    release(&w, "gate:2.9.0-rc5", "gate", FIX_WAITING, "4472", "");
    release(&w, "hearth:4.11.9", "hearth", FIX_NONE, "", "");
    release(&w, "hearth:4.12.1", "hearth", FIX_HALTED, "4471", "");
    release(&w, "hub:4.8.2", "hub", FIX_NONE, "", "");
    release(&w, "valve:0.9.6", "valve", FIX_NONE, "", "");
    release(&w, "valve:0.9.7", "valve", FIX_PAUSED, "4457", "");
    struct vuln_facts *v = knows(&w, "CVE-2031-15020", 31, 4);
    v->vector = "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N";
    v->scored_by = "";
    v = knows(&w, "CVE-2031-17733", 65, 10);
    v = knows(&w, "CVE-2031-18110", 59, 40);
    v = knows(&w, "CVE-2031-18802", -1, 2);
    v->vector = "";
    v->exploitation = ADV_EXPLOIT_ACTIVE;
    v = knows(&w, "CVE-2031-20417", 98, 5);
    v->summary = "quillssl: heap write past the end while a session is resumed";
    v->kev = v->ransomware = true;
    v->kev_added = WALL - 3 * US_PER_DAY;
    v->automatable = v->total_impact = ADV_YES;
    v->scored = true;
    v->epss = 0.912;
    v->percentile = 0.997;
    finds(&w, "gate:2.8.4", "CVE-2031-20417", FINDING_AFFECTED, "quillssl 3.0.11-1~deb12u2", "3.0.11-1~deb12u3");
    finds(&w, "gate:2.8.4", "CVE-2031-15020", FINDING_AFFECTED, "fern 1.2", "1.3");
    finds(&w, "gate:2.9.0-rc5", "CVE-2031-20417", FINDING_FIXED, "quillssl 3.0.11-1~deb12u3", "");
    finds(&w, "gate:2.9.0-rc5", "CVE-2031-15020", FINDING_FIXED, "fern 1.3", "");
    finds(&w, "hearth:4.11.9", "CVE-2031-17733", FINDING_AFFECTED, "keelnet 2.0", "2.1");
    finds(&w, "hearth:4.12.1", "CVE-2031-17733", FINDING_FIXED, "keelnet 2.1", "");
    finds(&w, "hub:4.8.2", "CVE-2031-18110", FINDING_AFFECTED, "lantern 0.4", "");
    finds(&w, "valve:0.9.6", "CVE-2031-18802", FINDING_AFFECTED, "reedbus 1.0", "1.1");
    finds(&w, "valve:0.9.6", "CVE-2031-20417", FINDING_NOT_AFFECTED, "quillssl 3.0.11-1~deb12u2", "");
    finds(&w, "valve:0.9.7", "CVE-2031-18802", FINDING_FIXED, "reedbus 1.1", "");
    has(&w, "gate:2.8.4", CLASS_CONFIDENTIAL, EXPOSURE_INTERNET, 1120);
    has(&w, "gate:2.8.4", CLASS_CONFIDENTIAL, EXPOSURE_SITE, 6908);
    has(&w, "gate:2.9.0-rc4", CLASS_CONFIDENTIAL, EXPOSURE_INTERNET, 40);
    has(&w, "gate:2.9.0-rc4", CLASS_CONFIDENTIAL, EXPOSURE_SITE, 172);
    has(&w, "hearth:4.11.9", CLASS_CONFIDENTIAL, EXPOSURE_SITE, 65500);
    has(&w, "hub:4.8.2", CLASS_NON_CRITICAL, EXPOSURE_UNKNOWN, 212);
    has(&w, "valve:0.9.6", CLASS_SAFETY, EXPOSURE_ISOLATED, 388);
    w.accepts[o->in.n_accepts++] = (struct risk_accept){.id = "CVE-2031-18110",
                                                        .release = "",
                                                        .until = WALL + 30 * US_PER_DAY,
                                                        .by = "k.osei",
                                                        .reason = "they are replaced in April",
                                                        .control = "own VLAN",
                                                        .seq = 10390};
    static const struct outlook_source sources[] = {{"cve5", "", 6 * US_PER_HOUR, false},
                                                    {"epss", "", 6 * US_PER_HOUR, false},
                                                    {"kev", "", 131 * US_PER_HOUR, true},
                                                    {"osv/Debian", "", 6 * US_PER_HOUR, false},
                                                    {"sbom", "", -1, false}};
    o->sources = sources;
    o->n_sources = sizeof sources / sizeof *sources;
    o->in.source_at[FROM_KEV] = WALL - 131 * US_PER_HOUR;
    o->in.source_at[FROM_CVE_RECORD] = WALL - 6 * US_PER_HOUR;
    o->in.source_at[FROM_EPSS] = WALL - 6 * US_PER_HOUR;
    o->releases = 5;
    o->without_sbom = 1;
    o->gaps.no_version = 41;
    o->gaps.no_id = 6;
    show(f, &w);
}

void outlook_exploited_before(struct fixture *f)
{
    outlook_drawn(f);
    struct outlook *o = f->s->outlook.held;
    ((struct vuln_facts *)o->in.facts)[1].kev = true; /* what hearth:4.11.9 has */
}

void outlook_patched(struct fixture *f)
{
    enum { N = 80 };
    static char names[N][16];
    outlook_drawn(f);
    struct outlook *o = f->s->outlook.held;
    struct stay *v = ARENA_ARRAY(&o->mem, struct stay, N);
    int64_t t0 = WALL - 40 * US_PER_DAY;
    ((struct vuln_facts *)o->in.facts)[3].published = t0;
    ((struct vuln_facts *)o->in.facts)[4].published = t0;
    for (int i = 0; i < N; i++) {
        bool valve = i < 20;
        int days = valve ? (i < 15 ? 2 + i : 0) : i % 4 ? 3 + i / 4 : 0;
        snprintf(names[i], sizeof names[i], "dev-%03d", i);
        v[i] = (struct stay){"emea-home",
                             names[i],
                             valve ? "valve:0.9.6" : "gate:2.8.4",
                             t0 - US_PER_DAY,
                             t0,
                             t0 + (days ? days : 40) * US_PER_DAY,
                             days ? t0 + days * US_PER_DAY : 0,
                             !days    ? ""
                             : i == 7 ? ""
                             : i == 8 ? "valve:9.9"
                             : valve  ? "valve:0.9.7"
                                      : "gate:2.9.0-rc5"};
    }
    o->patch = ARENA_NEW(&o->mem, struct patch_figures);
    patch_figures(o, v, N, CLOCK_PUBLISHED, 30 * US_PER_DAY, &o->mem, o->patch);
}

void outlook_hostile(struct fixture *f)
{
    static const struct err why = {ERR_IO, "gate: 100,000 devices could not be counted: the server answers 500", "",
                                   ""};
    static char name[400];
    struct world w = begin();
    memset(name, 'W', sizeof name - 1);
    memcpy(name + 100, "\xe2\x80\xae\x1b[31m:", 9);
    release(&w, name, name, FIX_NONE, "", "");
    knows(&w, name + 330, 100, 20000)->summary = name;
    finds(&w, name, name + 330, FINDING_AFFECTED, name, name);
    has(&w, name, CLASS_UNKNOWN, EXPOSURE_UNKNOWN, INT64_C(99999999999));
    w.findings[0].by = name;
    show(f, &w);
    f->s->inventory.error = &why;
}

void outlook_failed(struct fixture *f)
{
    static const struct err why = {ERR_NOT_FOUND,
                                   "intelligence /home/m.ito/.local/state/andon/intel.db: nothing was imported yet",
                                   "Run andon intel import DIR.", ""};
    f->s->outlook = (struct outlook_view){.looked = true, .error = &why};
    f->s->generation++;
}
