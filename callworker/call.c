#include "callworker/call.h"

#include "callworker/agent.h"
#include "callworker/assignment.h"
#include "callworker/control.h"
#include "callworker/dtmf.h"
#include "callworker/farewell.h"
#include "callworker/figures.h"
#include "callworker/hold.h"
#include "callworker/mulaw.h"
#include "callworker/operator.h"
#include "callworker/pause.h"
#include "callworker/playout.h"
#include "callworker/recorder.h"
#include "callworker/silence.h"
#include "callworker/title.h"
#include "callworker/tools.h"
#include "callworker/transcript.h"
#include "callworker/twilio_stream.h"
#include "lib/base/base64.h"
#include "lib/base/fd.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"

#include <stdio.h>
#include <string.h>

#define CALL_MAGIC 0x63616c6cu

enum {
	TITLE_EVERY_MS = 1000,
	CLOSE_PATIENCE_MS = 10000,   /* for the carrier to end the stream after a hang-up */
	STORED_PATIENCE_MS = 3000,   /* for the failure to be stored before the stream is given up */
	LAST_EVENTS_MS = 600 * 1000, /* for the last events to be taken by a voiced that is away */
	OUTCOME_MS = 8000,           /* for the agent to report what came of the call */
	MEDIA_MAX = 4096,            /* bytes of a media message that are looked at: half a second */
};

#define ASK_OUTCOME                                                                                       \
	"OPERATOR INSTRUCTION:\nThe call is ending. Call the tool report_outcome now, with what came of " \
	"the "                                                                                            \
	"call, and say nothing more."

enum state { WAITING, STARTING, LIVE, LEAVING, OVER };
static const char *const state_names[] = {"waiting", "starting", "live", "leaving", "over"};

struct call {
	unsigned magic;
	struct ws_loop *loop;
	struct control *control;
	enum state state;
	struct assignment a;

	struct twilio_stream *stream;
	struct playout *playout;
	struct agent *agent;
	struct farewell *farewell;
	struct tools *tools;
	struct transcript *transcript;
	struct hold *hold;
	struct pause *pause;
	struct operator_line *operator;
	struct silence *silence;
	struct recorder *recorder; /* NULL: not recorded */
	int recording;             /* the file of one that has not begun; -1 */
	json_t *tool_list;
	struct figures figures;

	bool started; /* the stream */
	char *agent_url, *agent_header;
	bool giving_up; /* the stream is closed once the reason is stored */
	bool transferring, asked_outcome, outcome_known;
	const char *leave_reason;
	char *transfer_to, *transfer_reason;
	struct ws_timer title_timer, patience, outcome_timer;
	struct mono_us born;
};

/* ---- what is told to voiced ---- */

static void tell(struct call *c, const char *type, json_t *data)
{
	control_event(c->control, type, data);
}

static void tell_text(struct call *c, const char *type, const char *name, const char *text)
{
	json_t *value = json_string(text);
	tell(c, type, json_pack("{s:o}", name, value ? value : json_string("(not UTF-8)")));
}

static void show_title(void *arg)
{
	struct call *c = arg;
	int64_t age_s = (mono_now().us - c->born.us) / 1000000;
	title_set("callworker: %s %s %lld:%02d", c->a.call_sid, state_names[c->state],
		  (long long)(age_s / 60), (int)(age_s % 60));
	ws_timer_start(c->loop, &c->title_timer, TITLE_EVERY_MS, show_title, c);
}

/* ---- the end ---- */

static bool wants_outcome(const struct call *c)
{
	return c->a.outcome_schema != NULL && !c->outcome_known && agent_is_ready(c->agent);
}

static void stop_if_stored(struct call *c)
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

static void close_agent(struct call *c)
{
	c->figures.delay_up = *agent_delays(c->agent);
	agent_close(c->agent);
}

static void leave_now(struct call *c);

static void on_outcome_end(void *arg)
{
	struct call *c = arg;
	ws_timer_stop(c->loop, &c->outcome_timer);
	if (!c->outcome_known)
		tell_text(c, "outcome-missing", "reason", "the agent did not report one");
	if (c->state != OVER) {
		leave_now(c);
	} else {
		close_agent(c);
		stop_if_stored(c);
	}
}

/* The agent reports, unheard; then on_outcome_end goes on. */
static void ask_outcome(struct call *c)
{
	if (c->asked_outcome)
		return;
	c->asked_outcome = true;
	silence_stop(c->silence);
	playout_mute(c->playout, true);
	agent_direct(c->agent, ASK_OUTCOME);
	ws_timer_start(c->loop, &c->outcome_timer, OUTCOME_MS, on_outcome_end, c);
}

/* The stream is gone: tell the rest and wait until it is stored. */
static void finish(struct call *c, const char *fault, bool cut)
{
	if (c->state == OVER)
		return;
	bool broken = fault != NULL || c->giving_up;
	c->state = OVER;
	c->figures.delay_up = *agent_delays(c->agent);
	c->figures.delay_down = *twilio_stream_delays(c->stream);
	hold_stop(c->hold);
	silence_stop(c->silence);
	farewell_stop(c->farewell);
	recorder_free(&c->recorder);
	json_t *data = figures_json(&c->figures, playout_sent(c->playout));
	if (fault != NULL) {
		json_object_set_new(data, "fault", json_string(fault));
		json_object_set_new(data, "cut", json_boolean(cut));
	}
	tell(c, "stream-ended", data);
	if (broken || !wants_outcome(c))
		close_agent(c);
	else
		ask_outcome(c);
	ws_timer_start(c->loop, &c->patience, LAST_EVENTS_MS, on_never_stored, c);
	log_info("the stream has ended%s%s", fault ? ": " : "", fault ? fault : "");
}

static void on_close_patience(void *arg)
{
	struct call *c = arg;
	twilio_stream_close(c->stream);
}

static void begin_leaving(struct call *c)
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
	tell_text(c, "hangup", "reason", c->leave_reason);
	begin_leaving(c);
	close_agent(c);
}

static void leave(void *arg, const char *reason)
{
	struct call *c = arg;
	if (c->state != STARTING && c->state != LIVE)
		return;
	c->leave_reason = reason;
	if (wants_outcome(c))
		ask_outcome(c);
	else
		leave_now(c);
}

/*
 * The call cannot go on. Once the reason is stored the stream is given back to
 * the carrier, which then asks voiced what to do: it must know by then.
 */
static void give_up(struct call *c, const char *event, const char *why)
{
	if (c->state != STARTING && c->state != LIVE)
		return;
	log_warn("%s: %s", event, why);
	c->giving_up = true;
	tell_text(c, event, "reason", why);
	begin_leaving(c);
	close_agent(c);
	ws_timer_start(c->loop, &c->patience, STORED_PATIENCE_MS, on_close_patience, c);
}

static void agent_failed(struct call *c, const char *why)
{
	give_up(c, "agent-failed", why);
}

/* ---- from the agent ---- */

static const json_t *history(void *arg)
{
	struct call *c = arg;
	return transcript_turns(c->transcript);
}

static void on_agent_connected(void *arg, json_t *data)
{
	struct call *c = arg;
	bool again = c->state == LIVE;
	c->state = LIVE;
	if (again && !pause_on(c->pause))
		hold_stop(c->hold);
	tell(c, "agent-connected", data);
	silence_watch(c->silence);
}

static void on_agent_spoke(void *arg)
{
	struct call *c = arg;
	if (c->state != LIVE || pause_on(c->pause) || c->asked_outcome)
		return;
	int64_t ms = figures_spoke(&c->figures);
	if (ms >= 0)
		tell(c, "response", json_pack("{s:I}", "ms", (json_int_t)ms));
	farewell_spoken(c->farewell);
}

static void clear_playout(struct call *c)
{
	playout_clear(c->playout);
	if (c->recorder != NULL)
		recorder_cleared(c->recorder);
}

static void on_interrupted(void *arg, struct mono_us born)
{
	struct call *c = arg;
	/* Nothing is being heard that could be interrupted, or it is the music. */
	if (c->state != LIVE || pause_on(c->pause))
		return;
	bool heard = playout_ahead_ms(c->playout) > 0;
	clear_playout(c);
	farewell_interrupted(c->farewell);
	if (!heard)
		return;
	figures_interrupted(&c->figures, born);
	tell(c, "interruption", json_object());
}

static int64_t add_turn(struct call *c, const char *role, const char *text)
{
	json_t *content = json_string(text);
	int64_t number =
		control_event(c->control, "turn", json_pack("{s:s, s:o}", "role", role, "content", content));
	transcript_add(c->transcript, role, text, number);
	return number;
}

static void on_user_said(void *arg, const char *text)
{
	struct call *c = arg;
	add_turn(c, "user", text);
	silence_heard(c->silence);
	if (c->state == LIVE && !pause_on(c->pause))
		farewell_caller_said(c->farewell, text);
}

static int64_t on_agent_said(void *arg, const char *text)
{
	struct call *c = arg;
	if (c->asked_outcome)
		return 0; /* nobody hears it */
	int64_t number = add_turn(c, "assistant", text);
	if (c->state == LIVE && !pause_on(c->pause))
		farewell_agent_said(c->farewell, text);
	return number;
}

static void on_agent_corrected(void *arg, int64_t utterance, const char *text)
{
	struct call *c = arg;
	if (utterance == 0)
		return;
	transcript_correct(c->transcript, utterance, text);
	tell(c, "turn-corrected", json_pack("{s:I, s:s}", "turn", (json_int_t)utterance, "content", text));
}

static void on_tool_call(void *arg, const char *id, const char *name, json_t *parameters)
{
	struct call *c = arg;
	tools_call(c->tools, id, name, parameters);
}

static void on_usage(void *arg, json_t *counts)
{
	struct call *c = arg;
	tell(c, "usage", json_copy(counts));
}

static void on_agent_lost(void *arg, const char *why)
{
	struct call *c = arg;
	if (c->state != STARTING && c->state != LIVE)
		return;
	if (farewell_begun(c->farewell)) {
		close_agent(c); /* its last words are on their way */
		return;
	}
	log_warn("the agent is lost, and asked for again: %s", why);
	free(c->agent_url);
	c->agent_url = NULL;
	if (c->state == LIVE && !pause_on(c->pause))
		hold_play(c->hold, HOLD_FILLER);
	tell_text(c, "agent-lost", "reason", why);
}

static void on_agent_ended(void *arg, const char *why, bool done)
{
	struct call *c = arg;
	if (c->state == OVER) {
		on_outcome_end(c);
	} else if (c->asked_outcome) {
		on_outcome_end(c);
	} else if (done && c->state == LIVE) {
		farewell_agent_decided(c->farewell, "the agent ended the conversation");
	} else if (!farewell_begun(c->farewell)) {
		agent_failed(c, why);
	} /* else its last words are on their way */
}

static const struct agent_events agent_events = {
	on_agent_connected, on_agent_spoke, on_interrupted, on_user_said,  on_agent_said,
	on_agent_corrected, on_tool_call,   on_usage,       on_agent_lost, on_agent_ended,
};

static void open_agent_if_due(struct call *c)
{
	if (c->started && c->agent_url != NULL && !agent_is_open(c->agent) &&
	    (c->state == STARTING || c->state == LIVE))
		agent_connect(c->agent, c->agent_url, c->agent_header);
}

/* ---- from the carrier ---- */

static void on_stream_started(void *arg, const char *stream_sid, const char *call_sid)
{
	struct call *c = arg;
	if (strcmp(call_sid, c->a.call_sid) != 0) {
		give_up(c, "stream-refused", "the stream belongs to another call");
		return;
	}
	c->started = true;
	figures_stream_started(&c->figures);
	if (c->recording >= 0)
		c->recorder = recorder_new(c->recording, c->a.recording_from_ms);
	c->recording = -1;
	tell_text(c, "stream-started", "streamSid", stream_sid);
	open_agent_if_due(c);
}

static void on_media(void *arg, const char *base64, size_t len, int64_t ms, struct mono_us born)
{
	struct call *c = arg;
	uint8_t mulaw[MEDIA_MAX];
	ssize_t bytes = len <= MEDIA_MAX ? base64_decode(base64, len, mulaw) : -1;
	if (bytes > 0 && figures_heard(&c->figures, mulaw, (size_t)bytes) != VAD_SAME)
		silence_heard(c->silence);
	if (bytes > 0 && c->recorder != NULL)
		recorder_caller(c->recorder, mulaw, (size_t)bytes, ms);
	if (!c->giving_up && !pause_on(c->pause) && c->state != OVER)
		agent_hear(c->agent, base64, len, born);
}

static void on_digit(void *arg, char digit)
{
	struct call *c = arg;
	char text[80];
	tell(c, "dtmf-received", json_pack("{s:s#}", "digit", &digit, (size_t)1));
	snprintf(text, sizeof text, "The person pressed the key %c on their phone.", digit);
	silence_heard(c->silence);
	agent_inject(c->agent, text);
}

static void on_marked(void *arg, const char *name)
{
	struct call *c = arg;
	playout_marked(c->playout, name);
}

static void on_stream_broken(void *arg, const char *why)
{
	struct call *c = arg;
	if (c->state == LEAVING)
		twilio_stream_close(c->stream);
	else
		give_up(c, "stream-refused", why);
}

static void on_stream_ended(void *arg, const char *fault, bool cut)
{
	finish(arg, fault, cut);
}

static const struct twilio_stream_handler stream_events = {
	on_stream_started, on_media, on_digit, on_marked, on_stream_broken, on_stream_ended};

static void out_audio(void *arg, const char *base64, size_t len, struct mono_us born)
{
	struct call *c = arg;
	twilio_stream_audio(c->stream, base64, len, born);
	if (c->recorder == NULL)
		return;
	struct buffer mulaw = {0};
	buffer_reserve(&mulaw, len / 4 * 3 + 3);
	ssize_t bytes = base64_decode(base64, len, mulaw.data);
	if (bytes > 0)
		recorder_agent(c->recorder, mulaw.data, (size_t)bytes);
	buffer_free(&mulaw);
}

static void out_mark(void *arg, const char *name)
{
	struct call *c = arg;
	twilio_stream_mark(c->stream, name);
}

static void out_clear(void *arg)
{
	struct call *c = arg;
	twilio_stream_clear(c->stream);
}

/* ---- the tools' and the operator's hands ---- */

static void out_result(void *arg, const char *id, const char *result, bool is_error, bool go_on)
{
	struct call *c = arg;
	agent_tool_result(c->agent, id, result, is_error, go_on);
}

static void out_event(void *arg, const char *type, json_t *data)
{
	tell(arg, type, data);
}

static const char *out_ask(void *arg, const char *id, const char *question)
{
	struct call *c = arg;
	return operator_ask(c->operator, id, question);
}

/* What the agent said before has been heard: voiced sends the call on its way. */
static void on_transfer_due(void *arg)
{
	struct call *c = arg;
	if (c->state != LIVE)
		return;
	playout_mute(c->playout, true);
	tell(c, "transfer",
	     json_pack("{s:s, s:s}", "toNumber", c->transfer_to, "reason", c->transfer_reason));
}

static void out_transfer(void *arg, const char *number, const char *reason)
{
	struct call *c = arg;
	if (c->state != LIVE || c->transferring)
		return;
	c->transferring = true;
	free(c->transfer_to);
	free(c->transfer_reason);
	c->transfer_to = xstrdup(number);
	c->transfer_reason = xstrdup(reason);
	farewell_stop(c->farewell);
	silence_stop(c->silence);
	playout_when_heard(c->playout, on_transfer_due, c);
}

static void out_outcome(void *arg, json_t *outcome)
{
	struct call *c = arg;
	tell(c, "outcome", json_pack("{s:O}", "outcome", outcome));
	c->outcome_known = true;
	if (c->asked_outcome)
		ws_timer_start(c->loop, &c->outcome_timer, 0, on_outcome_end, c);
}

static bool silence_is_broken(void *arg)
{
	struct call *c = arg;
	return c->figures.vad.speaking || playout_ahead_ms(c->playout) > 0 || pause_on(c->pause) ||
	       c->transferring || farewell_begun(c->farewell) || !agent_is_ready(c->agent);
}

static void silence_directs(void *arg, const char *text)
{
	struct call *c = arg;
	tell(c, "silence", json_object());
	agent_direct(c->agent, text);
}

static void silence_gives_up(void *arg)
{
	struct call *c = arg;
	farewell_agent_decided(c->farewell, "the caller said nothing");
}

/* ---- from voiced ---- */

static void make_parts(struct call *c, int fd)
{
	struct playout_out out = {out_audio, out_mark, out_clear, c};
	struct tools_out tools = {out_result, out_event, out_ask, out_transfer, out_outcome, c};
	struct tools_setup tool_setup = {c->a.transfer_number, c->a.outcome_schema};
	struct operator_out operator_out = {out_event, out_result, c};
	struct silence_out silence = {silence_is_broken, silence_directs, silence_gives_up, c};
	bool openai = strcmp(c->a.provider, "openai") == 0;
	c->playout = playout_new(c->loop, &out);
	c->farewell = farewell_new(c->loop, c->playout, leave, c);
	c->tools = tools_new(c->playout, c->farewell, &tool_setup, &tools);
	c->tool_list = tools_describe(c->tools);
	c->transcript = transcript_new(c->a.history);
	struct agent_setup setup = {
		.provider = openai ? &provider_openai : &provider_elevenlabs,
		.ca_file = c->a.ca_file,
		.prompt = c->a.prompt,
		.voice = c->a.voice,
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
	c->operator= operator_new(c->loop, c->pause, (int)c->a.operator_s, &operator_out);
	c->silence = silence_new(c->loop, (int)c->a.silence_s, &silence);
	c->stream = twilio_stream_new(c->loop, fd, &stream_events, c);
}

static void on_assign(void *arg, json_t *body, int fd)
{
	struct call *c = arg;
	if (c->state != WAITING) {
		log_error("a second call was assigned");
		fd_close(&fd);
		return;
	}
	if (!assignment_read(&c->a, body)) {
		fd_close(&fd);
		ws_loop_stop(c->loop);
		return;
	}
	enum log_severity severity = LOG_SEV_INFO;
	log_parse_severity(c->a.log_level, &severity);
	log_open("callworker", severity, strcmp(c->a.log_format, "json") == 0);
	log_set_call(c->a.call_sid);
	control_identify(c->control, c->a.call_id, c->a.attempt, c->a.socket);
	c->state = STARTING;
	c->born = mono_now();
	make_parts(c, fd);
	show_title(c);
}

static void on_record(void *arg, int fd)
{
	struct call *c = arg;
	fd_close(&c->recording);
	c->recording = fd;
}

static void on_agent(void *arg, json_t *body)
{
	struct call *c = arg;
	const char *url = NULL, *header = NULL, *error = NULL;
	struct json_reader r;
	json_read_open(&r, body);
	json_read_text(&r, "url", JSON_OPTIONAL, 1, 8192, &url);
	json_read_text(&r, "header", JSON_OPTIONAL, 1, 1024, &header);
	json_read_text(&r, "error", JSON_OPTIONAL, 1, 1024, &error);
	json_read_close(&r, JSON_KNOWN_ONLY);
	if (c->agent_url != NULL || c->agent == NULL)
		return; /* a repeat */
	if (!json_read_ok(&r) || (url == NULL && error == NULL)) {
		agent_failed(c, "voiced told no agent to open");
	} else if (error != NULL) {
		agent_failed(c, error);
	} else {
		free(c->agent_header);
		c->agent_url = xstrdup(url);
		c->agent_header = header ? xstrdup(header) : NULL;
		open_agent_if_due(c);
	}
}

/* A text of the question's body; NULL: the question was refused. */
static const char *question_text(struct call *c, const struct frame *f, const char *name, size_t max)
{
	const char *text = NULL;
	struct json_reader r;
	json_read_open(&r, f->body);
	json_read_text(&r, name, JSON_NEEDED, 1, max, &text);
	if (json_read_ok(&r))
		return text;
	control_refuse(c->control, f, "invalid", r.faults, 400);
	return NULL;
}

/* Whether the agent can be spoken with; else the question was refused. */
static bool needs_live(struct call *c, const struct frame *f)
{
	if (c->state == LIVE && agent_is_ready(c->agent))
		return true;
	control_refuse(c->control, f, "not_live", "The call is not live (yet, or any more).", 409);
	return false;
}

static void done(struct call *c, const struct frame *f, const char *fault, const char *code)
{
	if (fault != NULL)
		control_refuse(c->control, f, code, fault, strcmp(code, "invalid") == 0 ? 400 : 409);
	else
		control_reply(c->control, f, json_object());
}

static void on_inject(struct call *c, const struct frame *f)
{
	const char *context = question_text(c, f, "context", 64 * 1024);
	if (context == NULL || !needs_live(c, f))
		return;
	char *text = xasprintf("OPERATOR INSTRUCTION:\n%s", context);
	agent_inject(c->agent, text);
	free(text);
	tell_text(c, "context-injected", "context", context);
	done(c, f, NULL, "");
}

static void on_dtmf(struct call *c, const struct frame *f)
{
	const char *digits = question_text(c, f, "digits", DTMF_DIGITS_MAX * 2 - 1);
	if (digits != NULL && needs_live(c, f))
		done(c, f, tools_press(c->tools, digits), "invalid");
}

static void on_hold(struct call *c, const struct frame *f)
{
	if (!needs_live(c, f))
		return;
	const char *fault = pause_on(c->pause) ? "The call is on hold already." : NULL;
	if (fault == NULL) {
		pause_begin(c->pause,
			    "OPERATOR INSTRUCTION:\nTell the person in one short, courteous sentence "
			    "that you are putting them on hold for a moment, then wait.");
		tell(c, "hold", json_object());
	}
	done(c, f, fault, "held");
}

static void on_resume(struct call *c, const struct frame *f)
{
	const char *fault = !pause_on(c->pause) ? "The call is not on hold." : NULL;
	if (fault == NULL && operator_waits(c->operator))
		fault = "A question to the operator is open; answer it, and the call goes on.";
	if (fault == NULL) {
		pause_end(c->pause, "OPERATOR INSTRUCTION:\nYou are back with the person. Thank them for "
				    "waiting and go on where you were.");
		tell(c, "resume", json_object());
	}
	done(c, f, fault, "not_held");
}

static void on_direct(struct call *c, const struct frame *f)
{
	const char *directive = question_text(c, f, "text", 16 * 1024);
	bool interrupt = json_is_true(json_object_get(f->body, "interrupt"));
	if (directive == NULL || !needs_live(c, f))
		return;
	if (interrupt)
		clear_playout(c);
	if (c->transferring) {
		c->transferring = false;
		playout_mute(c->playout, false);
		silence_watch(c->silence);
	}
	char *text = xasprintf("OPERATOR INSTRUCTION:\n%s", directive);
	agent_direct(c->agent, text);
	free(text);
	tell_text(c, "directed", "text", directive);
	done(c, f, NULL, "");
}

static void on_operator_question(struct call *c, const struct frame *f)
{
	const char *question = question_text(c, f, "question", 4000);
	if (question != NULL && needs_live(c, f))
		done(c, f, operator_ask(c->operator, NULL, question), "asked");
}

static void on_operator_answer(struct call *c, const struct frame *f)
{
	const char *answer = question_text(c, f, "answer", 16 * 1024);
	if (answer != NULL)
		done(c, f, operator_answer(c->operator, answer), "not_asked");
}

static void on_transfer(struct call *c, const struct frame *f)
{
	const char *number = question_text(c, f, "toNumber", 32);
	const char *reason = json_string_value(json_object_get(f->body, "reason"));
	if (number == NULL || !needs_live(c, f))
		return;
	pause_end(c->pause, NULL);
	out_transfer(c, number, reason ? reason : "");
	done(c, f, NULL, "");
}

/* voiced ends the call at the carrier; here nothing more is said. */
static void on_hangup(struct call *c, const struct frame *f)
{
	done(c, f, NULL, "");
	if (c->state != STARTING && c->state != LIVE)
		return;
	bool ask = wants_outcome(c);
	begin_leaving(c);
	clear_playout(c);
	if (ask)
		ask_outcome(c);
	else
		close_agent(c);
}

static const struct {
	enum message type;
	void (*handle)(struct call *c, const struct frame *f);
} questions[] = {
	{MSG_WORKER_INJECT, on_inject},
	{MSG_WORKER_DTMF, on_dtmf},
	{MSG_WORKER_HANGUP, on_hangup},
	{MSG_WORKER_HOLD, on_hold},
	{MSG_WORKER_RESUME, on_resume},
	{MSG_WORKER_DIRECT, on_direct},
	{MSG_WORKER_QUESTION, on_operator_question},
	{MSG_WORKER_ANSWER, on_operator_answer},
	{MSG_WORKER_TRANSFER, on_transfer},
};

static void on_question(void *arg, const struct frame *f)
{
	struct call *c = arg;
	for (size_t i = 0; c->agent != NULL && i < sizeof questions / sizeof *questions; i++)
		if (f->type == questions[i].type) {
			questions[i].handle(c, f);
			return;
		}
	control_refuse(c->control, f, "unknown", "A callworker answers no such question.", 501);
}

static void on_all_stored(void *arg)
{
	struct call *c = arg;
	if (c->giving_up && c->state == LEAVING)
		twilio_stream_close(c->stream);
	if (c->agent != NULL)
		stop_if_stored(c);
}

static void on_orphaned(void *arg)
{
	struct call *c = arg;
	ws_loop_stop(c->loop);
}

static bool on_needs_agent(void *arg)
{
	struct call *c = arg;
	return (c->state == STARTING || c->state == LIVE) && c->agent_url == NULL;
}

static int on_stream_fd(void *arg)
{
	struct call *c = arg;
	return c->stream != NULL && c->state != OVER ? twilio_stream_fd(c->stream) : -1;
}

static const struct control_handler control_events = {
	on_assign, on_agent, on_record, on_question, on_all_stored, on_orphaned, on_needs_agent, on_stream_fd,
};

struct call *call_new(struct ws_loop *loop, int control_fd)
{
	struct call *c;
	OBJ_ALLOC(c, CALL_MAGIC);
	c->loop = loop;
	c->recording = -1;
	c->control = control_new(loop, control_fd, &control_events, c);
	return c;
}

void call_free(struct call **cc)
{
	struct call *c = *cc;
	if (c == NULL)
		return;
	OBJ_CHECK(c, CALL_MAGIC);
	ws_timer_stop(c->loop, &c->title_timer);
	ws_timer_stop(c->loop, &c->patience);
	ws_timer_stop(c->loop, &c->outcome_timer);
	recorder_free(&c->recorder);
	fd_close(&c->recording);
	silence_free(&c->silence);
	operator_free(&c->operator);
	pause_free(&c->pause);
	hold_free(&c->hold);
	farewell_free(&c->farewell);
	agent_free(&c->agent);
	playout_free(&c->playout);
	tools_free(&c->tools);
	transcript_free(&c->transcript);
	twilio_stream_free(&c->stream);
	control_free(&c->control);
	json_decref(c->tool_list);
	free(c->agent_url);
	free(c->agent_header);
	free(c->transfer_to);
	free(c->transfer_reason);
	assignment_free(&c->a);
	OBJ_FREE(c);
	*cc = NULL;
}
