#include "voiced/calls.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/secret.h"
#include "lib/loop/loop.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#define CALLS_MAGIC 0x63616c73u
#define CALL_MAGIC 0x63616c6cu

enum {
	SECRET_LEN = 32,    /* compared in constant time; 190 bits */
	CHECK_AFTER_S = 60, /* without news of a call, Twilio is asked */
	SAVE_AGAIN_MS = 1000,
	HISTORY_TURNS = 200,
	HISTORY_BYTES = 32 * 1024,
	OVERDUE_GRACE_S = 5, /* Twilio's own limit comes first */
};

struct call {
	unsigned magic;
	LIST_ENTRY(call) next;
	struct calls *calls;
	json_t *document; /* the contract's fields, and callId, secret, attempt */
	enum call_status status;
	char *token; /* id, then secret */
	bool failed, ending;
	char *agent_text, *agent_address;
	unsigned agent_tries;
	bool retiring;
	json_t *history;
	enum call_agent agent;
	struct worker *worker;
	struct timer check, overdue;
	struct mono_us created;
	int64_t last_note;
	unsigned last_saves; /* writes of a call that is over, on their way */
};

struct calls {
	unsigned magic;
	struct event_base *base;
	struct store *store;
	const struct config *config;
	const char *host_id;
	LIST_HEAD(, call) all;
	calls_check_fn *check, *overdue;
	calls_over_fn *over, *change;
	void *check_arg, *overdue_arg, *over_arg, *change_arg;
};

static const struct {
	enum call_status status;
	const char *name;
} status_names[] = {
	{CALL_INITIATED, "initiated"},
	{CALL_INITIATED, "queued"},
	{CALL_RINGING, "ringing"},
	{CALL_IN_PROGRESS, "in-progress"},
	{CALL_IN_PROGRESS, "answered"},
	{CALL_COMPLETED, "completed"},
	{CALL_BUSY, "busy"},
	{CALL_NO_ANSWER, "no-answer"},
	{CALL_FAILED, "failed"},
	{CALL_CANCELED, "canceled"},
};

static const char *status_name(enum call_status status)
{
	for (size_t i = 0; i < sizeof status_names / sizeof *status_names; i++)
		if (status_names[i].status == status)
			return status_names[i].name;
	return "?";
}

bool call_parse_status(const char *text, enum call_status *out)
{
	for (size_t i = 0; i < sizeof status_names / sizeof *status_names; i++)
		if (strcmp(status_names[i].name, text) == 0) {
			*out = status_names[i].status;
			return true;
		}
	return false;
}

struct calls *calls_new(struct event_base *base, struct store *store, const struct config *config,
			const char *host_id)
{
	struct calls *c;
	OBJ_ALLOC(c, CALLS_MAGIC);
	c->base = base;
	c->store = store;
	c->config = config;
	c->host_id = host_id;
	LIST_INIT(&c->all);
	return c;
}

void calls_on_check(struct calls *c, calls_check_fn *fn, void *arg)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	c->check = fn;
	c->check_arg = arg;
}

void calls_on_overdue(struct calls *c, calls_check_fn *fn, void *arg)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	c->overdue = fn;
	c->overdue_arg = arg;
}

void calls_on_over(struct calls *c, calls_over_fn *fn, void *arg)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	c->over = fn;
	c->over_arg = arg;
}

void calls_on_change(struct calls *c, calls_over_fn *fn, void *arg)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	c->change = fn;
	c->change_arg = arg;
}

static void free_call(struct call *call)
{
	LIST_REMOVE(call, next);
	timer_stop(&call->check);
	timer_stop(&call->overdue);
	json_decref(call->document);
	free(call->token);
	json_decref(call->history);
	free(call->agent_text);
	free(call->agent_address);
	OBJ_FREE(call);
}

void calls_free(struct calls **cc)
{
	struct calls *c = *cc;
	if (c == NULL)
		return;
	OBJ_CHECK(c, CALLS_MAGIC);
	while (!LIST_EMPTY(&c->all))
		free_call(LIST_FIRST(&c->all));
	OBJ_FREE(c);
	*cc = NULL;
}

static void on_check(void *arg)
{
	struct call *call = arg;
	struct calls *c = call->calls;
	timer_start(&call->check, c->base, CHECK_AFTER_S * 1000, on_check, call);
	if (c->check)
		c->check(call, c->check_arg);
}

/* Something was heard of the call: the next question to Twilio can wait. */
static void heard_of(struct call *call)
{
	timer_start(&call->check, call->calls->base, CHECK_AFTER_S * 1000, on_check, call);
}

void call_check_soon(struct call *call, int ms)
{
	OBJ_CHECK(call, CALL_MAGIC);
	timer_start(&call->check, call->calls->base, ms, on_check, call);
}

static void on_overdue(void *arg)
{
	struct call *call = arg;
	if (call->calls->overdue)
		call->calls->overdue(call, call->calls->overdue_arg);
}

static void start_overdue(struct call *call)
{
	const struct config *config = call->calls->config;
	unsigned most =
		call_is_inbound(call) ? config->max_incoming_duration_s : config->max_outgoing_duration_s;
	if (call_number(call, "maxDuration") > 0)
		most = (unsigned)call_number(call, "maxDuration");
	if (!timer_running(&call->overdue))
		timer_start(&call->overdue, call->calls->base, (int)(most + OVERDUE_GRACE_S) * 1000,
			    on_overdue, call);
}

static struct call *add_call(struct calls *c, json_t *document)
{
	struct call *call;
	OBJ_ALLOC(call, CALL_MAGIC);
	call->calls = c;
	call->document = document;
	call->history = json_array();
	call->created = mono_now();
	call->token = xasprintf("%s%s", call_text(call, "callId"), call_text(call, "secret"));
	call_parse_status(call_text(call, "status"), &call->status);
	LIST_INSERT_HEAD(&c->all, call, next);
	heard_of(call);
	return call;
}

struct call *calls_restore(struct calls *c, const json_t *document)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	struct call *call = add_call(c, json_deep_copy(document));
	call->failed = call_text(call, "failure")[0] != '\0';
	call->ending = call_text(call, "endReason")[0] != '\0';
	if (call->status == CALL_IN_PROGRESS)
		start_overdue(call);
	return call;
}

void calls_forget(struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	log_call(LOG_SEV_DEBUG, call_sid(call), "another host has this call now");
	free_call(call);
}

bool call_is_ours(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	const char *host = call_text(call, "host");
	return host[0] == '\0' || strcmp(host, call->calls->host_id) == 0;
}

void call_take(struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	if (call_is_ours(call))
		return;
	json_object_set_new(call->document, "host", json_string(call->calls->host_id));
	call_save(call, NULL, NULL);
}

json_t *calls_new_document(const struct calls *c)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	char id[CALL_ID_LEN + 1], secret[SECRET_LEN + 1], now[WALL_TEXT_SIZE];
	secret_make(id, CALL_ID_LEN);
	secret_make(secret, SECRET_LEN);
	wall_format(wall_now(), now);
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:[]}", "callId", id, "secret", secret, "host",
			 c->host_id, "attempt", 0, "startedAt", now, "status", status_name(CALL_INITIATED),
			 "tags");
}

json_t *calls_make_document(const struct calls *c, const struct call_request *r)
{
	json_t *document = calls_new_document(c);
	json_t *own = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "fromNumber", r->from_number,
				"toNumber", r->to_number, "callType", r->call_type, "voiceProvider",
				r->provider, "voice", r->voice, "elevenLabsAgentId", r->agent_id,
				"elevenLabsVoiceId", r->voice_id, "systemInstructions",
				r->system_instructions, "callInstructions", r->call_instructions);
	if (own == NULL)
		panic("a call's document is no JSON");
	json_object_update(document, own);
	json_decref(own);
	if (r->more != NULL)
		json_object_update(document, (json_t *)r->more);
	return document;
}

struct call *calls_create(struct calls *c, const struct call_request *r)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	return add_call(c, calls_make_document(c, r));
}

struct call *calls_by_sid(struct calls *c, const char *sid)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	struct call *call;
	LIST_FOREACH (call, &c->all, next)
		if (strcmp(call_sid(call), sid) == 0)
			return call;
	return NULL;
}

struct call *calls_by_id(struct calls *c, const char *id)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	struct call *call;
	LIST_FOREACH (call, &c->all, next)
		if (strcmp(call_id(call), id) == 0)
			return call;
	return NULL;
}

struct call *calls_by_token(struct calls *c, const char *token)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	struct call *call;
	LIST_FOREACH (call, &c->all, next)
		if (strncmp(call->token, token, CALL_ID_LEN) == 0)
			return secret_equal(call->token, token) ? call : NULL;
	return NULL;
}

unsigned calls_count(const struct calls *c, const char *call_type)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	unsigned count = 0;
	const struct call *call;
	LIST_FOREACH (call, &c->all, next)
		count += !call_is_over(call) &&
			 (call_type == NULL || strcmp(call_text(call, "callType"), call_type) == 0);
	return count;
}

void calls_each(struct calls *c, void (*fn)(struct call *call, void *arg), void *arg)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	struct call *call, *following;
	for (call = LIST_FIRST(&c->all); call != NULL; call = following) {
		following = LIST_NEXT(call, next);
		fn(call, arg);
	}
}

double calls_seconds_since(const struct calls *c, const char *to_number)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	double least = -1;
	const struct call *call;
	LIST_FOREACH (call, &c->all, next) {
		double age = (double)(mono_now().us - call->created.us) / 1e6;
		if (!call_is_over(call) && strcmp(call_text(call, "toNumber"), to_number) == 0 &&
		    (least < 0 || age < least))
			least = age;
	}
	return least;
}

static void on_saved(void *arg, json_t *result, const char *error)
{
	(void)result;
	char *id = arg;
	if (error != NULL)
		log_error("call %s could not be stored: %s", id, error);
	free(id);
}

void call_save(struct call *call, store_fn *fn, void *arg)
{
	OBJ_CHECK(call, CALL_MAGIC);
	if (fn == NULL) {
		fn = on_saved;
		arg = xstrdup(call_id(call));
	}
	store_put(call->calls->store, STORE_CALLS, call->document, fn, arg);
	/* From here on they are changed in the store alone. */
	json_object_del(call->document, "tags");
}

const char *call_text(const struct call *call, const char *field)
{
	OBJ_CHECK(call, CALL_MAGIC);
	const char *text = json_string_value(json_object_get(call->document, field));
	return text ? text : "";
}

const char *call_id(const struct call *call)
{
	return call_text(call, "callId");
}

const char *call_sid(const struct call *call)
{
	return call_text(call, "callSid");
}

const char *call_token(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->token;
}

enum call_status call_status(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->status;
}

bool call_is_over(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->status >= CALL_COMPLETED;
}

json_t *call_document_public(const json_t *document)
{
	json_t *copy = json_copy((json_t *)document);
	json_object_del(copy, "callId");
	json_object_del(copy, "secret");
	json_object_del(copy, "host");
	json_object_del(copy, "attempt");
	json_object_del(copy, "streams");
	json_object_del(copy, "failure");
	json_object_del(copy, "searchText");
	json_object_del(copy, "streamedAt");
	json_object_del(copy, "goOn");
	json_object_del(copy, "sums"); /* figures has them, and more */
	json_object_del(copy, "costAt");
	json_object_del(copy, "recordingUntilAt");
	if (json_is_null(json_object_get(copy, "operatorQuestion")))
		json_object_del(copy, "operatorQuestion");
	/* The contract's names beside those of the record. */
	if (json_object_get(copy, "voiceProvider") != NULL)
		json_object_set(copy, "provider", json_object_get(copy, "voiceProvider"));
	if (json_object_get(copy, "callType") != NULL)
		json_object_set(copy, "direction", json_object_get(copy, "callType"));
	json_object_set_new(copy, "isLive",
			    json_boolean(json_object_get(copy, "endedAt") == NULL &&
					 json_object_get(copy, "dueAt") == NULL));
	return copy;
}

json_t *call_public(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call_document_public(call->document);
}

static void set_text(struct call *call, const char *field, const char *text)
{
	json_t *value = json_string(text);
	json_object_set_new(call->document, field, value ? value : json_string("(not UTF-8)"));
}

bool call_set_sid(struct call *call, const char *sid)
{
	OBJ_CHECK(call, CALL_MAGIC);
	if (call_sid(call)[0] != '\0')
		return strcmp(call_sid(call), sid) == 0;
	set_text(call, "callSid", sid);
	return true;
}

static void become_over(struct call *call)
{
	char now[WALL_TEXT_SIZE];
	struct wall_ms ended = wall_now(), started = ended;
	wall_format(ended, now);
	set_text(call, "endedAt", now);
	wall_parse(call_text(call, "startedAt"), &started);
	if (json_object_get(call->document, "duration") == NULL)
		call_set_duration(call, lround((double)(ended.ms - started.ms) / 1000));
	timer_stop(&call->check);
	timer_stop(&call->overdue);
	if (call->calls->over)
		call->calls->over(call, call->calls->over_arg);
}

static void on_over_saved(void *arg, json_t *result, const char *error);

/* The end of a call is tried until it is durable. */
static void save_again(void *arg)
{
	call_save(arg, on_over_saved, arg);
}

static void on_over_saved(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct call *call = arg;
	OBJ_CHECK(call, CALL_MAGIC);
	if (error != NULL) {
		log_call(LOG_SEV_ERROR, call_sid(call), "the call's end is not stored yet: %s", error);
		timer_start(&call->check, call->calls->base, SAVE_AGAIN_MS, save_again, call);
		return;
	}
	if (--call->last_saves == 0 && call->worker == NULL)
		free_call(call);
}

/* A call that is over leaves the register once its document is stored and its worker gone. */
static void save_last(struct call *call)
{
	call->last_saves++;
	call_save(call, on_over_saved, call);
}

bool call_set_status(struct call *call, enum call_status status)
{
	OBJ_CHECK(call, CALL_MAGIC);
	heard_of(call);
	if (call_is_over(call) || status <= call->status)
		return false;
	if (status == CALL_COMPLETED && call->failed)
		status = CALL_FAILED;
	call->status = status;
	set_text(call, "status", status_name(status));
	log_call(LOG_SEV_INFO, call_sid(call), "the call to %s is %s", call_text(call, "toNumber"),
		 status_name(status));
	if (status == CALL_IN_PROGRESS)
		start_overdue(call);
	if (call_is_over(call)) {
		become_over(call);
		save_last(call);
	}
	if (call->calls->change)
		call->calls->change(call, call->calls->change_arg);
	return true;
}

void call_set_error(struct call *call, const char *message, bool final)
{
	OBJ_CHECK(call, CALL_MAGIC);
	if (call->failed)
		return; /* the first failure is the cause */
	set_text(call, "errorMessage", message);
	if (!final)
		return;
	call->failed = true;
	set_text(call, "failure", message);
	if (call->status == CALL_COMPLETED) {
		call->status = CALL_FAILED;
		set_text(call, "status", status_name(CALL_FAILED));
	}
}

bool call_has_failed(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->failed;
}

void call_set_ending(struct call *call, const char *reason)
{
	OBJ_CHECK(call, CALL_MAGIC);
	if (!call->ending)
		set_text(call, "endReason", reason);
	call->ending = true;
}

bool call_is_ending(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->ending;
}

void call_set_duration(struct call *call, long seconds)
{
	OBJ_CHECK(call, CALL_MAGIC);
	json_object_set_new(call->document, "duration", json_integer(seconds));
}

int64_t call_attempt(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return json_integer_value(json_object_get(call->document, "attempt"));
}

void call_set_attempt(struct call *call, int64_t attempt)
{
	OBJ_CHECK(call, CALL_MAGIC);
	json_object_set_new(call->document, "attempt", json_integer(attempt));
}

bool call_is_inbound(const struct call *call)
{
	return strcmp(call_text(call, "callType"), "inbound") == 0;
}

bool call_is_browser(const struct call *call)
{
	return strcmp(call_text(call, "callType"), "browser") == 0;
}

int64_t call_streams(const struct call *call)
{
	return json_array_size(call_value(call, "streams"));
}

bool call_count_stream(struct call *call, int64_t attempt)
{
	size_t i;
	json_t *known, *streams = call_value(call, "streams");
	json_array_foreach (streams, i, known)
		if (json_integer_value(known) == attempt)
			return false;
	streams = streams ? json_copy(streams) : json_array();
	json_array_append_new(streams, json_integer(attempt));
	call_put(call, "streams", streams);
	return true;
}

static void replace(char **field, const char *text)
{
	free(*field);
	*field = xstrdup(text);
}

void call_set_history(struct call *call, const json_t *turns)
{
	OBJ_CHECK(call, CALL_MAGIC);
	size_t count = json_array_size(turns), bytes = 0, from = count;
	while (from > 0 && count - from < HISTORY_TURNS && bytes < HISTORY_BYTES)
		bytes += json_string_length(json_object_get(json_array_get(turns, --from), "content"));
	json_decref(call->history);
	call->history = json_array();
	for (; from < count; from++) {
		json_t *turn = json_array_get(turns, from);
		json_t *role = json_object_get(turn, "role"), *content = json_object_get(turn, "content");
		if (json_is_string(role) && json_is_string(content))
			json_array_append_new(call->history,
					      json_pack("{s:O, s:O}", "role", role, "content", content));
	}
}

json_t *call_history(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->history;
}

json_t *call_value(const struct call *call, const char *field)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return json_object_get(call->document, field);
}

int64_t call_number(const struct call *call, const char *field)
{
	return json_integer_value(call_value(call, field));
}

int64_t call_age_ms(const struct call *call)
{
	struct wall_ms since = {0};
	wall_parse(call_text(call, "streamedAt"), &since);
	return since.ms > 0 ? wall_now().ms - since.ms : 0;
}

void call_put(struct call *call, const char *field, json_t *value)
{
	OBJ_CHECK(call, CALL_MAGIC);
	if (value != NULL)
		json_object_set_new(call->document, field, value);
	else
		json_object_del(call->document, field);
}

enum call_agent call_agent(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->agent;
}

void call_set_agent(struct call *call, enum call_agent agent, const char *url_or_error)
{
	OBJ_CHECK(call, CALL_MAGIC);
	call->agent = agent;
	call->agent_tries += agent == AGENT_ASKED;
	replace(&call->agent_text, url_or_error);
}

const char *call_agent_text(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->agent_text ? call->agent_text : "";
}

unsigned call_agent_tries(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->agent_tries;
}

void call_set_agent_address(struct call *call, const char *address)
{
	OBJ_CHECK(call, CALL_MAGIC);
	replace(&call->agent_address, address);
}

const char *call_agent_address(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->agent_address ? call->agent_address : "";
}

void call_set_retiring(struct call *call, bool retiring)
{
	OBJ_CHECK(call, CALL_MAGIC);
	call->retiring = retiring;
}

bool call_is_retiring(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->retiring;
}

struct worker *call_worker(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->worker;
}

void call_set_worker(struct call *call, struct worker *worker)
{
	OBJ_CHECK(call, CALL_MAGIC);
	bool was = call->worker != NULL;
	call->worker = worker;
	/* The last that a call that is over waits for is its worker's last event. */
	if (was && worker == NULL && call_is_over(call))
		save_last(call);
}

void call_note(struct call *call, const char *type, json_t *data)
{
	OBJ_CHECK(call, CALL_MAGIC);
	char now[WALL_TEXT_SIZE];
	struct wall_ms wall = wall_now();
	wall_format(wall, now);
	/* voiced's own events have attempt -1, and a number that survives its restart. */
	call->last_note = wall.ms * 1000 > call->last_note ? wall.ms * 1000 : call->last_note + 1;
	/* A line of the transcript stands behind those of the present stream. */
	bool turn = strcmp(type, "turn") == 0;
	int64_t attempt = turn ? call_attempt(call) : -1;
	struct store_event event = {call_id(call), attempt, call->last_note, type, now, data};
	store_add_event(call->calls->store, &event, NULL, NULL);
	json_decref(data);
}
