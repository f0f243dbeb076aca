#include "callworker/call/call_inside.h"

#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"

#include <string.h>

#define ASK_OUTCOME                                                                                    \
	"OPERATOR INSTRUCTION:\nThe call is ending. Call the tool report_outcome now, with what came " \
	"of the call, and say nothing more."
#define TRANSFER_FAILED                                                                                \
	"OPERATOR INSTRUCTION:\nThe transfer did not work. Tell the person, apologise, and help them " \
	"yourself."

bool call_owes_outcome(const struct call *c)
{
	return c->a.outcome_schema != NULL && !c->outcome_known && agent_is_ready(c->agent);
}

void call_open_agent(struct call *c)
{
	if (c->started && c->agent_url != NULL && !agent_is_open(c->agent) &&
	    call_state_wants_agent(c->state)) {
		agent_connect(c->agent, c->agent_url, c->agent_connection, c->agent_header);
		c->agent_connection = -1;
	}
}

void call_fail(struct call *c, enum call_event event, const char *why)
{
	c->failure = event == EV_STREAM_BROKEN ? "stream-refused" : "agent-failed";
	text_copy(c->why, sizeof c->why, why, strlen(why));
	call_event(c, event);
}

void call_look_stored(struct call *c)
{
	bool writing = c->state == CALL_OVER && agent_is_open(c->agent);
	if (!writing && control_all_stored(c->control))
		call_event(c, EV_STORED);
}

/* ---- the actions ---- */

static void do_nothing(struct call *c)
{
	(void)c;
}

static void do_talk(struct call *c)
{
	hold_stop(c->hold); /* the tone of a reconnection */
	silence_watch(c->silence);
}

static void do_ask_agent(struct call *c)
{
	log_warn("the agent is lost, and asked for again: %s", c->why);
	free(c->agent_url);
	c->agent_url = NULL;
	call_tell_text(c, "agent-lost", "reason", c->why);
}

static void do_bridge(struct call *c)
{
	hold_play(c->hold, HOLD_FILLER);
	do_ask_agent(c);
}

/* From now on what the agent says is not heard; what it has said before is told first. */
static void mute(struct call *c)
{
	agent_finish(c->agent);
	playout_mute(c->playout, true);
}

static void do_retry_agent(struct call *c)
{
	agent_retry(c->agent);
}

static void do_restore(struct call *c)
{
	playout_mute(c->playout, false);
	silence_watch(c->silence);
	if (agent_is_open(c->agent) || c->agent_url == NULL)
		return;
	agent_close(c->agent); /* one that waits to report its loss */
	text_printf(c->why, sizeof c->why, "it had ended when the conversation went on");
	do_bridge(c);
}

static void do_recall(struct call *c)
{
	do_restore(c);
	agent_direct(c->agent, TRANSFER_FAILED);
}

static void do_close_agent(struct call *c)
{
	c->figures.delay_up = *agent_delays(c->agent);
	agent_close(c->agent);
	if (c->state == CALL_OVER)
		call_look_stored(c);
}

static void on_heard(void *arg)
{
	call_event(arg, EV_HEARD);
}

static void do_hear(struct call *c)
{
	playout_when_heard(c->playout, on_heard, c);
}

static void do_close_agent_and_hear(struct call *c)
{
	do_close_agent(c);
	do_hear(c);
}

static void do_pause(struct call *c)
{
	pause_begin(c->pause, c->directive);
}

static void do_resume(struct call *c)
{
	pause_end(c->pause, c->directive);
	if (!agent_is_ready(c->agent))
		hold_play(c->hold, HOLD_FILLER);
}

static void do_transfer(struct call *c)
{
	pause_end(c->pause, NULL);
	silence_stop(c->silence);
	do_hear(c);
}

/* What the agent said before has been heard: voiced sends the call on its way. */
static void do_send_transfer(struct call *c)
{
	mute(c);
	call_tell(c, "transfer",
		  json_build("{s:s, s:s}", "toNumber", c->transfer_to, "reason", c->transfer_reason));
}

/* The agent reports, unheard. */
static void do_ask_outcome(struct call *c)
{
	if (!call_owes_outcome(c)) {
		call_event(c, EV_REPORTED);
		return;
	}
	silence_stop(c->silence);
	mute(c);
	agent_direct(c->agent, ASK_OUTCOME);
}

/* Nothing more is said. */
static void fall_silent(struct call *c)
{
	pause_end(c->pause, NULL);
	hold_stop(c->hold);
	silence_stop(c->silence);
	operator_stop(c->operator);
	mute(c);
}

static void tell_hangup(struct call *c)
{
	call_tell_text(c, "hangup", "reason", c->leave_reason);
}

static void tell_unreported(struct call *c)
{
	call_tell_text(c, "outcome-missing", "reason", "the agent did not report one");
}

static void do_leave(struct call *c)
{
	tell_hangup(c);
	fall_silent(c);
	do_close_agent(c);
}

static void do_leave_unreported(struct call *c)
{
	tell_unreported(c);
	do_leave(c);
}

static void do_hang_up(struct call *c)
{
	fall_silent(c);
	playout_clear(c->playout);
	do_ask_outcome(c);
}

static void do_close_unreported(struct call *c)
{
	tell_unreported(c);
	do_close_agent(c);
}

/*
 * Once the reason is stored the stream is given back to the carrier, which then
 * asks voiced what to do: it must know by then.
 */
static void do_give_up(struct call *c)
{
	log_warn("%s: %s", c->failure, c->why);
	call_tell_text(c, c->failure, "reason", c->why);
	fall_silent(c);
	do_close_agent(c);
}

static void do_close_stream(struct call *c)
{
	twilio_stream_close(c->stream);
}

/* The stream is gone: tells the rest. */
static void tell_stream_end(struct call *c)
{
	const char *fault = c->stream_fault;
	c->figures.delay_up = *agent_delays(c->agent);
	c->figures.delay_down = *twilio_stream_delays(c->stream);
	fall_silent(c);
	if (c->recorder != NULL)
		recorder_end(c->recorder);
	json_t *data = figures_json(&c->figures, playout_sent(c->playout));
	if (fault != NULL) {
		json_object_set_new(data, "fault", json_text(fault));
		json_object_set_new(data, "cut", json_boolean(c->stream_cut));
	}
	call_tell(c, "stream-ended", data);
	log_info("the stream has ended%s%s", fault ? ": " : "", fault ? fault : "");
}

static void do_finish(struct call *c)
{
	tell_stream_end(c);
	do_close_agent(c);
}

static void do_finish_leaving(struct call *c)
{
	tell_unreported(c);
	tell_hangup(c);
	do_finish(c);
}

static void do_finish_and_ask(struct call *c)
{
	tell_stream_end(c);
	do_ask_outcome(c);
}

static void do_stop(struct call *c)
{
	ws_loop_stop(c->loop);
}

static void do_abandon(struct call *c)
{
	log_error("the call's last events could not be handed over: voiced is away for too long");
	ws_loop_stop(c->loop);
}

static void (*const actions[CALL_ACTIONS])(struct call *c) = {
	[DO_NOTHING] = do_nothing,
	[DO_WAIT_AGAIN] = do_nothing,
	[DO_TALK] = do_talk,
	[DO_RECALL] = do_recall,
	[DO_RESTORE] = do_restore,
	[DO_ASK_AGENT] = do_ask_agent,
	[DO_BRIDGE] = do_bridge,
	[DO_RETRY_AGENT] = do_retry_agent,
	[DO_CLOSE_AGENT] = do_close_agent,
	[DO_HEAR] = do_hear,
	[DO_CLOSE_AGENT_AND_HEAR] = do_close_agent_and_hear,
	[DO_PAUSE] = do_pause,
	[DO_RESUME] = do_resume,
	[DO_TRANSFER] = do_transfer,
	[DO_SEND_TRANSFER] = do_send_transfer,
	[DO_ASK_OUTCOME] = do_ask_outcome,
	[DO_LEAVE] = do_leave,
	[DO_LEAVE_UNREPORTED] = do_leave_unreported,
	[DO_HANG_UP] = do_hang_up,
	[DO_CLOSE_UNREPORTED] = do_close_unreported,
	[DO_GIVE_UP] = do_give_up,
	[DO_CLOSE_STREAM] = do_close_stream,
	[DO_FINISH] = do_finish,
	[DO_FINISH_LEAVING] = do_finish_leaving,
	[DO_FINISH_REPORTING] = tell_stream_end,
	[DO_FINISH_AND_ASK] = do_finish_and_ask,
	[DO_STOP] = do_stop,
	[DO_ABANDON] = do_abandon,
};

static void on_deadline(void *arg)
{
	call_event(arg, EV_TIME);
}

bool call_event(struct call *c, enum call_event event)
{
	struct call_step step = call_step(c->state, event);
	if (step.next == CALL_NONE)
		return false;
	bool again = event == EV_TIME || step.action == DO_WAIT_AGAIN;
	if (step.next != c->state || again) {
		int ms = call_deadline_ms(step.next);
		if (ms > 0)
			ws_timer_start(c->loop, &c->deadline, ms, on_deadline, c);
		else
			ws_timer_stop(c->loop, &c->deadline);
	}
	if (step.next != c->state)
		log_debug("%s, now %s", call_state_name(c->state), call_state_name(step.next));
	c->state = step.next;
	actions[step.action](c);
	return true;
}
