#include "voiced/api/call_summary.h"

#include <string.h>

enum { RESPONSES_MAX = 500 };

/* Adds up the numbers of what the provider counted, one level deep. */
static void add_usage(json_t *sum, json_t *counts)
{
	const char *name;
	json_t *value;
	json_object_foreach (counts, name, value)
		if (json_is_integer(value))
			json_object_set_new(sum, name,
					    json_integer(json_integer_value(json_object_get(sum, name)) +
							 json_integer_value(value)));
}

static void add_recording(json_t *document, json_t *data)
{
	static const char *const names[] = {"recordingSid", "recordingUrl", "status", "duration"};
	json_t *recording = json_object();
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (json_object_get(data, names[i]) != NULL)
			json_object_set(recording, names[i], json_object_get(data, names[i]));
	json_object_set_new(document, "twilioRecording", recording);
}

/* Of several streams the last one's figures stand, with the sums of all. */
static void add_figures(json_t *figures, json_t *data)
{
	static const char *const sums[] = {"framesFromCaller", "bytesFromCaller", "bytesToCaller",
					   "interruptions"};
	json_int_t before[4];
	for (size_t i = 0; i < 4; i++)
		before[i] = json_integer_value(json_object_get(figures, sums[i]));
	json_object_update(figures, data);
	for (size_t i = 0; i < 4; i++)
		json_object_set_new(
			figures, sums[i],
			json_integer(before[i] + json_integer_value(json_object_get(data, sums[i]))));
	json_object_del(figures, "fault");
	json_object_del(figures, "cut");
}

void summary_add(json_t *document, const json_t *events)
{
	json_t *notes = json_array(), *figures = json_object(), *usage = json_object(),
	       *responses = json_array();
	json_t *event;
	size_t i;
	json_array_foreach (events, i, event) {
		const char *type = json_string_value(json_object_get(event, "type"));
		json_t *data = json_object_get(event, "data");
		if (type == NULL)
			continue;
		if (strcmp(type, "note") == 0)
			json_array_append(notes, json_object_get(data, "note"));
		else if (strcmp(type, "outcome") == 0)
			json_object_set(document, "outcome", json_object_get(data, "outcome"));
		else if (strcmp(type, "stream-ended") == 0)
			add_figures(figures, data);
		else if (strcmp(type, "usage") == 0)
			add_usage(usage, data);
		else if (strcmp(type, "recording") == 0)
			add_recording(document, data);
		else if (strcmp(type, "response") == 0 && json_array_size(responses) < RESPONSES_MAX)
			json_array_append(responses, json_object_get(data, "ms"));
	}
	json_object_set(document, "notes", notes);
	if (json_array_size(responses) > 0)
		json_object_set(figures, "responsesMs", responses);
	if (json_object_size(figures) > 0)
		json_object_set(document, "figures", figures);
	if (json_object_size(usage) > 0)
		json_object_set(document, "usage", usage);
	json_decref(notes);
	json_decref(figures);
	json_decref(usage);
	json_decref(responses);
}
