/* The keys of a fleet on AWS IoT. Part of conf/config.c. */
#ifndef ANDON_CONF_AWS_H
#define ANDON_CONF_AWS_H

#include "conf/yaml.h"
#include "core/config.h"

#define AWS_RELEASES_MAX 200
#define AWS_DOCUMENT_MAX 32768 /* AWS takes no longer one */

extern const struct yfield aws_release_fields[];

#define AWS_FIELDS                                                                                                     \
    {.key = "region", .type = YT_STR, .doc = "kind awsiot: such as eu-west-1 (as the url has it)"},                    \
        {.key = "version_attribute",                                                                                   \
         .type = YT_STR,                                                                                               \
         .doc = "kind awsiot: attribute of a thing that says which version it runs (none)"},                           \
    {                                                                                                                  \
        .key = "releases", .type = YT_LIST, .item = YT_MAP, .fields = aws_release_fields, .max = AWS_RELEASES_MAX,     \
        .doc = "kind awsiot: the releases, newest first; AWS keeps none"                                               \
    }

/* `wanted`: the fleet is of kind awsiot; else none of the keys may be there. */
bool aws_read(const struct ynode *map, bool wanted, struct arena *a, struct aws_spec *out,
              struct err *e) ANDON_MUST_USE;

#endif
