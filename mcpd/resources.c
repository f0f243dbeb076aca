#include "mcpd/resources.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LATEST "call://transcriptions"
#define PREFIX "call://transcriptions/"
#define RECORDINGS "call://recordings/"

static const struct rpc_cache listing = {3600000, "public"}, of_a_call = {0, "private"};

struct reading {
	struct request *request;
	char *uri;
};

void resources_list(struct request *q)
{
	if (!request_first_page(q))
		return;
	request_answer(q,
		       json_build("{s:[{s:s, s:s, s:s, s:s, s:s}]}", "resources", "uri", LATEST, "name",
				  "latest-call", "title", "The latest call's transcript", "description",
				  "What was said in the latest call, also while it is live", "mimeType",
				  "application/json"),
		       &listing);
}

void resources_templates(struct request *q)
{
	if (!request_first_page(q))
		return;
	request_answer(q,
		       json_build("{s:[{s:s, s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s, s:s}]}",
				  "resourceTemplates", "uriTemplate", PREFIX "{callSid}", "name",
				  "call-transcript", "title", "A call's transcript", "description",
				  "What was said in one call", "mimeType", "application/json", "uriTemplate",
				  RECORDINGS "{callSid}", "name", "call-recording", "title",
				  "A call's recording", "description",
				  "How long the recording of a call is, and where its WAV file is fetched",
				  "mimeType", "application/json"),
		       &listing);
}

static void fail(struct reading *r, const struct peer_error *error)
{
	/* Malformed or unknown: there is no such resource. */
	bool missing = error->http_status == 404 || error->http_status == 400;
	json_t *data = json_build("{s:s}", "uri", r->uri);
	if (missing)
		request_fail(r->request, request_is_modern(r->request) ? RPC_INVALID_PARAMS : RPC_NO_RESOURCE,
			     "Resource not found", data);
	else
		request_fail(r->request, RPC_INTERNAL, error->message, data);
}

static void on_transcript(void *arg, json_t *reply, const struct peer_error *error)
{
	struct reading *r = arg;
	if (error != NULL) {
		fail(r, error);
		return;
	}
	const char *sid = json_string_value(json_object_get(reply, "callSid"));
	bool recording = strncmp(r->uri, RECORDINGS, sizeof RECORDINGS - 1) == 0;
	char *uri = recording ? xstrdup(r->uri) : xasprintf(PREFIX "%s", sid ? sid : "");
	if (recording)
		reply = json_object_get(reply, "data");
	char *text = json_dumps(reply, JSON_COMPACT);
	request_answer(r->request,
		       json_build("{s:[{s:s, s:s, s:s}]}", "contents", "uri", uri, "mimeType",
				  "application/json", "text", text),
		       &of_a_call);
	free(text);
	free(uri);
}

static void ask_transcript(struct reading *r, const char *sid)
{
	request_query(r->request, MSG_GET_TRANSCRIPT, json_build("{s:s}", "callSid", sid), on_transcript, r);
}

static void on_latest(void *arg, json_t *reply, const struct peer_error *error)
{
	struct reading *r = arg;
	json_t *calls = NULL, *call;
	const char *sid = NULL;
	size_t i;
	struct json_reader reader;
	if (error != NULL) {
		fail(r, error);
		return;
	}
	json_read_open(&reader, reply);
	json_read_any(&reader, "calls", JSON_NEEDED, &calls);
	json_array_foreach (calls, i, call) {
		/* One that Twilio has not named yet has no transcript. */
		json_read_open(&reader, call);
		json_read_text(&reader, "callSid", JSON_OPTIONAL, 1, 64, &sid);
		if (sid != NULL)
			break;
	}
	struct peer_error none = {"not_found", "There was no call yet.", 404};
	if (sid == NULL)
		fail(r, &none);
	else
		ask_transcript(r, sid);
}

bool resources_has(const char *uri)
{
	return strcmp(uri, LATEST) == 0 || strncmp(uri, PREFIX, sizeof PREFIX - 1) == 0 ||
	       strncmp(uri, RECORDINGS, sizeof RECORDINGS - 1) == 0;
}

bool resources_is_template(const char *uri)
{
	return strcmp(uri, PREFIX "{callSid}") == 0 || strcmp(uri, RECORDINGS "{callSid}") == 0;
}

bool resources_concerns(const char *uri, const char *call_sid)
{
	return strcmp(uri, LATEST) == 0 || (strncmp(uri, PREFIX, sizeof PREFIX - 1) == 0 &&
					    strcmp(uri + sizeof PREFIX - 1, call_sid) == 0);
}

void resources_read(struct request *q)
{
	const char *uri = "";
	struct json_reader reader;
	json_read_open(&reader, request_params(q));
	json_read_text(&reader, "uri", JSON_NEEDED, 1, 1024, &uri);
	if (!json_read_ok(&reader)) {
		request_fail(q, RPC_INVALID_PARAMS, reader.faults, NULL);
		return;
	}
	struct reading *r = request_alloc(q, sizeof *r);
	*r = (struct reading){q, request_strdup(q, uri)};
	struct peer_error unknown = {"not_found", "No such resource.", 404};
	if (strcmp(uri, LATEST) == 0)
		request_query(q, MSG_LIST_CALLS, json_build("{s:i}", "limit", 5), on_latest, r);
	else if (strncmp(uri, PREFIX, sizeof PREFIX - 1) == 0)
		ask_transcript(r, uri + sizeof PREFIX - 1);
	else if (strncmp(uri, RECORDINGS, sizeof RECORDINGS - 1) == 0)
		request_query(q, MSG_GET_RECORDING,
			      json_build("{s:s}", "callSid", uri + sizeof RECORDINGS - 1), on_transcript, r);
	else
		fail(r, &unknown);
}
