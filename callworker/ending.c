#include "callworker/ending.h"

#include "callworker/call_state.h"
#include "lib/base/log.h"
#include "lib/base/text.h"

enum {
	CLOSE_PATIENCE_MS = 10000,   /* for the carrier to end the stream after a hang-up */
	STORED_PATIENCE_MS = 3000,   /* for the failure to be stored before the stream is given up */
	LAST_EVENTS_MS = 600 * 1000, /* for the last events to be taken by a voiced that is away */
	OUTCOME_MS = 8000,           /* for the agent to report what came of the call */
};

#define ASK_OUTCOME                                                                                    \
	"OPERATOR INSTRUCTION:\nThe call is ending. Call the tool report_outcome now, with what came " \
	"of the call, and say nothing more."

bool ending_wants_outcome(const struct call *c)
{
	return c->a.outcome_schema != NULL && !c->outcome_known && agent_is_ready(c->agent);
}

void ending_stop_if_stored(struct call *c)
{
	if (c->state == OVER && !agent_is_open(c->agent) && control_all_stored(c->control))
		ws_loop_stop(c->loop);
}

static void on_never_stored(void *arg)
{
	struct call *c = arg;
	log_error("the call's last events could not be handed over: voiced is away for too long");
	ws_loop_stop(c->loop);
}

void ending_close_agent(struct call *c)
{
	c->figures.delay_up = *agent_delays(c->agent);
	agent_close(c->agent);
}

static void leave_now(struct call *c);

void ending_outcome_over(void *arg)
{
	struct call *c = arg;
	ws_timer_stop(c->loop, &c->outcome_timer);
	if (!c->outcome_known)
		call_tell_text(c, "outcome-missing", "reason", "the agent did not report one");
	if (c->state != OVER) {
		leave_now(c);
	} else {
		ending_close_agent(c);
		ending_stop_if_stored(c);
	}
}

void ending_ask_outcome(struct call *c)
{
	if (c->asked_outcome)
		return;
	agent_finish(c->agent); /* from now on what it says is not heard */
	c->asked_outcome = true;
	silence_stop(c->silence);
	playout_mute(c->playout, true);
	agent_direct(c->agent, ASK_OUTCOME);
	ws_timer_start(c->loop, &c->outcome_timer, OUTCOME_MS, ending_outcome_over, c);
}

void ending_finish(struct call *c, const char *fault, bool cut)
{
	if (c->state == OVER)
		return;
	bool broken = fault != NULL || c->giving_up;
	agent_finish(c->agent);
	c->state = OVER;
	c->figures.delay_up = *agent_delays(c->agent);
	c->figures.delay_down = *twilio_stream_delays(c->stream);
	hold_stop(c->hold);
	silence_stop(c->silence);
	farewell_stop(c->farewell);
	recorder_free(&c->recorder);
	json_t *data = figures_json(&c->figures, playout_sent(c->playout));
	if (fault != NULL) {
		json_object_set_new(data, "fault", json_text(fault));
		json_object_set_new(data, "cut", json_boolean(cut));
	}
	call_tell(c, "stream-ended", data);
	if (broken || !ending_wants_outcome(c))
		ending_close_agent(c);
	else
		ending_ask_outcome(c);
	ws_timer_start(c->loop, &c->patience, LAST_EVENTS_MS, on_never_stored, c);
	log_info("the stream has ended%s%s", fault ? ": " : "", fault ? fault : "");
}

static void on_close_patience(void *arg)
{
	struct call *c = arg;
	twilio_stream_close(c->stream);
}

void ending_begin(struct call *c)
{
	c->state = LEAVING;
	hold_stop(c->hold);
	silence_stop(c->silence);
	farewell_stop(c->farewell);
	ws_timer_start(c->loop, &c->patience, CLOSE_PATIENCE_MS, on_close_patience, c);
}

/* Asks voiced to end the call; the carrier then ends the stream. */
static void leave_now(struct call *c)
{
	if (c->state != STARTING && c->state != LIVE)
		return;
	call_tell_text(c, "hangup", "reason", c->leave_reason);
	ending_begin(c);
	ending_close_agent(c);
}

void ending_leave(void *arg, const char *reason)
{
	struct call *c = arg;
	if (c->state != STARTING && c->state != LIVE)
		return;
	c->leave_reason = reason;
	if (ending_wants_outcome(c))
		ending_ask_outcome(c);
	else
		leave_now(c);
}

void ending_give_up(struct call *c, const char *event, const char *why)
{
	if (c->state != STARTING && c->state != LIVE)
		return;
	log_warn("%s: %s", event, why);
	c->giving_up = true;
	call_tell_text(c, event, "reason", why);
	ending_begin(c);
	ending_close_agent(c);
	ws_timer_start(c->loop, &c->patience, STORED_PATIENCE_MS, on_close_patience, c);
}
