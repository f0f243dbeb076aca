#include "mcpd/schema.h"

#include "lib/base/panic.h"

#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct report {
	char *text;
	size_t size;
};

static void __attribute__((format(printf, 2, 3))) fault(struct report *r, const char *fmt, ...)
{
	size_t used = strlen(r->text);
	va_list args;
	if (used > 0 && used + 2 < r->size) {
		memcpy(r->text + used, " ", 2);
		used++;
	}
	va_start(args, fmt);
	vsnprintf(r->text + used, r->size - used, fmt, args);
	va_end(args);
}

static bool matches(const char *pattern, const char *text)
{
	regex_t regex;
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		panic("a tool's pattern is broken: %s", pattern);
	bool ok = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return ok;
}

static void list_words(json_t *words, char *out, size_t size)
{
	size_t i;
	json_t *word;
	out[0] = '\0';
	json_array_foreach (words, i, word) {
		size_t used = strlen(out);
		snprintf(out + used, size - used, "%s%s", i ? ", " : "", json_string_value(word));
	}
}

static void check_text(const char *name, json_t *rule, json_t *value, struct report *r)
{
	const char *text = json_string_value(value);
	json_t *words = json_object_get(rule, "enum"), *least = json_object_get(rule, "minLength");
	json_t *most = json_object_get(rule, "maxLength"), *pattern = json_object_get(rule, "pattern");
	json_int_t len = (json_int_t)json_string_length(value);
	if (words != NULL) {
		size_t i;
		json_t *word;
		char list[200];
		json_array_foreach (words, i, word)
			if (strcmp(json_string_value(word), text) == 0)
				return;
		list_words(words, list, sizeof list);
		fault(r, "%s must be one of %s.", name, list);
	} else if (least != NULL && len < json_integer_value(least)) {
		fault(r, "%s is empty.", name);
	} else if (most != NULL && len > json_integer_value(most)) {
		fault(r, "%s is longer than %lld bytes.", name, (long long)json_integer_value(most));
	} else if (pattern != NULL && !matches(json_string_value(pattern), text)) {
		if (strncmp(json_string_value(pattern), "^\\+", 3) == 0)
			fault(r, "%s: Phone number must be in E.164 format, such as +12025550198.", name);
		else
			fault(r, "%s does not have the form it must have: %s", name,
			      json_string_value(json_object_get(rule, "description")));
	}
}

static void check_value(const char *name, json_t *rule, json_t *value, struct report *r)
{
	const char *type = json_string_value(json_object_get(rule, "type"));
	if (strcmp(type, "string") == 0) {
		if (json_is_string(value))
			check_text(name, rule, value, r);
		else
			fault(r, "%s must be a text.", name);
	} else if (strcmp(type, "integer") == 0) {
		json_int_t number = json_integer_value(value);
		json_int_t least = json_integer_value(json_object_get(rule, "minimum"));
		json_int_t most = json_integer_value(json_object_get(rule, "maximum"));
		if (!json_is_integer(value))
			fault(r, "%s must be a whole number.", name);
		else if (number < least || number > most)
			fault(r, "%s must be %lld to %lld.", name, (long long)least, (long long)most);
	} else if (strcmp(type, "boolean") == 0) {
		if (!json_is_boolean(value))
			fault(r, "%s must be true or false.", name);
	} else if (strcmp(type, "array") == 0 && !json_is_array(value)) {
		fault(r, "%s must be a list.", name);
	}
}

bool schema_check(json_t *schema, json_t *args, char *faults, size_t size)
{
	struct report r = {faults, size};
	json_t *properties = json_object_get(schema, "properties"), *value, *name_value;
	const char *name;
	size_t i;
	faults[0] = '\0';
	json_array_foreach (json_object_get(schema, "required"), i, name_value)
		if (json_object_get(args, json_string_value(name_value)) == NULL)
			fault(&r, "%s is missing.", json_string_value(name_value));
	json_object_foreach (args, name, value) {
		json_t *rule = json_object_get(properties, name);
		if (rule == NULL)
			fault(&r, "%.64s is no argument of this tool.", name);
		else
			check_value(name, rule, value, &r);
	}
	return faults[0] == '\0';
}
