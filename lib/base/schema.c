#include "lib/base/schema.h"

#include "lib/base/json_read.h"
#include "lib/base/text.h"

#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 16, PATH_SIZE = 160 };

struct report {
	char *text;
	size_t size;
	unsigned depth;
};

static void check(const char *path, const json_t *schema, const json_t *value, struct report *r);

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

/* -1: the pattern itself is broken. */
static int matches(const char *pattern, const char *text)
{
	regex_t regex;
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return -1;
	bool ok = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return ok;
}

static bool is_type(const json_t *value, const char *type)
{
	int64_t whole;
	return (strcmp(type, "string") == 0 && json_is_string(value)) ||
	       (strcmp(type, "integer") == 0 && json_whole(value, &whole)) ||
	       (strcmp(type, "number") == 0 && json_is_number(value)) ||
	       (strcmp(type, "boolean") == 0 && json_is_boolean(value)) ||
	       (strcmp(type, "object") == 0 && json_is_object(value)) ||
	       (strcmp(type, "array") == 0 && json_is_array(value)) ||
	       (strcmp(type, "null") == 0 && json_is_null(value));
}

static bool has_type(const json_t *value, const json_t *type)
{
	size_t i;
	json_t *one;
	if (json_is_string(type))
		return is_type(value, json_string_value(type));
	json_array_foreach (type, i, one)
		if (json_is_string(one) && is_type(value, json_string_value(one)))
			return true;
	return !json_is_array(type);
}

static const char *type_words(const json_t *type)
{
	static const struct {
		const char *type, *words;
	} all[] = {
		{"string", "a text"},    {"integer", "a whole number"},
		{"number", "a number"},  {"boolean", "true or false"},
		{"object", "an object"}, {"array", "a list"},
		{"null", "null"},
	};
	for (size_t i = 0; json_is_string(type) && i < sizeof all / sizeof *all; i++)
		if (strcmp(all[i].type, json_string_value(type)) == 0)
			return all[i].words;
	return "of another type";
}

static void list_words(const json_t *words, char *out, size_t size)
{
	size_t i;
	json_t *word;
	out[0] = '\0';
	json_array_foreach (words, i, word) {
		size_t used = strlen(out);
		char *text = json_dumps(word, JSON_ENCODE_ANY | JSON_COMPACT);
		snprintf(out + used, size - used, "%s%s", i ? ", " : "",
			 json_is_string(word) ? json_string_value(word) : text);
		free(text);
	}
}

static bool among(const json_t *list, const json_t *value)
{
	size_t i;
	json_t *one;
	json_array_foreach (list, i, one)
		if (json_equal(one, (json_t *)value))
			return true;
	return false;
}

static void check_text(const char *path, const json_t *schema, const json_t *value, struct report *r)
{
	const char *text = json_string_value(value);
	const json_t *least = json_object_get(schema, "minLength"),
		     *most = json_object_get(schema, "maxLength");
	const char *pattern = json_string_value(json_object_get(schema, "pattern"));
	const char *description = json_string_value(json_object_get(schema, "description"));
	json_int_t len = (json_int_t)json_string_length(value);
	if (json_is_integer(least) && len < json_integer_value(least))
		fault(r, len == 0 ? "%s is empty." : "%s is too short.", path);
	else if (json_is_integer(most) && len > json_integer_value(most))
		fault(r, "%s is longer than %lld bytes.", path, (long long)json_integer_value(most));
	else if (pattern != NULL && matches(pattern, text) == 0 && strncmp(pattern, "^\\+", 3) == 0)
		fault(r, "%s: Phone number must be in E.164 format, such as +12025550198.", path);
	else if (pattern != NULL && matches(pattern, text) == 0)
		fault(r, "%s does not have the form it must have: %s", path,
		      description ? description : pattern);
}

static void check_number(const char *path, const json_t *schema, const json_t *value, struct report *r)
{
	const json_t *least = json_object_get(schema, "minimum"), *most = json_object_get(schema, "maximum");
	double number = json_number_value(value);
	bool low = json_is_number(least) && number < json_number_value(least);
	bool high = json_is_number(most) && number > json_number_value(most);
	if ((low || high) && json_is_number(least) && json_is_number(most))
		fault(r, "%s must be %g to %g.", path, json_number_value(least), json_number_value(most));
	else if (low)
		fault(r, "%s must be at least %g.", path, json_number_value(least));
	else if (high)
		fault(r, "%s must be at most %g.", path, json_number_value(most));
}

static void check_list(const char *path, const json_t *schema, const json_t *value, struct report *r)
{
	const json_t *least = json_object_get(schema, "minItems"),
		     *most = json_object_get(schema, "maxItems");
	json_t *items = json_object_get(schema, "items"), *item;
	size_t i;
	json_int_t count = (json_int_t)json_array_size(value);
	if (json_is_integer(least) && count < json_integer_value(least))
		fault(r, "%s has fewer than %lld entries.", path, (long long)json_integer_value(least));
	if (json_is_integer(most) && count > json_integer_value(most))
		fault(r, "%s has more than %lld entries.", path, (long long)json_integer_value(most));
	if (!json_is_object(items))
		return;
	json_array_foreach (value, i, item) {
		char inner[PATH_SIZE];
		snprintf(inner, sizeof inner, "%.*s[%zu]", TEXT_CUT(path, 120), i);
		check(inner, items, item, r);
	}
}

static void join(char out[PATH_SIZE], const char *path, const char *name)
{
	snprintf(out, PATH_SIZE, "%.*s%s%.*s", TEXT_CUT(path, 80), path[0] ? "." : "", TEXT_CUT(name, 64));
}

static void check_object(const char *path, const json_t *schema, const json_t *value, struct report *r)
{
	json_t *properties = json_object_get(schema, "properties"), *member, *required;
	const json_t *others = json_object_get(schema, "additionalProperties");
	char inner[PATH_SIZE];
	const char *name;
	size_t i;
	json_array_foreach (json_object_get(schema, "required"), i, required)
		if (json_is_string(required) && json_object_get(value, json_string_value(required)) == NULL) {
			join(inner, path, json_string_value(required));
			fault(r, "%s is missing.", inner);
		}
	json_object_foreach ((json_t *)value, name, member) {
		json_t *rule = json_object_get(properties, name);
		join(inner, path, name);
		if (rule != NULL)
			check(inner, rule, member, r);
		else if (json_is_false(others))
			fault(r, path[0] ? "%s is not asked for." : "%s is no argument of this tool.", inner);
	}
}

static void check(const char *path, const json_t *schema, const json_t *value, struct report *r)
{
	const json_t *type = json_object_get(schema, "type"), *words = json_object_get(schema, "enum");
	const json_t *exactly = json_object_get(schema, "const");
	const char *shown = path[0] ? path : "The value";
	char list[200];
	if (r->depth == DEPTH_MAX) {
		fault(r, "%s is nested too deeply.", shown);
		return;
	}
	r->depth++;
	if (type != NULL && !has_type(value, type)) {
		fault(r, "%s must be %s.", shown, type_words(type));
	} else if (json_is_array(words) && !among(words, value)) {
		list_words(words, list, sizeof list);
		fault(r, "%s must be one of %s.", shown, list);
	} else if (exactly != NULL && !json_equal((json_t *)exactly, (json_t *)value)) {
		fault(r, "%s is not the value it must be.", shown);
	} else if (json_is_string(value)) {
		check_text(shown, schema, value, r);
	} else if (json_is_number(value)) {
		check_number(shown, schema, value, r);
	} else if (json_is_array(value)) {
		check_list(path, schema, value, r);
	} else if (json_is_object(value)) {
		check_object(path, schema, value, r);
	}
	r->depth--;
}

bool schema_check(const json_t *schema, const json_t *value, char *faults, size_t size)
{
	struct report r = {faults, size, 0};
	faults[0] = '\0';
	check("", schema, value, &r);
	return faults[0] == '\0';
}

bool schema_valid(const json_t *schema, char *why, size_t size)
{
	const char *type = json_string_value(json_object_get(schema, "type"));
	json_t *properties = json_object_get(schema, "properties"), *rule;
	const char *name;
	why[0] = '\0';
	if (type == NULL || strcmp(type, "object") != 0 || !json_is_object(properties)) {
		text_printf(why, size, "it must be a JSON Schema of type object, with properties");
		return false;
	}
	json_object_foreach (properties, name, rule) {
		const char *pattern = json_string_value(json_object_get(rule, "pattern"));
		if (!json_is_object(rule))
			text_printf(why, size, "properties.%.*s must be a schema", TEXT_CUT(name, 64));
		else if (pattern != NULL && matches(pattern, "") < 0)
			text_printf(why, size, "properties.%.*s.pattern is no regular expression",
				    TEXT_CUT(name, 64));
	}
	return why[0] == '\0';
}
