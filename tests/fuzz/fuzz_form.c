/* Webhook bodies and query strings, and the signature over them. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/form.h"
#include "lib/twilio/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct form form;
	if (form_parse((const char *)data, size, &form)) {
		struct buffer again = {0};
		for (size_t i = 0; i < form.count; i++)
			form_append(&again, form.fields[i].name, form.fields[i].value);
		twilio_signature_valid("token", "https://phony.example", "/x", &form, "c2lnbmF0dXJl");
		buffer_free(&again);
	}
	form_free(&form);
	return 0;
}
