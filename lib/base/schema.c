#include "lib/base/schema.h"

#include "lib/base/json_read.h"
#include "lib/base/pattern.h"
#include "lib/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 16, PATH_SIZE = 160 };

struct report {
	char *text;
	size_t size;
	unsigned depth;
	long budget; /* of all patterns together */
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
	text_vprintf(r->text + used, r->size - used, fmt, args);
	va_end(args);
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
		text_printf(out + used, size - used, "%s%s", i ? ", " : "",
			    json_is_string(word) ? json_string_value(word) : text);
		free(text);
	}
}

/* 5 and 5.0 are one number. */
static bool is_equal(const json_t *a, const json_t *b)
{
	if (json_is_number(a) && json_is_number(b) && json_typeof(a) != json_typeof(b))
		return json_number_value(a) == json_number_value(b);
	return json_equal(a, b);
}

static bool among(const json_t *list, const json_t *value)
{
	size_t i;
	json_t *one;
	json_array_foreach (list, i, one)
		if (is_equal(one, value))
			return true;
	return false;
}

/* Whether the schema has this limit. */
static bool limit_of(const json_t *schema, const char *name, int64_t *limit)
{
	return json_whole(json_object_get(schema, name), limit);
}

/* Characters are Unicode's code points (JSON Schema Validation, 6.3.1). */
static int64_t characters(const char *text)
{
	int64_t count = 0;
	for (; *text != '\0'; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

static void check_text(const char *path, const json_t *schema, const json_t *value, struct report *r)
{
	const char *text = json_string_value(value);
	int64_t least, most, len = characters(text);
	const char *pattern = json_string_value(json_object_get(schema, "pattern"));
	const char *description = json_string_value(json_object_get(schema, "description"));
	if (limit_of(schema, "minLength", &least) && len < least)
		fault(r, len == 0 ? "%s is empty." : "%s is too short.", path);
	else if (limit_of(schema, "maxLength", &most) && len > most)
		fault(r, "%s is longer than %lld characters.", path, (long long)most);
	/* One that takes too long is passed over: whoever gave the value cannot mend that. */
	else if (pattern == NULL || pattern_match(pattern, text, &r->budget) != PATTERN_DIFFERS)
		return;
	else if (strncmp(pattern, "^\\+", 3) == 0)
		fault(r, "%s: Phone number must be in E.164 format, such as +12025550198.", path);
	else
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
	json_t *items = json_object_get(schema, "items"), *item;
	size_t i;
	int64_t least, most, count = (int64_t)json_array_size(value);
	if (limit_of(schema, "minItems", &least) && count < least)
		fault(r, "%s has fewer than %lld entries.", path, (long long)least);
	if (limit_of(schema, "maxItems", &most) && count > most)
		fault(r, "%s has more than %lld entries.", path, (long long)most);
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
		if (rule != NULL && !json_is_false(rule))
			check(inner, rule, member, r);
		else if (json_is_false(others) || json_is_false(rule))
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
	} else if (exactly != NULL && !is_equal(exactly, value)) {
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
	struct report r = {faults, size, 0, PATTERN_BUDGET};
	faults[0] = '\0';
	check("", schema, value, &r);
	return faults[0] == '\0';
}

/* Whether a schema inside another, at this path, can be checked with. */
static bool part_valid(const char *path, const json_t *schema, unsigned depth, char *why, size_t size)
{
	const json_t *pattern = json_object_get(schema, "pattern");
	json_t *properties = json_object_get(schema, "properties"), *items = json_object_get(schema, "items");
	json_t *rule;
	const char *name;
	char inner[PATH_SIZE], fault[160];
	if (json_is_boolean(schema))
		return true;
	if (!json_is_object(schema)) {
		text_printf(why, size, "%s must be a schema", path);
	} else if (depth == DEPTH_MAX) {
		text_printf(why, size, "%s is nested too deeply: %d levels are the most", path, DEPTH_MAX);
	} else if (pattern != NULL && !json_is_string(pattern)) {
		text_printf(why, size, "%s.pattern must be a text", path);
	} else if (pattern != NULL && pattern_fault(json_string_value(pattern), fault, sizeof fault)) {
		text_printf(why, size, "%s.pattern is no regular expression: %s", path, fault);
	} else if (items != NULL) {
		join(inner, path, "items");
		part_valid(inner, items, depth + 1, why, size);
	}
	json_object_foreach (properties, name, rule) {
		char part[96];
		text_printf(part, sizeof part, "properties.%.*s", TEXT_CUT(name, 64));
		join(inner, path, part);
		if (why[0] != '\0' || !part_valid(inner, rule, depth + 1, why, size))
			break;
	}
	return why[0] == '\0';
}

bool schema_valid(const json_t *schema, char *why, size_t size)
{
	const char *type = json_string_value(json_object_get(schema, "type"));
	why[0] = '\0';
	if (type == NULL || strcmp(type, "object") != 0 ||
	    !json_is_object(json_object_get(schema, "properties"))) {
		text_printf(why, size, "it must be a JSON Schema of type object, with properties");
		return false;
	}
	return part_valid("", schema, 0, why, size);
}
