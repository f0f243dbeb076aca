/*
 * application/x-www-form-urlencoded, as webhooks and query strings use it. What
 * is not UTF-8 and NUL become U+FFFD in the texts (lib/base/text.h); the bytes as
 * they came are kept beside them, for a signature.
 */
#ifndef PHONY_BASE_FORM_H
#define PHONY_BASE_FORM_H

#include "lib/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct form_bytes {
	char *bytes;
	size_t len;
};
struct form_field {
	char *name;
	char *value;
	struct form_bytes raw_name, raw_value;
};
struct form {
	struct form_field *fields; /* in the order they came; names may repeat */
	size_t count;
};

/*
 * Decodes len bytes into *form (free it with form_free, on failure too).
 * False when an escape is broken, or there are more than FORM_FIELDS_MAX fields.
 */
enum { FORM_FIELDS_MAX = 512 };
bool form_parse(const char *bytes, size_t len, struct form *form);
void form_free(struct form *form);

/*
 * len escaped bytes without their %XX; with `plus`, '+' is a space. Owned by the
 * caller; NULL when an escape is broken or gives NUL.
 */
char *form_unescape(const char *bytes, size_t len, bool plus);

/* The first value under this name, or NULL. */
const char *form_get(const struct form *form, const char *name);

/* Appends "name=value" escaped, with an '&' before it unless b is empty. */
void form_append(struct buffer *b, const char *name, const char *value);
/* Appends text with everything but RFC 3986's unreserved characters escaped. */
void form_append_escaped(struct buffer *b, const char *text);

#endif
