#include "mcpd/features/completion.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/text.h"
#include "mcpd/features/prompts.h"
#include "mcpd/features/resources.h"

#include <string.h>

enum { VALUES_MAX = 100 };

struct completing {
	struct request *request;
	const char *argument; /* of a resource: "callSid", "recordingSid" */
	char *begun;
};

static void answer(struct request *q, json_t *values)
{
	size_t count = json_array_size(values);
	request_answer(q,
		       json_build("{s:{s:o, s:I, s:b}}", "completion", "values", values, "total",
				  (json_int_t)count, "hasMore", 0),
		       NULL);
}

/* The ids of what is listed, newest first. */
static void on_list(void *arg, json_t *reply, const struct peer_error *error)
{
	struct completing *c = arg;
	json_t *data = NULL, *list = NULL, *one, *values = json_array();
	const char *id;
	size_t i;
	struct json_reader r;
	json_read_open(&r, error ? NULL : reply);
	json_read_object(&r, "data", JSON_OPTIONAL, &data);
	json_read_any(&r, "calls", JSON_OPTIONAL, &list);
	json_read_open(&r, data);
	json_read_any(&r, "voicemails", JSON_OPTIONAL, &list);
	json_array_foreach (list, i, one) {
		id = NULL;
		json_read_open(&r, one);
		json_read_text(&r, c->argument, JSON_OPTIONAL, 1, 64, &id);
		if (id != NULL && strncmp(id, c->begun, strlen(c->begun)) == 0 &&
		    json_array_size(values) < VALUES_MAX)
			json_array_append_new(values, json_text(id));
	}
	answer(c->request, values);
}

void complete(struct request *q)
{
	json_t *ref = NULL, *argument = NULL;
	const char *type = "", *name = "", *uri = "", *of = "", *begun = "";
	struct json_reader r, inner;
	json_read_open(&r, request_params(q));
	json_read_object(&r, "ref", JSON_NEEDED, &ref);
	json_read_object(&r, "argument", JSON_NEEDED, &argument);
	json_read_open(&inner, ref);
	json_read_text(&inner, "type", JSON_NEEDED, 1, 64, &type);
	json_read_text(&inner, "name", JSON_OPTIONAL, 0, 128, &name);
	json_read_text(&inner, "uri", JSON_OPTIONAL, 0, 1024, &uri);
	json_read_open(&r, argument);
	json_read_text(&r, "name", JSON_NEEDED, 1, 128, &of);
	json_read_text(&r, "value", JSON_NEEDED, 0, 1024, &begun);
	const char *variable = strcmp(type, "ref/resource") == 0 ? resources_argument(uri) : NULL;
	bool of_prompt = strcmp(type, "ref/prompt") == 0 && prompts_have(name, of);
	if (ref == NULL || argument == NULL || !json_read_ok(&r) || !json_read_ok(&inner)) {
		request_fail(q, RPC_INVALID_PARAMS,
			     "ref {type, name or uri} and argument {name, value} are needed", NULL);
	} else if (variable != NULL && strcmp(of, variable) == 0) {
		struct completing *c = request_alloc(q, sizeof *c);
		*c = (struct completing){q, variable, request_strdup(q, begun)};
		request_query(q, strcmp(variable, "callSid") == 0 ? MSG_LIST_CALLS : MSG_LIST_VOICEMAILS,
			      json_build("{s:i}", "limit", 200), on_list, c);
	} else if (of_prompt) {
		answer(q, json_array()); /* numbers and days are the person's to know */
	} else {
		request_fail(q, RPC_INVALID_PARAMS, "There is no such prompt, template or argument", NULL);
	}
}
