/* TwiML from texts of others: whatever they hold, the document's own marks stay its own. */
#include "tests/fuzz/fuzz.h"

#include "lib/twilio/twiml.h"

#include <stdlib.h>
#include <string.h>

static size_t count(const struct buffer *b, char mark)
{
	size_t n = 0;
	for (size_t i = 0; i < b->len; i++)
		n += b->data[i] == (unsigned char)mark;
	return n;
}

static void write_all(struct buffer *b, const char *text)
{
	const struct twiml_parameter parameters[] = {{"fromNumber", text}, {"toNumber", text}, {NULL, NULL}};
	twiml_open(b);
	twiml_say(b, text);
	twiml_connect_stream(b, "wss://phony.example/x", parameters);
	twiml_redirect(b, text);
	twiml_dial(b, text, text, text);
	twiml_record(b, text, text, 30);
	twiml_hangup(b);
	twiml_close(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer with = {0}, without = {0};
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	write_all(&with, text);
	write_all(&without, "");
	static const char marks[] = "<>\"";
	for (const char *mark = marks; *mark != '\0'; mark++)
		if (count(&with, *mark) != count(&without, *mark))
			abort();
	buffer_free(&with);
	buffer_free(&without);
	free(text);
	return 0;
}
