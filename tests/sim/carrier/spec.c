/* Requests against Twilio's OpenAPI description: path, parameters, formats. */
#include "tests/sim/carrier/carrier.h"

#include "tests/sim/common/report.h"

#include <event2/keyvalq_struct.h>
#include <regex.h>
#include <string.h>

static json_t *spec;

void spec_load(const char *path)
{
	spec = load_json(path);
}

/* "/a/{X}/b" fits "/a/anything/b". */
static bool path_fits(const char *pattern, const char *path)
{
	while (*pattern != '\0' && *path != '\0') {
		if (*pattern == '{') {
			pattern += strcspn(pattern, "}") + 1;
			/* up to what follows the brace: a slash, ".json" or the end */
			size_t len = strcspn(path, "/.");
			if (len == 0)
				return false;
			path += len;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *pattern == *path;
}

static bool regex_fits(const char *pattern, const char *text)
{
	regex_t regex;
	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return true;
	bool ok = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return ok;
}

static bool value_fits(json_t *schema, const char *name, const char *value, const char *who)
{
	const char *format = text_of(schema, "format", ""), *type = text_of(schema, "type", "string");
	const char *reference = text_of(schema, "$ref", NULL);
	if (reference != NULL)
		schema = json_object_get(json_object_get(json_object_get(spec, "components"), "schemas"),
					 strrchr(reference, '/') + 1);
	if (strcmp(type, "array") == 0)
		return value_fits(json_object_get(schema, "items"), name, value, who);
	json_t *words = json_object_get(schema, "enum"), *word;
	size_t i;
	bool ok = words == NULL;
	json_array_foreach (words, i, word)
		ok = ok || strcmp(json_string_value(word), value) == 0;
	if (strcmp(type, "integer") == 0)
		ok = ok && value[0] != '\0' && value[strspn(value, "0123456789")] == '\0';
	if (strcmp(type, "boolean") == 0)
		ok = ok && (strcmp(value, "true") == 0 || strcmp(value, "false") == 0);
	if (strcmp(format, "uri") == 0)
		ok = ok && (strncmp(value, "https://", 8) == 0 || strncmp(value, "http://", 7) == 0) &&
		     strlen(value) <= 4000;
	if (strcmp(format, "phone-number") == 0 || strcmp(format, "endpoint") == 0)
		ok = ok && regex_fits("^\\+[1-9][0-9]{1,14}$", value);
	const char *pattern = text_of(schema, "pattern", NULL);
	if (pattern != NULL)
		ok = ok && regex_fits(pattern, value);
	if (!ok)
		violation(who, "parameter %s has the value \"%s\", which its schema does not allow", name,
			  value);
	return ok;
}

static json_t *find_query_parameter(json_t *list, const char *name)
{
	size_t i;
	json_t *parameter;
	json_array_foreach (list, i, parameter)
		if (strcmp(text_of(parameter, "in", ""), "query") == 0 &&
		    strcmp(text_of(parameter, "name", ""), name) == 0)
			return json_object_get(parameter, "schema");
	return NULL;
}

bool spec_check(const char *method, const char *path, struct evkeyvalq *params, const char *who)
{
	const char *pattern, *verb = strcmp(method, "POST") == 0  ? "post"
				     : strcmp(method, "GET") == 0 ? "get"
								  : "delete";
	json_t *entry = NULL, *candidate, *required;
	json_object_foreach (json_object_get(spec, "paths"), pattern, candidate)
		if (path_fits(pattern, path))
			entry = json_object_get(candidate, verb);
	if (entry == NULL) {
		violation(who, "%s %s is no request that the API has", method, path);
		return false;
	}
	json_t *form = json_object_get(
		json_object_get(json_object_get(json_object_get(entry, "requestBody"), "content"),
				"application/x-www-form-urlencoded"),
		"schema");
	json_t *properties = json_object_get(form, "properties");
	bool ok = true;
	struct evkeyval *p;
	TAILQ_FOREACH (p, params, next) {
		json_t *schema = strcmp(verb, "post") == 0
					 ? json_object_get(properties, p->key)
					 : find_query_parameter(json_object_get(entry, "parameters"), p->key);
		if (schema == NULL) {
			violation(who, "%s %s has no parameter %s", method, path, p->key);
			ok = false;
		} else {
			ok = value_fits(schema, p->key, p->value, who) && ok;
		}
	}
	size_t i;
	json_array_foreach (json_object_get(form, "required"), i, required)
		if (evhttp_find_header(params, json_string_value(required)) == NULL) {
			violation(who, "%s %s lacks %s", method, path, json_string_value(required));
			ok = false;
		}
	return ok;
}
