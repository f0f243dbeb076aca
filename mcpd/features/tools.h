/* The tools: tools.json has their names, texts and schemas; tools.c what each asks of the daemons. */
#ifndef PHONY_MCPD_FEATURES_TOOLS_H
#define PHONY_MCPD_FEATURES_TOOLS_H

#include "mcpd/request.h"

void tools_list(struct request *q);
void tools_call(struct request *q);

/* Frees what was parsed from tools.json. */
void tools_free(void);

#endif
