/* CONFIRM_CALLS: where the client can, its person is asked before a call is placed. */
#ifndef PHONY_CONFIRM_H
#define PHONY_CONFIRM_H

#include "mcpd/ask.h"

enum consent {
	CONSENT_GIVEN,   /* or nobody can be asked, or need be */
	CONSENT_REFUSED, /* the request is still to be answered */
	CONSENT_MOOT,    /* the request is answered, or its client has gone */
};

/* Asks whether the call of these arguments (borrowed) may be placed. fn is told once, perhaps at once. */
typedef void confirm_fn(void *arg, enum consent consent);
void confirm_call(struct request *q, const json_t *args, confirm_fn *fn, void *arg);

#endif
