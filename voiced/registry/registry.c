#include "voiced/registry/registry.h"

#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/secret.h"
#include "voiced/registry/registry_inside.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 35, SECRET_LEN = 32 }; /* compared in constant time; 190 bits */

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

void calls_on_leave(struct calls *c, calls_over_fn *fn, void *arg)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	c->leave = fn;
	c->leave_arg = arg;
}

void call_leave(struct call *call)
{
	if (call->calls->leave != NULL)
		call->calls->leave(call, call->calls->leave_arg);
	LIST_REMOVE(call, next);
	timer_stop(&call->check);
	timer_stop(&call->expect);
	timer_stop(&call->overdue);
	timer_stop(&call->save_again);
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
		call_leave(LIST_FIRST(&c->all));
	OBJ_FREE(c);
	*cc = NULL;
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
	call_heard_of(call);
	return call;
}

struct call *calls_restore(struct calls *c, const json_t *document)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	/* Changed in the store alone: a save of ours would bring back what they are now. */
	static const char *const of_store[] = {"tags", "costAt", "recordingSid", "recordingUntilAt",
					       "recordingRemovedAt"};
	json_t *copy = json_deep_copy(document);
	for (size_t i = 0; i < sizeof of_store / sizeof *of_store; i++)
		json_object_del(copy, of_store[i]);
	struct call *call = add_call(c, copy);
	call->failed = call_text(call, "failure")[0] != '\0';
	call->state = lifecycle_restored(call->status >= CALL_COMPLETED, call_is_ending(call),
					 call_sid(call)[0] != '\0', call->status == CALL_IN_PROGRESS);
	if (call->status == CALL_IN_PROGRESS)
		call_start_overdue(call);
	return call;
}

void calls_forget(struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	log_call(LOG_SEV_DEBUG, call_sid(call), "another host has this call now");
	call_leave(call);
}

/* Our own name of a call, for life: PC and 32 hexadecimal digits. */
static void make_name(char out[NAME_SIZE])
{
	unsigned char bytes[(NAME_SIZE - 3) / 2];
	if (RAND_bytes(bytes, sizeof bytes) != 1)
		panic("OpenSSL has no random bytes");
	snprintf(out, NAME_SIZE, "PC");
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(out + 2 + 2 * i, 3, "%02x", bytes[i]);
}

struct call *calls_admit(struct calls *c, const json_t *document)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	return add_call(c, json_deep_copy(document));
}

json_t *calls_new_document(const struct calls *c)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	char id[CALL_ID_LEN + 1], secret[SECRET_LEN + 1], name[NAME_SIZE], now[WALL_TEXT_SIZE];
	secret_make(id, CALL_ID_LEN);
	make_name(name);
	secret_make(secret, SECRET_LEN);
	wall_format(wall_now(), now);
	return json_build("{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:[]}", "callId", id, "requestId", name,
			  "secret", secret, "host", c->host_id, "attempt", 0, "startedAt", now, "status",
			  call_status_name(CALL_INITIATED), "tags");
}

json_t *calls_make_document(const struct calls *c, const struct call_request *r)
{
	json_t *document = calls_new_document(c);
	json_t *own = json_build("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "fromNumber",
				 r->from_number, "toNumber", r->to_number, "callType", r->call_type,
				 "voiceProvider", r->provider, "voice", r->voice, "elevenLabsAgentId",
				 r->agent_id, "elevenLabsVoiceId", r->voice_id, "systemInstructions",
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

struct call *calls_by_name(struct calls *c, const char *name)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	struct call *call;
	if (name[0] != '\0')
		LIST_FOREACH (call, &c->all, next)
			if (strcmp(call_sid(call), name) == 0 ||
			    strcmp(call_text(call, "requestId"), name) == 0)
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

static bool is_served(const struct call *call)
{
	const char *handled_by = call_text(call, "handledBy");
	return handled_by[0] == '\0' || strcmp(handled_by, "agent") == 0;
}

unsigned calls_count_served(const struct calls *c, const char *call_type)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	unsigned count = 0;
	const struct call *call;
	LIST_FOREACH (call, &c->all, next)
		count += !call_is_over(call) && is_served(call) &&
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

double calls_seconds_since(const struct calls *c, const char *to_number, const struct call *except)
{
	OBJ_CHECK(c, CALLS_MAGIC);
	double least = -1;
	const struct call *call;
	LIST_FOREACH (call, &c->all, next) {
		double age = (double)(mono_now().us - call->created.us) / 1e6;
		if (call != except && !call_is_over(call) &&
		    strcmp(call_text(call, "toNumber"), to_number) == 0 && (least < 0 || age < least))
			least = age;
	}
	return least;
}
