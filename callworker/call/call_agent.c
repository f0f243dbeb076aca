/* The agent's side of a call: what the agent, its tools and the operator's answers lead to. */
#include "callworker/call/call_inside.h"

#include "callworker/conversation/goodbye.h"
#include "lib/base/json_build.h"
#include "lib/base/object.h"
#include "lib/base/text.h"

#include <string.h>
#include <unictype.h>
#include <unistr.h>

#define ON_HOLD                                                                                   \
	"The call is on hold and the other side hears nothing. Wait until you are told that you " \
	"are back with them."

/* ---- from the agent ---- */

static const json_t *history(void *arg)
{
	struct call *c = arg;
	return transcript_turns(c->transcript);
}

static void on_connected(void *arg, json_t *data)
{
	struct call *c = arg;
	call_tell(c, "agent-connected", data);
	call_event(c, EV_AGENT_READY);
}

static void on_spoke(void *arg, int quiet_ms)
{
	struct call *c = arg;
	if (playout_is_muted(c->playout))
		return; /* nobody hears it */
	figures_spoke(&c->figures, quiet_ms);
	call_tell_response(c);
	call_event(c, EV_AGENT_SPOKE);
}

static void on_interrupted(void *arg, struct mono_us born)
{
	struct call *c = arg;
	/* Nothing is being heard that could be interrupted, or it is the music. */
	if (!call_state_is_live(c->state) || call_state_is_held(c->state))
		return;
	bool heard = playout_ahead_ms(c->playout) > 0;
	playout_clear(c->playout);
	call_caller_spoke(c);
	if (!heard)
		return;
	figures_interrupted(&c->figures, born);
	call_tell(c, "interruption", json_object());
}

static int64_t add_turn(struct call *c, const char *role, const char *text, struct turn_place place)
{
	json_t *turn = json_build("{s:s, s:s}", "role", role, "content", text);
	if (place.before != 0) {
		char said[WALL_TEXT_SIZE];
		wall_format(place.said, said);
		json_object_set_new(turn, "before", json_integer(place.before));
		json_object_set_new(turn, "saidAt", json_text(said));
	}
	int64_t number = control_event(c->control, "turn", turn);
	transcript_add(c->transcript, role, text, number, place.before);
	return number;
}

/* Silence is written down as "..." by some. */
static bool says_something(const char *text)
{
	ucs4_t c;
	for (const uint8_t *at = (const uint8_t *)text; (at = u8_next(&c, at)) != NULL;)
		if (uc_is_alnum(c))
			return true;
	return false;
}

/* What is late tells nothing of where the conversation stands now. */
static int64_t on_user_said(void *arg, const char *text, struct turn_place place)
{
	struct call *c = arg;
	if (!says_something(text))
		return 0;
	int64_t number = add_turn(c, "user", text, place);
	silence_heard(c->silence);
	c->caller_spoke = true;
	if (place.before != 0)
		return number;
	if (!goodbye_said(text, GOODBYE_CALLER))
		call_event(c, EV_CALLER_SAID);
	else if (call_event(c, EV_CALLER_GOODBYE))
		c->leave_reason = "the caller said goodbye";
	return number;
}

/* A greeting may sound like a goodbye ("Thank you, have a nice day!"): it is none before the caller has
 * spoken. */
static int64_t on_agent_said(void *arg, const char *text, struct turn_place place)
{
	struct call *c = arg;
	if (playout_is_muted(c->playout))
		return 0; /* nobody hears it */
	int64_t number = add_turn(c, "assistant", text, place);
	bool first = c->state == CALL_TALKING;
	if (place.before != 0)
		return number;
	if (!c->caller_spoke || !goodbye_said(text, GOODBYE_AGENT))
		call_event(c, goodbye_asks(text) ? EV_AGENT_ASKED : EV_AGENT_SAID);
	else if (call_event(c, EV_AGENT_GOODBYE) && first)
		c->leave_reason = "the agent said goodbye";
	return number;
}

static void on_corrected(void *arg, int64_t utterance, const char *text)
{
	struct call *c = arg;
	if (utterance == 0)
		return;
	transcript_correct(c->transcript, utterance, text);
	call_tell(c, "turn-corrected",
		  json_build("{s:I, s:s}", "turn", (json_int_t)utterance, "content", text));
}

static void on_tool_call(void *arg, const char *id, const char *name, json_t *parameters)
{
	struct call *c = arg;
	call_event(c, EV_AGENT_ACTED);
	tools_call(c->tools, id, name, parameters);
}

static void on_usage(void *arg, json_t *counts)
{
	struct call *c = arg;
	call_tell(c, "usage", json_copy(counts));
}

static void on_lost(void *arg, const char *why)
{
	struct call *c = arg;
	text_copy(c->why, sizeof c->why, why, strlen(why));
	call_event(c, EV_AGENT_LOST);
}

static void on_ended(void *arg, const char *why, bool done)
{
	struct call *c = arg;
	if (!done) {
		call_fail(c, EV_AGENT_FAILED, why);
		return;
	}
	bool first = c->state == CALL_TALKING;
	c->failure = "agent-failed";
	text_copy(c->why, sizeof c->why, why, strlen(why));
	if (call_event(c, EV_AGENT_DONE) && first)
		c->leave_reason = "the agent ended the conversation";
}

static void on_closed(void *arg)
{
	call_look_stored(arg);
}

static const struct agent_events agent_events = {
	on_connected, on_spoke, on_interrupted, on_user_said, on_agent_said, on_corrected,
	on_tool_call, on_usage, on_lost,        on_ended,     on_closed,
};

/* ---- the tools' and the operator's hands ---- */

static void out_result(void *arg, const char *id, const char *result, bool is_error, bool go_on)
{
	struct call *c = arg;
	agent_tool_result(c->agent, id, result, is_error, go_on);
}

static void out_event(void *arg, const char *type, json_t *data)
{
	call_tell(arg, type, data);
}

static void out_pressed(void *arg)
{
	call_event(arg, EV_AGENT_SPOKE);
}

static const char *out_ask(void *arg, const char *id, const char *question)
{
	struct call *c = arg;
	if (operator_waits(c->operator))
		return "A question is open already; wait for its answer";
	c->directive = NULL; /* the agent has announced it itself */
	if (!call_event(c, EV_AGENT_QUESTION))
		return "The call is ending: no question can be asked any more";
	operator_ask(c->operator, id, question);
	return NULL;
}

const char *call_transfer(struct call *c, enum call_event event, const char *number, const char *reason)
{
	bool held = call_state_is_held(c->state);
	char *to = xstrdup(number), *why = xstrdup(reason);
	if (!call_event(c, event)) {
		free(to);
		free(why);
		return held ? ON_HOLD : "The call is being transferred already, or is ending";
	}
	free(c->transfer_to);
	free(c->transfer_reason);
	c->transfer_to = to;
	c->transfer_reason = why;
	return NULL;
}

static const char *out_transfer(void *arg, const char *number, const char *reason)
{
	return call_transfer(arg, EV_AGENT_TRANSFER, number, reason);
}

static const char *out_end(void *arg)
{
	struct call *c = arg;
	if (call_event(c, EV_AGENT_END))
		c->leave_reason = "the agent ended the call";
	else if (call_state_is_held(c->state))
		return ON_HOLD;
	return NULL; /* else it is ending, or goes to somebody else */
}

static void on_reported(void *arg)
{
	call_event(arg, EV_REPORTED);
}

/* Acted on from the loop: the agent, which is closed then, is still in its own event. */
static void out_outcome(void *arg, json_t *outcome)
{
	struct call *c = arg;
	call_tell(c, "outcome", json_build("{s:O}", "outcome", outcome));
	c->outcome_known = true;
	ws_timer_start(c->loop, &c->reported, 0, on_reported, c);
}

/* The agent learns the answer as its tool's result, or as an instruction; on hold it is only to know it. */
static void out_answered(void *arg, const char *tool_id, const char *text, bool is_error)
{
	struct call *c = arg;
	c->directive = NULL;
	if (!call_event(c, EV_ANSWER))
		return; /* the call is ending */
	bool held = call_state_is_held(c->state);
	if (tool_id != NULL) {
		agent_tool_result(c->agent, tool_id, text, is_error, !held);
		return;
	}
	char *told =
		xasprintf("OPERATOR INSTRUCTION:\n%s%s", held ? "" : "You are back with the person. ", text);
	if (held)
		agent_inject(c->agent, told);
	else
		agent_direct(c->agent, told);
	free(told);
}

/* ---- silence ---- */

static bool silence_is_broken(void *arg)
{
	struct call *c = arg;
	return c->state != CALL_TALKING || c->figures.vad.speaking || playout_ahead_ms(c->playout) > 0 ||
	       !agent_is_ready(c->agent);
}

static void silence_directs(void *arg, const char *text)
{
	struct call *c = arg;
	call_tell(c, "silence", json_object());
	agent_direct(c->agent, text);
}

static void silence_gives_up(void *arg)
{
	struct call *c = arg;
	if (call_event(c, EV_CALLER_SILENT))
		c->leave_reason = "the caller said nothing";
}

void call_make_agent(struct call *c)
{
	struct tools_out tools = {out_result, out_event,    out_pressed, out_ask,
				  out_end,    out_transfer, out_outcome, c};
	struct tools_setup tool_setup = {c->a.transfer_number, c->a.outcome_schema};
	struct operator_out operator_out = {out_event, out_answered, c};
	struct silence_out silence = {silence_is_broken, silence_directs, silence_gives_up, c};
	bool openai = strcmp(c->a.provider, "openai") == 0;
	c->tools = tools_new(c->playout, &tool_setup, &tools);
	c->tool_list = tools_describe(c->tools);
	c->transcript = transcript_new(c->a.history);
	c->caller_spoke = transcript_has(c->transcript, "user");
	struct agent_setup setup = {
		.provider = openai ? &provider_openai : &provider_elevenlabs,
		.prompt = c->a.prompt,
		.voice = c->a.voice,
		.transcription_model = c->a.transcription_model,
		.call_type = c->a.call_type,
		.from_number = c->a.from_number,
		.to_number = c->a.to_number,
		.first_message = c->a.first_message,
		.tools = c->tool_list,
		.history = history,
	};
	c->agent = agent_new(c->loop, c->playout, &setup, &agent_events, c);
	c->hold = hold_new(c->loop, c->playout);
	c->pause = pause_new(c->loop, c->playout, c->agent, c->hold);
	c->operator= operator_new(c->loop, (int)c->a.operator_s, &operator_out);
	c->silence = silence_new(c->loop, (int)c->a.silence_s, &silence);
}
