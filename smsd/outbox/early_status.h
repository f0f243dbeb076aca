/*
 * Status callbacks that came before their message had its SID: kept until it
 * has, then applied. Those of messages that are none of ours are kept a week.
 */
#ifndef PHONY_SMSD_OUTBOX_EARLY_STATUS_H
#define PHONY_SMSD_OUTBOX_EARLY_STATUS_H

#include "smsd/smsd.h"

/* Keeps a status, unless a later one is kept already. fn when it is durable. */
void early_keep(struct smsd *s, const char *sid, const char *status, int error_code,
		const char *error_message, store_fn *fn, void *arg);

/*
 * The message has its SID now: what was kept for it is applied. fn gets the
 * message as it is then, or null when there was nothing.
 */
void early_settle(struct smsd *s, const char *sid, store_fn *fn, void *arg);

/* At the start: applies what smsd had kept when it ended, and drops what is old. */
void early_sweep(struct smsd *s);

#endif
