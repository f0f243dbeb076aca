/*
 * Regular expressions as JSON Schema has them (ECMA-262's, which PCRE2 understands:
 * \d, (?:…), \u00e9, look-ahead), written by whoever places a call. A pattern that
 * never ends is one of them: matching has a budget, counted in steps, not in time, so
 * that the same text gives the same answer everywhere.
 */
#ifndef PHONY_BASE_PATTERN_H
#define PHONY_BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

enum pattern_result {
	PATTERN_MATCHES,
	PATTERN_DIFFERS,
	PATTERN_TOO_HARD, /* the budget is used up */
	PATTERN_BROKEN,   /* the pattern is none: pattern_fault has told why */
};

/* About 50 ms of matching. */
enum { PATTERN_BUDGET = 2000000 };

/*
 * Whether the pattern is found anywhere in text; both are UTF-8. Takes what it needs
 * from *budget, so that many matches can share one.
 */
enum pattern_result pattern_match(const char *pattern, const char *text, long *budget);

/* Whether the pattern is broken, and why: "at character 3: missing closing parenthesis". */
bool pattern_fault(const char *pattern, char *why, size_t size);

#endif
