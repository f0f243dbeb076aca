#include "lib/base/form.h"

#include "lib/base/panic.h"
#include "lib/base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Without their %XX, as they are: any bytes, terminated. bytes is NULL when an escape is broken. */
static struct form_bytes unescape(const char *bytes, size_t len, bool plus)
{
	struct form_bytes out = {xcalloc(1, len + 1), 0};
	for (size_t i = 0; i < len; i++) {
		char c = plus && bytes[i] == '+' ? ' ' : bytes[i];
		if (c == '%') {
			int high = len - i > 2 ? hex(bytes[i + 1]) : -1;
			int low = len - i > 2 ? hex(bytes[i + 2]) : -1;
			if (high < 0 || low < 0) {
				free(out.bytes);
				return (struct form_bytes){0};
			}
			c = (char)(high << 4 | low);
			i += 2;
		}
		out.bytes[out.len++] = c;
	}
	return out;
}

char *form_unescape(const char *bytes, size_t len, bool plus)
{
	struct form_bytes out = unescape(bytes, len, plus);
	if (out.bytes == NULL || memchr(out.bytes, '\0', out.len) == NULL)
		return out.bytes;
	free(out.bytes);
	return NULL;
}

static void field_free(struct form_field *field)
{
	free(field->name);
	free(field->value);
	free(field->raw_name.bytes);
	free(field->raw_value.bytes);
}

static bool add_field(struct form *form, const char *bytes, size_t len)
{
	if (form->count == FORM_FIELDS_MAX)
		return false;
	const char *equals = memchr(bytes, '=', len);
	size_t name_len = equals ? (size_t)(equals - bytes) : len;
	size_t value_len = equals ? len - name_len - 1 : 0;
	struct form_field field = {.raw_name = unescape(bytes, name_len, true),
				   .raw_value = unescape(equals ? equals + 1 : "", value_len, true)};
	if (field.raw_name.bytes == NULL || field.raw_value.bytes == NULL) {
		field_free(&field);
		return false;
	}
	field.name = text_dup(field.raw_name.bytes, field.raw_name.len);
	field.value = text_dup(field.raw_value.bytes, field.raw_value.len);
	struct form_field *fields = realloc(form->fields, (form->count + 1) * sizeof *fields);
	if (fields == NULL)
		panic("out of memory for a form");
	form->fields = fields;
	form->fields[form->count++] = field;
	return true;
}

bool form_parse(const char *bytes, size_t len, struct form *form)
{
	memset(form, 0, sizeof *form);
	while (len > 0) {
		const char *amp = memchr(bytes, '&', len);
		size_t part = amp ? (size_t)(amp - bytes) : len;
		if (part > 0 && !add_field(form, bytes, part))
			return false;
		part += amp != NULL;
		bytes += part;
		len -= part;
	}
	return true;
}

void form_free(struct form *form)
{
	for (size_t i = 0; i < form->count; i++)
		field_free(&form->fields[i]);
	free(form->fields);
	memset(form, 0, sizeof *form);
}

const char *form_get(const struct form *form, const char *name)
{
	for (size_t i = 0; i < form->count; i++)
		if (strcmp(form->fields[i].name, name) == 0)
			return form->fields[i].value;
	return NULL;
}

void form_append_escaped(struct buffer *b, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (isalnum(c) || strchr("-._~", c) != NULL) {
			buffer_append(b, text, 1);
		} else {
			char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
			buffer_append(b, escape, sizeof escape);
		}
	}
}

void form_append(struct buffer *b, const char *name, const char *value)
{
	if (b->len > 0)
		buffer_append_text(b, "&");
	form_append_escaped(b, name);
	buffer_append_text(b, "=");
	form_append_escaped(b, value);
}
