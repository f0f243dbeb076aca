#include "mcpd/arguments.h"

#include "lib/base/json_build.h"
#include "lib/base/text.h"

#include <string.h>

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
	if (json_is_string(item) && json_array_size(required) == 1 && only != NULL)
		return json_build("{s:O}", only, item);
	return read_value(schema, item);
}

static json_t *read_value(const json_t *schema, json_t *value)
{
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
