#include "voiced/api/call_search.h"

#include "lib/base/buffer.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "lib/store/tokenize.h"
#include "voiced/api/call_commands.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 128 * 1024 };

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
};

static struct question *new_question(struct voiced *v, struct reply reply)
{
	struct question *q = xcalloc(1, sizeof *q);
	*q = (struct question){.v = v, .reply = reply};
	return q;
}

json_t *search_read_filters(struct json_reader *r)
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
	json_read_address(&r, "phoneNumber", JSON_OPTIONAL, &number);
	json_t *where = search_read_filters(&r), *words = words_of(query, true);
	filter_read_page(&r, &limit, &cursor);
	if (query[0] != '\0' && json_array_size(words) == 0)
		json_read_fault(&r, "query has no word to search for");
	json_array_append_new(where, json_build("[s, s, o]", "searchText", "text", words));
	if (number != NULL)
		json_array_append_new(where, json_build("[n, s, [[[s, s, s]], [[s, s, s]]]]", "or",
							"fromNumber", "=", number, "toNumber", "=", number));
	if (answer_faults(reply, &r)) {
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
