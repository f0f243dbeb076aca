/*
 * Messages whose end Twilio has not told us: a callback can be lost while
 * nobody answers it, and Twilio gives it up after a few tries. checkAt is when
 * Twilio is asked next; it goes with the last state, or after two days.
 */
#ifndef PHONY_SMSD_OUTBOX_RECONCILE_H
#define PHONY_SMSD_OUTBOX_RECONCILE_H

#include "lib/loop/loop.h"
#include "smsd/smsd.h"

struct unheard;

struct unheard *unheard_new(struct smsd *s);
/* Asks no more. */
void unheard_drain(struct unheard *u);
void unheard_free(struct unheard **u);

/* The first checkAt of a message that Twilio has just taken. Owned by the caller. */
json_t *unheard_first_check(void);

#endif
