/* Small texts from outside: dates, numbers, digits, farewells, base64, log lines. */
#include "tests/fuzz/fuzz.h"

#include "callworker/audio/dtmf.h"
#include "callworker/conversation/goodbye.h"
#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/e164.h"
#include "lib/base/log.h"
#include "lib/config/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	uint8_t *bytes = malloc(size + 4);
	struct wall_ms when;
	memcpy(text, data, size);
	text[size] = '\0';
	if (wall_parse(text, &when)) {
		char out[WALL_TEXT_SIZE];
		wall_format(when, out);
	}
	e164_valid(text);
	url_is_loopback(text);
	goodbye_said(text, GOODBYE_AGENT);
	goodbye_said(text, GOODBYE_CALLER);
	base64_decode((const char *)data, size, bytes);
	if (dtmf_check(text) == NULL && size < 20) {
		struct buffer tones = {0};
		dtmf_render(text, &tones);
		buffer_free(&tones);
	}
	log_hide_secret("secret-value");
	log_scrub(text, size + 1);
	free(bytes);
	free(text);
	return 0;
}
