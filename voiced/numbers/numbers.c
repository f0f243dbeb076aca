#include "voiced/numbers/numbers.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/store/result.h"

#include <stdlib.h>
#include <string.h>

enum { HANDLERS_MAX = 1000 };

struct listing {
	struct voiced *v;
	struct reply reply;
	bool capabilities, free_only;
	json_t *handlers; /* documents */
};

static void end_listing(struct listing *l)
{
	json_decref(l->handlers);
	free(l);
}

static json_t *handler_of(const struct listing *l, const char *number)
{
	size_t i;
	json_t *handler;
	json_array_foreach (l->handlers, i, handler) {
		const char *own = json_string_value(json_object_get(handler, "phoneNumber"));
		if (own != NULL && strcmp(own, number) == 0)
			return handler;
	}
	return NULL;
}

static json_t *number_public(const struct listing *l, json_t *item)
{
	const char *number = NULL, *name = "", *sid = "", *voice_url = "";
	json_t *capabilities = NULL;
	struct json_reader r;
	json_read_open(&r, item);
	json_read_text(&r, "phone_number", JSON_NEEDED, 1, 32, &number);
	json_read_text(&r, "sid", JSON_OPTIONAL, 0, 64, &sid);
	json_read_text(&r, "friendly_name", JSON_OPTIONAL, 0, 200, &name);
	json_read_text(&r, "voice_url", JSON_OPTIONAL, 0, 4000, &voice_url);
	json_read_object(&r, "capabilities", JSON_OPTIONAL, &capabilities);
	json_t *handler = number ? handler_of(l, number) : NULL;
	if (number == NULL || (l->free_only && handler != NULL))
		return NULL;
	size_t base = strlen(l->v->config->public_url);
	bool ours = strncmp(voice_url, l->v->config->public_url, base) == 0 &&
		    strncmp(voice_url + base, "/call/incoming", 14) == 0;
	json_t *shown = json_build("{s:s, s:s, s:s, s:b, s:b}", "phoneNumber", number, "friendlyName", name,
				   "phoneNumberSid", sid, "configured", handler != NULL, "webhookSet", ours);
	if (l->capabilities && capabilities != NULL)
		json_object_set(shown, "capabilities", capabilities);
	return shown;
}

static void on_numbers(void *arg, const struct twilio_answer *answer)
{
	struct listing *l = arg;
	json_t *list = NULL, *item, *shown = json_array();
	size_t i;
	struct json_reader r;
	if (answer->outcome != TWILIO_DONE) {
		answer_error(l->reply, 502, "twilio", "%s", answer->message);
		json_decref(shown);
		end_listing(l);
		return;
	}
	json_read_open(&r, answer->body);
	json_read_any(&r, "incoming_phone_numbers", JSON_NEEDED, &list);
	json_array_foreach (list, i, item) {
		json_t *number = number_public(l, item);
		if (number != NULL)
			json_array_append_new(shown, number);
	}
	size_t count = json_array_size(shown);
	answer_success(l->reply, 200, json_build("{s:I, s:o}", "count", (json_int_t)count, "numbers", shown),
		       "Found %zu number(s)", count);
	end_listing(l);
}

static void on_handlers(void *arg, json_t *result, const char *error)
{
	struct listing *l = arg;
	if (answer_store_error(l->reply, error)) {
		end_listing(l);
		return;
	}
	l->handlers = json_incref(json_object_get(result, "documents"));
	twilio_list_numbers(l->v->twilio, NULL, on_numbers, l);
}

static void list(struct voiced *v, struct reply reply, bool capabilities, bool free_only)
{
	struct listing *l = xcalloc(1, sizeof *l);
	*l = (struct listing){v, reply, capabilities, free_only, NULL};
	struct store_query query = {.limit = HANDLERS_MAX};
	store_find(v->store, STORE_INCOMING_CONFIGS, &query, on_handlers, l);
}

void numbers_list(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	bool capabilities = false;
	json_read_open(&r, args);
	json_read_bool(&r, "includeCapabilities", JSON_OPTIONAL, &capabilities);
	if (!answer_faults(reply, &r))
		list(v, reply, capabilities, false);
}

void numbers_list_free(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	json_read_open(&r, args);
	if (!answer_faults(reply, &r))
		list(v, reply, true, true);
}

/* ---- webhooks ---- */

struct setting {
	struct voiced *v;
	char *number;
	numbers_fn *fn;
	void *arg;
};

static void settle(struct setting *s, int http_status, const char *error)
{
	s->fn(s->arg, http_status, error);
	free(s->number);
	free(s);
}

static void on_set(void *arg, const struct twilio_answer *answer)
{
	bool done = answer->outcome == TWILIO_DONE;
	settle(arg, done ? 200 : 502, done ? NULL : answer->message);
}

void numbers_webhooks(const char *public_url, char **voice_url, char **status_callback)
{
	*voice_url = xasprintf("%s/call/incoming#rc=2&rp=ct", public_url);
	*status_callback = xasprintf("%s/call/status#rc=5&rp=all", public_url);
}

static void on_number(void *arg, const struct twilio_answer *answer)
{
	struct setting *s = arg;
	json_t *found = NULL;
	const char *sid = NULL;
	struct json_reader r;
	if (answer->outcome != TWILIO_DONE) {
		settle(s, 502, answer->message);
		return;
	}
	json_read_open(&r, answer->body);
	json_read_any(&r, "incoming_phone_numbers", JSON_NEEDED, &found);
	json_read_open(&r, json_array_get(found, 0));
	json_read_text(&r, "sid", JSON_NEEDED, 34, 34, &sid);
	if (sid == NULL) {
		settle(s, 404,
		       "This number is not one of the Twilio account's; phony_list_numbers lists them.");
		return;
	}
	char *voice, *status;
	numbers_webhooks(s->v->config->public_url, &voice, &status);
	struct twilio_webhooks webhooks = {.voice_url = voice, .status_callback = status};
	twilio_set_webhooks(s->v->twilio, sid, &webhooks, on_set, s);
	free(voice);
	free(status);
}

void numbers_set_webhook(struct voiced *v, const char *number, numbers_fn *fn, void *arg)
{
	struct setting *s = xcalloc(1, sizeof *s);
	*s = (struct setting){v, xstrdup(number), fn, arg};
	twilio_list_numbers(v->twilio, number, on_number, s);
}
