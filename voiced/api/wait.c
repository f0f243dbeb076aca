#include "voiced/api/wait.h"

#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/store/result.h"
#include "voiced/api/call_commands.h"
#include "voiced/api/call_summary.h"
#include "voiced/calls/schedule.h"
#include "voiced/shared/event_bus.h"
#include "voiced/shared/pending.h"

#include <stdlib.h>
#include <string.h>

enum {
	TIMEOUT_DEFAULT_S = 25,
	TIMEOUT_MAX_S = 50,
	SETTLE_MS = 150,
	SETTLES_MAX = 24, /* so often a call that is over is looked at again while its worker still reports */
	CHECK_MS = 5000,
};

struct waiting {
	struct voiced *v;
	struct reply reply;
	char *sid, *status;  /* the state known to whoever asks; "" when none */
	int64_t after, told; /* turns known, and told by now */
	struct listener *listener;
	struct errand errand; /* to look again */
	struct timer deadline;
	json_t *document, *turns; /* turns: that are not known */
	char *call_id;            /* once it was looked up */
	unsigned settles;
	bool last, looking;
};

static void end(struct waiting *w)
{
	news_unlisten(&w->listener);
	timer_stop(&w->deadline);
	errand_end(&w->errand);
	json_decref(w->document);
	json_decref(w->turns);
	free(w->call_id);
	free(w->sid);
	free(w->status);
	free(w);
}

static void drop(void *arg)
{
	struct waiting *w = arg;
	w->reply.fail(w->reply.arg, 503, "ending", "phony is shutting down; ask again.");
	end(w);
}

static void look(void *arg);

static bool is_over(const struct waiting *w)
{
	const char *status = json_string_value(json_object_get(w->document, "status"));
	return !json_is_true(json_object_get(w->document, "isLive")) && strcmp(status, "scheduled") != 0;
}

static bool has_changed(const struct waiting *w)
{
	const char *status = json_string_value(json_object_get(w->document, "status"));
	return json_array_size(w->turns) > 0 || (w->status[0] != '\0' && strcmp(status, w->status) != 0) ||
	       is_over(w) || json_object_get(w->document, "operatorQuestion") != NULL;
}

static void answer(struct waiting *w)
{
	/* What phony_get_call has, too; what came of the call is there once it is over. */
	static const char *const told[] = {"operatorQuestion", "endReason", "errorMessage", "duration",
					   "answeredBy",       "outcome",   "notes"};
	bool over = is_over(w), changed = has_changed(w);
	json_t *data = json_build("{s:s, s:O, s:O, s:b, s:O, s:I}", "callSid", w->sid, "status",
				  json_object_get(w->document, "status"), "isLive",
				  json_object_get(w->document, "isLive"), "changed", changed, "newTurns",
				  w->turns, "after", (json_int_t)w->told);
	for (size_t i = 0; i < sizeof told / sizeof *told; i++)
		if (json_object_get(w->document, told[i]) != NULL)
			json_object_set(data, told[i], json_object_get(w->document, told[i]));
	answer_success(w->reply, 200, data, "%s",
		       over      ? "The call is over"
		       : changed ? "Something happened; ask again with this `after`"
				 : "Nothing happened in this time; ask again with this `after`");
	end(w);
}

static void on_events(void *arg, json_t *result, const char *error)
{
	struct waiting *w = arg;
	if (answer_store_error(w->reply, error)) {
		end(w);
		return;
	}
	summary_add(w->document, json_object_get(result, "documents"));
	answer(w);
}

/* The call is over, but its last words and its outcome may still be on their way. */
static bool is_settling(struct waiting *w)
{
	const char *sid = json_string_value(json_object_get(w->document, "callSid"));
	return !w->last && sid != NULL && calls_by_sid(w->v->calls, sid) != NULL &&
	       w->settles++ < SETTLES_MAX;
}

static void on_turns(void *arg, json_t *result, const char *error)
{
	struct waiting *w = arg;
	if (answer_store_error(w->reply, error)) {
		end(w);
		return;
	}
	json_decref(w->turns);
	w->turns = json_incref(json_object_get(result, "documents"));
	w->told = json_integer_value(json_object_get(result, "count"));
	w->looking = false;
	if (is_over(w) && !is_settling(w)) {
		w->looking = true;
		store_events(w->v->store, w->call_id, NULL, on_events, w);
	} else if (is_over(w)) {
		errand_later(&w->errand, SETTLE_MS, look);
	} else if (has_changed(w) || w->last) {
		answer(w);
	} else {
		errand_later(&w->errand, CHECK_MS, look); /* another host may have it */
	}
}

static void on_document(void *arg, json_t *result, const char *error)
{
	struct waiting *w = arg;
	if (answer_store_error(w->reply, error)) {
		end(w);
	} else if (!json_is_object(result)) {
		answer_error(w->reply, 404, "not_found",
			     "No call has this callSid; phony_list_calls lists them.");
		end(w);
	} else {
		json_decref(w->document);
		w->document = call_document_public(result);
		free(w->call_id);
		w->call_id = xstrdup(json_string_value(json_object_get(result, "callId")));
		store_turns_after(w->v->store, w->call_id, w->after, on_turns, w);
	}
}

static void look(void *arg)
{
	struct waiting *w = arg;
	if (w->looking)
		return;
	w->looking = true;
	store_get(w->v->store, STORE_CALLS, schedule_is_id(w->sid) ? "requestId" : "callSid", w->sid,
		  on_document, w);
}

/* What is told is being stored; several things often come together. */
static void on_news(void *arg, json_t *item)
{
	struct waiting *w = arg;
	const char *sid = json_string_value(json_object_get(item, "callSid"));
	const char *first = json_string_value(json_object_get(item, "requestId"));
	if ((sid != NULL && strcmp(sid, w->sid) == 0) || (first != NULL && strcmp(first, w->sid) == 0))
		errand_later(&w->errand, SETTLE_MS, look);
}

static void on_deadline(void *arg)
{
	struct waiting *w = arg;
	w->last = true;
	look(w);
}

void waiting_wait(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	int64_t timeout = TIMEOUT_DEFAULT_S, after = 0;
	const char *status = "", *sid = verb_read_sid(&r, args);
	json_read_int(&r, "timeoutSeconds", JSON_OPTIONAL, 0, TIMEOUT_MAX_S, &timeout);
	json_read_int(&r, "after", JSON_OPTIONAL, 0, 100000, &after);
	json_read_text(&r, "status", JSON_OPTIONAL, 0, 32, &status);
	if (answer_faults(reply, &r))
		return;
	struct waiting *w = xcalloc(1, sizeof *w);
	*w = (struct waiting){.v = v,
			      .reply = reply,
			      .sid = xstrdup(sid),
			      .status = xstrdup(status),
			      .after = after,
			      .last = timeout == 0};
	errand_begin(&w->errand, v, drop, w);
	w->listener = news_listen(v, on_news, w);
	if (timeout > 0)
		timer_start(&w->deadline, v->base, (int)timeout * 1000, on_deadline, w);
	look(w);
}
