#include "cli/drill_intel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/buf.h"
#include "core/fmt.h"
#include "core/json.h"
#include "intel/import.h"

static const char *const FILES[] = {"intel.db", "intel.db-wal",      "intel.db-shm", "sbom/old",
                                    "sbom/new", "osv/advisory.json", "kev.json"};

static bool write_file(const struct drill_intel *d, const char *name, const struct buf *b, struct err *e)
{
    char path[800];
    snprintf(path, sizeof path, "%s/%s", d->dir, name);
    FILE *f = fopen(path, "we");
    bool ok = f && fwrite(b->data, 1, b->len, f) == b->len;
    ok = f && fclose(f) == 0 && ok;
    return ok || err_errno(e, ERR_IO, "Is there room in TMPDIR?", "%.300s cannot be written", path);
}

/* sbom/NAME_VERSION.cdx.json */
static void sbom_name(char out[300], const char *name, const char *version)
{
    snprintf(out, 300, "sbom/%.120s_%.120s.cdx.json", name, version);
}

static bool write_sbom(const struct drill_intel *d, const char *name, const char *version, const char *part_version,
                       struct err *e)
{
    const char *part = d->sc->advisory.part;
    char file[300];
    struct buf b;
    struct json_w w;
    buf_init(&b, 4096);
    json_w_init(&w, &b, 0);
    json_w_obj(&w);
    json_w_kstr(&w, "bomFormat", "CycloneDX");
    json_w_kstr(&w, "specVersion", "1.6");
    json_w_kint(&w, "version", 1);
    json_w_key(&w, "components");
    json_w_arr(&w);
    json_w_obj(&w);
    json_w_kstr(&w, "type", "library");
    json_w_kstr(&w, "name", part);
    json_w_kstr(&w, "version", part_version);
    char purl[300];
    snprintf(purl, sizeof purl, "pkg:npm/%.120s@%.120s", part, part_version);
    json_w_kstr(&w, "purl", purl);
    json_w_obj_end(&w);
    json_w_arr_end(&w);
    json_w_obj_end(&w);
    sbom_name(file, name, version);
    bool ok = write_file(d, file, &b, e);
    buf_release(&b);
    return ok;
}

static bool write_advisory(const struct drill_intel *d, struct err *e)
{
    const struct scenario_advisory *x = &d->sc->advisory;
    char now[FMT_MAX];
    struct buf b;
    fmt_iso(now, clock_wall(d->clock));
    buf_init(&b, 8192);
    /* Its words are letters, digits, '.' and '-' (conf/scenario.c). */
    buf_printf(&b,
               "{\"schema_version\":\"1.6.0\",\"id\":\"DRILL-1\",\"aliases\":[\"%s\"],\"modified\":\"%s\","
               "\"published\":\"%s\","
               "\"summary\":\"published by the drill\",\"severity\":[{\"type\":\"CVSS_V3\",\"score\":"
               "\"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/"
               "A:H\"}],\"affected\":[{\"package\":{\"ecosystem\":\"npm\",\"name\":\"%s\"},"
               "\"ranges\":[{\"type\":\"SEMVER\",\"events\":[{\"introduced\":\"0\"},{\"fixed\":\"%s\"}]}]}]}",
               x->id, now, now, x->part, x->new_part);
    bool ok = write_file(d, "osv/advisory.json", &b, e);
    buf_clear(&b);
    buf_printf(&b,
               "{\"title\":\"drill\",\"catalogVersion\":\"1\",\"dateReleased\":\"%s\",\"count\":1,\"vulnerabilities\":["
               "{\"cveID\":"
               "\"%s\",\"dateAdded\":\"%.10s\",\"dueDate\":\"%.10s\",\"knownRansomwareCampaignUse\":\"Unknown\"}]}",
               now, x->id, now, now);
    ok = ok && write_file(d, "kev.json", &b, e);
    buf_release(&b);
    return ok;
}

static void say(void *ctx, enum intel_outcome what, const struct intel_source *source, const struct err *why)
{
    struct err *e = ctx;
    (void)source;
    if (what == INTEL_REFUSED && e->code == ERR_NONE)
        *e = *why;
}

static bool import(const struct drill_intel *d, struct err *e)
{
    struct err refused = {0};
    size_t n;
    struct intel_import spec = {.folder = d->dir, .now = clock_wall(d->clock), .say = say, .ctx = &refused};
    struct intel_store *s = intel_open(d->db, true, e);
    bool ok = s && intel_import(s, &spec, &n, e);
    intel_close(s);
    if (ok && n > 0)
        *e = refused;
    return ok && n == 0;
}

static bool make_folder(const char *path, struct err *e)
{
    return mkdir(path, 0700) == 0 || err_errno(e, ERR_IO, "Is there room in TMPDIR?", "%.300s cannot be made", path);
}

bool drill_intel_begin(struct drill_intel *d, const struct scenario *sc, struct clock *clock, struct err *e)
{
    const char *tmp = getenv("TMPDIR");
    char sub[440];
    *d = (struct drill_intel){.sc = sc, .clock = clock};
    if (!sc->advisory.there)
        return true;
    snprintf(d->dir, sizeof d->dir, "%.300s/andon-drill-intel-XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
    if (!mkdtemp(d->dir)) {
        d->dir[0] = '\0';
        return err_errno(e, ERR_IO, "Is there room in TMPDIR?", "no folder for the drill's intelligence");
    }
    snprintf(d->db, sizeof d->db, "%s/intel.db", d->dir);
    snprintf(sub, sizeof sub, "%s/sbom", d->dir);
    bool ok = make_folder(sub, e);
    snprintf(sub, sizeof sub, "%s/osv", d->dir);
    const struct scenario_rollout *r = &sc->rollout;
    return ok && make_folder(sub, e) && write_sbom(d, r->old_name, r->old_version, sc->advisory.old_part, e) &&
           write_sbom(d, r->new_name, r->new_version, sc->advisory.new_part, e) && import(d, e);
}

bool drill_intel_publish(struct drill_intel *d, struct err *e)
{
    return write_advisory(d, e) && import(d, e);
}

void drill_intel_end(struct drill_intel *d)
{
    char path[800], name[300];
    if (!*d->dir)
        return;
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        const struct scenario_rollout *r = &d->sc->rollout;
        snprintf(name, sizeof name, "%s", FILES[i]);
        if (strcmp(name, "sbom/old") == 0)
            sbom_name(name, r->old_name, r->old_version);
        else if (strcmp(name, "sbom/new") == 0)
            sbom_name(name, r->new_name, r->new_version);
        snprintf(path, sizeof path, "%s/%s", d->dir, name);
        unlink(path);
    }
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", d->dir, i == 0 ? "/sbom" : i == 1 ? "/osv" : "");
        rmdir(path);
    }
    d->dir[0] = '\0';
}
