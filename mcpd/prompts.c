#include "mcpd/prompts.h"

#include "lib/base/json_read.h"
#include "lib/base/panic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESERVATION "make-restaurant-reservation"

static const struct {
	const char *name, *description;
} arguments[] = {
	{"restaurantNumber", "E.164 number of the restaurant, for example +12025550198"},
	{"peopleNumber", "How many people"},
	{"date", "Day, for example 2026-12-01"},
	{"time", "Time, for example 19:00"},
};
enum { ARGUMENT_COUNT = sizeof arguments / sizeof *arguments };

void prompts_list(struct request *q)
{
	static const struct rpc_cache cache = {3600000, "public"};
	json_t *list = json_array();
	for (size_t i = 0; i < ARGUMENT_COUNT; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:b}", "name", arguments[i].name, "description",
						arguments[i].description, "required", 1));
	request_answer(q,
		       json_pack("{s:[{s:s, s:s, s:s, s:o}]}", "prompts", "name", RESERVATION, "title",
				 "Make a restaurant reservation", "description",
				 "Calls a restaurant and books a table", "arguments", list),
		       &cache);
}

/* The arguments' values; false: the request was answered. */
static bool read_arguments(struct request *q, const char *values[ARGUMENT_COUNT])
{
	const char *name = "";
	json_t *args = NULL;
	struct json_reader r;
	char message[300] = "";
	json_read_open(&r, request_params(q));
	json_read_text(&r, "name", JSON_NEEDED, 1, 128, &name);
	json_read_object(&r, "arguments", JSON_OPTIONAL, &args);
	if (!json_read_ok(&r)) {
		request_fail(q, RPC_INVALID_PARAMS, r.faults, NULL);
		return false;
	}
	if (strcmp(name, RESERVATION) != 0) {
		snprintf(message, sizeof message, "Unknown prompt: %s", name);
		request_fail(q, RPC_INVALID_PARAMS, message, NULL);
		return false;
	}
	json_t *empty = args ? NULL : json_object();
	json_read_open(&r, args ? args : empty);
	for (size_t i = 0; i < ARGUMENT_COUNT; i++) {
		size_t used = strlen(message);
		values[i] = NULL;
		json_read_text(&r, arguments[i].name, JSON_OPTIONAL, 1, 256, &values[i]);
		if (values[i] == NULL)
			snprintf(message + used, sizeof message - used, "%s%s",
				 used ? ", " : "Missing arguments: ", arguments[i].name);
	}
	json_decref(empty);
	if (!json_read_ok(&r) || message[0] != '\0') {
		request_fail(q, RPC_INVALID_PARAMS, json_read_ok(&r) ? message : r.faults, NULL);
		return false;
	}
	return true;
}

void prompts_get(struct request *q)
{
	const char *v[ARGUMENT_COUNT];
	if (!read_arguments(q, v))
		return;
	char *text = xasprintf(
		"You are calling a restaurant to book a table for %s people on %s at %s. Call the restaurant "
		"at %s "
		"with phony_create_call, follow the call with phony_get_call_transcript until it is over, "
		"and tell "
		"me whether the table is booked, under which name, and anything the restaurant asked for.",
		v[1], v[2], v[3], v[0]);
	request_answer(q,
		       json_pack("{s:s, s:[{s:s, s:{s:s, s:s}}]}", "description", "Book a table", "messages",
				 "role", "user", "content", "type", "text", "text", text),
		       NULL);
	free(text);
}
