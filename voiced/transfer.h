/* Handing a call over to a human: the agent's part ends, Twilio dials; when nobody answers, the agent is
 * back. */
#ifndef PHONY_TRANSFER_H
#define PHONY_TRANSFER_H

#include "voiced/voiced.h"

/* The agent has said what it had to say: the call goes to this number. */
void transfer_begin(struct voiced *v, struct call *call, const char *number, const char *reason);

#endif
