/* The prompts that a person can pick. */
#ifndef PHONY_MCPD_FEATURES_PROMPTS_H
#define PHONY_MCPD_FEATURES_PROMPTS_H

#include "mcpd/request.h"

void prompts_list(struct request *q);
void prompts_get(struct request *q);
/* Whether there is a prompt of this name with this argument. */
bool prompts_have(const char *name, const char *argument);

#endif
