/* Placing a call: what must be given, then the gate (call_checks.h), then its way to Twilio (placement.h). */
#ifndef PHONY_VOICED_CALLS_CREATE_H
#define PHONY_VOICED_CALLS_CREATE_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

/* phony_create_call: answers 201 {callSid, status, provider, message} once Twilio took the call. */
void outgoing_place(struct voiced *v, json_t *args, struct reply reply);

/* The same without numbers, at once: see voiced/calls/browser_call.h. */
void outgoing_place_in_browser(struct voiced *v, json_t *args, struct reply reply);

/* A scheduled call whose time has come, taken by this host: placed, postponed or failed. document is
 * borrowed. */
void outgoing_due(struct voiced *v, json_t *document, int64_t due_ms);

#endif
