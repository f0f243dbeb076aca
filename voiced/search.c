#include "voiced/search.h"

#include "lib/base/buffer.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/answers.h"
#include "lib/store/words.h"
#include "voiced/flights.h"
#include "voiced/recordings.h"
#include "voiced/verbs_call.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 128 * 1024, DELETE_MAX = 10000 };

static const char *const types[] = {"inbound", "outbound", NULL};
static const char *const statuses[] = {"scheduled", "initiated", "ringing", "in-progress", "completed",
				       "busy",      "no-answer", "failed",  "canceled",    NULL};

static json_t *brief(const json_t *document)
{
	json_t *shown = call_document_public(document);
	json_object_del(shown, "systemInstructions");
	json_object_del(shown, "callInstructions");
	json_object_del(shown, "conversationHistory");
	return shown;
}

struct question {
	struct voiced *v;
	struct reply reply;
	long long left, deleted;
	bool one;
};

static struct question *new_question(struct voiced *v, struct reply reply)
{
	struct question *q = xcalloc(1, sizeof *q);
	*q = (struct question){.v = v, .reply = reply};
	return q;
}

/* The filters that searching and deleting share; owned by the caller. */
static json_t *read_filters(struct json_reader *r)
{
	const char *type = NULL, *status = NULL;
	int64_t start_ms = 0, end_ms = 0;
	json_t *where = json_array();
	json_read_word(r, "callType", JSON_OPTIONAL, types, &type);
	json_read_word(r, "status", JSON_OPTIONAL, statuses, &status);
	json_read_time(r, "startDate", JSON_OPTIONAL, &start_ms);
	json_read_until(r, "endDate", JSON_OPTIONAL, &end_ms);
	filter_equal(where, "callType", type);
	filter_equal(where, "status", status);
	filter_time(where, "startedAt", ">=", start_ms);
	filter_time(where, "startedAt", "<", end_ms);
	return where;
}

/* ---- searching ---- */

static void on_found(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	answer_list(q->reply, result, error, "calls", "call(s)", brief);
	free(q);
}

void search_calls(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *query = "", *number = NULL, *cursor = NULL;
	int64_t limit = LIST_DEFAULT;
	json_read_open(&r, args);
	json_read_text(&r, "query", JSON_NEEDED, 1, 500, &query);
	json_read_number(&r, "phoneNumber", JSON_OPTIONAL, &number);
	json_t *where = read_filters(&r), *words = words_of(query, true);
	filter_read_page(&r, &limit, &cursor);
	if (query[0] != '\0' && json_array_size(words) == 0)
		json_read_fault(&r, "query has no word to search for");
	json_array_append_new(where, json_build("[s, s, o]", "searchText", "text", words));
	if (number != NULL)
		json_array_append_new(where, json_build("[n, s, [[[s, s, s]], [[s, s, s]]]]", "or",
							"fromNumber", "=", number, "toNumber", "=", number));
	if (verb_refuse_faults(&r, reply)) {
		json_decref(where);
		return;
	}
	struct store_query q = {.where = where, .limit = limit, .cursor = cursor};
	store_find(v->store, STORE_CALLS, &q, on_found, new_question(v, reply));
}

/* ---- indexing ---- */

struct indexing {
	struct voiced *v;
	char *id;
	struct buffer text;
};

static void on_indexed(void *arg, json_t *result, const char *error)
{
	(void)arg;
	(void)result;
	if (error != NULL)
		log_warn("a call is not found by its words: %s", error);
}

static void on_turns(void *arg, json_t *result, const char *error)
{
	struct indexing *x = arg;
	size_t i;
	json_t *turn;
	(void)error;
	json_array_foreach (json_object_get(result, "documents"), i, turn) {
		const char *content = json_string_value(json_object_get(turn, "content"));
		buffer_append_text(&x->text, "\n");
		buffer_append_text(&x->text, content ? content : "");
	}
	json_t *text = json_text_n((char *)x->text.data, x->text.len);
	struct store_change change = {.key = x->id, .set = json_build("{s:o}", "searchText", text)};
	store_update(x->v->store, STORE_CALLS, &change, on_indexed, NULL);
	buffer_free(&x->text);
	free(x->id);
	free(x);
}

void search_index(struct voiced *v, const struct call *call)
{
	static const char *const fields[] = {"callInstructions", "systemInstructions", "toNumber",
					     "fromNumber", "errorMessage"};
	struct indexing *x = xcalloc(1, sizeof *x);
	*x = (struct indexing){.v = v, .id = xstrdup(call_id(call)), .text = {.max = TEXT_MAX}};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		buffer_append_text(&x->text, call_text(call, fields[i]));
		buffer_append_text(&x->text, "\n");
	}
	store_turns(v->store, call_id(call), on_turns, x);
}

/* ---- deleting: the call, its turns, its events, its recording ---- */

static void step(struct question *q)
{
	if (--q->left > 0)
		return;
	if (q->one && q->deleted == 0)
		answer_error(q->reply, 404, "not_found",
			     "No call has this callSid; phony_list_calls lists them.");
	else
		answer_success(q->reply, 200, json_build("{s:I}", "deletedCount", (json_int_t)q->deleted),
			       "%lld call(s) deleted", q->deleted);
	free(q);
}

static void on_removed(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (error == NULL)
		q->deleted += json_integer_value(result);
	else
		log_error("a call could not be deleted: %s", error);
	step(q);
}

static void delete_one(struct question *q, const json_t *document)
{
	const char *id = json_string_value(json_object_get(document, "callId"));
	if (id == NULL)
		return;
	q->left++;
	const char *sid = json_string_value(json_object_get(document, "callSid"));
	recordings_delete(q->v, id);
	flights_delete(q->v, sid ? sid : "");
	store_remove(q->v->store, STORE_TURNS, json_build("[[s, s, s]]", "callId", "=", id), NULL, NULL);
	store_remove(q->v->store, STORE_EVENTS, json_build("[[s, s, s]]", "callId", "=", id), NULL, NULL);
	store_remove(q->v->store, STORE_CALLS, json_build("[[s, s, s]]", "callId", "=", id), on_removed, q);
}

static void on_to_delete(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	size_t i;
	json_t *document;
	if (answer_store_error(q->reply, error)) {
		free(q);
		return;
	}
	q->left = 1;
	json_array_foreach (json_object_get(result, "documents"), i, document) {
		const char *sid = json_string_value(json_object_get(document, "callSid"));
		/* A live call keeps what it has. */
		if (sid == NULL || calls_by_sid(q->v->calls, sid) == NULL)
			delete_one(q, document);
	}
	step(q);
}

static void find_and_delete(struct voiced *v, json_t *where, bool one, struct reply reply)
{
	struct question *q = new_question(v, reply);
	q->one = one;
	struct store_query query = {.where = where, .limit = DELETE_MAX};
	store_find(v->store, STORE_CALLS, &query, on_to_delete, q);
}

void search_delete_call(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (verb_refuse_faults(&r, reply))
		return;
	if (calls_by_sid(v->calls, sid) != NULL && !call_is_over(calls_by_sid(v->calls, sid)))
		reply.fail(reply.arg, 409, "live", "This call is live; end it first with phony_hangup_call.");
	else
		find_and_delete(v, json_build("[[s, s, s]]", "callSid", "=", sid), true, reply);
}

void search_delete_calls(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	json_read_open(&r, args);
	json_t *where = read_filters(&r);
	if (json_read_ok(&r) && json_array_size(where) == 0)
		json_read_fault(&r, "give at least one filter: which calls are to be deleted?");
	if (verb_refuse_faults(&r, reply))
		json_decref(where);
	else
		find_and_delete(v, where, false, reply);
}
