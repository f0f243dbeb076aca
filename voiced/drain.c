#include "voiced/drain.h"

#include "lib/base/log.h"
#include "voiced/calls/hangup.h"
#include "voiced/frontend/accept.h"
#include "voiced/load_report.h"

enum {
	STEP_DOWN_MS = 2000, /* for requests in work to be answered before another takes over */
	STEP_DOWN_CHECK_MS = 10,
	STEP_DOWN_LAST_MS = 100, /* for who was let in to say what they want */
	CONFIRM_MS = 5000,       /* for Twilio to confirm the ends of calls, at shutdown */
};

static void end_call(struct call *call, void *arg)
{
	if (!call_is_over(call))
		ending_begin(arg, call, "phony is shutting down", NULL, NULL);
}

static void on_unconfirmed(void *arg)
{
	struct voiced *v = arg;
	daemon_end(v->daemon);
}

static void on_drain_over(void *arg)
{
	struct voiced *v = arg;
	if (calls_count(v->calls, NULL) > 0)
		log_warn("the time to drain is over: ending the live calls");
	calls_each(v->calls, end_call, v);
	/* Twilio's confirmation of each brings the end; it does not wait for ever. */
	timer_start(&v->confirm_timer, v->base, CONFIRM_MS, on_unconfirmed, v);
}

void leaving_drain(struct voiced *v, unsigned seconds)
{
	v->draining = true;
	log_info("draining: %u live calls may go on for %u s", calls_count(v->calls, NULL), seconds);
	timer_start(&v->drain_timer, v->base, (int)seconds * 1000, on_drain_over, v);
	load_tell(v);
}

static void check_answered(void *arg)
{
	struct voiced *v = arg;
	if (http_server_in_work(v->http_in) == 0 || mono_now().us > v->step_down_by.us)
		daemon_end(v->daemon);
	else
		timer_start(&v->step_timer, v->base, STEP_DOWN_CHECK_MS, check_answered, v);
}

void leaving_step_down(struct voiced *v)
{
	door_shut(v->door);
	v->step_down_by = (struct mono_us){mono_now().us + STEP_DOWN_MS * INT64_C(1000)};
	timer_start(&v->step_timer, v->base, STEP_DOWN_LAST_MS, check_answered, v);
}
