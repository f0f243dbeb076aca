#include "lib/twilio/webhook.h"

#include "lib/base/log.h"
#include "lib/http/json_api.h"
#include "lib/twilio/signature.h"

bool twilio_webhook_read(struct http_request *r, const char *token, const char *public_url, struct form *form)
{
	size_t len;
	const char *body = http_body(r, &len);
	if (!http_method_is(r, "POST"))
		return false;
	if (!form_parse(body, len, form)) {
		http_reply_error(r, 400, "invalid", "The body is no form.");
	} else if (!twilio_signature_valid(token, public_url, http_target(r), form,
					   http_header(r, "X-Twilio-Signature"))) {
		LOG_OUTSIDE(
			LOG_SEV_WARN,
			"a webhook with a wrong signature was refused: %s (is PUBLIC_URL the address that "
			"Twilio calls?)",
			http_path(r));
		http_reply_error(r, 403, "signature", "X-Twilio-Signature is wrong or missing.");
	} else {
		return true;
	}
	form_free(form);
	return false;
}
