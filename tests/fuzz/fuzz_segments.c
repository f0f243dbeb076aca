/* The encoding of messages: GSM 03.38 or UCS-2, and how many segments. */
#include "tests/fuzz/fuzz.h"

#include "smsd/messages/segments.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	struct segments s = segments_of(text);
	if (s.count > strlen(text) * 2 + 1)
		abort();
	segments_characters(text);
	free(text);
	return 0;
}
