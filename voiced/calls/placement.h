/*
 * A call that may be placed, on its way to Twilio: stored first, then asked for
 * once. Twilio has no idempotency key: when its answer is no answer (a timeout,
 * a 5xx) the call may exist, so it is never asked for again. Its SID comes from a
 * callback, which settles it, or from Twilio's list, which is looked at several
 * times; until then the call stays live, without a SID.
 */
#ifndef PHONY_VOICED_CALLS_PLACEMENT_H
#define PHONY_VOICED_CALLS_PLACEMENT_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

/*
 * Answers 201 {callSid, status, provider, message} once Twilio took the call.
 * reply.done is NULL: nobody waits. call has passed the gate.
 */
void placement_begin(struct voiced *v, struct call *call, struct reply reply);

/* A call of an earlier voiced that never heard Twilio's answer: looks whether it was placed. */
void placement_recover(struct voiced *v, struct call *call);

/* Nothing was heard of a call without a SID for a minute: looks a last time, then it has failed. */
void placement_give_up(struct voiced *v, struct call *call);

#endif
