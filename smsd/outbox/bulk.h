/*
 * Bulk jobs: one text to many, each its own message of the outbox, spread over
 * time. bulk_states.h has the states. A job's list is stored before it is
 * answered; its messages are stored from it until all are, by the host that was
 * asked, or by another when that one is gone.
 */
#ifndef PHONY_SMSD_OUTBOX_BULK_H
#define PHONY_SMSD_OUTBOX_BULK_H

#include "smsd/smsd.h"

enum { BULK_RECIPIENTS_MAX = 1000 };

struct bulks;

/* Takes up what is not all stored. */
struct bulks *bulks_new(struct smsd *s);
/* Begins nothing any more. */
void bulks_drain(struct bulks *b);
void bulks_free(struct bulks **b);

/*
 * Stores the messages of a job whose list {bulkId, recipients: [{toNumber, body}], …} is stored.
 * False when there is nothing to do, or it is being done.
 */
bool bulk_store(struct bulks *b, const json_t *bulk);

/* bulk: as it is then; canceled: messages that will not be sent. */
typedef void bulk_cancel_fn(void *arg, json_t *bulk, size_t canceled, const char *error);
/* Takes back what is not sent yet; what is still being stored is not sent either. */
void bulk_cancel(struct smsd *s, const json_t *bulk, bulk_cancel_fn *fn, void *arg);

#endif
