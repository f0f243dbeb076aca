#include "voiced/calls/hangup.h"

#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "voiced/calls/browser_call.h"
#include "voiced/calls/host_takeover.h"
#include "voiced/calls/placement.h"
#include "voiced/workers/pool.h"

#include <stdlib.h>
#include <string.h>

enum { EXPECT_MS = 8000 };

/* A question to Twilio about a call, which may be gone when the answer comes. */
struct asked {
	struct voiced *v;
	char *call_id;
	ending_fn *fn;
	void *arg;
};

static struct asked *new_asked(struct voiced *v, const struct call *call, ending_fn *fn, void *arg)
{
	struct asked *a = xcalloc(1, sizeof *a);
	a->v = v;
	a->call_id = xstrdup(call_id(call));
	a->fn = fn;
	a->arg = arg;
	return a;
}

static void free_asked(struct asked *a)
{
	free(a->call_id);
	free(a);
}

static void on_ended(void *arg, const struct twilio_answer *answer)
{
	struct asked *a = arg;
	bool ok = answer->outcome == TWILIO_DONE;
	struct call *call = calls_by_id(a->v->calls, a->call_id);
	if (!ok)
		log_warn("call %s could not be ended: %s", a->call_id, answer->message);
	/* Either way Twilio is asked soon whether it is over, and to end it again if it is not. */
	if (call != NULL)
		ending_expect(a->v, call);
	if (a->fn)
		a->fn(a->arg, ok ? NULL : answer->message);
	free_asked(a);
}

static void on_worker_told(void *arg, json_t *reply, const struct peer_error *error)
{
	(void)arg;
	(void)reply;
	(void)error;
}

void ending_begin(struct voiced *v, struct call *call, const char *reason, ending_fn *fn, void *arg)
{
	bool first = !call_is_ending(call);
	enum lifecycle_action action = call_set_ending(call, reason);
	if (first) {
		log_call(LOG_SEV_INFO, call_sid(call), "ending the call: %s", reason);
		elsewhere_save(v, call);
	}
	if (call_is_browser(call)) {
		browser_hang_up(call);
		if (fn)
			fn(arg, NULL);
		return;
	}
	if (call_worker(call) != NULL)
		worker_ask(call, MSG_WORKER_HANGUP, json_object(), on_worker_told, NULL);
	if (action == LIFECYCLE_DO_END)
		twilio_end_call(v->twilio, call_sid(call), on_ended, new_asked(v, call, fn, arg));
	else if (fn)
		fn(arg, NULL);
}

bool ending_name(struct voiced *v, struct call *call, const char *sid, bool certain)
{
	enum lifecycle_action action;
	if (!call_set_sid(call, sid, certain, &action))
		return false;
	if (action == LIFECYCLE_DO_END) {
		log_call(LOG_SEV_INFO, sid, "ending the call: it was to be ended before it had a SID");
		twilio_end_call(v->twilio, sid, on_ended, new_asked(v, call, NULL, NULL));
	}
	return true;
}

static void on_fetched(void *arg, const struct twilio_answer *answer)
{
	struct asked *a = arg;
	struct call *call = calls_by_id(a->v->calls, a->call_id);
	const char *text = "", *duration = NULL;
	enum call_status status;
	if (call != NULL && answer->outcome == TWILIO_DONE && answer->body != NULL) {
		struct json_reader r;
		json_read_open(&r, answer->body);
		json_read_text(&r, "status", JSON_NEEDED, 1, 32, &text);
		json_read_text(&r, "duration", JSON_OPTIONAL, 0, 16, &duration);
		if (json_read_ok(&r) && call_parse_status(text, &status)) {
			if (duration != NULL && status == CALL_COMPLETED)
				call_set_duration(call, atol(duration));
			if (call_set_status(call, status) && !call_is_over(call))
				call_save(call, NULL, NULL);
			if (!call_is_over(call) && call_is_ending(call))
				twilio_end_call(a->v->twilio, call_sid(call), on_ended,
						new_asked(a->v, call, NULL, NULL));
		}
	} else if (call != NULL && answer->outcome == TWILIO_REFUSED && answer->code == TWILIO_NOT_FOUND) {
		call_set_error(call, answer->message, true);
		call_set_status(call, CALL_FAILED);
	} else if (call != NULL) { /* that phony may not ask says nothing about the call */
		log_call(LOG_SEV_WARN, call_sid(call), "whether the call is over is not known: %s",
			 answer->message);
		if (call_is_ending(call))
			ending_expect(a->v, call);
	}
	free_asked(a);
}

void ending_check(struct voiced *v, struct call *call)
{
	if (call_is_over(call) || call_is_asked(call))
		return;
	if (call_is_browser(call)) {
		browser_check(call);
		return;
	}
	if (call_sid(call)[0] == '\0') {
		placement_give_up(v, call);
		return;
	}
	twilio_fetch_call(v->twilio, call_sid(call), on_fetched, new_asked(v, call, NULL, NULL));
}

void ending_expect(struct voiced *v, struct call *call)
{
	(void)v;
	if (!call_is_over(call))
		call_check_soon(call, EXPECT_MS);
}

static void on_check(struct call *call, void *arg)
{
	elsewhere_check(arg, call, ending_check);
}

static void on_overdue(struct call *call, void *arg)
{
	ending_begin(arg, call, "the call's maximum duration is used up", NULL, NULL);
}

void ending_init(struct voiced *v)
{
	calls_on_check(v->calls, on_check, v);
	calls_on_overdue(v->calls, on_overdue, v);
}
