#include "lib/base/json_build.h"
#include "lib/base/text.h"
#include "voiced/registry/registry_inside.h"

#include "lib/base/log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHECK_AFTER_S = 60, /* without news of a call, Twilio is asked */
	SAVE_AGAIN_MS = 1000,
	HISTORY_TURNS = 200,
	HISTORY_BYTES = 32 * 1024,
	OVERDUE_GRACE_S = 5, /* Twilio's own limit comes first */
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

const char *call_status_name(enum call_status status)
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

/* ---- time ---- */

static void on_check(void *arg)
{
	struct call *call = arg;
	struct calls *c = call->calls;
	timer_start(&call->check, c->base, CHECK_AFTER_S * 1000, on_check, call);
	if (c->check)
		c->check(call, c->check_arg);
}

void call_heard_of(struct call *call)
{
	if (call_is_over(call))
		return; /* nothing more is asked about it */
	timer_start(&call->check, call->calls->base, CHECK_AFTER_S * 1000, on_check, call);
}

static void on_expected(void *arg)
{
	struct call *call = arg;
	struct calls *c = call->calls;
	if (c->check)
		c->check(call, c->check_arg);
}

void call_check_soon(struct call *call, int ms)
{
	OBJ_CHECK(call, CALL_MAGIC);
	if (!call_is_over(call))
		timer_start(&call->expect, call->calls->base, ms, on_expected, call);
}

static void on_overdue(void *arg)
{
	struct call *call = arg;
	if (call->calls->overdue)
		call->calls->overdue(call, call->calls->overdue_arg);
}

void call_start_overdue(struct call *call)
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

/* ---- the document ---- */

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
	json_object_set_new(call->document, "host", json_text(call->calls->host_id));
	call_save(call, NULL, NULL);
}

/* A write on its way; the call may be gone when it ends. */
struct saving {
	struct calls *calls;
	char *call_id;
	store_fn *fn;
	void *arg;
};

static void on_save_unsaved(void *arg)
{
	call_save(arg, NULL, NULL);
}

/* What changes later may be long in coming: a write that failed is repeated. */
static void on_saved(void *arg, json_t *result, const char *error)
{
	struct saving *s = arg;
	struct call *call = calls_by_id(s->calls, s->call_id);
	bool live = call != NULL && !call_is_over(call); /* else save_last sees to it */
	if (error != NULL)
		log_error("call %s could not be stored: %s", s->call_id, error);
	if (live && error == NULL)
		timer_stop(&call->save_again);
	else if (live && store_failure(error) != STORE_REFUSED)
		timer_start(&call->save_again, s->calls->base, SAVE_AGAIN_MS, on_save_unsaved, call);
	if (s->fn != NULL)
		s->fn(s->arg, result, error);
	free(s->call_id);
	free(s);
}

static void call_write(struct call *call, store_fn *fn, void *arg)
{
	store_put(call->calls->store, STORE_CALLS, call->document, fn, arg);
	/* From here on they are changed in the store alone. */
	json_object_del(call->document, "tags");
}

void call_save(struct call *call, store_fn *fn, void *arg)
{
	OBJ_CHECK(call, CALL_MAGIC);
	struct saving *s = xcalloc(1, sizeof *s);
	*s = (struct saving){call->calls, xstrdup(call_id(call)), fn, arg};
	call_write(call, on_saved, s);
}

bool call_is_unsaved(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return timer_running(&call->save_again);
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
	return call->state == LIFECYCLE_OVER;
}

static void set_text(struct call *call, const char *field, const char *text)
{
	json_object_set_new(call->document, field, json_text(text));
}

bool call_is_asked(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->state == LIFECYCLE_ASKED;
}

enum lifecycle_action call_event(struct call *call, enum lifecycle_event event)
{
	OBJ_CHECK(call, CALL_MAGIC);
	struct lifecycle_step step = lifecycle_step(call->state, event);
	call->state = step.next;
	return step.action;
}

enum lifecycle_action call_would(const struct call *call, enum lifecycle_event event)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return lifecycle_step(call->state, event).action;
}

bool call_set_sid(struct call *call, const char *sid, bool certain, enum lifecycle_action *action)
{
	OBJ_CHECK(call, CALL_MAGIC);
	bool known = call_sid(call)[0] != '\0', same = strcmp(call_sid(call), sid) == 0;
	*action = LIFECYCLE_DO_NOTHING;
	if (known && !same && !(call->sid_is_guess && certain))
		return false;
	if (known && !same)
		log_call(LOG_SEV_WARN, sid, "this is the call's SID; it was taken for %s", call_sid(call));
	call->sid_is_guess = !certain && (!known || call->sid_is_guess);
	set_text(call, "callSid", sid);
	*action = call_event(call, LIFECYCLE_NAMED);
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
	timer_stop(&call->expect);
	timer_stop(&call->overdue);
	if (call->calls->over)
		call->calls->over(call, call->calls->over_arg);
}

static void save_last(struct call *call);
static void on_save_again(void *arg);

/* The end of a call is tried until it is durable, or refused for good. */
static void on_over_saved(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct call *call = arg;
	OBJ_CHECK(call, CALL_MAGIC);
	if (error != NULL)
		log_call(LOG_SEV_ERROR, call_sid(call), "the call's end is not stored: %s", error);
	if (error != NULL && store_failure(error) != STORE_REFUSED) {
		call->last_save = LAST_SAVE_FAILED;
		timer_start(&call->save_again, call->calls->base, SAVE_AGAIN_MS, on_save_again, call);
		return;
	}
	bool again = call->last_save == LAST_SAVE_STALE;
	call->last_save = LAST_SAVE_NONE;
	if (again)
		save_last(call);
	else if (call->worker == NULL)
		call_leave(call);
}

static void on_save_again(void *arg)
{
	struct call *call = arg;
	call->last_save = LAST_SAVE_NONE;
	save_last(call);
}

/*
 * A call that is over leaves the register once its document is stored and its
 * worker gone. One write is on its way at a time; what changes meanwhile, or while
 * the store fails, is in the next one.
 */
static void save_last(struct call *call)
{
	switch (call->last_save) {
	case LAST_SAVE_NONE:
		call->last_save = LAST_SAVE_ASKED;
		call_write(call, on_over_saved, call);
		break;
	case LAST_SAVE_ASKED:
		call->last_save = LAST_SAVE_STALE;
		break;
	case LAST_SAVE_STALE:
	case LAST_SAVE_FAILED: /* the timer runs */
		break;
	}
}

bool call_set_status(struct call *call, enum call_status status)
{
	OBJ_CHECK(call, CALL_MAGIC);
	call_heard_of(call);
	if (call_is_over(call) || status <= call->status)
		return false;
	if (status == CALL_IN_PROGRESS)
		call_event(call, LIFECYCLE_ANSWERED);
	else if (status >= CALL_COMPLETED)
		call_event(call, call_sid(call)[0] ? LIFECYCLE_TOLD_OVER : LIFECYCLE_NOT_PLACED);
	if (status == CALL_COMPLETED && call->failed)
		status = CALL_FAILED;
	call->status = status;
	set_text(call, "status", call_status_name(status));
	log_call(LOG_SEV_INFO, call_sid(call), "the call to %s is %s", call_text(call, "toNumber"),
		 call_status_name(status));
	if (status == CALL_IN_PROGRESS)
		call_start_overdue(call);
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
		set_text(call, "status", call_status_name(CALL_FAILED));
	}
}

bool call_has_failed(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->failed;
}

enum lifecycle_action call_set_ending(struct call *call, const char *reason)
{
	OBJ_CHECK(call, CALL_MAGIC);
	if (!call_is_ending(call))
		set_text(call, "endReason", reason);
	return call_event(call, LIFECYCLE_HANG_UP);
}

bool call_is_ending(const struct call *call)
{
	return call_text(call, "endReason")[0] != '\0';
}

void call_set_duration(struct call *call, long seconds)
{
	OBJ_CHECK(call, CALL_MAGIC);
	json_object_set_new(call->document, "duration", json_integer(seconds));
}

void call_give_up_streams(struct call *call)
{
	const char *cause = call_text(call, "errorMessage");
	char *message = xasprintf("the stream broke again and again%s%s", cause[0] ? ": " : "", cause);
	call_set_error(call, message, true);
	free(message);
}

unsigned call_count_false_start(struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return ++call->false_starts;
}

bool call_count_stream(struct call *call, int64_t attempt)
{
	call->false_starts = 0;
	json_t *streams = call_value(call, "streams");
	if (call_has_streamed(call, attempt))
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
					      json_build("{s:O, s:O}", "role", role, "content", content));
	}
}

json_t *call_history(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call->history;
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
