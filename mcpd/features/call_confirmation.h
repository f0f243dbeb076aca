/* CONFIRM_CALLS: where the client can, its person is asked before a call is placed. */
#ifndef PHONY_MCPD_FEATURES_CALL_CONFIRMATION_H
#define PHONY_MCPD_FEATURES_CALL_CONFIRMATION_H

#include "mcpd/features/elicitation.h"

/*
 * Asks whether the call of these arguments (borrowed) may be placed; consent is
 * given when nobody can be asked, or need be. fn is told once, perhaps at once,
 * unless the request ends before.
 */
typedef void confirm_fn(void *arg, bool consent);
void confirm_call(struct request *q, const json_t *args, confirm_fn *fn, void *arg);

#endif
