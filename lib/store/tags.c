#include "lib/store/tags.h"

#include "lib/base/text.h"

#include "lib/base/json_build.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>

/* The tag as it is kept; NULL when nothing of it is left. Owned by the caller. */
static json_t *normalized(const char *text)
{
	size_t len = strlen(text), low_len = 0;
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	while (len > 0 && isspace((unsigned char)*text)) {
		text++;
		len--;
	}
	uint8_t *low = u8_tolower((const uint8_t *)text, len, NULL, UNINORM_NFC, NULL, &low_len);
	json_t *tag = low && low_len > 0 ? json_text_n((char *)low, low_len) : NULL;
	free(low);
	return tag;
}

json_t *tags_read(struct json_reader *r)
{
	json_t *given = NULL, *tags = json_array(), *text;
	size_t i, k;
	json_read_texts(r, "tags", JSON_NEEDED, 1, TAGS_MAX, TAG_BYTES, &given);
	json_array_foreach (given, i, text) {
		json_t *tag = normalized(json_string_value(text)), *known;
		bool seen = false;
		json_array_foreach (tags, k, known)
			seen = seen || json_equal(known, tag);
		if (tag == NULL)
			json_read_fault(r, "tags: a tag is empty");
		else if (!seen)
			json_array_append(tags, tag);
		json_decref(tag);
	}
	if (json_read_ok(r))
		return tags;
	json_decref(tags);
	return NULL;
}

void tags_read_search(struct json_reader *r, json_t *args, const char *const *types, struct tags_search *s)
{
	*s = (struct tags_search){.type = "", .limit = LIST_DEFAULT};
	json_read_open(r, args);
	json_read_word(r, "recordType", JSON_OPTIONAL, types, &s->type);
	json_read_bool(r, "matchAll", JSON_OPTIONAL, &s->all);
	json_read_int(r, "limit", JSON_OPTIONAL, 1, LIST_MAX, &s->limit);
	s->tags = tags_read(r);
	json_read_close(r, JSON_OTHERS_LOGGED);
}

json_t *tags_filter(json_t *tags, bool all)
{
	return json_build("[[s, s, O]]", "tags", all ? "all" : "any", tags);
}
