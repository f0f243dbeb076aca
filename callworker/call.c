#include "callworker/call.h"

#include "callworker/control.h"
#include "callworker/dtmf.h"
#include "callworker/farewell.h"
#include "callworker/lane.h"
#include "callworker/mulaw.h"
#include "callworker/playout.h"
#include "callworker/title.h"
#include "callworker/tools.h"
#include "callworker/twilio_stream.h"
#include "lib/base/base64.h"
#include "lib/base/buffer.h"
#include "lib/base/fd.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"

#include <stdio.h>
#include <string.h>

#define CALL_MAGIC 0x63616c6cu

enum {
	EARLY_MAX = 8000 * MULAW_BYTES_PER_MS, /* 8 s of voice before the agent is there */
	EARLY_FRAME = 20 * MULAW_BYTES_PER_MS,
	TITLE_EVERY_MS = 1000,
	CLOSE_PATIENCE_MS = 10000,   /* for the carrier to end the stream after a hang-up */
	STORED_PATIENCE_MS = 3000,   /* for the failure to be stored before the stream is given up */
	LAST_EVENTS_MS = 600 * 1000, /* for the last events to be taken by a voiced that is away */
	PROMPT_MAX = 512 * 1024,
};

enum state { WAITING, STARTING, LIVE, LEAVING, OVER };
static const char *const state_names[] = {"waiting", "starting", "live", "leaving", "over"};

struct call {
	unsigned magic;
	struct ws_loop *loop;
	struct control *control;
	enum state state;
	json_t *assignment; /* its texts are used in place */
	const char *call_sid, *prompt, *voice, *call_type, *from_number, *to_number, *ca_file;
	char *agent_url, *agent_header;

	struct twilio_stream *stream;
	struct playout *playout;
	const struct provider *provider;
	void *agent; /* the provider's own; NULL: not open */
	bool started, agent_ready;
	bool giving_up; /* the stream is closed once the reason is stored */
	struct lane *to_agent, *to_caller;
	struct buffer early;    /* mu-law that came before the agent was ready */
	struct buffer outgoing; /* base64 on its way to the agent */

	struct farewell *farewell;
	struct tools *tools;
	struct ws_timer title_timer, patience;
	int64_t agent_turn; /* the event that is the agent's last utterance */

	struct mono_us born, stream_start, first_audio;
	uint64_t frames_in, bytes_in;
	unsigned interruptions;
	struct latency barge_in;
	struct latency delay_up, delay_down; /* copied when a socket goes */
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

static json_t *percentiles(const struct latency *l)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "count", (json_int_t)l->total, "p50",
			 (json_int_t)latency_percentile(l, 0.5), "p99",
			 (json_int_t)latency_percentile(l, 0.99), "max", (json_int_t)l->max_us);
}

static json_t *figures(const struct call *c)
{
	int64_t first = c->first_audio.us ? c->first_audio.us - c->stream_start.us : -1;
	return json_pack("{s:I, s:I, s:I, s:i, s:I, s:o, s:o, s:o}", "framesFromCaller",
			 (json_int_t)c->frames_in, "bytesFromCaller", (json_int_t)c->bytes_in,
			 "bytesToCaller", (json_int_t)(c->playout ? playout_sent(c->playout) : 0),
			 "interruptions", (int)c->interruptions, "firstAudioUs", (json_int_t)first,
			 "delayToAgentUs", percentiles(&c->delay_up), "delayToCallerUs",
			 percentiles(&c->delay_down), "bargeInUs", percentiles(&c->barge_in));
}

static void show_title(void *arg)
{
	struct call *c = arg;
	int64_t age_s = (mono_now().us - c->born.us) / 1000000;
	title_set("callworker: %s %s %lld:%02d", c->call_sid, state_names[c->state], (long long)(age_s / 60),
		  (int)(age_s % 60));
	ws_timer_start(c->loop, &c->title_timer, TITLE_EVERY_MS, show_title, c);
}

/* ---- the end ---- */

static void stop_if_stored(struct call *c)
{
	if (c->state == OVER && control_all_stored(c->control))
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
	if (c->agent == NULL)
		return;
	c->delay_up = *c->provider->delays(c->agent);
	c->provider->close(c->agent);
	c->agent = NULL;
}

/* The stream is gone: tell the rest and wait until it is stored. */
static void finish(struct call *c, const char *fault, bool cut)
{
	if (c->state == OVER)
		return;
	c->state = OVER;
	close_agent(c);
	c->delay_down = *twilio_stream_delays(c->stream);
	json_t *data = figures(c);
	if (fault != NULL) {
		json_object_set_new(data, "fault", json_string(fault));
		json_object_set_new(data, "cut", json_boolean(cut));
	}
	tell(c, "stream-ended", data);
	farewell_stop(c->farewell);
	ws_timer_start(c->loop, &c->patience, LAST_EVENTS_MS, on_never_stored, c);
	log_info("the stream has ended%s%s", fault ? ": " : "", fault ? fault : "");
}

static void on_close_patience(void *arg)
{
	struct call *c = arg;
	twilio_stream_close(c->stream);
}

/* Asks voiced to end the call; the carrier then ends the stream. */
static void leave(void *arg, const char *reason)
{
	struct call *c = arg;
	if (c->state != STARTING && c->state != LIVE)
		return;
	c->state = LEAVING;
	tell_text(c, "hangup", "reason", reason);
	close_agent(c);
	farewell_stop(c->farewell);
	ws_timer_start(c->loop, &c->patience, CLOSE_PATIENCE_MS, on_close_patience, c);
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
	c->state = LEAVING;
	c->giving_up = true;
	tell_text(c, event, "reason", why);
	close_agent(c);
	ws_timer_start(c->loop, &c->patience, STORED_PATIENCE_MS, on_close_patience, c);
}

static void agent_failed(struct call *c, const char *why)
{
	give_up(c, "agent-failed", why);
}

/* ---- from the agent ---- */

static const struct audio_format telephone = {MULAW_RATE_HZ, true};

static void send_to_agent(struct call *c, const char *base64, size_t len, struct mono_us born)
{
	if (lane_is_open(c->to_agent)) {
		c->provider->send_audio(c->agent, base64, len, born);
		return;
	}
	const uint8_t *bytes;
	size_t count;
	if (!lane_convert(c->to_agent, base64, len, &bytes, &count) || count == 0)
		return;
	c->outgoing.len = 0;
	buffer_reserve(&c->outgoing, BASE64_LEN(count));
	size_t n = base64_encode(bytes, count, (char *)c->outgoing.data);
	c->provider->send_audio(c->agent, (char *)c->outgoing.data, n, born);
}

/* In frames, as it came. */
static void flush_early(struct call *c)
{
	char base64[BASE64_LEN(EARLY_FRAME)];
	for (size_t at = 0, part; at < c->early.len; at += part) {
		part = c->early.len - at < EARLY_FRAME ? c->early.len - at : EARLY_FRAME;
		send_to_agent(c, base64, base64_encode(c->early.data + at, part, base64),
			      (struct mono_us){0});
	}
	buffer_free(&c->early);
}

static void on_agent_ready(void *arg, const char *conversation_id, struct audio_format takes,
			   struct audio_format gives)
{
	struct call *c = arg;
	c->to_agent = lane_new(telephone, takes);
	c->to_caller = lane_new(gives, telephone);
	if (c->to_agent == NULL || c->to_caller == NULL) {
		agent_failed(c, "the agent's audio rate cannot be converted");
		return;
	}
	c->agent_ready = true;
	c->state = LIVE;
	tell(c, "agent-connected",
	     json_pack("{s:s, s:i, s:b, s:i, s:b}", "conversationId", conversation_id, "takesHz",
		       (int)takes.rate_hz, "takesMulaw", takes.mulaw, "givesHz", (int)gives.rate_hz,
		       "givesMulaw", gives.mulaw));
	flush_early(c);
}

static void on_agent_audio(void *arg, const char *base64, size_t len, struct mono_us born)
{
	struct call *c = arg;
	if (c->state != LIVE)
		return;
	if (lane_is_open(c->to_caller)) {
		playout_base64(c->playout, base64, len, born);
	} else {
		const uint8_t *bytes;
		size_t count;
		if (!lane_convert(c->to_caller, base64, len, &bytes, &count))
			return;
		playout_bytes(c->playout, bytes, count, born);
	}
	if (c->first_audio.us == 0)
		c->first_audio = mono_now();
	farewell_spoken(c->farewell);
}

static void on_interrupted(void *arg, struct mono_us born)
{
	struct call *c = arg;
	if (c->state != LIVE)
		return;
	playout_clear(c->playout);
	lane_reset(c->to_caller);
	latency_add(&c->barge_in, mono_now().us - born.us);
	c->interruptions++;
	farewell_interrupted(c->farewell);
	tell(c, "interruption", json_object());
}

static int64_t add_turn(struct call *c, const char *role, const char *text)
{
	json_t *content = json_string(text);
	return control_event(c->control, "turn", json_pack("{s:s, s:o}", "role", role, "content", content));
}

static void on_user_said(void *arg, const char *text)
{
	struct call *c = arg;
	add_turn(c, "user", text);
	if (c->state == LIVE)
		farewell_caller_said(c->farewell, text);
}

static void on_agent_said(void *arg, const char *text)
{
	struct call *c = arg;
	c->agent_turn = add_turn(c, "assistant", text);
	if (c->state == LIVE)
		farewell_agent_said(c->farewell, text);
}

static void on_agent_corrected(void *arg, const char *text)
{
	struct call *c = arg;
	if (c->agent_turn != 0)
		tell(c, "turn-corrected",
		     json_pack("{s:I, s:s}", "turn", (json_int_t)c->agent_turn, "content", text));
}

static void on_tool_call(void *arg, const char *id, const char *name, json_t *parameters)
{
	struct call *c = arg;
	tools_call(c->tools, id, name, parameters);
}

static void on_agent_ended(void *arg, const char *why, bool clean)
{
	struct call *c = arg;
	if (clean && c->state == LIVE) {
		close_agent(c);
		farewell_agent_decided(c->farewell, "the agent ended the conversation");
	} else if (farewell_begun(c->farewell)) {
		close_agent(c); /* its last words are on their way */
	} else {
		agent_failed(c, why);
	}
}

static const struct provider_events agent_events = {
	on_agent_ready, on_agent_audio,     on_interrupted, on_user_said,
	on_agent_said,  on_agent_corrected, on_tool_call,   on_agent_ended,
};

static void open_agent_if_due(struct call *c)
{
	if (!c->started || c->agent_url == NULL || c->agent != NULL || c->state != STARTING)
		return;
	struct provider_setup setup = {
		.url = c->agent_url,
		.header = c->agent_header,
		.ca_file = c->ca_file,
		.prompt = c->prompt,
		.voice = c->voice,
		.call_type = c->call_type,
		.from_number = c->from_number,
		.to_number = c->to_number,
	};
	c->agent = c->provider->open(c->loop, &setup, &agent_events, c);
}

/* ---- from the carrier ---- */

static void on_stream_started(void *arg, const char *stream_sid, const char *call_sid)
{
	struct call *c = arg;
	if (strcmp(call_sid, c->call_sid) != 0) {
		give_up(c, "stream-refused", "the stream belongs to another call");
		return;
	}
	c->started = true;
	c->stream_start = mono_now();
	tell_text(c, "stream-started", "streamSid", stream_sid);
	open_agent_if_due(c);
}

static void on_media(void *arg, const char *base64, size_t len, struct mono_us born)
{
	struct call *c = arg;
	ssize_t bytes = base64_decoded_len(base64, len);
	c->frames_in++;
	c->bytes_in += bytes > 0 ? (uint64_t)bytes : 0;
	if (c->agent_ready && c->agent != NULL) {
		send_to_agent(c, base64, len, born);
	} else if (bytes > 0 && !c->giving_up) {
		/* What is said before the agent is there is kept for it, up to a limit. */
		if (c->early.len + (size_t)bytes > EARLY_MAX)
			buffer_consume(&c->early,
				       (size_t)bytes < c->early.len ? (size_t)bytes : c->early.len);
		buffer_reserve(&c->early, len / 4 * 3);
		ssize_t got = base64_decode(base64, len, c->early.data + c->early.len);
		c->early.len += got > 0 ? (size_t)got : 0;
	}
}

static void on_digit(void *arg, char digit)
{
	struct call *c = arg;
	char text[80];
	tell(c, "dtmf-received", json_pack("{s:s#}", "digit", &digit, (size_t)1));
	snprintf(text, sizeof text, "The person pressed the key %c on their phone.", digit);
	if (c->agent != NULL && c->agent_ready)
		c->provider->inject(c->agent, text);
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

static void out_result(void *arg, const char *id, const char *result, bool is_error)
{
	struct call *c = arg;
	if (c->agent != NULL)
		c->provider->tool_result(c->agent, id, result, is_error);
}

static void out_event(void *arg, const char *type, json_t *data)
{
	tell(arg, type, data);
}

/* ---- from voiced ---- */

static bool read_assignment(struct call *c, json_t *body)
{
	const char *call_id = "", *socket = "", *level = "info", *format = "text", *provider = "";
	int64_t attempt = 0;
	struct json_reader r;
	json_read_open(&r, body);
	json_read_text(&r, "callId", JSON_NEEDED, 1, 64, &call_id);
	json_read_int(&r, "attempt", JSON_NEEDED, 0, 1000, &attempt);
	json_read_text(&r, "callSid", JSON_NEEDED, 1, 64, &c->call_sid);
	json_read_text(&r, "callType", JSON_NEEDED, 1, 16, &c->call_type);
	json_read_text(&r, "provider", JSON_NEEDED, 1, 32, &provider);
	json_read_text(&r, "prompt", JSON_NEEDED, 0, PROMPT_MAX, &c->prompt);
	json_read_text(&r, "voice", JSON_NEEDED, 0, 256, &c->voice);
	json_read_text(&r, "fromNumber", JSON_NEEDED, 0, 64, &c->from_number);
	json_read_text(&r, "toNumber", JSON_NEEDED, 0, 64, &c->to_number);
	json_read_text(&r, "caFile", JSON_NEEDED, 0, 4096, &c->ca_file);
	json_read_text(&r, "socket", JSON_NEEDED, 1, 200, &socket);
	json_read_text(&r, "logLevel", JSON_NEEDED, 1, 16, &level);
	json_read_text(&r, "logFormat", JSON_NEEDED, 1, 16, &format);
	json_read_close(&r, JSON_KNOWN_ONLY);
	if (!json_read_ok(&r) || strcmp(provider, "elevenlabs") != 0) {
		log_error("the assignment is wrong: %s", json_read_ok(&r) ? "no such provider" : r.faults);
		return false;
	}
	enum log_severity severity = LOG_SEV_INFO;
	log_parse_severity(level, &severity);
	log_open("callworker", severity, strcmp(format, "json") == 0);
	log_set_call(c->call_sid);
	c->provider = &provider_elevenlabs;
	control_identify(c->control, call_id, attempt, socket);
	return true;
}

static void on_assign(void *arg, json_t *body, int fd)
{
	struct call *c = arg;
	if (c->state != WAITING) {
		log_error("a second call was assigned");
		fd_close(&fd);
		return;
	}
	c->assignment = json_incref(body);
	if (!read_assignment(c, c->assignment)) {
		fd_close(&fd);
		ws_loop_stop(c->loop);
		return;
	}
	c->state = STARTING;
	c->born = mono_now();
	struct playout_out out = {out_audio, out_mark, out_clear, c};
	c->playout = playout_new(c->loop, &out);
	c->farewell = farewell_new(c->loop, c->playout, leave, c);
	struct tools_out tools = {out_result, out_event, c};
	c->tools = tools_new(c->playout, c->farewell, &tools);
	c->stream = twilio_stream_new(c->loop, fd, &stream_events, c);
	show_title(c);
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
	if (!json_read_ok(&r) || (url == NULL && error == NULL)) {
		agent_failed(c, "voiced told no agent to open");
	} else if (error != NULL) {
		agent_failed(c, error);
	} else if (c->agent_url == NULL) {
		c->agent_url = xstrdup(url);
		c->agent_header = header ? xstrdup(header) : NULL;
		open_agent_if_due(c);
	}
}

static void refuse_not_live(struct call *c, const struct frame *f)
{
	control_refuse(c->control, f, "not_live", "The call is not live (yet, or any more).", 409);
}

static void on_inject(struct call *c, const struct frame *f)
{
	const char *context = NULL;
	struct json_reader r;
	json_read_open(&r, f->body);
	json_read_text(&r, "context", JSON_NEEDED, 1, 64 * 1024, &context);
	json_read_close(&r, JSON_KNOWN_ONLY);
	if (!json_read_ok(&r)) {
		control_refuse(c->control, f, "invalid", r.faults, 400);
	} else if (c->agent == NULL || !c->agent_ready) {
		refuse_not_live(c, f);
	} else {
		char *text = xasprintf("OPERATOR INSTRUCTION:\n%s", context);
		c->provider->inject(c->agent, text);
		free(text);
		tell_text(c, "context-injected", "context", context);
		control_reply(c->control, f, json_object());
	}
}

static void on_dtmf(struct call *c, const struct frame *f)
{
	const char *digits = NULL;
	struct json_reader r;
	json_read_open(&r, f->body);
	json_read_text(&r, "digits", JSON_NEEDED, 1, DTMF_DIGITS_MAX * 2 - 1, &digits);
	json_read_close(&r, JSON_KNOWN_ONLY);
	if (!json_read_ok(&r)) {
		control_refuse(c->control, f, "invalid", r.faults, 400);
		return;
	}
	if (c->state != LIVE) {
		refuse_not_live(c, f);
		return;
	}
	const char *fault = tools_press(c->tools, digits);
	if (fault != NULL)
		control_refuse(c->control, f, "invalid", fault, 400);
	else
		control_reply(c->control, f, json_object());
}

/* voiced ends the call at the carrier; here nothing more is said. */
static void on_hangup(struct call *c, const struct frame *f)
{
	control_reply(c->control, f, json_object());
	if (c->state != STARTING && c->state != LIVE)
		return;
	c->state = LEAVING;
	close_agent(c);
	playout_clear(c->playout);
	ws_timer_start(c->loop, &c->patience, CLOSE_PATIENCE_MS, on_close_patience, c);
}

static void on_question(void *arg, const struct frame *f)
{
	struct call *c = arg;
	switch (f->type) {
	case MSG_WORKER_INJECT:
		on_inject(c, f);
		return;
	case MSG_WORKER_DTMF:
		on_dtmf(c, f);
		return;
	case MSG_WORKER_HANGUP:
		on_hangup(c, f);
		return;
	default:
		control_refuse(c->control, f, "unknown", "A callworker answers no such question.", 501);
	}
}

static void on_all_stored(void *arg)
{
	struct call *c = arg;
	if (c->giving_up && c->state == LEAVING)
		twilio_stream_close(c->stream);
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
	return c->state == STARTING && c->agent_url == NULL;
}

static int on_stream_fd(void *arg)
{
	struct call *c = arg;
	return c->stream != NULL && c->state != OVER ? twilio_stream_fd(c->stream) : -1;
}

static const struct control_handler control_events = {on_assign,   on_agent,       on_question, on_all_stored,
						      on_orphaned, on_needs_agent, on_stream_fd};

struct call *call_new(struct ws_loop *loop, int control_fd)
{
	struct call *c;
	OBJ_ALLOC(c, CALL_MAGIC);
	c->loop = loop;
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
	close_agent(c);
	farewell_free(&c->farewell);
	playout_free(&c->playout);
	tools_free(&c->tools);
	twilio_stream_free(&c->stream);
	lane_free(&c->to_agent);
	lane_free(&c->to_caller);
	buffer_free(&c->early);
	buffer_free(&c->outgoing);
	control_free(&c->control);
	free(c->agent_url);
	free(c->agent_header);
	json_decref(c->assignment);
	OBJ_FREE(c);
	*cc = NULL;
}
