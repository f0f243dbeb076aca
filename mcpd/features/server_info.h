/* Who we are and what we speak: answered from constants, at once. */
#ifndef PHONY_MCPD_FEATURES_SERVER_INFO_H
#define PHONY_MCPD_FEATURES_SERVER_INFO_H

#include "mcpd/request.h"

void discover_modern(struct request *q);
void discover_legacy(struct request *q);
void discover_ping(struct request *q);

json_t *discover_server_info(void);
/* The versions of the modern era. */
json_t *discover_versions(void);
bool discover_is_modern(const char *version);
/* Whether this is a version of the older era that we speak. */
bool discover_is_legacy(const char *version);
/* Whether it lets several messages come in one array. */
bool discover_has_batches(const char *version);

#endif
