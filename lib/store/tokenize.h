/*
 * The words of a text, as the search sees them: letters and digits without
 * case and accents (Unicode NFKD, case folded, marks dropped); an ideograph is
 * a word of its own. Both backends index and search by these, so both find the
 * same.
 */
#ifndef PHONY_STORE_TOKENIZE_H
#define PHONY_STORE_TOKENIZE_H

#include <jansson.h>
#include <stdbool.h>

/*
 * Each word once, in the order they come: ["cafe", "7pm"]. With prefixes, a
 * word right before '*' keeps it ("reserv*"). Never NULL; owned by the caller.
 */
json_t *words_of(const char *text, bool prefixes);

#endif
