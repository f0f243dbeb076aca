/*
 * A call whose phone is a page of ours: to talk to the agent without a carrier.
 * The page speaks Twilio's Media Streams to the call's process
 * (www.twilio.com/docs/voice/media-streams/websocket-messages), as Twilio
 * would; what Twilio's webhooks do for another call is done here.
 */
#ifndef PHONY_VOICED_CALLS_BROWSER_CALL_H
#define PHONY_VOICED_CALLS_BROWSER_CALL_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

/* What stands in place of its numbers. */
#define BROWSER_NUMBER "browser"

/* The call's document is new: answers 201 {callSid, status, provider, message, streamPath} when it is stored.
 */
void browser_begin(struct voiced *v, struct call *call, struct reply reply);

/*
 * A stream to this target has come: the first, or the next after one that
 * broke (again=N, counted by the page). NULL, or why it is refused.
 */
const char *browser_connect(struct call *call, const char *target);

/* Closes the line; the call is over when its process has told everything. */
void browser_hang_up(struct call *call);

/* Ends the call when nobody is on its line any more. */
void browser_check(struct call *call);

/* The line is gone, for good or not: the page has a moment to come back. */
void browser_expect(struct call *call, bool for_good);

#endif
