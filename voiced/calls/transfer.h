/* Handing a call over to a human: the agent's part ends, Twilio dials; when nobody answers, the agent is
 * back. */
#ifndef PHONY_VOICED_CALLS_TRANSFER_H
#define PHONY_VOICED_CALLS_TRANSFER_H

#include "voiced/voiced.h"

/* The agent has said what it had to say: the call goes to this number. */
void transfer_begin(struct voiced *v, struct call *call, const char *number, const char *reason);

/* Whether Twilio was perhaps asked for it, and has not asked for its document. */
bool transfer_is_unclear(const struct call *call);
/* The voiced before this one may have ended before Twilio had it: it fails if Twilio does not go on soon. */
void transfer_recover(struct voiced *v, struct call *call);

#endif
