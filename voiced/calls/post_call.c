#include "voiced/calls/post_call.h"

#include "lib/base/clock.h"
#include "lib/base/form.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "lib/loop/loop.h"

#include <stdlib.h>
#include <string.h>

#define AFTERWARDS_MAGIC 0x61667465u

enum {
	LOOK_MS = 5000,
	AT_ONCE = 10,
	FIRST_MS = 5000,           /* from the beginning; it is known after the end */
	GIVE_UP_MS = 86400 * 1000, /* ElevenLabs needs seconds, seldom minutes */
	CONVERSATIONS_MAX = 20,    /* of one call: each reconnect begins one */
};

struct afterwards {
	unsigned magic;
	struct voiced *v;
	struct timer timer;
};

static const char *text_of(const json_t *document, const char *field)
{
	const char *text = json_string_value(json_object_get(document, field));
	return text ? text : "";
}

/* Both are stolen, and may be NULL. */
static void change(struct voiced *v, const char *call_id, json_t *set, json_t *unset)
{
	struct store_change change = {.key = call_id, .set = set, .unset = unset};
	store_update(v->store, STORE_CALLS, &change, NULL, NULL);
}

/* One piece of work for one call, which this host has taken. */
struct job {
	struct voiced *v;
	char *call_id;
	json_t *conversations;
	size_t asked;
	json_int_t credits;
};

static void end(struct job *j)
{
	json_decref(j->conversations);
	free(j->call_id);
	free(j);
}

/* ---- what it cost ---- */

static void ask_next(struct job *j);

static void on_conversation(void *arg, const struct http_answer *a)
{
	struct job *j = arg;
	char why[200];
	const char *status = "";
	json_t *metadata = NULL, *body = NULL;
	int64_t cost = -1;
	struct json_reader r;
	if (a->outcome == HTTP_ANSWERED && a->status == 200)
		body = json_parse_object(a->body, a->body_len, why, sizeof why);
	json_read_open(&r, body);
	json_read_text(&r, "status", JSON_OPTIONAL, 0, 40, &status);
	json_read_object(&r, "metadata", JSON_OPTIONAL, &metadata);
	json_read_open(&r, metadata);
	if (metadata != NULL)
		json_read_int(&r, "cost", JSON_OPTIONAL, 0, INT32_MAX, &cost);
	bool known = cost >= 0 && (strcmp(status, "done") == 0 || strcmp(status, "failed") == 0);
	json_decref(body);
	if (!known) {
		/* It is asked again at costAt; but not for what ElevenLabs does not know. */
		if (a->outcome == HTTP_ANSWERED && a->status == 404)
			change(j->v, j->call_id, NULL, json_build("[s]", "costAt"));
		end(j);
		return;
	}
	j->credits += cost;
	ask_next(j);
}

static void ask_next(struct job *j)
{
	const struct config *config = j->v->config;
	const char *id = json_string_value(json_array_get(j->conversations, j->asked++));
	if (id == NULL) {
		change(j->v, j->call_id,
		       json_build("{s:{s:s, s:s, s:I}}", "cost", "provider", "elevenlabs", "unit", "credits",
				  "amount", j->credits),
		       json_build("[s]", "costAt"));
		end(j);
		return;
	}
	struct buffer url = {0};
	buffer_append_text(&url, config->elevenlabs_api_url);
	buffer_append_text(&url, "/v1/convai/conversations/");
	form_append_escaped(&url, id);
	buffer_append(&url, "", 1);
	char *header = xasprintf("xi-api-key: %s", config->elevenlabs_api_key);
	struct http_ask ask = {.method = "GET",
			       .url = (char *)url.data,
			       .header = header,
			       .repeat = HTTP_REPEATABLE,
			       .tries = 1};
	http_client_ask(j->v->http_out, &ask, on_conversation, j);
	free(header);
	buffer_free(&url);
}

void afterwards_conversation(struct voiced *v, struct call *call, const char *id)
{
	json_t *known = call_value(call, "conversationIds");
	if (id[0] == '\0' || v->config->elevenlabs_api_key[0] == '\0' ||
	    strcmp(call_text(call, "voiceProvider"), "openai") == 0 ||
	    json_array_size(known) >= CONVERSATIONS_MAX)
		return;
	json_t *all = known ? json_copy(known) : json_array(), *name = json_text(id);
	if (name != NULL)
		json_array_append_new(all, name);
	call_put(call, "conversationIds", all);
	call_save(call, NULL, NULL);
	change(v, call_id(call), json_build("{s:o}", "costAt", wall_json(wall_now().ms + FIRST_MS)), NULL);
}

/* ---- looking ---- */

static void on_taken(void *arg, json_t *result, const char *error)
{
	struct job *j = arg;
	if (error != NULL || !json_is_object(result))
		end(j); /* another host was quicker */
	else
		ask_next(j);
}

/* Takes the work for this host: its time must be the one seen, and moves on. */
static void take(struct voiced *v, const json_t *document)
{
	int64_t now = wall_now().ms;
	struct wall_ms begun = {now};
	struct job *j = xcalloc(1, sizeof *j);
	j->v = v;
	j->call_id = xstrdup(text_of(document, "callId"));
	j->conversations = json_incref(json_object_get(document, "conversationIds"));
	wall_parse(text_of(document, json_object_get(document, "endedAt") ? "endedAt" : "startedAt"), &begun);
	int64_t age = now - begun.ms;
	bool live = json_object_get(document, "endedAt") == NULL;
	if (age > GIVE_UP_MS || json_array_size(j->conversations) == 0) {
		change(v, j->call_id, NULL, json_build("[s]", "costAt"));
		end(j);
		return;
	}
	struct store_change claim = {
		.key = j->call_id,
		.where = json_build("[[s, s, O]]", "costAt", "=", json_object_get(document, "costAt")),
		.set = json_build("{s:o}", "costAt",
				  wall_json(now + (live || age < FIRST_MS ? FIRST_MS : age))),
		.strict = true};
	if (live) {
		store_update(v->store, STORE_CALLS, &claim, NULL, NULL);
		end(j);
		return;
	}
	store_update(v->store, STORE_CALLS, &claim, on_taken, j);
}

static void on_costs(void *arg, json_t *result, const char *error)
{
	size_t i;
	json_t *document;
	if (error != NULL)
		log_debug("calls with work left cannot be read: %s", error);
	json_array_foreach (json_object_get(result, "documents"), i, document)
		take(arg, document);
}

static void look(void *arg)
{
	struct afterwards *a = arg;
	struct store_query due = {.where =
					  json_build("[[s, s, o]]", "costAt", "<=", wall_json(wall_now().ms)),
				  .order = "costAt",
				  .ascending = true,
				  .limit = AT_ONCE};
	if (a->v->draining)
		json_decref(due.where);
	else
		store_find(a->v->store, STORE_CALLS, &due, on_costs, a->v);
	timer_start(&a->timer, a->v->base, LOOK_MS, look, a);
}

struct afterwards *afterwards_new(struct voiced *v)
{
	struct afterwards *a;
	OBJ_ALLOC(a, AFTERWARDS_MAGIC);
	a->v = v;
	timer_start(&a->timer, v->base, LOOK_MS, look, a);
	return a;
}

void afterwards_free(struct afterwards **aa)
{
	struct afterwards *a = *aa;
	if (a == NULL)
		return;
	OBJ_CHECK(a, AFTERWARDS_MAGIC);
	timer_stop(&a->timer);
	OBJ_FREE(a);
	*aa = NULL;
}
