/* completion/complete: the SIDs of calls for the transcript's template. */
#ifndef PHONY_COMPLETE_H
#define PHONY_COMPLETE_H

#include "mcpd/request.h"

void complete(struct request *q);

#endif
