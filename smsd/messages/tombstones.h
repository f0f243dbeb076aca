/*
 * What is left of a deleted message: its ids. They keep it from coming back by a
 * repeat of its webhook, a look at Twilio, or a bulk whose messages are stored
 * again. Nothing of what was written is in them.
 */
#ifndef PHONY_SMSD_MESSAGES_TOMBSTONES_H
#define PHONY_SMSD_MESSAGES_TOMBSTONES_H

#include "smsd/smsd.h"

/* Before the message is removed. fn gets an error when it must not be. */
void tombstone_set(struct smsd *s, const json_t *message, store_fn *fn, void *arg);
/* The result is an object when the message with this SID was deleted. */
void tombstone_look(struct smsd *s, const char *sid, store_fn *fn, void *arg);
/* The result has {documents: […]}: those of a bulk, with their requestId. */
void tombstones_of_bulk(struct smsd *s, const char *bulk_id, int64_t limit, store_fn *fn, void *arg);
/* At the start: drops those that Twilio has forgotten the message of. */
void tombstones_sweep(struct smsd *s);

#endif
