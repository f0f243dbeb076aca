/* How calls come to their end: hung up by us, overdue, or found to be over. */
#ifndef PHONY_VOICED_CALLS_HANGUP_H
#define PHONY_VOICED_CALLS_HANGUP_H

#include "voiced/voiced.h"

/* error is NULL when Twilio took it, or the call was over already. */
typedef void ending_fn(void *arg, const char *error);

/* Ends a call at Twilio. A call without a callSid yet is ended as soon as it has one. */
void ending_begin(struct voiced *v, struct call *call, const char *reason, ending_fn *fn, void *arg);

/*
 * Twilio tells the call's SID (certain), or it is the best guess. One that was to
 * be ended before it had one is ended. False when it has another one already.
 */
bool ending_name(struct voiced *v, struct call *call, const char *sid, bool certain);

/* The stream has ended: unless Twilio tells so soon, it is asked what became of the call. */
void ending_expect(struct voiced *v, struct call *call);

/* Asks Twilio for the call's state now. */
void ending_check(struct voiced *v, struct call *call);

/* Connects the register's timers. */
void ending_init(struct voiced *v);

#endif
