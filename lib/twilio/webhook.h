/* A webhook of Twilio's, taken only when it is signed for our public address. */
#ifndef PHONY_TWILIO_WEBHOOK_H
#define PHONY_TWILIO_WEBHOOK_H

#include "lib/base/form.h"
#include "lib/http/server.h"

/*
 * Reads the form of a POST into *form (free it with form_free). Without a right
 * method, form or X-Twilio-Signature it is answered 405, 400 or 403: false.
 */
bool twilio_webhook_read(struct http_request *r, const char *token, const char *public_url,
			 struct form *form);

#endif
