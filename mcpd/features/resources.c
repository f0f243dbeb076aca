#include "mcpd/features/resources.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/text.h"

#include <stdlib.h>
#include <string.h>

#define LATEST "call://transcriptions"

/* What is answered of a daemon's reply. */
enum contents {
	CONTENTS_REPLY, /* all of it, as JSON */
	CONTENTS_DATA,  /* its data, as JSON */
	CONTENTS_AUDIO, /* the audio in its data, as a blob */
};

enum { TRANSCRIPTS, RECORDINGS, VOICEMAILS, TEMPLATES };

/* A resource is named by prefix and the value of the argument. */
static const struct template
{
	const char *prefix, *argument, *name, *title, *description, *mime_type;
	enum message message;
	enum contents contents;
}
templates[TEMPLATES] = {
	[TRANSCRIPTS] = {LATEST "/", "callSid", "call-transcript", "A call's transcript",
			 "What was said in one call", "application/json", MSG_GET_TRANSCRIPT, CONTENTS_REPLY},
	[RECORDINGS] = {"call://recordings/", "callSid", "call-recording", "A call's recording",
			"How long the recording of a call is, and where its WAV file is fetched",
			"application/json", MSG_GET_RECORDING, CONTENTS_DATA},
	[VOICEMAILS] = {"voicemail://", "recordingSid", "voicemail", "A voicemail",
			"The audio of a voicemail, as it was recorded", "audio/mpeg", MSG_GET_VOICEMAIL_AUDIO,
			CONTENTS_AUDIO},
};

static const struct rpc_cache listing = {3600000, "public"}, of_a_call = {0, "private"};

struct reading {
	struct request *request;
	const struct template *template;
	char *uri;
};

static const struct template *find_template(const char *uri)
{
	for (size_t i = 0; i < TEMPLATES; i++)
		if (strncmp(uri, templates[i].prefix, strlen(templates[i].prefix)) == 0)
			return &templates[i];
	return NULL;
}

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
	json_t *list = json_array();
	if (!request_first_page(q)) {
		json_decref(list);
		return;
	}
	for (size_t i = 0; i < TEMPLATES; i++) {
		const struct template *t = &templates[i];
		json_array_append_new(list, json_build("{s:o, s:s, s:s, s:s, s:s}", "uriTemplate",
						       json_text_printf("%s{%s}", t->prefix, t->argument),
						       "name", t->name, "title", t->title, "description",
						       t->description, "mimeType", t->mime_type));
	}
	request_answer(q, json_build("{s:o}", "resourceTemplates", list), &listing);
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

static void answer(struct reading *r, json_t *contents)
{
	request_answer(r->request, json_build("{s:[o]}", "contents", contents), &of_a_call);
}

static void answer_json(struct reading *r, const char *uri, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);
	answer(r, json_build("{s:s, s:s, s:s}", "uri", uri, "mimeType", "application/json", "text", text));
	free(text);
}

static void on_content(void *arg, json_t *reply, const struct peer_error *error)
{
	struct reading *r = arg;
	const json_t *data = json_object_get(reply, "data");
	if (error != NULL)
		fail(r, error);
	else if (r->template->contents == CONTENTS_REPLY)
		answer_json(r, r->uri, reply);
	else if (r->template->contents == CONTENTS_DATA)
		answer_json(r, r->uri, data);
	else
		answer(r, json_build("{s:s, s:O, s:O}", "uri", r->uri, "mimeType",
				     json_object_get(data, "mimeType"), "blob",
				     json_object_get(data, "base64")));
}

/* Reads what r->uri names by r->template. */
static void ask(struct reading *r)
{
	const char *value = r->uri + strlen(r->template->prefix);
	request_query(r->request, r->template->message, json_build("{s:s}", r->template->argument, value),
		      on_content, r);
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
	if (sid == NULL) {
		fail(r, &none);
		return;
	}
	r->template = &templates[TRANSCRIPTS];
	r->uri = request_alloc(r->request, strlen(r->template->prefix) + strlen(sid) + 1);
	stpcpy(stpcpy(r->uri, r->template->prefix), sid);
	ask(r);
}

bool resources_has(const char *uri)
{
	return strcmp(uri, LATEST) == 0 || find_template(uri) != NULL;
}

const char *resources_argument(const char *uri_template)
{
	const struct template *t = find_template(uri_template);
	if (t == NULL)
		return NULL;
	const char *variable = uri_template + strlen(t->prefix);
	size_t len = strlen(t->argument);
	bool is = variable[0] == '{' && strncmp(variable + 1, t->argument, len) == 0 &&
		  strcmp(variable + 1 + len, "}") == 0;
	return is ? t->argument : NULL;
}

bool resources_concerns(const char *uri, const char *call_sid)
{
	const char *prefix = templates[TRANSCRIPTS].prefix;
	return strcmp(uri, LATEST) == 0 ||
	       (strncmp(uri, prefix, strlen(prefix)) == 0 && strcmp(uri + strlen(prefix), call_sid) == 0);
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
	*r = (struct reading){q, find_template(uri), request_strdup(q, uri)};
	struct peer_error unknown = {"not_found", "No such resource.", 404};
	if (strcmp(uri, LATEST) == 0)
		request_query(q, MSG_LIST_CALLS, json_build("{s:i}", "limit", 5), on_latest, r);
	else if (r->template != NULL)
		ask(r);
	else
		fail(r, &unknown);
}
