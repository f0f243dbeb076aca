/* completion/complete: the SIDs of calls for the transcript's template. */
#ifndef PHONY_MCPD_FEATURES_COMPLETION_H
#define PHONY_MCPD_FEATURES_COMPLETION_H

#include "mcpd/request.h"

void complete(struct request *q);

#endif
