/*
 * X-Twilio-Signature (www.twilio.com/docs/usage/security): base64 of HMAC-SHA1,
 * keyed with the auth token, over the public URL and, for form bodies, every
 * parameter's name and value, sorted by name.
 */
#ifndef PHONY_TWILIO_SIGNATURE_H
#define PHONY_TWILIO_SIGNATURE_H

#include "lib/base/form.h"

#include <stdbool.h>

enum { TWILIO_SIGNATURE_SIZE = 29 };

/* form may be NULL (GET, a WebSocket, a JSON body). */
void twilio_signature(const char *token, const char *url, const struct form *form,
		      char out[TWILIO_SIGNATURE_SIZE]);

/*
 * Checks a webhook. public_url is the configured address without a trailing
 * slash, target the request's path and query as sent. The port may have been
 * left out or written out by the sender: all three forms are tried. False for a
 * NULL signature. Compared in constant time.
 */
bool twilio_signature_valid(const char *token, const char *public_url, const char *target,
			    const struct form *form, const char *signature);

/* The same for a media stream's upgrade: scheme wss, perhaps with a slash appended. */
bool twilio_stream_signature_valid(const char *token, const char *public_url, const char *target,
				   const char *signature);

#endif
