#include "lib/store/tokenize.h"

#include "lib/base/buffer.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

enum { WORD_MAX = 64 }; /* bytes; the rest of a longer word is not looked at */

static void end_word(json_t *words, struct buffer *word, bool prefix)
{
	if (word->len == 0)
		return;
	if (prefix)
		buffer_append_text(word, "*");
	json_t *text = json_text_n((char *)word->data, word->len), *known;
	size_t i;
	bool seen = false;
	json_array_foreach (words, i, known)
		seen = seen || json_equal(known, text);
	if (!seen)
		json_array_append(words, text);
	json_decref(text);
	word->len = 0;
}

json_t *words_of(const char *text, bool prefixes)
{
	size_t len = 0;
	json_t *words = json_array();
	uint8_t *folded = u8_casefold((const uint8_t *)text, strlen(text), NULL, UNINORM_NFKD, NULL, &len);
	struct buffer word = {0};
	for (size_t at = 0; folded != NULL && at < len;) {
		ucs4_t c;
		int n = u8_mbtouc(&c, folded + at, len - at);
		bool ideograph = uc_is_property_ideographic(c);
		if (ideograph)
			end_word(words, &word, false);
		if (uc_is_general_category(c, UC_CATEGORY_L) || uc_is_general_category(c, UC_CATEGORY_N)) {
			if (word.len + (size_t)n < WORD_MAX)
				buffer_append(&word, folded + at, (size_t)n);
		} else if (!uc_is_general_category(c, UC_CATEGORY_M)) {
			end_word(words, &word, prefixes && c == '*');
		}
		if (ideograph)
			end_word(words, &word, false);
		at += (size_t)n;
	}
	end_word(words, &word, false);
	buffer_free(&word);
	free(folded);
	return words;
}
