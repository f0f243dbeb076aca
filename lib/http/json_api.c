#include "lib/http/json_api.h"

#include "lib/base/form.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/http/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sets the parts of the path that the pattern has in braces; false when it does not fit. */
static bool fits(const char *pattern, const char *path, json_t *args)
{
	while (*pattern != '\0') {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		size_t name = strcspn(pattern, "}") - 1, len = strcspn(path, "/");
		char *part = len > 0 ? form_unescape(path, len, false) : NULL;
		json_t *value = part ? json_text(part) : NULL;
		free(part);
		if (value == NULL)
			return false;
		char *key = xasprintf("%.*s", TEXT_SPAN(pattern + 1, name));
		json_object_set_new(args, key, value);
		free(key);
		pattern += name + 2;
		path += len;
	}
	return *path == '\0';
}

/*
 * Query parameters are texts; those of these names are numbers, truth values (or
 * null, as in a body), lists.
 */
static json_t *typed(const char *name, const char *text)
{
	static const char *const literals[] = {"limit",    "after",  "timeoutSeconds",
					       "matchAll", "isRead", "includeCapabilities"};
	for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
		if (strcmp(name, literals[i]) != 0)
			continue;
		json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
		if (json_is_number(value) || json_is_boolean(value) || json_is_null(value))
			return value;
		json_decref(value);
		return json_text(text);
	}
	if (strcmp(name, "tags") != 0)
		return json_text(text);
	json_t *list = json_array();
	for (;;) {
		size_t len = strcspn(text, ",");
		json_array_append_new(list, json_text_n(text, len));
		if (text[len] == '\0')
			return list;
		text += len + 1;
	}
}

static bool add_query(struct http_request *r, json_t *args)
{
	struct form form;
	const char *query = http_query(r);
	bool ok = form_parse(query, strlen(query), &form);
	for (size_t i = 0; ok && i < form.count; i++) {
		json_t *value = typed(form.fields[i].name, form.fields[i].value);
		ok = value != NULL && json_object_get(args, form.fields[i].name) == NULL;
		json_object_set_new(args, form.fields[i].name, value);
	}
	form_free(&form);
	return ok;
}

/* Adds the query's or the body's arguments to those of the path. False: answered 400. */
static bool add_arguments(struct http_request *r, json_t *args)
{
	size_t len;
	const char *body = http_body(r, &len);
	if (strcmp(http_method(r), "GET") == 0 || len == 0) {
		if (add_query(r, args))
			return true;
		http_reply_error(r, 400, "invalid",
				 "The query string is broken: each parameter once, in UTF-8, escaped (a plus "
				 "as %2B).");
		return false;
	}
	if (!http_is_json(r)) {
		http_reply_error(r, 415, "content_type",
				 "Send the body with Content-Type: application/json.");
		return false;
	}
	char why[200];
	json_t *given = json_parse_object(body, len, why, sizeof why);
	if (given == NULL) {
		http_reply_error(r, 400, "invalid", why);
		return false;
	}
	json_object_update(given, args); /* the path says which one */
	json_object_update(args, given);
	json_decref(given);
	return true;
}

static void on_done(void *arg, int http_status, json_t *body)
{
	http_reply_json(arg, (unsigned)http_status, body);
}

static void on_fail(void *arg, int http_status, const char *code, const char *message)
{
	http_reply_error(arg, (unsigned)http_status, code, message);
}

struct reply http_reply_to(struct http_request *r)
{
	return (struct reply){on_done, on_fail, r};
}

static void reply_method(struct http_request *r, const char *allowed)
{
	char allow[96], message[96];
	snprintf(allow, sizeof allow, "Allow: %s", allowed);
	text_printf(message, sizeof message, "This address takes %s.", allowed);
	json_t *body = json_build("{s:s, s:s, s:s}", "status", "error", "code", "method", "message", message);
	char *text = json_dumps(body, JSON_COMPACT);
	http_reply(r, 405, "application/json", text, strlen(text), allow);
	free(text);
	json_decref(body);
}

bool http_method_is(struct http_request *r, const char *method)
{
	if (strcmp(http_method(r), method) == 0)
		return true;
	reply_method(r, method);
	return false;
}

bool api_handle(const struct api *api, struct http_request *r)
{
	char allowed[64] = "";
	if (strncmp(http_path(r), "/api/", 5) != 0)
		return false;
	if (!auth_admit(r, api->config))
		return true;
	for (const struct api_route *route = api->routes; route->method != NULL; route++) {
		json_t *args = json_object();
		bool fit = fits(route->pattern, http_path(r), args);
		if (fit && strcmp(route->method, http_method(r)) == 0) {
			if (add_arguments(r, args))
				api->run(api->arg, route->verb, args, http_reply_to(r));
			json_decref(args);
			return true;
		}
		size_t used = strlen(allowed);
		if (fit && strstr(allowed, route->method) == NULL)
			snprintf(allowed + used, sizeof allowed - used, "%s%s", used ? ", " : "",
				 route->method);
		json_decref(args);
	}
	if (allowed[0] != '\0')
		reply_method(r, allowed);
	else
		http_reply_error(r, 404, "not_found", "Nothing is served at this address.");
	return true;
}
