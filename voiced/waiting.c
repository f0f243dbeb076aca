#include "voiced/waiting.h"

#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/store/answers.h"
#include "voiced/errand.h"
#include "voiced/news.h"
#include "voiced/schedule.h"
#include "voiced/verbs_call.h"

#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_DEFAULT_S = 25, TIMEOUT_MAX_S = 50, SETTLE_MS = 150, CHECK_MS = 5000 };

struct waiting {
	struct voiced *v;
	struct reply reply;
	char *sid, *status; /* the state known to whoever asks; "" when none */
	json_int_t after;   /* turns known */
	struct listener *listener;
	struct errand errand; /* to look again */
	struct timer deadline;
	json_t *document;
	bool last, looking;
};

static void end(struct waiting *w)
{
	news_unlisten(&w->listener);
	timer_stop(&w->deadline);
	errand_end(&w->errand);
	json_decref(w->document);
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

static void on_turns(void *arg, json_t *result, const char *error)
{
	struct waiting *w = arg;
	json_t *turns = json_object_get(result, "documents"), *fresh = json_array();
	w->looking = false;
	if (answer_store_error(w->reply, error)) {
		json_decref(fresh);
		end(w);
		return;
	}
	const char *status = json_string_value(json_object_get(w->document, "status"));
	bool live = json_is_true(json_object_get(w->document, "isLive"));
	bool over = !live && strcmp(status, "scheduled") != 0;
	json_int_t count = (json_int_t)json_array_size(turns);
	for (json_int_t i = w->after; i < count; i++)
		json_array_append(fresh, json_array_get(turns, (size_t)i));
	bool changed = count > w->after || (w->status[0] != '\0' && strcmp(status, w->status) != 0) || over ||
		       json_object_get(w->document, "operatorQuestion") != NULL;
	if (!changed && !w->last) {
		json_decref(fresh);
		errand_later(&w->errand, CHECK_MS, look); /* another host may have it */
		return;
	}
	answer_success(w->reply, 200,
		       json_build("{s:s, s:s, s:b, s:b, s:o, s:I, s:O*, s:O*, s:O*}", "callSid", w->sid,
				  "status", status, "isLive", live, "changed", changed, "newTurns", fresh,
				  "after", count, "operatorQuestion",
				  json_object_get(w->document, "operatorQuestion"), "endReason",
				  json_object_get(w->document, "endReason"), "errorMessage",
				  json_object_get(w->document, "errorMessage")),
		       "%s",
		       over      ? "The call is over"
		       : changed ? "Something happened; ask again with this `after`"
				 : "Nothing happened in this time; ask again with this `after`");
	end(w);
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
		store_turns(w->v->store, json_string_value(json_object_get(result, "callId")), on_turns, w);
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
	if (sid != NULL && strcmp(sid, w->sid) == 0)
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
	if (verb_refuse_faults(&r, reply))
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
