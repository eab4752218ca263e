/* /rest/v1/userinfo and system/configs */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/err.h"
#include "drill/api.h"

static int word_index(const char *const *words, const char *name)
{
    for (int i = 0; words[i]; i++)
        if (!strcasecmp(name, words[i]))
            return i;
    return -1;
}

/* --- user and configuration */

static void get_user(struct api *a)
{
    struct json_w *j = &a->j;
    api_ok(a, 200);
    json_w_obj(j);
    json_w_key(j, "permissions");
    json_w_arr(j);
    json_w_str(j, "ROLE_TENANT_ADMIN");
    json_w_arr_end(j);
    json_w_kstr(j, "tenant", "DEFAULT");
    json_w_kstr(j, "username", "admin");
    json_w_obj_end(j);
}

static void put_config(struct api *a, const char *key)
{
    struct json_w *j = &a->j;
    json_w_obj(j);
    json_w_kbool(j, "global", true);
    json_w_key(j, "links");
    json_w_arr(j);
    json_w_obj(j);
    char href[500];
    snprintf(href, sizeof href, "%s/system/configs/%s", a->base, key);
    json_w_kstr(j, "rel", "self");
    json_w_kstr(j, "href", href);
    json_w_obj_end(j);
    json_w_arr_end(j);
    int64_t s = a->w->sc->devices.poll_us / US_PER_S;
    char text[32];
    snprintf(text, sizeof text, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    if (!strcmp(key, "rollout.approval.enabled"))
        json_w_kbool(j, "value", a->w->approval);
    else
        json_w_kstr(j, "value", !strcmp(key, "pollingTime") ? text : "00:05:00");
    json_w_obj_end(j);
}

static const char *const config_keys[] = {"pollingOverdueTime", "pollingTime", "rollout.approval.enabled", NULL};

static void get_configs(struct api *a)
{
    api_ok(a, 200);
    json_w_obj(&a->j);
    for (int i = 0; config_keys[i]; i++) {
        json_w_key(&a->j, config_keys[i]);
        put_config(a, config_keys[i]);
    }
    json_w_obj_end(&a->j);
}

static bool config_known(struct api *a)
{
    if (word_index(config_keys, a->seg[2]) >= 0)
        return true;
    api_error(a, 400, "configKeyInvalid", "InvalidTenantConfigurationKeyException",
              "The given configuration key %.200s does not exist.", a->seg[2]);
    return false;
}

static void get_config(struct api *a)
{
    if (!config_known(a))
        return;
    api_ok(a, 200);
    put_config(a, a->seg[2]);
}

static void set_config(struct api *a)
{
    if (!config_known(a))
        return;
    struct json_t *body = api_body(a);
    if (!body)
        return;
    bool v;
    if (strcmp(a->seg[2], "rollout.approval.enabled") != 0 || !json_bool(body, "value", &v)) {
        api_error(a, 400, "configValueInvalid", "TenantConfigurationValidatorException",
                  "The given value is not valid.");
    } else {
        a->w->approval = v;
        a->out->status = 204;
    }
    json_free(body);
}

const struct api_route api_other_routes[] = {
    {"GET", "userinfo", get_user},
    {"GET", "system/configs", get_configs},
    {"GET", "system/configs/*", get_config},
    {"PUT", "system/configs/*", set_config},
    {NULL, NULL, NULL},
};
