#include "voiced/calls/schedule.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/loop/loop.h"
#include "lib/store/result.h"
#include "voiced/calls/create.h"
#include "voiced/shared/event_bus.h"
#include "voiced/shared/pending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOOK_MS = 1000,
	UNKNOWN_MS = 2000,
	DUE_MAX = 20,
	ID_SIZE = 35,
	LATE_MS = 24 * 3600 * 1000,
	CANCEL_MAX = 10000,
	AGAIN_MS = 1000
};

static const struct reply nobody = {NULL, NULL, NULL};

struct schedule {
	struct voiced *v;
	struct timer timer;
};

bool schedule_is_id(const char *text)
{
	return strncmp(text, "PC", 2) == 0 && strlen(text) == ID_SIZE - 1 &&
	       strspn(text + 2, "0123456789abcdef") == ID_SIZE - 3;
}

/* ---- keeping ---- */

/*
 * A call on its way into the store. Whoever asked for it is told when that fails;
 * where nobody waits the store is asked again until it has the call.
 */
struct keeping {
	struct voiced *v;
	struct reply reply; /* done is NULL: nobody waits */
	json_t *document;   /* the whole call, or of `key` the members that change */
	char *key;          /* NULL: the document is whole */
	struct errand errand;
};

static void keeping_end(struct keeping *k)
{
	errand_end(&k->errand);
	json_decref(k->document);
	free(k->key);
	free(k);
}

static void keeping_drop(void *arg)
{
	struct keeping *k = arg;
	log_error("a call for later could not be kept: phony is shutting down");
	keeping_end(k);
}

static void keeping_store(void *arg);

static void on_kept(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct keeping *k = arg;
	const char *due = json_string_value(json_object_get(k->document, "dueAt"));
	char message[160];
	if (error != NULL && k->reply.done == NULL && store_failure(error) != STORE_REFUSED) {
		log_warn("a call for later is not kept yet: %s", error);
		errand_later(&k->errand, AGAIN_MS, keeping_store);
		return;
	}
	if (k->reply.done == NULL) {
		if (error != NULL)
			log_error("a call for later could not be kept: %s", error);
	} else if (!answer_store_error(k->reply, error)) {
		text_printf(message, sizeof message, "Call to %s scheduled for %s",
			    json_string_value(json_object_get(k->document, "toNumber")), due);
		k->reply.done(k->reply.arg, 201,
			      json_build("{s:O, s:s, s:O, s:s}", "callSid",
					 json_object_get(k->document, "requestId"), "status", "scheduled",
					 "provider", json_object_get(k->document, "voiceProvider"), "message",
					 message));
	}
	keeping_end(k);
}

static void keeping_store(void *arg)
{
	struct keeping *k = arg;
	if (k->key != NULL) {
		struct store_change change = {.key = k->key, .set = json_incref(k->document)};
		store_update(k->v->store, STORE_CALLS, &change, on_kept, k);
	} else {
		store_insert(k->v->store, STORE_CALLS, k->document, on_kept, k);
	}
}

static void keep(struct voiced *v, const char *key, json_t *document, struct reply reply)
{
	struct keeping *k = xcalloc(1, sizeof *k);
	*k = (struct keeping){.v = v, .reply = reply, .document = document, .key = key ? xstrdup(key) : NULL};
	errand_begin(&k->errand, v, keeping_drop, k);
	keeping_store(k);
}

void schedule_call(struct voiced *v, json_t *document, int64_t due_ms, struct reply reply)
{
	json_object_set(document, "callSid", json_object_get(document, "requestId"));
	json_object_set_new(document, "status", json_text("scheduled"));
	json_object_set_new(document, "dueAt", wall_json(due_ms));
	json_object_set_new(document, "callAt", wall_json(due_ms));
	/* When it was asked for: an emergency shutdown after that stands against it. */
	if (json_object_get(document, "scheduledAt") == NULL)
		json_object_set_new(document, "scheduledAt", wall_json(wall_now().ms));
	keep(v, NULL, document, reply);
}

bool schedule_is_late(const struct call *call, int64_t now_ms)
{
	struct wall_ms wanted = {now_ms};
	wall_parse(call_text(call, "callAt"), &wanted);
	return now_ms > wanted.ms + LATE_MS;
}

bool schedule_postpone(struct voiced *v, struct call *call, int64_t due_ms, const char *why)
{
	const char *id = call_text(call, "requestId");
	if (call_text(call, "callAt")[0] == '\0' || call_is_ending(call) || schedule_is_late(call, due_ms))
		return false;
	log_info("the scheduled call %s is postponed: %s", id, why);
	keep(v, call_id(call),
	     json_build("{s:s, s:s, s:o, s:s, s:b}", "status", "scheduled", "callSid", id, "dueAt",
			wall_json(due_ms), "postponedReason", why, "taken", false),
	     nobody);
	calls_forget(call);
	return true;
}

/* The names of a call's retry follow from its own, so that two hosts that see its end keep one retry. */
static void name_retry(const struct call *call, json_t *document)
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char digest[SECRET_SIGNATURE_SIZE], id[CALL_ID_LEN + 1], name[ID_SIZE], *own;
	own = xasprintf("the retry of %s", call_id(call));
	secret_sign(call_text(call, "secret"), own, digest);
	free(own);
	snprintf(name, sizeof name, "PC%.*s", TEXT_CUT(digest, ID_SIZE - 3));
	for (size_t i = 0; i < CALL_ID_LEN; i++) {
		const char pair[] = {digest[32 + 2 * i], digest[33 + 2 * i], '\0'};
		id[i] = letters[strtoul(pair, NULL, 16) % (sizeof letters - 1)];
	}
	id[CALL_ID_LEN] = '\0';
	json_object_set_new(document, "callId", json_text(id));
	json_object_set_new(document, "requestId", json_text(name));
}

void schedule_retry(struct voiced *v, const struct call *call)
{
	static const char *const kept[] = {"fromNumber",
					   "toNumber",
					   "callType",
					   "voiceProvider",
					   "voice",
					   "elevenLabsAgentId",
					   "elevenLabsVoiceId",
					   "systemInstructions",
					   "callInstructions",
					   "ringTimeout",
					   "maxDuration",
					   "silenceSeconds",
					   "retryDelay",
					   "machineDetection",
					   "voicemailMessage",
					   "transferNumber",
					   "record",
					   "outcomeSchema",
					   "ignoreQuietHours"};
	enum call_status status = call_status(call);
	int64_t left = call_number(call, "retries");
	if ((status != CALL_BUSY && status != CALL_NO_ANSWER) || left <= 0 || call_is_ending(call))
		return;
	json_t *document = calls_new_document(v->calls);
	name_retry(call, document);
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		if (call_value(call, kept[i]) != NULL)
			json_object_set(document, kept[i], call_value(call, kept[i]));
	json_object_set_new(document, "retries", json_integer(left - 1));
	json_object_set_new(document, "retryOf", json_text(call_sid(call)));
	json_object_set_new(
		document, "scheduledAt",
		json_text(call_text(call, call_text(call, "scheduledAt")[0] ? "scheduledAt" : "startedAt")));
	log_call(LOG_SEV_INFO, call_sid(call), "trying again in %lld s; %lld more time(s)",
		 (long long)call_number(call, "retryDelay"), (long long)left);
	schedule_call(v, document, wall_now().ms + call_number(call, "retryDelay") * 1000, nobody);
}

/* ---- placing what is due ---- */

/*
 * A call is taken by one change of its document, which says so until Twilio is about to be asked
 * (placement_begin). So one that is taken, and in no register, was never asked for.
 */
struct taking {
	struct voiced *v;
	int64_t due_ms;
	char *key;
	struct errand errand; /* while it is not known whether it is ours */
};

static void taking_free(void *arg)
{
	struct taking *t = arg;
	errand_end(&t->errand);
	free(t->key);
	free(t);
}

static void taking_look(void *arg);

static bool is_taken(const json_t *document)
{
	const char *status = json_string_value(json_object_get(document, "status"));
	return status != NULL && strcmp(status, "initiated") == 0 &&
	       json_is_true(json_object_get(document, "taken"));
}

static void on_taken_after_all(void *arg, json_t *document, const char *error)
{
	struct taking *t = arg;
	const char *host = json_string_value(json_object_get(document, "host"));
	if (error != NULL) {
		errand_later(&t->errand, UNKNOWN_MS, taking_look);
		return;
	}
	if (is_taken(document) && host != NULL && strcmp(host, t->v->host_id) == 0 &&
	    calls_by_id(t->v->calls, t->key) == NULL)
		outgoing_due(t->v, document, t->due_ms);
	taking_free(t);
}

static void taking_look(void *arg)
{
	struct taking *t = arg;
	store_get(t->v->store, STORE_CALLS, "callId", t->key, on_taken_after_all, t);
}

static void on_taken(void *arg, json_t *document, const char *error)
{
	struct taking *t = arg;
	if (error != NULL) { /* the change may have been made, and its answer lost */
		log_warn("a scheduled call could not be taken: %s", error);
		errand_later(&t->errand, UNKNOWN_MS, taking_look);
		return;
	}
	if (json_is_object(document))
		outgoing_due(t->v, document, t->due_ms);
	taking_free(t);
}

bool schedule_recover(struct voiced *v, struct call *call)
{
	return json_is_true(call_value(call, "taken")) &&
	       schedule_postpone(v, call, wall_now().ms, "phony ended before it was placed");
}

static void look(void *arg);

static void on_due(void *arg, json_t *result, const char *error)
{
	struct schedule *s = arg;
	size_t i;
	json_t *document;
	char now[WALL_TEXT_SIZE];
	wall_format(wall_now(), now);
	if (s->v->draining)
		return; /* another host's, or of the voiced to come */
	if (error != NULL)
		log_debug("scheduled calls cannot be read: %s", error);
	json_array_foreach (json_object_get(result, "documents"), i, document) {
		struct taking *t = xcalloc(1, sizeof *t);
		struct wall_ms due_at = {0};
		const char *text = json_string_value(json_object_get(document, "dueAt"));
		wall_parse(text ? text : "", &due_at);
		*t = (struct taking){.v = s->v,
				     .due_ms = due_at.ms,
				     .key = xstrdup(store_key(&store_collections[STORE_CALLS], document))};
		errand_begin(&t->errand, s->v, taking_free, t);
		/* Whoever changes it first has it. */
		struct store_change change = {
			.key = store_key(&store_collections[STORE_CALLS], document),
			.where = json_build("[[s, s, s], [s, s, O]]", "status", "=", "scheduled", "dueAt",
					    "=", json_object_get(document, "dueAt")),
			.set = json_build("{s:s, s:s, s:s, s:b}", "status", "initiated", "startedAt", now,
					  "host", s->v->host_id, "taken", true),
			.unset = json_build("[s, s]", "dueAt", "callSid"),
			.strict = true};
		store_update(s->v->store, STORE_CALLS, &change, on_taken, t);
	}
	timer_start(&s->timer, s->v->base, LOOK_MS, look, s);
}

static void look(void *arg)
{
	struct schedule *s = arg;
	char now[WALL_TEXT_SIZE];
	wall_format(wall_now(), now);
	struct store_query due = {.where = json_build("[[s, s, s]]", "dueAt", "<=", now),
				  .order = "dueAt",
				  .ascending = true,
				  .limit = DUE_MAX};
	store_find(s->v->store, STORE_CALLS, &due, on_due, s);
}

struct schedule *schedule_new(struct voiced *v)
{
	struct schedule *s = xcalloc(1, sizeof *s);
	s->v = v;
	timer_start(&s->timer, v->base, LOOK_MS, look, s);
	return s;
}

void schedule_free(struct schedule **ss)
{
	struct schedule *s = *ss;
	if (s == NULL)
		return;
	timer_stop(&s->timer);
	free(s);
	*ss = NULL;
}

/* ---- taking one back ---- */

struct canceling {
	struct voiced *v;
	struct reply reply;
	char *reason;
};

static void canceling_end(struct canceling *c)
{
	free(c->reason);
	free(c);
}

static void on_canceled(void *arg, json_t *document, const char *error)
{
	struct canceling *c = arg;
	if (error == NULL && json_is_object(document))
		news_canceled(c->v, document);
	if (answer_store_error(c->reply, error))
		;
	else if (json_is_object(document))
		answer_success(c->reply, 200, call_document_public(document), "Scheduled call canceled");
	else
		answer_error(c->reply, 409, "not_scheduled",
			     "This call is not waiting any more; phony_hangup_call ends a live one.");
	canceling_end(c);
}

static struct store_change cancellation(const json_t *document, const char *reason)
{
	char now[WALL_TEXT_SIZE];
	wall_format(wall_now(), now);
	return (struct store_change){.key = store_key(&store_collections[STORE_CALLS], document),
				     .where = json_build("[[s, s, s]]", "status", "=", "scheduled"),
				     .set = json_build("{s:s, s:s, s:s}", "status", "canceled", "endedAt",
						       now, "endReason", reason),
				     .unset = json_build("[s]", "dueAt"),
				     .strict = true};
}

static void on_found(void *arg, json_t *document, const char *error)
{
	struct canceling *c = arg;
	if (error != NULL || !json_is_object(document)) {
		if (!answer_store_error(c->reply, error))
			answer_error(c->reply, 404, "not_found",
				     "No scheduled call has this callSid; phony_list_calls lists them.");
		canceling_end(c);
		return;
	}
	struct store_change change = cancellation(document, c->reason);
	store_update(c->v->store, STORE_CALLS, &change, on_canceled, c);
}

void schedule_cancel_one(struct voiced *v, const char *id, const char *reason, struct reply reply)
{
	struct canceling *c = xcalloc(1, sizeof *c);
	*c = (struct canceling){v, reply, xstrdup(reason)};
	store_get(v->store, STORE_CALLS, "requestId", id, on_found, c);
}

void schedule_cancel(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *id = "";
	json_read_open(&r, args);
	json_read_text(&r, "callSid", JSON_NEEDED, 1, 64, &id);
	if (id[0] != '\0' && !schedule_is_id(id))
		json_read_fault(&r, "callSid must be the PC… that phony_create_call gave a scheduled call; "
				    "phony_hangup_call ends a live one");
	if (!answer_faults(reply, &r))
		schedule_cancel_one(v, id, "canceled before it was placed", reply);
}

/* ---- taking all back ---- */

struct canceling_all {
	struct voiced *v;
	char *reason;
	schedule_canceled_fn *fn;
	void *arg;
	unsigned pending, canceled;
	char error[200];
};

static void canceling_step(struct canceling_all *all)
{
	if (--all->pending > 0)
		return;
	all->fn(all->arg, all->canceled, all->error[0] ? all->error : NULL);
	free(all->reason);
	free(all);
}

static void on_one_canceled(void *arg, json_t *document, const char *error)
{
	struct canceling_all *all = arg;
	if (error != NULL) {
		text_printf(all->error, sizeof all->error, "%s", error);
	} else if (json_is_object(document)) { /* else it was just placed: it is live, and ended */
		all->canceled++;
		news_canceled(all->v, document);
	}
	canceling_step(all);
}

static void on_all_found(void *arg, json_t *result, const char *error)
{
	struct canceling_all *all = arg;
	size_t i;
	json_t *document, *documents = json_object_get(result, "documents");
	if (error != NULL || json_object_get(result, "incomplete") != NULL)
		text_printf(all->error, sizeof all->error, "%s", error ? error : "the database is away");
	json_array_foreach (documents, i, document) {
		struct store_change change = cancellation(document, all->reason);
		all->pending++;
		store_update(all->v->store, STORE_CALLS, &change, on_one_canceled, all);
	}
	canceling_step(all);
}

void schedule_cancel_all(struct voiced *v, const char *reason, schedule_canceled_fn *fn, void *arg)
{
	struct canceling_all *all = xcalloc(1, sizeof *all);
	*all = (struct canceling_all){.v = v, .reason = xstrdup(reason), .fn = fn, .arg = arg, .pending = 1};
	struct store_query waiting = {.where = json_build("[[s, s, s]]", "status", "=", "scheduled"),
				      .limit = CANCEL_MAX};
	store_find(v->store, STORE_CALLS, &waiting, on_all_found, all);
}
