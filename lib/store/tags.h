/* Tags on calls, messages and voicemails: lower case, no spaces around, each once. */
#ifndef PHONY_STORE_TAGS_H
#define PHONY_STORE_TAGS_H

#include "lib/store/filter.h"

enum { TAGS_MAX = 20, TAG_BYTES = 64 };

/* Reads the needed field "tags"; normalised, owned by the caller. NULL after a fault. */
json_t *tags_read(struct json_reader *r);

/* What a search by tags asks for. */
struct tags_search {
	const char *type; /* "": any */
	json_t *tags;     /* owned by the caller */
	bool all;
	int64_t limit;
};
/* Reads recordType (one of types), tags, matchAll and limit, and closes the reader. */
void tags_read_search(struct json_reader *r, json_t *args, const char *const *types, struct tags_search *s);

/* The filter of documents that have any, or all, of the tags. Owned by the caller. */
json_t *tags_filter(json_t *tags, bool all);

#endif
