#include "lib/base/json_build.h"

#include "lib/base/panic.h"
#include "lib/base/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct builder {
	const char *fmt; /* the whole format, for the panic's message */
	const char *at;
	va_list args;
};

static json_t *build_value(struct builder *b);

/* The next character that means something, without passing it. */
static char build_peek(struct builder *b)
{
	b->at += strspn(b->at, " \t\n,:");
	return *b->at;
}

static bool build_take(struct builder *b, char wanted)
{
	if (*b->at != wanted)
		return false;
	b->at++;
	return true;
}

static json_t *build_object(struct builder *b)
{
	json_t *object = json_object();
	while (build_peek(b) != '}') {
		if (!build_take(b, 's'))
			panic("json_build: a key must be s: %s", b->fmt);
		const char *key = va_arg(b->args, const char *);
		json_t *value = build_value(b);
		if (value == NULL)
			continue;
		if (text_valid(key, strlen(key))) {
			json_object_set_new_nocheck(object, key, value);
		} else {
			char *clean = text_dup(key, strlen(key));
			json_object_set_new_nocheck(object, clean, value);
			free(clean);
		}
	}
	b->at++;
	return object;
}

static json_t *build_array(struct builder *b)
{
	json_t *array = json_array();
	while (build_peek(b) != ']') {
		json_t *value = build_value(b);
		if (value != NULL)
			json_array_append_new(array, value);
	}
	b->at++;
	return array;
}

/* What became of a pointer argument: NULL only where the format leaves it out. */
static json_t *build_optional(struct builder *b, json_t *value)
{
	bool leave_out = build_take(b, '*');
	build_take(b, '?');
	return value != NULL || leave_out ? value : json_null();
}

static json_t *build_text(struct builder *b)
{
	bool counted = build_take(b, '#');
	const char *text = va_arg(b->args, const char *);
	size_t len = counted ? (size_t)va_arg(b->args, int) : text ? strlen(text) : 0;
	return build_optional(b, text ? json_text_n(text, len) : NULL);
}

static json_t *build_value(struct builder *b)
{
	build_peek(b);
	switch (*b->at++) {
	case '{':
		return build_object(b);
	case '[':
		return build_array(b);
	case 's':
		return build_text(b);
	case 'n':
		return json_null();
	case 'b':
		return json_boolean(va_arg(b->args, int));
	case 'i':
		return json_integer(va_arg(b->args, int));
	case 'I':
		return json_integer(va_arg(b->args, json_int_t));
	case 'f': {
		double number = va_arg(b->args, double);
		json_t *real = json_real(number);
		return real ? real : json_null(); /* JSON has no infinity */
	}
	case 'o':
		return build_optional(b, va_arg(b->args, json_t *));
	case 'O':
		return build_optional(b, json_incref(va_arg(b->args, json_t *)));
	default:
		panic("json_build: a wrong format: %s", b->fmt);
	}
}

json_t *json_build(const char *fmt, ...)
{
	struct builder b = {.fmt = fmt, .at = fmt};
	va_start(b.args, fmt);
	json_t *value = build_value(&b);
	if (build_peek(&b) != '\0')
		panic("json_build: more than one value: %s", fmt);
	va_end(b.args);
	return value ? value : json_null();
}
