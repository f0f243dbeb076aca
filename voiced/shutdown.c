#include "voiced/shutdown.h"

#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "voiced/ending.h"
#include "voiced/verbs_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ELSEWHERE_MAX = 10000 };

struct shutdown {
	struct voiced *v;
	struct reply reply;
	unsigned pending, ended;
	json_t *failures;
	bool incomplete;
};

static void step(struct shutdown *s)
{
	if (--s->pending > 0)
		return;
	char message[96];
	size_t failed = json_array_size(s->failures);
	text_printf(message, sizeof message, "%u call(s) ended, %zu could not be ended", s->ended, failed);
	json_t *body = json_build("{s:s, s:s, s:i, s:o}", "status", failed ? "error" : "success", "message",
				  message, "ended", (int)s->ended, "failures", s->failures);
	if (s->incomplete)
		json_object_set_new(body, "incomplete", json_true());
	s->reply.done(s->reply.arg, failed ? 502 : 200, body);
	free(s);
}

struct one {
	struct shutdown *all;
	char *sid;
};

static struct one *begin_one(struct shutdown *s, const char *sid)
{
	struct one *one = xcalloc(1, sizeof *one);
	*one = (struct one){s, xstrdup(sid)};
	s->pending++;
	return one;
}

static void on_ended(void *arg, const char *error)
{
	struct one *one = arg;
	struct shutdown *s = one->all;
	if (error == NULL)
		s->ended++;
	else
		json_array_append_new(s->failures,
				      json_build("{s:s, s:s}", "callSid", one->sid, "message", error));
	free(one->sid);
	free(one);
	step(s);
}

static void end_ours(struct call *call, void *arg)
{
	struct shutdown *s = arg;
	if (!call_is_over(call))
		ending_begin(s->v, call, "emergency shutdown", on_ended, begin_one(s, call_sid(call)));
}

static void on_ended_elsewhere(void *arg, const struct twilio_answer *answer)
{
	on_ended(arg, answer->outcome == TWILIO_DONE ? NULL : answer->message);
}

/* What other hosts serve is ended at Twilio: they hear of it there. */
static void on_found(void *arg, json_t *result, const char *error)
{
	struct shutdown *s = arg;
	size_t i;
	json_t *call;
	s->incomplete = error != NULL || json_object_get(result, "incomplete") != NULL;
	json_array_foreach (json_object_get(result, "documents"), i, call) {
		const char *sid = json_string_value(json_object_get(call, "callSid"));
		if (sid != NULL && calls_by_sid(s->v->calls, sid) == NULL)
			twilio_end_call(s->v->twilio, sid, on_ended_elsewhere, begin_one(s, sid));
	}
	step(s);
}

void shutdown_run(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	json_read_open(&r, args);
	if (verb_refuse_faults(&r, reply))
		return;
	struct shutdown *s = xcalloc(1, sizeof *s);
	*s = (struct shutdown){.v = v, .reply = reply, .pending = 2, .failures = json_array()};
	calls_each(v->calls, end_ours, s);
	struct store_query live = {.where = json_build("[[s, s, [s, s, s]]]", "status", "in", "initiated",
						       "ringing", "in-progress"),
				   .limit = ELSEWHERE_MAX};
	store_find(v->store, STORE_CALLS, &live, on_found, s);
	step(s);
}
