/* The resources: transcripts of calls. */
#ifndef PHONY_RESOURCES_H
#define PHONY_RESOURCES_H

#include "mcpd/rpc.h"

void resources_list(struct request *q);
void resources_templates(struct request *q);
void resources_read(struct request *q);

#endif
