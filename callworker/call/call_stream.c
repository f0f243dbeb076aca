/* The carrier's side of a call: what comes from the stream, and what the caller is to hear. */
#include "callworker/call/call_inside.h"

#include "lib/base/base64.h"
#include "lib/base/buffer.h"
#include "lib/base/json_build.h"

#include <stdio.h>
#include <string.h>

enum { VOICE_MS = 120 }; /* of speech: a word, not a click */

void call_caller_spoke(struct call *c)
{
	c->caller_spoke = true;
	call_event(c, EV_CALLER_VOICE);
}

void call_tell_response(struct call *c)
{
	int64_t ms = figures_response_ms(&c->figures);
	if (ms >= 0)
		call_tell(c, "response", json_build("{s:I}", "ms", (json_int_t)ms));
}

static void on_started(void *arg, const char *stream_sid, const char *call_sid)
{
	struct call *c = arg;
	if (strcmp(call_sid, c->a.call_sid) != 0) {
		call_fail(c, EV_STREAM_BROKEN, "the stream belongs to another call");
		return;
	}
	c->started = true;
	figures_stream_started(&c->figures);
	if (c->recording >= 0)
		c->recorder = recorder_new(c->recording, c->a.recording_from_ms);
	c->recording = -1;
	call_tell_text(c, "stream-started", "streamSid", stream_sid);
	call_open_agent(c);
}

static void on_media(void *arg, const struct media *m)
{
	struct call *c = arg;
	enum vad_change change = figures_heard(&c->figures, m->mulaw, m->count, playout_quiet_ms(c->playout));
	if (change != VAD_SAME)
		silence_heard(c->silence);
	if (change == VAD_ENDED && call_state_is_live(c->state))
		call_tell_response(c);
	if (vad_is_loud(&c->figures.vad, VOICE_MS))
		call_caller_spoke(c);
	levels_caller(&c->levels, m->mulaw, m->count);
	if (c->recorder != NULL)
		recorder_caller(c->recorder, m->mulaw, m->count, m->ms);
	if (call_state_agent_hears(c->state))
		agent_hear(c->agent, m->base64, m->len, m->born);
}

static void on_digit(void *arg, char digit)
{
	struct call *c = arg;
	char text[80];
	call_tell(c, "dtmf-received", json_build("{s:s#}", "digit", &digit, 1));
	snprintf(text, sizeof text, "The person pressed the key %c on their phone.", digit);
	silence_heard(c->silence);
	call_caller_spoke(c);
	agent_inject(c->agent, text);
}

static void on_marked(void *arg, const char *name)
{
	struct call *c = arg;
	playout_marked(c->playout, name);
}

static void on_broken(void *arg, const char *why)
{
	call_fail(arg, EV_STREAM_BROKEN, why);
}

static void on_ended(void *arg, const char *fault, bool cut)
{
	struct call *c = arg;
	c->stream_fault = fault;
	c->stream_cut = cut;
	call_event(c, fault != NULL ? EV_STREAM_CUT : EV_STREAM_ENDED);
}

static const struct twilio_stream_handler stream_events = {on_started, on_media,  on_digit,
							   on_marked,  on_broken, on_ended};

static void out_audio(void *arg, const char *base64, size_t len, const uint8_t *mulaw, size_t count,
		      struct mono_us born)
{
	struct call *c = arg;
	twilio_stream_audio(c->stream, base64, len, born);
	levels_agent(&c->levels, mulaw, count);
	if (c->recorder != NULL)
		recorder_agent(c->recorder, mulaw, count);
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
	if (c->recorder != NULL)
		recorder_cleared(c->recorder);
}

void call_make_stream(struct call *c, int fd)
{
	struct playout_out out = {out_audio, out_mark, out_clear, c};
	c->playout = playout_new(c->loop, &out);
	c->stream = twilio_stream_new(c->loop, fd, &stream_events, c);
}
