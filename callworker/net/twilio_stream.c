#include "callworker/net/twilio_stream.h"

#include "callworker/net/json_scan.h"
#include "lib/base/base64.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"

#include <stdio.h>
#include <string.h>

#define STREAM_MAGIC 0x7473746du

enum {
	MESSAGE_MAX = 64 * 1024,
	START_TIMEOUT_MS = 10000, /* from the connection to `start` */
	LOOK_MS = 1000,
	DEAD_LOOKS = 5, /* so often no media had come since the look before */
	SID_SIZE = 40,
};

enum state { CONNECTING, CONNECTED, STARTED, STOPPED };

struct twilio_stream {
	unsigned magic;
	struct ws_loop *loop;
	struct ws *ws;
	const struct twilio_stream_handler *handler;
	void *arg;
	enum state state;
	bool closing; /* by us */
	char stream_sid[SID_SIZE];
	char media_head[SID_SIZE + 64]; /* what comes before the audio in a message */
	char fault[256];
	struct ws_timer start_timer, look_timer;
	bool media_came; /* since the last look */
	unsigned dead_looks;
};

static void broken(void *arg, const char *why)
{
	struct twilio_stream *s = arg;
	if (s->fault[0] != '\0')
		return;
	text_printf(s->fault, sizeof s->fault, "%s", why);
	s->handler->broken(s->arg, s->fault);
}

static void on_start_timeout(void *arg)
{
	broken(arg, "no start message came within 10 s");
}

/*
 * Looks are counted, not time: a process that was stopped for a while finds the
 * media that came meanwhile before the next look.
 */
static void on_look(void *arg)
{
	struct twilio_stream *s = arg;
	s->dead_looks = s->media_came ? 0 : s->dead_looks + 1;
	s->media_came = false;
	if (s->dead_looks < DEAD_LOOKS) {
		ws_timer_start(s->loop, &s->look_timer, LOOK_MS, on_look, s);
		return;
	}
	ws_break(s->ws, "no media came from the carrier for 5 s");
}

static bool format_fits(json_t *format)
{
	const char *encoding = "";
	int64_t rate = 0, channels = 0;
	struct json_reader r;
	json_read_open(&r, format);
	json_read_text(&r, "encoding", JSON_NEEDED, 1, 64, &encoding);
	json_read_int(&r, "sampleRate", JSON_NEEDED, 1, 192000, &rate);
	json_read_int(&r, "channels", JSON_NEEDED, 1, 8, &channels);
	return json_read_ok(&r) && strcmp(encoding, "audio/x-mulaw") == 0 && rate == 8000 && channels == 1;
}

#define SID_CHARACTERS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static void on_start(struct twilio_stream *s, json_t *message)
{
	json_t *start = NULL, *format = NULL;
	const char *stream_sid = "", *call_sid = "";
	struct json_reader outer, r;
	json_read_open(&outer, message);
	json_read_object(&outer, "start", JSON_NEEDED, &start);
	json_read_open(&r, start);
	json_read_text(&r, "streamSid", JSON_NEEDED, 1, SID_SIZE - 1, &stream_sid);
	json_read_text(&r, "callSid", JSON_NEEDED, 1, SID_SIZE - 1, &call_sid);
	json_read_object(&r, "mediaFormat", JSON_NEEDED, &format);
	if (s->state != CONNECTED) {
		broken(s, s->state == STARTED ? "start came twice" : "start came before connected");
	} else if (!json_read_ok(&r)) {
		broken(s, "start lacks streamSid, callSid or mediaFormat");
	} else if (strspn(stream_sid, SID_CHARACTERS) != strlen(stream_sid)) {
		broken(s, "streamSid is none"); /* it goes into our messages as it is */
	} else if (!format_fits(format)) {
		broken(s, "the stream's format is not mu-law, 8000 Hz, one channel");
	} else {
		s->state = STARTED;
		ws_timer_stop(s->loop, &s->start_timer);
		ws_timer_start(s->loop, &s->look_timer, LOOK_MS, on_look, s);
		snprintf(s->stream_sid, sizeof s->stream_sid, "%s", stream_sid);
		snprintf(s->media_head, sizeof s->media_head,
			 "{\"event\":\"media\",\"streamSid\":\"%s\",\"media\":{\"payload\":\"", stream_sid);
		s->handler->started(s->arg, stream_sid, call_sid);
	}
}

/* A member of a nested object, as text; "" when it is not there. */
static const char *nested_text(json_t *message, const char *object, const char *name)
{
	json_t *inner = NULL;
	const char *text = "";
	struct json_reader r;
	json_read_open(&r, message);
	json_read_object(&r, object, JSON_NEEDED, &inner);
	json_read_open(&r, inner);
	json_read_text(&r, name, JSON_NEEDED, 1, 256, &text);
	return text;
}

static void on_event(struct twilio_stream *s, json_t *message)
{
	const char *event = "";
	struct json_reader r;
	json_read_open(&r, message);
	json_read_text(&r, "event", JSON_NEEDED, 1, 64, &event);
	if (!json_read_ok(&r)) {
		broken(s, "a message without event came");
	} else if (strcmp(event, "connected") == 0) {
		if (s->state != CONNECTING)
			broken(s, "connected came twice");
		else
			s->state = CONNECTED;
	} else if (strcmp(event, "start") == 0) {
		on_start(s, message);
	} else if (strcmp(event, "media") == 0) {
		broken(s, s->state == STARTED ? "media without a payload came" : "media came before start");
	} else if (strcmp(event, "dtmf") == 0 && s->state == STARTED) {
		const char *digit = nested_text(message, "dtmf", "digit");
		if (digit[0] != '\0' && strchr("0123456789*#ABCD", digit[0]) != NULL)
			s->handler->digit(s->arg, digit[0]);
	} else if (strcmp(event, "mark") == 0 && s->state == STARTED) {
		s->handler->marked(s->arg, nested_text(message, "mark", "name"));
	} else if (strcmp(event, "stop") == 0) {
		s->state = STOPPED;
		ws_timer_stop(s->loop, &s->look_timer);
		ws_close(s->ws, LWS_CLOSE_STATUS_NORMAL, "");
	}
}

static void on_open(void *arg)
{
	(void)arg;
}

/* Twilio writes it as a string of digits. */
static int64_t timestamp_of(const char *text, size_t len)
{
	const char *digits;
	size_t count;
	int64_t ms = 0;
	if (!json_scan_text(text, len, "timestamp", &digits, &count) || count > 15)
		return 0;
	for (size_t i = 0; i < count && digits[i] >= '0' && digits[i] <= '9'; i++)
		ms = ms * 10 + (digits[i] - '0');
	return ms;
}

static void on_media(struct twilio_stream *s, struct media *m)
{
	static uint8_t mulaw[MESSAGE_MAX / 4 * 3];
	ssize_t count = m->len <= MESSAGE_MAX ? base64_decode(m->base64, m->len, mulaw) : -1;
	s->media_came = true;
	if (count <= 0)
		return; /* it would be JSON of the carrier's in the provider's */
	m->mulaw = mulaw;
	m->count = (size_t)count;
	s->handler->media(s->arg, m);
}

static void on_text(void *arg, const char *text, size_t len, struct mono_us born)
{
	struct twilio_stream *s = arg;
	const char *payload;
	size_t payload_len;
	if (s->closing || s->fault[0] != '\0')
		return;
	if (s->state == STARTED && json_scan_is(text, len, "event", "media") &&
	    json_scan_text(text, len, "payload", &payload, &payload_len)) {
		struct media m = {payload, payload_len, NULL, 0, timestamp_of(text, len), born};
		on_media(s, &m);
		return;
	}
	char error[160];
	json_t *message = json_parse_object(text, len, error, sizeof error);
	if (message == NULL)
		broken(s, "a message that is no JSON object came");
	else
		on_event(s, message);
	json_decref(message);
}

static void on_closed(void *arg, const char *why)
{
	struct twilio_stream *s = arg;
	ws_timer_stop(s->loop, &s->start_timer);
	ws_timer_stop(s->loop, &s->look_timer);
	bool cut = false;
	if (s->fault[0] == '\0' && !s->closing && s->state != STOPPED) {
		text_printf(s->fault, sizeof s->fault, "%s", why);
		cut = true; /* not the protocol's fault: a caller may hang up before the first message */
	}
	s->state = STOPPED;
	s->handler->ended(s->arg, s->fault[0] ? s->fault : NULL, cut);
}

static const struct ws_handler ws_events = {on_open, on_text, broken, on_closed};

struct twilio_stream *twilio_stream_new(struct ws_loop *loop, int fd, const struct twilio_stream_handler *h,
					void *arg)
{
	struct twilio_stream *s;
	OBJ_ALLOC(s, STREAM_MAGIC);
	s->loop = loop;
	s->handler = h;
	s->arg = arg;
	s->ws = ws_adopt(loop, fd, MESSAGE_MAX, &ws_events, s);
	ws_timer_start(loop, &s->start_timer, START_TIMEOUT_MS, on_start_timeout, s);
	return s;
}

void twilio_stream_free(struct twilio_stream **ss)
{
	struct twilio_stream *s = *ss;
	if (s == NULL)
		return;
	OBJ_CHECK(s, STREAM_MAGIC);
	ws_timer_stop(s->loop, &s->start_timer);
	ws_timer_stop(s->loop, &s->look_timer);
	ws_abandon(&s->ws);
	OBJ_FREE(s);
	*ss = NULL;
}

void twilio_stream_audio(struct twilio_stream *s, const char *base64, size_t len, struct mono_us born)
{
	OBJ_CHECK(s, STREAM_MAGIC);
	if (s->state != STARTED || s->closing)
		return;
	ws_send_between(s->ws, s->media_head, base64, len, "\"}}", born);
}

void twilio_stream_mark(struct twilio_stream *s, const char *name)
{
	OBJ_CHECK(s, STREAM_MAGIC);
	if (s->state != STARTED || s->closing)
		return;
	char text[200];
	int len = snprintf(text, sizeof text,
			   "{\"event\":\"mark\",\"streamSid\":\"%s\",\"mark\":{\"name\":\"%s\"}}",
			   s->stream_sid, name);
	ws_send(s->ws, text, (size_t)len);
}

void twilio_stream_clear(struct twilio_stream *s)
{
	OBJ_CHECK(s, STREAM_MAGIC);
	if (s->state != STARTED || s->closing)
		return;
	char text[100];
	int len = snprintf(text, sizeof text, "{\"event\":\"clear\",\"streamSid\":\"%s\"}", s->stream_sid);
	ws_send(s->ws, text, (size_t)len);
}

void twilio_stream_close(struct twilio_stream *s)
{
	OBJ_CHECK(s, STREAM_MAGIC);
	s->closing = true;
	ws_close(s->ws, LWS_CLOSE_STATUS_NORMAL, "");
}

int twilio_stream_fd(const struct twilio_stream *s)
{
	OBJ_CHECK(s, STREAM_MAGIC);
	return ws_fd(s->ws);
}

const struct latency *twilio_stream_delays(const struct twilio_stream *s)
{
	OBJ_CHECK(s, STREAM_MAGIC);
	return ws_delays(s->ws);
}
