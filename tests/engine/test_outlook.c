/* What to roll out next, computed beside the engine: why there is none, what it is made of, when it is made again, and
 * that nobody waits for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/outlook.h"
#include "engine/worker.h"
#include "intel/import.h"
#include "tests/engine/world.h"

static const int three[] = {4, 6, 10};

struct place {
    char dir[200], db[220];
};

static void write_file(const struct place *p, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", p->dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void make_folder(const struct place *p, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", p->dir, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void say(void *ctx, enum intel_outcome what, const struct intel_source *source, const struct err *err)
{
    (void)ctx;
    (void)source;
    if (what == INTEL_REFUSED)
        fail_msg("%s", err->what);
}

/* hearth 1.0 has an exploited vulnerability, 2.0 has its fix. */
static void import_world(const struct place *p)
{
    static const char bom[] =
        "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.6\",\"version\":1,\"components\":[{\"type\":"
        "\"library\",\"name\":\"quill\",\"version\":\"%s\",\"purl\":\"pkg:npm/quill@%s\"}]}";
    char text[400];
    struct err e = {0};
    size_t refused;
    make_folder(p, "sbom");
    make_folder(p, "osv");
    snprintf(text, sizeof text, bom, "1.2.0", "1.2.0");
    write_file(p, "sbom/hearth_1.0.cdx.json", text);
    snprintf(text, sizeof text, bom, "1.3.0", "1.3.0");
    write_file(p, "sbom/hearth_2.0.cdx.json", text);
    write_file(
        p, "osv/X-1.json",
        "{\"schema_version\":\"1.6.0\",\"id\":\"X-1\",\"modified\":\"2026-01-02T00:00:00Z\",\"published\":"
        "\"2026-01-02T00:00:00Z\",\"aliases\":[\"CVE-2026-1001\"],\"affected\":[{\"package\":{\"ecosystem\":\"npm\","
        "\"name\":\"quill\"},\"ranges\":[{\"type\":\"SEMVER\",\"events\":[{\"introduced\":\"0\"},{\"fixed\":"
        "\"1.3.0\"}]}]}]}");
    write_file(
        p, "kev.json",
        "{\"title\":\"x\",\"catalogVersion\":\"2026.01.03\",\"dateReleased\":\"2026-01-03T00:00:00Z\",\"count\":1,"
        "\"vulnerabilities\":[{\"cveID\":\"CVE-2026-1001\",\"dateAdded\":\"2026-01-03\",\"dueDate\":\"2026-01-24\","
        "\"knownRansomwareCampaignUse\":\"Unknown\"}]}");
    struct intel_import spec = {.folder = p->dir, .now = INT64_C(1767600000000000), .say = say};
    struct intel_store *s = intel_open(p->db, true, &e);
    assert_non_null(s);
    assert_true(intel_import(s, &spec, &refused, &e));
    assert_int_equal(refused, 0);
    intel_close(s);
}

static void begin(struct world *w, struct place *p)
{
    world_init(w, three, 3);
    snprintf(p->dir, sizeof p->dir, "%s/intel", w->dir);
    assert_int_equal(mkdir(p->dir, 0700), 0);
    snprintf(p->db, sizeof p->db, "%s/intel.db", w->dir);
}

static void end(struct world *w, struct play *p)
{
    char line[300];
    play_release(p);
    snprintf(line, sizeof line, "rm -rf '%s/intel' '%s'/intel.db*", w->dir, w->dir);
    assert_int_equal(system(line), 0);
    world_release(w);
}

static void look(struct play *p)
{
    const struct focus f = {.wave = -1, .outlook = true};
    engine_focus(p->en, &f);
}

static bool until_looked(struct play *p, const struct snapshot *s)
{
    if (p->stage++ == 0) {
        look(p);
        return true;
    }
    p->done = s->outlook.looked;
    return false;
}

static void nothing_imported_is_said(void **state)
{
    (void)state;
    struct world w;
    struct place at;
    begin(&w, &at);
    struct play p = {.intel_db = at.db};
    world_play(&w, &p, until_looked, 60);
    assert_null(p.last->outlook.held);
    assert_non_null(p.last->outlook.error);
    assert_int_equal(p.last->outlook.error->code, ERR_NOT_FOUND);
    end(&w, &p);
}

static const struct queue_release *release_of(const struct snapshot *s, const char *name)
{
    const struct outlook *o = s->outlook.held;
    for (size_t i = 0; o && i < o->in.n_releases; i++)
        if (strcmp(o->in.releases[i].name, name) == 0)
            return &o->in.releases[i];
    return NULL;
}

/* The board's rollout of hearth 2.0 stands there as it runs, and as it is paused; a roll back is warned of what 1.0
 * has. */
static bool paused_meanwhile(struct play *p, const struct snapshot *s)
{
    const struct queue_release *r = release_of(s, "hearth:2.0");
    if (p->stage == 0) {
        look(p);
        p->stage = 1;
        return true;
    }
    if (p->stage == 1 && r && s->audit.writable && s->rollouts[0].waves_known) {
        assert_int_equal(r->state, FIX_RUNNING);
        assert_string_equal(r->rollout, "10");
        struct intent in = world_intent(VERB_PAUSE, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 2;
        return true;
    }
    p->done = p->stage == 2 && r && r->state == FIX_PAUSED;
    return false;
}

static void it_follows_the_board(void **state)
{
    (void)state;
    struct world w;
    struct place at;
    begin(&w, &at);
    import_world(&at);
    struct play p = {.intel_db = at.db};
    world_play(&w, &p, paused_meanwhile, 120);
    const struct outlook *o = p.last->outlook.held;
    assert_non_null(o);
    assert_null(p.last->outlook.error);
    assert_true(outlook_facts(o, "CVE-2026-1001") && outlook_facts(o, "CVE-2026-1001")->kev);
    struct verb_facts f;
    struct preview v;
    struct intent in = world_intent(VERB_ROLLBACK, "10");
    snprintf(in.to_release, sizeof in.to_release, "hearth:1.0");
    snapshot_facts(p.last, "10", w.now, &f);
    preview_make(&in, &f, NULL, 0, w.now, &v);
    assert_string_equal(v.wont[0].text, "hearth:1.0 has CVE-2026-1001, which is exploited");
    in = world_intent(VERB_RESUME, "10"); /* brings 2.0, which is fine */
    preview_make(&in, &f, NULL, 0, w.now, &v);
    for (size_t i = 0; i < v.n_wont; i++)
        assert_null(strstr(v.wont[i].text, "CVE-"));
    end(&w, &p);
}

/* A store that is damaged while it is looked at: the old answer stays, and it is said that it is old. */
static bool damaged_meanwhile(struct play *p, const struct snapshot *s)
{
    if (p->stage == 0) {
        look(p);
        p->stage = 1;
        return true;
    }
    if (p->stage == 1 && s->outlook.held) {
        FILE *f = fopen(p->intel_db, "we");
        assert_non_null(f);
        for (int i = 0; i < 400; i++)
            fputs("no database at all\n", f);
        fclose(f);
        engine_refresh(p->en);
        p->stage = 2;
        return true;
    }
    p->done = p->stage == 2 && s->outlook.error;
    return false;
}

static void what_cannot_be_read_leaves_the_old_one(void **state)
{
    (void)state;
    struct world w;
    struct place at;
    begin(&w, &at);
    import_world(&at);
    struct play p = {.intel_db = at.db};
    world_play(&w, &p, damaged_meanwhile, 120);
    assert_non_null(p.last->outlook.held);
    assert_non_null(release_of(p.last, "hearth:1.0"));
    end(&w, &p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_imported_is_said),
        cmocka_unit_test(it_follows_the_board),
        cmocka_unit_test(what_cannot_be_read_leaves_the_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
