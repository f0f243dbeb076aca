/*
 * What an answer of Twilio's REST API means for whoever asked: done, refused for
 * good, not now, or unclear. The one place where permanent and passing errors
 * are told apart. Pure.
 */
#ifndef PHONY_TWILIO_OUTCOME_H
#define PHONY_TWILIO_OUTCOME_H

#include "lib/http/client.h"

enum twilio_outcome {
	TWILIO_DONE,      /* it has happened */
	TWILIO_REFUSED,   /* it has not happened, and asking for the same again will not help */
	TWILIO_UNREACHED, /* it has not happened; the same may be done later */
	TWILIO_AMBIGUOUS, /* it may have happened: look before asking again */
};

/*
 * status: of the HTTP answer, 0 without one. code: Twilio's error code, 0 if none
 * (www.twilio.com/docs/api/errors). readable: whether the body is what it should be.
 */
enum twilio_outcome twilio_outcome_of(enum http_outcome http, long status, int code, bool readable);

/* What a person should do about an error code; "" if there is nothing to say. */
const char *twilio_advice(int code);

#endif
