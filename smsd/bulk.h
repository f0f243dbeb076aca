/* One text to many: each its own message of the outbox, spread over time. */
#ifndef PHONY_BULK_H
#define PHONY_BULK_H

#include "smsd/smsd.h"

/* Goes on with those whose messages were not all stored when smsd ended. */
void bulk_resume(struct smsd *s);

#endif
