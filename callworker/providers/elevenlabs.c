/*
 * ElevenLabs agents (elevenlabs.io/docs, "Agents, WebSocket"; the messages'
 * types are in the npm package @elevenlabs/types).
 */
#include "callworker/providers/provider.h"

#include "callworker/net/json_scan.h"
#include "callworker/providers/elevenlabs_messages.h"
#include "lib/base/buffer.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ELEVENLABS_MAGIC 0x656c6576u

enum {
	MESSAGE_MAX = 4 * 1024 * 1024,
	TEXT_MAX = 64 * 1024,
	READY_TIMEOUT_MS = 10000, /* from the connection to the metadata */
	RECENT = 8,               /* utterances that a correction may be about */
	CALLS = 32,               /* tool calls to know a repeat by */
};

/* One of the agent's utterances. */
struct said {
	int64_t event_id, number;
	char *text;
};

struct elevenlabs {
	unsigned magic;
	struct ws_loop *loop;
	struct ws *ws;
	const struct provider_events *events;
	void *arg;
	char *initiation; /* the first message, until the socket opens */
	bool ready;
	int64_t interrupted_id; /* audio before this event is stale */
	int64_t audio_id;       /* of the newest audio */
	struct said recent[RECENT];
	char *original, *corrected; /* a correction that came before its utterance; or NULL */
	unsigned said;              /* so far */
	char *calls[CALLS];         /* ids of the newest */
	unsigned called;            /* so far */
	bool hung_up;               /* the agent ended the call by a tool of ElevenLabs' own */
	enum provider_end end;
	struct ws_timer ready_timer;
	char fault[300];
};

static void send_json(struct elevenlabs *e, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);
	json_decref(message);
	if (text == NULL)
		panic("a message to ElevenLabs is no JSON");
	ws_send(e->ws, text, strlen(text));
	free(text);
}

static void give_up(struct elevenlabs *e, enum provider_end end, const char *why)
{
	if (e->fault[0] == '\0') {
		text_printf(e->fault, sizeof e->fault, "%.*s", TEXT_CUT(why, 280));
		e->end = end;
	}
	ws_close(e->ws, LWS_CLOSE_STATUS_NORMAL, "");
}

static void on_ready_timeout(void *arg)
{
	give_up(arg, PROVIDER_LOST, "ElevenLabs accepted the connection and never answered");
}

static void on_metadata(struct elevenlabs *e, json_t *event)
{
	const char *id = "", *takes = "pcm_16000", *gives = "pcm_16000";
	struct audio_format in, out;
	struct json_reader r;
	char why[200];
	json_read_open(&r, event);
	json_read_text(&r, "conversation_id", JSON_OPTIONAL, 1, 128, &id);
	json_read_text(&r, "user_input_audio_format", JSON_OPTIONAL, 1, 32, &takes);
	json_read_text(&r, "agent_output_audio_format", JSON_OPTIONAL, 1, 32, &gives);
	if (!json_read_ok(&r)) {
		give_up(e, PROVIDER_REFUSED, r.faults);
	} else if (!elevenlabs_format(takes, &in) || !elevenlabs_format(gives, &out)) {
		text_printf(why, sizeof why,
			    "the agent's audio formats (%s, %s) are not known: set them to mu-law 8000 Hz at "
			    "ElevenLabs",
			    takes, gives);
		give_up(e, PROVIDER_REFUSED, why);
	} else if (!e->ready) {
		e->ready = true;
		ws_timer_stop(e->loop, &e->ready_timer);
		e->events->ready(e->arg, id, in, out);
	}
}

/* An object; or the text of one, as some models give it. NULL: it is neither. Owned by the caller. */
static json_t *tool_parameters(json_t *given)
{
	char why[160];
	const char *text = json_string_value(given);
	if (given == NULL || json_is_null(given) || (text != NULL && text[strspn(text, " \n\t")] == '\0'))
		return json_object();
	if (text != NULL)
		return json_parse_object(text, strlen(text), why, sizeof why);
	return json_is_object(given) ? json_incref(given) : NULL;
}

/* A repeat is carried out once: its result answers both. */
static bool is_known_call(struct elevenlabs *e, const char *id)
{
	for (unsigned i = 0; i < CALLS; i++)
		if (e->calls[i] != NULL && strcmp(e->calls[i], id) == 0)
			return true;
	char **slot = &e->calls[e->called++ % CALLS];
	free(*slot);
	*slot = xstrdup(id);
	return false;
}

/* Every call is answered, or the agent waits for its result until its own timeout; even one without an id. */
static void on_tool_call(struct elevenlabs *e, json_t *event)
{
	const char *id = "", *name = "";
	json_t *given = NULL;
	struct json_reader r;
	json_read_open(&r, event);
	json_read_text(&r, "tool_call_id", JSON_OPTIONAL, 0, TEXT_MAX, &id);
	json_read_text(&r, "tool_name", JSON_OPTIONAL, 0, TEXT_MAX, &name);
	json_read_any(&r, "parameters", JSON_OPTIONAL, &given);
	if (!json_read_ok(&r) || id[0] == '\0')
		log_warn("ElevenLabs' client_tool_call: %s",
			 json_read_ok(&r) ? "tool_call_id is empty" : r.faults);
	if (id[0] != '\0' && is_known_call(e, id))
		return;
	json_t *parameters = tool_parameters(given);
	e->events->tool_call(e->arg, id, name, parameters);
	json_decref(parameters);
}

/* Of a tool that ElevenLabs has carried out itself. After end_call it closes, in one way or another. */
static void on_tool_response(struct elevenlabs *e, json_t *event)
{
	const char *name = "";
	bool failed = false;
	struct json_reader r;
	json_read_open(&r, event);
	json_read_text(&r, "tool_name", JSON_OPTIONAL, 0, TEXT_MAX, &name);
	json_read_bool(&r, "is_error", JSON_OPTIONAL, &failed);
	e->hung_up = e->hung_up || (strcmp(name, "end_call") == 0 && !failed);
}

struct utterance_event {
	const char *text; /* NULL: it has none */
	int64_t id;       /* 0: it has none */
};

static struct utterance_event read_utterance(json_t *event, const char *member, size_t least)
{
	struct utterance_event u = {0};
	struct json_reader r;
	json_read_open(&r, event);
	json_read_text(&r, member, JSON_OPTIONAL, least, TEXT_MAX, &u.text);
	json_read_int(&r, "event_id", JSON_OPTIONAL, 0, INT64_MAX, &u.id);
	if (!json_read_ok(&r))
		log_warn("ElevenLabs' %s: %s", member, r.faults);
	return u;
}

static void on_user_said(struct elevenlabs *e, json_t *event)
{
	struct utterance_event u = read_utterance(event, "user_transcript", 1);
	if (u.text != NULL)
		e->events->user_said(e->arg, u.text, (struct turn_place){0});
}

/* The newest utterance with this text, else with this event. NULL: none. */
static struct said *find_said(struct elevenlabs *e, const char *text, int64_t event_id)
{
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned back = 1; back <= RECENT && back <= e->said; back++) {
			struct said *said = &e->recent[(e->said - back) % RECENT];
			bool same = pass == 0 ? strcmp(said->text, text) == 0
					      : event_id != 0 && said->event_id == event_id;
			if (same)
				return said;
		}
	return NULL;
}

static void keep_correction(struct elevenlabs *e, const char *original, const char *text)
{
	char *was = e->original, *said = e->corrected;
	e->original = original ? xstrdup(original) : NULL;
	e->corrected = text ? xstrdup(text) : NULL;
	free(was);
	free(said);
}

static void apply_correction(struct elevenlabs *e, const struct said *said, const char *text)
{
	if (said->number != 0)
		e->events->agent_corrected(e->arg, said->number, text);
	keep_correction(e, NULL, NULL);
}

/* Whether text, which may end with dots, can be what was heard of the utterance. */
static bool is_part(const char *text, const char *of)
{
	size_t len = strlen(text);
	while (len > 0 && text[len - 1] == '.')
		len--;
	return strncmp(text, of, len) == 0;
}

static void on_agent_said(struct elevenlabs *e, json_t *event)
{
	struct utterance_event u = read_utterance(event, "agent_response", 1);
	if (u.text == NULL)
		return;
	struct said *before = find_said(e, u.text, 0), *said = &e->recent[e->said % RECENT];
	if (before != NULL && u.id != 0 && before->event_id == u.id)
		return; /* told already */
	free(said->text);
	*said = (struct said){u.id, 0, xstrdup(u.text)};
	e->said++;
	said->number = e->events->agent_said(e->arg, u.text, (struct turn_place){0});
	if (e->original != NULL && strcmp(e->original, u.text) == 0)
		apply_correction(e, said, e->corrected);
}

static void on_agent_corrected(struct elevenlabs *e, json_t *event)
{
	struct utterance_event u = read_utterance(event, "corrected_agent_response", 0);
	const char *original = "";
	struct json_reader r;
	json_read_open(&r, event);
	json_read_text(&r, "original_agent_response", JSON_OPTIONAL, 0, TEXT_MAX, &original);
	if (u.text != NULL && u.text[strspn(u.text, " .\u2026")] == '\0')
		u.text = ""; /* dots alone stand for what was not heard */
	struct said *said = find_said(e, original, u.id);
	if (said == NULL && e->said > 0)
		said = &e->recent[(e->said - 1) % RECENT];
	if (u.text == NULL)
		return;
	if (said != NULL && (strcmp(said->text, original) == 0 || is_part(u.text, said->text)))
		apply_correction(e, said, u.text);
	else
		keep_correction(e, original, u.text); /* its utterance is still to come */
}

/*
 * An answer to what interrupted may carry the event_id of the interruption
 * itself; what is older is stale. The same of the interruption: one that comes
 * twice, or after audio that is newer than it, would cut off the answer.
 */
static void on_interruption(struct elevenlabs *e, json_t *event, struct mono_us born)
{
	int64_t id = 0;
	struct json_reader r;
	json_read_open(&r, event);
	json_read_int(&r, "event_id", JSON_OPTIONAL, 0, INT64_MAX, &id);
	if (id != 0 && (id <= e->interrupted_id || id < e->audio_id))
		return;
	if (id != 0)
		e->interrupted_id = id;
	e->events->interrupted(e->arg, born);
}

static void take_audio(struct elevenlabs *e, const char *base64, size_t len, int64_t id, struct mono_us born)
{
	if (id != 0 && id < e->interrupted_id)
		return;
	if (id > e->audio_id)
		e->audio_id = id;
	e->events->audio(e->arg, base64, len, born);
}

static void on_ping(struct elevenlabs *e, json_t *event)
{
	int64_t id = 0;
	struct json_reader r;
	json_read_open(&r, event);
	json_read_int(&r, "event_id", JSON_NEEDED, INT64_MIN, INT64_MAX, &id);
	if (json_read_ok(&r))
		send_json(e, json_build("{s:s, s:I}", "type", "pong", "event_id", (json_int_t)id));
}

static void on_error(json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);
	log_warn("ElevenLabs reports: %.*s", TEXT_CUT(text ? text : "?", 400));
	free(text);
}

/* Audio that needed real parsing: an escaped slash, say. */
static void on_audio(struct elevenlabs *e, json_t *event, struct mono_us born)
{
	const char *base64 = NULL;
	int64_t id = 0;
	struct json_reader r;
	json_read_open(&r, event);
	json_read_text(&r, "audio_base_64", JSON_NEEDED, 0, MESSAGE_MAX, &base64);
	json_read_int(&r, "event_id", JSON_OPTIONAL, 0, INT64_MAX, &id);
	if (!json_read_ok(&r))
		log_warn("ElevenLabs' audio: %s", r.faults);
	else
		take_audio(e, base64, strlen(base64), id, born);
}

/* The object under `name`, or NULL. */
static json_t *part(json_t *message, const char *name)
{
	json_t *inner = NULL;
	struct json_reader r;
	json_read_open(&r, message);
	json_read_object(&r, name, JSON_OPTIONAL, &inner);
	return inner;
}

static void on_message(struct elevenlabs *e, json_t *message, struct mono_us born)
{
	const char *type = "";
	struct json_reader r;
	json_read_open(&r, message);
	json_read_text(&r, "type", JSON_OPTIONAL, 1, 128, &type);
	if (strcmp(type, "conversation_initiation_metadata") == 0)
		on_metadata(e, part(message, "conversation_initiation_metadata_event"));
	else if (strcmp(type, "audio") == 0)
		on_audio(e, part(message, "audio_event"), born);
	else if (strcmp(type, "user_transcript") == 0)
		on_user_said(e, part(message, "user_transcription_event"));
	else if (strcmp(type, "agent_response") == 0)
		on_agent_said(e, part(message, "agent_response_event"));
	else if (strcmp(type, "agent_response_correction") == 0)
		on_agent_corrected(e, part(message, "agent_response_correction_event"));
	else if (strcmp(type, "interruption") == 0)
		on_interruption(e, part(message, "interruption_event"), born);
	else if (strcmp(type, "ping") == 0)
		on_ping(e, part(message, "ping_event"));
	else if (strcmp(type, "client_tool_call") == 0)
		on_tool_call(e, part(message, "client_tool_call"));
	else if (strcmp(type, "agent_tool_response") == 0)
		on_tool_response(e, part(message, "agent_tool_response"));
	else if (strcmp(type, "error") == 0)
		on_error(message);
}

static void on_open(void *arg)
{
	struct elevenlabs *e = arg;
	ws_send(e->ws, e->initiation, strlen(e->initiation));
	free(e->initiation);
	e->initiation = NULL;
}

static void on_text(void *arg, const char *text, size_t len, struct mono_us born)
{
	struct elevenlabs *e = arg;
	const char *base64;
	size_t base64_len;
	int64_t id = 0;
	if (e->ready && json_scan_is(text, len, "type", "audio") &&
	    json_scan_text(text, len, "audio_base_64", &base64, &base64_len)) {
		json_scan_int(text, len, "event_id", &id);
		take_audio(e, base64, base64_len, id, born);
		return;
	}
	char error[160];
	json_t *message = json_parse_object(text, len, error, sizeof error);
	if (message == NULL)
		log_warn("ElevenLabs sent a message that is %s", error);
	else
		on_message(e, message, born);
	json_decref(message);
}

static void on_closed(void *arg, const char *why)
{
	struct elevenlabs *e = arg;
	ws_timer_stop(e->loop, &e->ready_timer);
	if (e->fault[0] == '\0' && strstr(why, "verride") != NULL) {
		/* Without a first message it may work. */
		e->end = strstr(why, "first_message") ? PROVIDER_LOST : PROVIDER_REFUSED;
		text_printf(e->fault, sizeof e->fault,
			    "ElevenLabs refuses the override (%.*s): allow it in the agent's settings under "
			    "Security, Overrides",
			    TEXT_CUT(why, 120));
	} else if (e->fault[0] == '\0') {
		unsigned status = ws_http_status(e->ws);
		bool done = e->ready && (e->hung_up || ws_peer_close_code(e->ws) == LWS_CLOSE_STATUS_NORMAL);
		bool refused = provider_refuses(status) || strstr(why, "quota") != NULL;
		e->end = done ? PROVIDER_DONE : refused ? PROVIDER_REFUSED : PROVIDER_LOST;
		text_printf(e->fault, sizeof e->fault, "%s: %.*s",
			    e->ready ? "the conversation at ElevenLabs ended"
				     : "no conversation at ElevenLabs",
			    TEXT_CUT(why, 200));
	}
	e->events->ended(e->arg, e->fault, e->end);
}

static void on_broken(void *arg, const char *why)
{
	give_up(arg, PROVIDER_LOST, why);
}

static const struct ws_handler ws_events = {on_open, on_text, on_broken, on_closed};

static void *open_conversation(struct ws_loop *loop, const struct provider_setup *setup,
			       const struct provider_events *events, void *arg)
{
	struct elevenlabs *e;
	OBJ_ALLOC(e, ELEVENLABS_MAGIC);
	e->loop = loop;
	e->events = events;
	e->arg = arg;
	e->initiation = elevenlabs_initiation(setup);
	e->ws = ws_connect(loop, setup->url, setup->connection, setup->header, MESSAGE_MAX, &ws_events, e);
	ws_timer_start(loop, &e->ready_timer, READY_TIMEOUT_MS, on_ready_timeout, e);
	return e;
}

static void send_audio(void *self, const char *base64, size_t len, struct mono_us born)
{
	struct elevenlabs *e = self;
	OBJ_CHECK(e, ELEVENLABS_MAGIC);
	ws_send_between(e->ws, "{\"user_audio_chunk\":\"", base64, len, "\"}", born);
}

static void inject(void *self, const char *text)
{
	struct elevenlabs *e = self;
	OBJ_CHECK(e, ELEVENLABS_MAGIC);
	send_json(e, json_build("{s:s, s:s}", "type", "contextual_update", "text", text));
}

/* A message as if the person had typed it: the agent answers. */
static void direct(void *self, const char *text)
{
	struct elevenlabs *e = self;
	OBJ_CHECK(e, ELEVENLABS_MAGIC);
	send_json(e, json_build("{s:s, s:s}", "type", "user_message", "text", text));
}

static void tool_result(void *self, const char *id, const char *result, bool is_error, bool go_on)
{
	(void)go_on; /* the agent decides that itself */
	struct elevenlabs *e = self;
	OBJ_CHECK(e, ELEVENLABS_MAGIC);
	send_json(e, json_build("{s:s, s:s, s:s, s:b}", "type", "client_tool_result", "tool_call_id", id,
				"result", result, "is_error", is_error));
}

static void close_conversation(void *self)
{
	struct elevenlabs *e = self;
	OBJ_CHECK(e, ELEVENLABS_MAGIC);
	ws_timer_stop(e->loop, &e->ready_timer);
	ws_abandon(&e->ws);
	for (unsigned i = 0; i < RECENT; i++)
		free(e->recent[i].text);
	for (unsigned i = 0; i < CALLS; i++)
		free(e->calls[i]);
	keep_correction(e, NULL, NULL);
	free(e->initiation);
	OBJ_FREE(e);
}

static const struct latency *delays(void *self)
{
	struct elevenlabs *e = self;
	OBJ_CHECK(e, ELEVENLABS_MAGIC);
	return ws_delays(e->ws);
}

const struct provider provider_elevenlabs = {
	.name = "elevenlabs",
	.open = open_conversation,
	.send_audio = send_audio,
	.inject = inject,
	.direct = direct,
	.tool_result = tool_result,
	.close = close_conversation,
	.delays = delays,
};
