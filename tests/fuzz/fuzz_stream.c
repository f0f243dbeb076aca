/* Messages of Twilio's media stream, a line each. */
#include "tests/fuzz/fuzz.h"

#include "callworker/net/twilio_stream.h"

#include <string.h>

static void on_started(void *arg, const char *stream_sid, const char *call_sid)
{
	(void)stream_sid;
	(void)call_sid;
	twilio_stream_mark(*(struct twilio_stream **)arg, "m");
}

static void on_media(void *arg, const struct media *m)
{
	twilio_stream_audio(*(struct twilio_stream **)arg, m->base64, m->len, m->born);
}

static void on_digit(void *arg, char digit)
{
	(void)arg;
	(void)digit;
}

static void on_marked(void *arg, const char *name)
{
	(void)arg;
	(void)name;
}

static void on_broken(void *arg, const char *why)
{
	(void)arg;
	(void)why;
}

static void on_ended(void *arg, const char *fault, bool cut)
{
	(void)arg;
	(void)fault;
	(void)cut;
}

static const struct twilio_stream_handler handler = {on_started, on_media,  on_digit,
						     on_marked,  on_broken, on_ended};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct twilio_stream *s;
	s = twilio_stream_new(NULL, -1, &handler, &s);
	while (size > 0) {
		const uint8_t *newline = memchr(data, '\n', size);
		size_t len = newline ? (size_t)(newline - data) : size;
		fuzz_ws_handler->text(fuzz_ws_arg, (const char *)data, len, mono_now());
		len += newline != NULL;
		data += len;
		size -= len;
	}
	fuzz_ws_handler->closed(fuzz_ws_arg, "end");
	twilio_stream_free(&s);
	return 0;
}
