#include "lib/base/pattern.h"

#include "lib/base/panic.h"
#include "lib/base/text.h"

#include <string.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
	PATTERN_MAX = 2000, /* bytes */
	HEAP_KIB = 4096,
	DEPTH_MAX = 20000,
	/* ECMA-262: $ is the very end, [] matches nothing, \u00e9 is a character. */
	OPTIONS = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS |
		  PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT,
};

/* NULL with the fault's number and place. */
static pcre2_code *compile(const char *pattern, int *fault, size_t *at)
{
	pcre2_compile_context *limits = pcre2_compile_context_create(NULL);
	if (limits == NULL)
		panic("out of memory for a pattern");
	pcre2_set_max_pattern_length(limits, PATTERN_MAX);
	pcre2_code *code =
		pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, OPTIONS, fault, at, limits);
	pcre2_compile_context_free(limits);
	return code;
}

bool pattern_fault(const char *pattern, char *why, size_t size)
{
	int fault;
	size_t at;
	PCRE2_UCHAR words[120] = "";
	pcre2_code *code = compile(pattern, &fault, &at);
	why[0] = '\0';
	if (code == NULL) {
		pcre2_get_error_message(fault, words, sizeof words);
		text_printf(why, size, "at character %zu: %s", at + 1, (const char *)words);
	}
	pcre2_code_free(code);
	return why[0] != '\0';
}

struct spending {
	long *budget;
	size_t position;
};

/*
 * Before each item of the pattern: what was done since the last is at most how far it
 * has moved. (PCRE2's own match limit counts anew from each character of the text.)
 */
static int on_step(pcre2_callout_block *step, void *arg)
{
	struct spending *s = arg;
	size_t here = step->current_position;
	size_t moved = here > s->position ? here - s->position : s->position - here;
	s->position = here;
	*s->budget -= 1 + (long)moved;
	return *s->budget > 0 ? 0 : PCRE2_ERROR_CALLOUT;
}

enum pattern_result pattern_match(const char *pattern, const char *text, long *budget)
{
	int fault;
	size_t at;
	if (*budget <= 0)
		return PATTERN_TOO_HARD;
	pcre2_code *code = compile(pattern, &fault, &at);
	if (code == NULL)
		return PATTERN_BROKEN;
	struct spending spending = {budget, 0};
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	if (data == NULL || limits == NULL)
		panic("out of memory for a match");
	pcre2_set_callout(limits, on_step, &spending);
	pcre2_set_heap_limit(limits, HEAP_KIB);
	pcre2_set_depth_limit(limits, DEPTH_MAX);
	int found = pcre2_match(code, (PCRE2_SPTR)text, strlen(text), 0, 0, data, limits);
	pcre2_match_context_free(limits);
	pcre2_match_data_free(data);
	pcre2_code_free(code);
	if (found >= 0)
		return PATTERN_MATCHES;
	return found == PCRE2_ERROR_NOMATCH ? PATTERN_DIFFERS : PATTERN_TOO_HARD;
}
