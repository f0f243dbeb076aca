#include "mcpd/features/arguments.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/text.h"

#include <string.h>

static bool is_object(const json_t *value)
{
	return json_is_object(value);
}

static bool is_array(const json_t *value)
{
	return json_is_array(value);
}

static bool is_integer(const json_t *value)
{
	int64_t whole;
	return json_whole(value, &whole);
}

static bool is_boolean(const json_t *value)
{
	return json_is_boolean(value);
}

/* Each returns a value of the caller's own. */
static json_t *read_value(const json_t *schema, json_t *value);

static json_t *read_members(const json_t *properties, const json_t *given)
{
	json_t *object = json_object(), *member;
	const char *name;
	json_object_foreach ((json_t *)given, name, member) {
		const json_t *rule = json_object_get(properties, name);
		if (rule == NULL)
			json_object_set(object, name,
					member); /* the daemons know more than the schema says */
		else if (!json_is_null(member))
			json_object_set_new(object, name, read_value(rule, member));
	}
	return object;
}

static json_t *read_item(const json_t *schema, json_t *item)
{
	const json_t *required = json_object_get(schema, "required");
	const char *only = json_string_value(json_array_get(required, 0));
	json_t *value = read_value(schema, item);
	if (!json_is_string(value) || json_array_size(required) != 1 || only == NULL)
		return value;
	return json_build("{s:o}", only, value);
}

/* What the text says when it is JSON of the type that the schema has, or NULL. */
static json_t *read_text(const json_t *schema, const json_t *text)
{
	static const struct {
		const char *type;
		bool (*is)(const json_t *value);
	} types[] = {
		{"object", is_object}, {"array", is_array}, {"integer", is_integer}, {"boolean", is_boolean}};
	const char *type = json_string_value(json_object_get(schema, "type"));
	json_t *value = json_loads(json_string_value(text), JSON_DECODE_ANY, NULL);
	for (size_t i = 0; type != NULL && i < sizeof types / sizeof *types; i++)
		if (strcmp(types[i].type, type) == 0 && types[i].is(value))
			return value;
	json_decref(value);
	return NULL;
}

static json_t *read_value(const json_t *schema, json_t *value)
{
	json_t *said = json_is_string(value) ? read_text(schema, value) : NULL;
	if (said != NULL) {
		json_t *read = read_value(schema, said);
		json_decref(said);
		return read;
	}
	const json_t *properties = json_object_get(schema, "properties"),
		     *items = json_object_get(schema, "items");
	size_t i;
	json_t *item;
	if (json_is_object(value) && properties != NULL)
		return read_members(properties, value);
	if (!json_is_array(value) || items == NULL)
		return json_incref(value);
	json_t *array = json_array();
	json_array_foreach (value, i, item)
		json_array_append_new(array, read_item(items, item));
	return array;
}

json_t *arguments_read(const json_t *schema, const json_t *given, char *ignored, size_t size)
{
	const json_t *properties = json_object_get(schema, "properties");
	json_t *arguments = read_members(properties, given), *member;
	const char *name;
	void *next;
	ignored[0] = '\0';
	json_object_foreach_safe(arguments, next, name, member)
	{
		size_t used = strlen(ignored);
		if (json_object_get(properties, name) != NULL)
			continue;
		text_printf(ignored + used, size - used, "%s%.*s", used ? ", " : "", TEXT_CUT(name, 64));
		json_object_del(arguments, name);
	}
	return arguments;
}
