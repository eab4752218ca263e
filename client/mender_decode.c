/* What Mender says, and what it means. Pure. */
#include "client/mender_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "core/fmt.h"
#include "core/text.h"

static int64_t time_of(const char *s)
{
    char text[40];
    int64_t t = 0;
    size_t n = s ? strlen(s) : 0, whole = s ? strcspn(s, ".Z") : 0;
    if (n < 20 || n >= sizeof text)
        return 0;
    memcpy(text, s, n + 1);
    if (text[whole] == '.' && n > whole + 8) /* nanoseconds: none of ours */
        memcpy(text + whole + 7, "Z", 2);
    return fmt_iso_parse(text, &t) ? t : 0;
}

int64_t md_time(const struct json_t *o, const char *key)
{
    return time_of(json_str(o, key, NULL));
}

enum md_status md_status_of(const struct json_t *row)
{
    static const struct {
        const char *word;
        enum md_status status;
    } words[] = {{"pending", MD_PENDING},
                 {"downloading", MD_MOVING},
                 {"installing", MD_MOVING},
                 {"rebooting", MD_MOVING},
                 {"pause_before_installing", MD_MOVING},
                 {"pause_before_rebooting", MD_MOVING},
                 {"pause_before_committing", MD_MOVING},
                 {"success", MD_SUCCESS},
                 {"already-installed", MD_ALREADY},
                 {"failure", MD_FAILURE},
                 {"noartifact", MD_NO_ARTIFACT},
                 {"aborted", MD_ABORTED},
                 {"decommissioned", MD_DECOMMISSIONED}};
    const char *s = json_str(row, "status", NULL);
    for (size_t i = 0; s && i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].word, s) == 0)
            return words[i].status;
    return MD_OTHER;
}

bool md_ended(enum md_status s)
{
    return s >= MD_SUCCESS;
}

/* --- inventory --- */

static const char *value_text(const struct json_t *attribute, struct arena *a)
{
    const struct json_t *v = json_get(attribute, "value");
    double number;
    size_t n;
    const char *s = json_str_value(json_is_arr(v) ? json_at(v, 0) : v, &n);
    if (s)
        return arena_strndup(a, s, n);
    return json_num_value(v, &number) ? arena_printf(a, "%.15g", number) : NULL;
}

/* Names are those of several scopes; `scope` NULL: any. */
static const struct json_t *attribute_of(const struct json_t *device, const char *key, const char *scope)
{
    const struct json_t *list = json_get(device, "attributes");
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json_t *o = json_at(list, i);
        const char *name = json_str(o, "name", NULL), *in = json_str(o, "scope", NULL);
        if (name && strcasecmp(name, key) == 0 && (!scope || (in && strcmp(in, scope) == 0)))
            return o;
    }
    return NULL;
}

const char *md_attribute(const struct json_t *device, const char *key, struct arena *a)
{
    const struct json_t *o = attribute_of(device, key, "inventory");
    return value_text(o ? o : attribute_of(device, key, NULL), a);
}

bool md_decode_device(const struct json_t *o, struct arena *a, struct md_device *out)
{
    size_t n = 0;
    const char *id = json_str(o, "id", &n);
    const struct json_t *artifact = attribute_of(o, "artifact_name", "inventory");
    const struct json_t *check_in = attribute_of(o, "check_in_time", "system");
    if (!id || n == 0 || n > NAME_MAX_BYTES)
        return false;
    const char *text = value_text(artifact, a);
    int64_t updated = md_time(o, "updated_ts"), own = md_time(artifact, "timestamp");
    int64_t checked = check_in ? md_time(check_in, "value") : 0;
    *out = (struct md_device){.id = arena_strndup(a, id, n),
                              .artifact = text ? text : "",
                              .reported_at = own ? own : updated,
                              .seen_at = checked > updated ? checked : updated};
    return true;
}

struct release md_release_of(const char *artifact, struct arena *a)
{
    const char *shown = safe_text(a, artifact, strlen(artifact), NAME_MAX_BYTES);
    return (struct release){.id = arena_strdup(a, artifact), .name = shown, .version = shown};
}

/* --- where a device stands --- */

static int text_is(const void *key, const void *element)
{
    const char *const *e = element;
    return strcmp(key, *e);
}

bool md_has_target(const struct md_deployment *d, const char *device)
{
    return d->n_targets && bsearch(device, d->targets, d->n_targets, sizeof *d->targets, text_is);
}

static int row_is(const void *key, const void *element)
{
    const struct md_row *r = element;
    return strcmp(key, r->device);
}

const struct md_row *md_row_of(const struct md_deployment *d, const char *device)
{
    return d->n_rows ? bsearch(device, d->rows, d->n_rows, sizeof *d->rows, row_is) : NULL;
}

bool md_alive(const struct md_deployment *d, const char *device)
{
    const struct md_row *row = md_row_of(d, device);
    return !d->finished && md_has_target(d, device) && (!row || !md_ended(row->status));
}

/* Cut off when it had asked already, and not heard since: it may have it or not. */
static bool is_lost(const struct md_deployment *d, const struct md_row *row, const struct md_device *device)
{
    int64_t at = row && row->finished_at ? row->finished_at : d->finished_at;
    return row && row->status == MD_ABORTED && (at == 0 || device->seen_at <= at);
}

/* In the newest deployment of the artifact that holds the device. */
static enum standing_at by_row(const struct md_deployment *d, const struct md_row *row, const struct md_device *device)
{
    if (!row) /* finished before it asked: only an abort does that */
        return d->finished ? AT_RECALLED : AT_TOLD;
    switch (row->status) {
    case MD_PENDING:
        return AT_TOLD;
    case MD_MOVING:
        return AT_BUSY;
    case MD_FAILURE:
        return AT_FAILED;
    case MD_ABORTED:
        return is_lost(d, row, device) ? AT_LOST : AT_RECALLED;
    case MD_OTHER:
        return AT_UNKNOWN;
    case MD_SUCCESS: /* and its inventory has named another since */
    case MD_ALREADY:
    case MD_NO_ARTIFACT: /* an end that is neither success nor failure */
    case MD_DECOMMISSIONED:
        break;
    }
    return AT_OTHER;
}

/* Inventories lag by hours: the success of a deployment that has come after the last one is newer. */
struct device_standing md_standing_of(struct md_deployment *const *v, size_t n, const struct md_device *device,
                                      const char *artifact)
{
    struct device_standing s = {.at = AT_OTHER, .last_seen = device->seen_at};
    const struct md_deployment *ours = NULL, *ran = NULL;
    int64_t ran_at = device->reported_at;
    const char *runs = device->artifact;
    bool lost_to_another = false;
    for (size_t i = 0; i < n; i++) {
        const struct md_row *row = md_row_of(v[i], device->id);
        bool same = strcmp(v[i]->artifact, artifact) == 0;
        if (!ours && same && md_has_target(v[i], device->id))
            ours = v[i];
        if (row && (row->status == MD_SUCCESS || row->status == MD_ALREADY) && row->finished_at > ran_at) {
            ran_at = row->finished_at;
            ran = v[i];
        }
        lost_to_another = lost_to_another || (!same && is_lost(v[i], row, device));
    }
    if (ran)
        runs = ran->artifact;
    const struct md_row *row = ours ? md_row_of(ours, device->id) : NULL;
    if (ours)
        s.told_at = ours->created_at;
    if (row && md_ended(row->status))
        s.ended_at = row->finished_at ? row->finished_at : ours->finished_at;
    if (strcmp(runs, artifact) == 0)
        s.at = lost_to_another ? AT_UNKNOWN : AT_INSTALLED;
    else if (ours)
        s.at = by_row(ours, row, device);
    return s;
}
