#include "callworker/call.h"

#include "callworker/call_state.h"
#include "callworker/crash.h"
#include "callworker/ending.h"
#include "callworker/mulaw.h"
#include "callworker/sandbox.h"
#include "callworker/steering.h"
#include "callworker/title.h"
#include "lib/base/base64.h"
#include "lib/base/fd.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"

#include <stdio.h>
#include <string.h>

#define CALL_MAGIC 0x63616c6cu

enum {
	TITLE_EVERY_MS = 1000,
	MEDIA_MAX = 4096, /* bytes of a media message that are looked at: half a second */
};

static const char *const state_names[] = {"waiting", "starting", "live", "leaving", "over"};

/* ---- what is told to voiced ---- */

void call_tell(struct call *c, const char *type, json_t *data)
{
	control_event(c->control, type, data);
}

void call_tell_text(struct call *c, const char *type, const char *name, const char *text)
{
	call_tell(c, type, json_build("{s:s}", name, text));
}

static void show_title(void *arg)
{
	struct call *c = arg;
	int64_t age_s = (mono_now().us - c->born.us) / 1000000;
	title_set("callworker: %s %s %lld:%02d", c->a.call_sid, state_names[c->state],
		  (long long)(age_s / 60), (int)(age_s % 60));
	ws_timer_start(c->loop, &c->title_timer, TITLE_EVERY_MS, show_title, c);
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
	call_tell(c, "agent-connected", data);
	silence_watch(c->silence);
}

static void on_agent_spoke(void *arg)
{
	struct call *c = arg;
	if (c->state != LIVE || pause_on(c->pause) || c->asked_outcome)
		return;
	int64_t ms = figures_spoke(&c->figures);
	if (ms >= 0)
		call_tell(c, "response", json_build("{s:I}", "ms", (json_int_t)ms));
	farewell_spoken(c->farewell);
}

void call_clear_playout(struct call *c)
{
	playout_clear(c->playout);
	if (c->recorder != NULL)
		recorder_cleared(c->recorder);
}

void call_interrupt(struct call *c)
{
	agent_interrupt(c->agent);
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
	call_clear_playout(c);
	farewell_interrupted(c->farewell);
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

/* What is late tells nothing of where the conversation stands now. */
static int64_t on_user_said(void *arg, const char *text, struct turn_place place)
{
	struct call *c = arg;
	int64_t number = add_turn(c, "user", text, place);
	silence_heard(c->silence);
	if (c->state == LIVE && !pause_on(c->pause) && place.before == 0)
		farewell_caller_said(c->farewell, text);
	return number;
}

static int64_t on_agent_said(void *arg, const char *text, struct turn_place place)
{
	struct call *c = arg;
	if (c->asked_outcome)
		return 0; /* nobody hears it */
	int64_t number = add_turn(c, "assistant", text, place);
	if (c->state == LIVE && !pause_on(c->pause) && place.before == 0)
		farewell_agent_said(c->farewell, text);
	return number;
}

static void on_agent_corrected(void *arg, int64_t utterance, const char *text)
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
	tools_call(c->tools, id, name, parameters);
}

static void on_usage(void *arg, json_t *counts)
{
	struct call *c = arg;
	call_tell(c, "usage", json_copy(counts));
}

static void on_agent_lost(void *arg, const char *why)
{
	struct call *c = arg;
	if (c->state != STARTING && c->state != LIVE)
		return;
	if (farewell_begun(c->farewell)) {
		ending_close_agent(c); /* its last words are on their way */
		return;
	}
	log_warn("the agent is lost, and asked for again: %s", why);
	free(c->agent_url);
	c->agent_url = NULL;
	if (c->state == LIVE && !pause_on(c->pause))
		hold_play(c->hold, HOLD_FILLER);
	call_tell_text(c, "agent-lost", "reason", why);
}

static void on_agent_ended(void *arg, const char *why, bool done)
{
	struct call *c = arg;
	if (c->state == OVER) {
		ending_outcome_over(c);
	} else if (c->asked_outcome) {
		ending_outcome_over(c);
	} else if (done && c->state == LIVE) {
		farewell_agent_decided(c->farewell, "the agent ended the conversation");
	} else if (!farewell_begun(c->farewell)) {
		ending_give_up(c, "agent-failed", why);
	} /* else its last words are on their way */
}

static const struct agent_events agent_events = {
	on_agent_connected, on_agent_spoke, on_interrupted, on_user_said,  on_agent_said,
	on_agent_corrected, on_tool_call,   on_usage,       on_agent_lost, on_agent_ended,
};

static void open_agent_if_due(struct call *c)
{
	if (c->started && c->agent_url != NULL && !agent_is_open(c->agent) &&
	    (c->state == STARTING || c->state == LIVE)) {
		agent_connect(c->agent, c->agent_url, c->agent_connection, c->agent_header);
		c->agent_connection = -1;
	}
}

/* ---- from the carrier ---- */

static void on_stream_started(void *arg, const char *stream_sid, const char *call_sid)
{
	struct call *c = arg;
	if (strcmp(call_sid, c->a.call_sid) != 0) {
		ending_give_up(c, "stream-refused", "the stream belongs to another call");
		return;
	}
	c->started = true;
	figures_stream_started(&c->figures);
	if (c->recording >= 0)
		c->recorder = recorder_new(c->recording, c->a.recording_from_ms);
	c->recording = -1;
	call_tell_text(c, "stream-started", "streamSid", stream_sid);
	open_agent_if_due(c);
}

static void on_media(void *arg, const char *base64, size_t len, int64_t ms, struct mono_us born)
{
	struct call *c = arg;
	uint8_t mulaw[MEDIA_MAX];
	ssize_t bytes = len <= MEDIA_MAX ? base64_decode(base64, len, mulaw) : -1;
	if (bytes > 0 && figures_heard(&c->figures, mulaw, (size_t)bytes) != VAD_SAME)
		silence_heard(c->silence);
	if (bytes > 0)
		levels_caller(&c->levels, mulaw, (size_t)bytes);
	if (bytes > 0 && c->recorder != NULL)
		recorder_caller(c->recorder, mulaw, (size_t)bytes, ms);
	if (!c->giving_up && !pause_on(c->pause) && c->state != OVER)
		agent_hear(c->agent, base64, len, born);
}

static void on_digit(void *arg, char digit)
{
	struct call *c = arg;
	char text[80];
	call_tell(c, "dtmf-received", json_build("{s:s#}", "digit", &digit, 1));
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
		ending_give_up(c, "stream-refused", why);
}

static void on_stream_ended(void *arg, const char *fault, bool cut)
{
	ending_finish(arg, fault, cut);
}

static const struct twilio_stream_handler stream_events = {
	on_stream_started, on_media, on_digit, on_marked, on_stream_broken, on_stream_ended};

static void out_audio(void *arg, const char *base64, size_t len, struct mono_us born)
{
	struct call *c = arg;
	twilio_stream_audio(c->stream, base64, len, born);
	struct buffer mulaw = {0};
	buffer_reserve(&mulaw, len / 4 * 3 + 3);
	ssize_t bytes = base64_decode(base64, len, mulaw.data);
	if (bytes > 0)
		levels_agent(&c->levels, mulaw.data, (size_t)bytes);
	if (bytes > 0 && c->recorder != NULL)
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
	call_tell(arg, type, data);
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
	call_tell(c, "transfer",
		  json_build("{s:s, s:s}", "toNumber", c->transfer_to, "reason", c->transfer_reason));
}

void call_transfer(void *arg, const char *number, const char *reason)
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
	call_tell(c, "outcome", json_build("{s:O}", "outcome", outcome));
	c->outcome_known = true;
	if (c->asked_outcome)
		ws_timer_start(c->loop, &c->outcome_timer, 0, ending_outcome_over, c);
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
	call_tell(c, "silence", json_object());
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
	struct tools_out tools = {out_result, out_event, out_ask, call_transfer, out_outcome, c};
	struct tools_setup tool_setup = {c->a.transfer_number, c->a.outcome_schema};
	struct operator_out operator_out = {out_event, out_result, c};
	struct silence_out silence = {silence_is_broken, silence_directs, silence_gives_up, c};
	bool openai = strcmp(c->a.provider, "openai") == 0;
	c->playout = playout_new(c->loop, &out);
	c->farewell = farewell_new(c->loop, c->playout, ending_leave, c);
	c->tools = tools_new(c->playout, c->farewell, &tool_setup, &tools);
	c->tool_list = tools_describe(c->tools);
	c->transcript = transcript_new(c->a.history);
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
	c->operator= operator_new(c->loop, c->pause, (int)c->a.operator_s, &operator_out);
	c->silence = silence_new(c->loop, (int)c->a.silence_s, &silence);
	c->stream = twilio_stream_new(c->loop, fd, &stream_events, c);
}

/* What the process will need, while it may still get it; then the door is shut. */
static void on_prepare(void *arg, json_t *body)
{
	struct call *c = arg;
	bool confine = true, tls = false;
	const char *ca_file = "";
	struct sandbox_limits limits = {0};
	int landlock = 0;
	struct json_reader r;
	json_read_open(&r, body);
	json_read_bool(&r, "confine", JSON_NEEDED, &confine);
	json_read_bool(&r, "tls", JSON_NEEDED, &tls);
	json_read_text(&r, "caFile", JSON_NEEDED, 0, 4096, &ca_file);
	json_read_int(&r, "memoryMb", JSON_NEEDED, 1, INT32_MAX, &limits.memory_mb);
	json_read_int(&r, "cpuSeconds", JSON_NEEDED, 1, INT32_MAX, &limits.cpu_s);
	json_read_int(&r, "coreMb", JSON_NEEDED, 0, INT32_MAX, &limits.core_mb);
	json_read_close(&r, JSON_KNOWN_ONLY);
	if (!json_read_ok(&r) || c->prepared) {
		log_error("what is to be prepared is wrong: %s", c->prepared ? "it came twice" : r.faults);
		ws_loop_stop(c->loop);
		return;
	}
	c->prepared = true;
	if (tls)
		ws_prepare_tls(c->loop, ca_file);
	if (confine)
		landlock = sandbox_enter(&limits);
	control_cell(c->control, landlock);
}

static void on_assign(void *arg, json_t *body, int fd)
{
	struct call *c = arg;
	if (c->state != WAITING || !c->prepared) {
		log_error(c->prepared ? "a second call was assigned"
				      : "a call was assigned to an open process");
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
	crash_set_call(c->a.call_sid);
	control_identify(c->control, c->a.call_id, c->a.attempt);
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

static void on_agent(void *arg, json_t *body, int connection)
{
	struct call *c = arg;
	const char *url = NULL, *header = NULL;
	struct json_reader r;
	json_read_open(&r, body);
	json_read_text(&r, "url", JSON_NEEDED, 1, 8192, &url);
	json_read_text(&r, "header", JSON_OPTIONAL, 1, 1024, &header);
	json_read_close(&r, JSON_KNOWN_ONLY);
	if (c->agent_url != NULL || c->agent == NULL) {
		fd_close(&connection); /* a repeat */
		return;
	}
	if (!json_read_ok(&r)) {
		fd_close(&connection);
		ending_give_up(c, "agent-failed", "voiced told no agent to open");
		return;
	}
	fd_close(&c->agent_connection);
	free(c->agent_header);
	c->agent_url = xstrdup(url);
	c->agent_header = header ? xstrdup(header) : NULL;
	c->agent_connection = connection;
	open_agent_if_due(c);
}

static void on_no_agent(void *arg, json_t *body)
{
	struct call *c = arg;
	const char *error = "voiced told of no agent";
	struct json_reader r;
	json_read_open(&r, body);
	json_read_text(&r, "error", JSON_NEEDED, 1, 1024, &error);
	if (c->agent_url == NULL && c->agent != NULL)
		ending_give_up(c, "agent-failed", error);
}

static void on_all_stored(void *arg)
{
	struct call *c = arg;
	if (c->giving_up && c->state == LEAVING)
		twilio_stream_close(c->stream);
	if (c->agent != NULL)
		ending_stop_if_stored(c);
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
	on_prepare,      on_assign,     on_agent,    on_no_agent,    on_record,
	steering_answer, on_all_stored, on_orphaned, on_needs_agent, on_stream_fd,
};

struct call *call_new(struct ws_loop *loop, int control_fd)
{
	struct call *c;
	OBJ_ALLOC(c, CALL_MAGIC);
	c->loop = loop;
	c->recording = -1;
	c->agent_connection = -1;
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
	fd_close(&c->agent_connection);
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
