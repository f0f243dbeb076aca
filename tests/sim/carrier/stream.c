/*
 * A media stream, and the person at its other end. The scenario's entry of the
 * number called:
 *
 *	outcome     "answer" (default), "busy", "no-answer", "failed"
 *	ring_ms     (20)
 *	script      steps, one after the other, spoken while the ears stay open:
 *	  {"say": PATH}               a WAV file of 8000 Hz
 *	  {"say": PATH, "after_ms": N} begins when the other side has spoken for N ms: a barge-in
 *	  {"hear": true}              waits until the other side has spoken
 *	  {"digits": "42"}            waits for these digits
 *	  {"press": "5"}              a key, told by a dtmf event
 *	  {"pause_ms": N}   {"hangup": true}
 *	mode        "script" (default), or "stamp": measuring frames for `seconds`
 *	bad         no_start, start_twice, media_before_start, binary, huge, not_json, cut,
 *	            mute (no media comes any more; that and cut happen to the first stream)
 */
#include "tests/sim/carrier/carrier.h"

#include "lib/base/base64.h"
#include "tests/sim/common/report.h"
#include "tests/sim/common/sound.h"
#include "tests/sim/common/stamp.h"
#include "tests/sim/common/ws.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME = 160, FRAME_MS = 20, MARKS_MAX = 1024, BUFFER_MAX = 600 * 8000 };

struct mark {
	char name[120];
	uint64_t at; /* bytes played when it is due */
};

struct stream {
	LIST_ENTRY(stream) next;
	struct call *call; /* NULL: the call is over */
	struct sim_ws *ws;
	char sid[35];
	json_t *parameters, *script;
	const char *mode, *bad;
	bool open, started, stopping, over;
	unsigned sequence, chunk, slot;
	int64_t opened_us, requested_us, first_audio_us, stop_us;
	/* the person's mouth */
	size_t step;
	struct sound speech;
	size_t speech_at;
	int pause_ms, heard_for_ms;
	bool press_done;
	/* the person's ear: what was sent and not yet played */
	uint8_t *buffer;
	size_t buffered, buffer_cap;
	uint64_t played, received;
	struct mark marks[MARKS_MAX];
	size_t mark_count;
	struct voice voice;
	struct dtmf_ear ear;
	size_t digits_reported;
	/* the recording */
	int16_t *left, *right;
	size_t recorded, record_cap;
	/* measuring */
	uint32_t sent, next_stamp, lost, reordered, stamps;
	int64_t *delays;
	size_t delay_cap;
	unsigned media_messages;
};

static LIST_HEAD(, stream) streams = LIST_HEAD_INITIALIZER(streams);

static void send_json(struct stream *s, json_t *m)
{
	char number[16];
	snprintf(number, sizeof number, "%u", ++s->sequence);
	json_object_set_new(m, "sequenceNumber", json_string(number));
	json_object_set_new(m, "streamSid", json_string(s->sid));
	char *text = json_dumps(m, JSON_COMPACT);
	sim_ws_text(s->ws, text, strlen(text));
	free(text);
	json_decref(m);
}

static void send_start(struct stream *s)
{
	send_json(s, json_pack("{s:s, s:{s:s, s:s, s:s, s:[s], s:{s:s, s:i, s:i}, s:O}}", "event", "start",
			       "start", "accountSid", carrier.account_sid, "streamSid", s->sid, "callSid",
			       s->call->sid, "tracks", "inbound", "mediaFormat", "encoding", "audio/x-mulaw",
			       "sampleRate", 8000, "channels", 1, "customParameters", s->parameters));
}

static void send_media(struct stream *s, const uint8_t *frame)
{
	char base64[BASE64_LEN(FRAME) + 1], text[512];
	base64[base64_encode(frame, FRAME, base64)] = '\0';
	++s->chunk;
	int n = snprintf(text, sizeof text,
			 "{\"event\":\"media\",\"sequenceNumber\":\"%u\",\"media\":{\"track\":\"inbound\","
			 "\"chunk\":\"%u\","
			 "\"timestamp\":\"%u\",\"payload\":\"%s\"},\"streamSid\":\"%s\"}",
			 ++s->sequence, s->chunk, s->chunk * FRAME_MS, base64, s->sid);
	sim_ws_text(s->ws, text, (size_t)n);
	s->sent++;
}

/* ---- bad carriers ---- */

static void misbehave(struct stream *s)
{
	uint8_t silence[FRAME];
	memset(silence, 0xff, sizeof silence);
	if (strcmp(s->bad, "media_before_start") == 0) {
		send_media(s, silence);
	} else if (strcmp(s->bad, "start_twice") == 0) {
		send_start(s);
		send_start(s);
	} else if (strcmp(s->bad, "binary") == 0) {
		send_start(s);
		sim_ws_binary(s->ws, (char *)silence, sizeof silence);
	} else if (strcmp(s->bad, "not_json") == 0) {
		sim_ws_text(s->ws, "hello", 5);
	} else if (strcmp(s->bad, "huge") == 0) {
		size_t len = 10 * 1024 * 1024;
		char *text = malloc(len);
		memset(text, ' ', len);
		send_start(s);
		sim_ws_text(s->ws, text, len);
		free(text);
	} else if (strcmp(s->bad, "cut") == 0 || strcmp(s->bad, "mute") == 0) {
		send_start(s);
		s->started = true;
	}
}

static void on_open(void *arg)
{
	struct stream *s = arg;
	static const char connected[] =
		"{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}";
	s->open = true;
	s->opened_us = now_us();
	report("stream-open", json_pack("{s:s, s:I}", "callSid", s->call->sid, "acceptUs",
					(json_int_t)(s->opened_us - s->requested_us)));
	sim_ws_text(s->ws, connected, sizeof connected - 1);
	if (s->bad[0] != '\0') {
		misbehave(s);
		return;
	}
	send_start(s);
	s->started = true;
}

/* ---- the ear ---- */

static void echo_mark(struct stream *s, const char *name)
{
	report("mark", json_pack("{s:s}", "name", name));
	send_json(s, json_pack("{s:s, s:{s:s}}", "event", "mark", "mark", "name", name));
}

static void echo_due_marks(struct stream *s)
{
	size_t due = 0;
	while (due < s->mark_count && s->marks[due].at <= s->played)
		echo_mark(s, s->marks[due++].name);
	memmove(s->marks, s->marks + due, (s->mark_count - due) * sizeof *s->marks);
	s->mark_count -= due;
}

static void on_stamp(struct stream *s, const uint8_t *bytes, size_t len)
{
	struct stamp stamp;
	if (!stamp_read(bytes, (long)len, &stamp))
		return;
	if (stamp.number > s->next_stamp)
		s->lost += stamp.number - s->next_stamp;
	else if (stamp.number < s->next_stamp)
		s->reordered++;
	s->next_stamp = stamp.number + 1;
	if (s->stamps == s->delay_cap) {
		s->delay_cap = s->delay_cap ? s->delay_cap * 2 : 1024;
		s->delays = realloc(s->delays, s->delay_cap * sizeof *s->delays);
	}
	s->delays[s->stamps++] = now_us() - stamp.agent_us;
}

/* The agent's simulator sends what must not be heard as full-scale DC, which no speech is. */
static void refuse_stale(const struct stream *s, const uint8_t *bytes, size_t n)
{
	size_t run = 0;
	for (size_t i = 0; i < n; i++) {
		run = bytes[i] == 0 ? run + 1 : 0;
		if (run == 80) {
			violation(s->sid, "audio of before an interruption came after it");
			return;
		}
	}
}

static void on_media(struct stream *s, json_t *m)
{
	const char *payload = text_of(json_object_get(m, "media"), "payload", NULL);
	if (payload == NULL || json_object_size(m) != 3 ||
	    json_object_size(json_object_get(m, "media")) != 1) {
		violation(s->sid, "media with missing or extra members (31951)");
		return;
	}
	size_t len = strlen(payload);
	if (s->buffered + len > s->buffer_cap) {
		s->buffer_cap = (s->buffered + len) * 2;
		s->buffer = realloc(s->buffer, s->buffer_cap);
	}
	ssize_t n = base64_decode(payload, len, s->buffer + s->buffered);
	if (n < 0) {
		violation(s->sid, "media that is no base64");
		return;
	}
	if (s->first_audio_us == 0) {
		s->first_audio_us = now_us();
		report("stream-first-audio",
		       json_pack("{s:s, s:I}", "callSid", s->call ? s->call->sid : "", "afterUs",
				 (json_int_t)(s->first_audio_us - s->opened_us)));
	}
	if (s->buffered == 0 && strcmp(s->mode, "script") == 0)
		report("audio-begins", json_pack("{s:s}", "callSid", s->call ? s->call->sid : ""));
	s->media_messages++;
	s->received += (uint64_t)n;
	if (strcmp(s->mode, "script") == 0)
		refuse_stale(s, s->buffer + s->buffered, (size_t)n);
	on_stamp(s, s->buffer + s->buffered, (size_t)n);
	s->buffered += (size_t)n;
	if (s->buffered > BUFFER_MAX)
		violation(s->sid, "over ten minutes of audio are buffered (31931)");
}

static void on_mark(struct stream *s, json_t *m)
{
	const char *name = text_of(json_object_get(m, "mark"), "name", NULL);
	if (name == NULL || name[0] == '\0' || json_object_size(m) != 3 ||
	    json_object_size(json_object_get(m, "mark")) != 1 || s->mark_count == MARKS_MAX) {
		violation(s->sid, "mark with missing or extra members (31951)");
		return;
	}
	struct mark *mark = &s->marks[s->mark_count++];
	snprintf(mark->name, sizeof mark->name, "%s", name);
	mark->at = s->played + s->buffered;
	echo_due_marks(s);
}

static void on_clear(struct stream *s, json_t *m)
{
	if (json_object_size(m) != 2)
		violation(s->sid, "clear with extra members (31951)");
	report("clear", json_pack("{s:s, s:i, s:i}", "callSid", s->call ? s->call->sid : "", "playedMs",
				  (int)(s->played / 8), "droppedMs", (int)(s->buffered / 8)));
	s->buffered = 0;
	for (size_t i = 0; i < s->mark_count; i++)
		echo_mark(s, s->marks[i].name);
	s->mark_count = 0;
}

static void on_text(void *arg, const char *text, size_t len)
{
	struct stream *s = arg;
	json_error_t fault;
	json_t *m = json_loadb(text, len, JSON_REJECT_DUPLICATES, &fault);
	const char *event = text_of(m, "event", "");
	if (len > 64 * 1024)
		violation(s->sid, "a message of %zu bytes", len);
	if (!json_is_object(m))
		violation(s->sid, "not a JSON object: %s", fault.text);
	else if (!s->started && s->bad[0] == '\0')
		violation(s->sid, "%s came before start", event);
	else if (strcmp(text_of(m, "streamSid", ""), s->sid) != 0)
		violation(s->sid, "streamSid is missing or another's");
	else if (strcmp(event, "media") == 0)
		on_media(s, m);
	else if (strcmp(event, "mark") == 0)
		on_mark(s, m);
	else if (strcmp(event, "clear") == 0)
		on_clear(s, m);
	else
		violation(s->sid, "unknown event %s (31951)", event);
	json_decref(m);
}

/* ---- the end ---- */

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static void save_recording(struct stream *s)
{
	char path[512];
	if (carrier.record_dir == NULL || s->recorded == 0 || s->call == NULL)
		return;
	snprintf(path, sizeof path, "%s/%s-%u.wav", carrier.record_dir, s->call->sid, s->call->streams);
	if (sound_save_stereo(path, s->left, s->right, s->recorded, 8000))
		report("recording", json_pack("{s:s, s:s}", "callSid", s->call->sid, "path", path));
}

static void on_free(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct stream *s = arg;
	LIST_REMOVE(s, next);
	sim_ws_free(s->ws);
	json_decref(s->parameters);
	free(s->speech.samples);
	free(s->buffer);
	free(s->left);
	free(s->right);
	free(s->delays);
	free(s);
}

static void on_closed(void *arg, int code, const char *reason)
{
	struct stream *s = arg;
	static const struct timeval at_once = {0, 0};
	struct call *c = s->call;
	json_t *delays = json_array();
	s->over = true;
	if (s->stamps > 0)
		qsort(s->delays, s->stamps, sizeof *s->delays, by_size);
	for (size_t i = 0; i < 200 && s->stamps > 0; i++)
		json_array_append_new(delays, json_integer(s->delays[(s->stamps - 1) * i / 199]));
	save_recording(s);
	report("stream-closed",
	       json_pack("{s:s, s:s, s:i, s:s, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s, s:o}",
			 "callSid", c ? c->sid : "", "to", c ? c->to : "", "code", code, "reason", reason,
			 "httpStatus", s->open ? 101 : sim_ws_status(s->ws), "framesSent",
			 (json_int_t)s->sent, "bytesReceived", (json_int_t)s->received, "messagesReceived",
			 (json_int_t)s->media_messages, "stamps", (json_int_t)s->stamps, "lost",
			 (json_int_t)s->lost, "reordered", (json_int_t)s->reordered, "playedBytes",
			 (json_int_t)s->played, "scriptDone", s->step >= json_array_size(s->script), "digits",
			 s->ear.digits, "delaysUs", delays));
	event_base_once(carrier.base, -1, EV_TIMEOUT, on_free, s, &at_once);
	if (c != NULL && c->stream == s) {
		if (s->stopping)
			c->stream = NULL;
		else
			call_stream_ended(c);
	}
}

static const struct sim_ws_handler events = {on_open, on_text, on_closed};

void stream_stop(struct stream *s)
{
	if (s->stopping || s->over)
		return;
	s->stopping = true;
	s->stop_us = now_us();
	if (s->started)
		send_json(s, json_pack("{s:s, s:{s:s, s:s}}", "event", "stop", "stop", "accountSid",
				       carrier.account_sid, "callSid", s->call->sid));
	sim_ws_close(s->ws, 1000, "");
}

void stream_reset(struct stream *s)
{
	sim_ws_reset(s->ws);
}

/* ---- every 20 ms ---- */

static void record(struct stream *s, const int16_t *said, const int16_t *heard)
{
	if (s->recorded + FRAME > s->record_cap) {
		s->record_cap = (s->recorded + FRAME) * 2;
		s->left = realloc(s->left, s->record_cap * sizeof *s->left);
		s->right = realloc(s->right, s->record_cap * sizeof *s->right);
	}
	memcpy(s->left + s->recorded, said, FRAME * sizeof *said);
	memcpy(s->right + s->recorded, heard, FRAME * sizeof *heard);
	s->recorded += FRAME;
}

static void hear(struct stream *s, int16_t heard[FRAME])
{
	uint8_t frame[FRAME];
	size_t n = s->buffered < FRAME ? s->buffered : FRAME;
	memset(frame, 0xff, sizeof frame);
	if (n > 0) {
		memcpy(frame, s->buffer, n);
		memmove(s->buffer, s->buffer + n, s->buffered - n);
	}
	s->buffered -= n;
	s->played += n;
	for (int i = 0; i < FRAME; i++)
		heard[i] = ulaw_to_linear(frame[i]);
	voice_feed(&s->voice, heard, FRAME, 8000);
	dtmf_ear_feed(&s->ear, heard, FRAME);
	if (s->ear.count > s->digits_reported) {
		s->digits_reported = s->ear.count;
		report("digits", json_pack("{s:s, s:s}", "callSid", s->call->sid, "digits", s->ear.digits));
	}
	echo_due_marks(s);
}

static void next_step(struct stream *s)
{
	s->step++;
	s->voice.ended = false;
	s->pause_ms = 0;
	free(s->speech.samples);
	memset(&s->speech, 0, sizeof s->speech);
}

/* What the person says in these 20 ms. */
static void speak(struct stream *s, int16_t said[FRAME])
{
	json_t *step = json_array_get(s->script, s->step);
	memset(said, 0, FRAME * sizeof *said);
	if (step == NULL)
		return;
	if (json_object_get(step, "say")) {
		if (s->speech.samples == NULL) {
			if (json_object_get(step, "after_ms") &&
			    (!s->voice.speaking || s->voice.spoken_ms < int_of(step, "after_ms", 0)))
				return;
			s->speech = sound_load(text_of(step, "say", ""));
			s->speech_at = 0;
			report("callee-speaks", json_pack("{s:s, s:s}", "callSid", s->call->sid, "wav",
							  text_of(step, "say", "")));
		}
		size_t left = s->speech.count - s->speech_at, n = left < FRAME ? left : FRAME;
		memcpy(said, s->speech.samples + s->speech_at, n * sizeof *said);
		s->speech_at += n;
		if (s->speech_at >= s->speech.count)
			next_step(s);
	} else if (json_object_get(step, "hear")) {
		if (s->voice.ended)
			next_step(s);
	} else if (json_object_get(step, "digits")) {
		if (strstr(s->ear.digits, text_of(step, "digits", "")))
			next_step(s);
	} else if (json_object_get(step, "press")) {
		send_json(s, json_pack("{s:s, s:{s:s, s:s}}", "event", "dtmf", "dtmf", "track",
				       "inbound_track", "digit", text_of(step, "press", "")));
		next_step(s);
	} else if (json_object_get(step, "pause_ms")) {
		s->pause_ms += FRAME_MS;
		if (s->pause_ms >= int_of(step, "pause_ms", 0))
			next_step(s);
	} else if (json_object_get(step, "hangup")) {
		s->step++;
		call_end(s->call, "completed");
	}
}

static void tick_stamp(struct stream *s)
{
	int64_t seconds = int_of(s->call->callee, "seconds", 5);
	if (s->sent >= (uint64_t)seconds * 50) {
		/* The last echoes are waited for. */
		if (s->next_stamp >= s->sent || now_us() - s->opened_us > (seconds + 5) * 1000000)
			call_end(s->call, "completed");
		return;
	}
	uint8_t frame[FRAME];
	struct stamp stamp = {.number = s->sent, .carrier_us = now_us()};
	memcpy(stamp.magic, "STMP", 4);
	stamp_write(frame, &stamp);
	send_media(s, frame);
	s->buffered = 0;
}

static void tick(struct stream *s)
{
	int16_t said[FRAME], heard[FRAME];
	uint8_t frame[FRAME];
	if (strcmp(s->bad, "mute") == 0 && s->sent == 25)
		return;
	if (strcmp(s->mode, "stamp") == 0) {
		tick_stamp(s);
		return;
	}
	hear(s, heard);
	speak(s, said);
	if (s->over || s->stopping)
		return;
	for (int i = 0; i < FRAME; i++)
		frame[i] = linear_to_ulaw(said[i]);
	send_media(s, frame);
	record(s, said, heard);
	if (strcmp(s->bad, "cut") == 0 && s->sent == 25)
		sim_ws_reset(s->ws);
}

void streams_tick(unsigned slot)
{
	struct stream *s, *following;
	for (s = LIST_FIRST(&streams); s != NULL; s = following) {
		following = LIST_NEXT(s, next);
		if (s->slot == slot && s->started && !s->over && !s->stopping && s->call != NULL)
			tick(s);
	}
}

struct stream *stream_open(struct call *c, const char *url, json_t *parameters)
{
	static unsigned count;
	struct stream *s = calloc(1, sizeof *s);
	struct evhttp_uri *uri = evhttp_uri_parse(url);
	char head[2048], signature[32];
	snprintf(s->sid, sizeof s->sid, "MZ%032x", ++count);
	s->slot = count * 7 % 20;
	s->call = c;
	s->parameters = json_incref(parameters);
	s->script = json_object_get(c->callee, "script");
	s->mode = text_of(c->callee, "mode", "script");
	/* A broken line breaks once; the stream after it is whole. */
	s->bad = text_of(c->callee, "bad", "");
	if (c->streams > 1 && (strcmp(s->bad, "cut") == 0 || strcmp(s->bad, "mute") == 0))
		s->bad = "";
	s->ear.current = -1;
	s->voice.end_after_ms = 500;
	s->requested_us = now_us();
	hook_sign(url, NULL, signature);
	if (json_is_true(json_object_get(c->callee, "bad_signature")))
		signature[0] = signature[0] == 'A' ? 'B' : 'A';
	snprintf(head, sizeof head,
		 "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: Twilio.TmeWs/1.0\r\nConnection: Upgrade\r\n"
		 "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: "
		 "gzip\r\nX-Twilio-Signature: %s\r\n",
		 evhttp_uri_get_path(uri), evhttp_uri_get_host(uri), evhttp_uri_get_port(uri), signature);
	struct bufferevent *bev = bufferevent_socket_new(carrier.base, -1, BEV_OPT_CLOSE_ON_FREE);
	LIST_INSERT_HEAD(&streams, s, next);
	s->ws = sim_ws_client(bev, head, s->sid, &events, s);
	bufferevent_socket_connect_hostname(bev, NULL, AF_INET, evhttp_uri_get_host(uri),
					    evhttp_uri_get_port(uri));
	evhttp_uri_free(uri);
	return s;
}
