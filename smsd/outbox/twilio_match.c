#include "smsd/outbox/twilio_match.h"

#include "lib/base/buffer.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/twilio/rest_api.h"
#include "smsd/messages/messages.h"

#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <unistr.h>

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);
	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Its letters and digits: what Smart Encoding replaces is punctuation and blanks. The caller frees. */
static char *skeleton(const char *text)
{
	char *out = xcalloc(1, strlen(text) + 1), *to = out;
	const uint8_t *at = (const uint8_t *)text, *next;
	ucs4_t c;
	for (; (next = u8_next(&c, at)) != NULL; at = next)
		if (uc_is_alnum(c)) {
			memcpy(to, at, (size_t)(next - at));
			to += next - at;
		}
	return out;
}

static bool same_body(const char *ours, const char *twilios)
{
	if (ends_with(twilios, ours))
		return true;
	char *a = skeleton(ours), *b = skeleton(twilios);
	bool same = a[0] != '\0' && ends_with(b, a);
	free(a);
	free(b);
	return same;
}

const char *twilio_match(const json_t *document, json_t *item, int64_t not_before_ms)
{
	const char *sid = NULL, *body = "", *direction = "", *created = "", *media = "0";
	struct wall_ms when = {0};
	struct json_reader r;
	json_read_open(&r, item);
	json_read_text(&r, "sid", JSON_NEEDED, 34, 34, &sid);
	json_read_text(&r, "body", JSON_OPTIONAL, 0, MESSAGE_BYTES * 2, &body);
	json_read_text(&r, "direction", JSON_OPTIONAL, 1, 40, &direction);
	json_read_text(&r, "date_created", JSON_OPTIONAL, 1, 64, &created);
	json_read_text(&r, "num_media", JSON_OPTIONAL, 1, 8, &media);
	if (strcmp(direction, "outbound-api") != 0 || !same_body(message_field(document, "body"), body))
		return NULL;
	if ((size_t)atoi(media) != json_array_size(json_object_get(document, "mediaUrls")))
		return NULL;
	if (!twilio_date(created, &when) || when.ms < not_before_ms)
		return NULL;
	return sid;
}
