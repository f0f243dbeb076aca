#include "lib/store/result.h"

#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/store/store.h"

#include <stdarg.h>
#include <stdio.h>

void answer_success(struct reply reply, int http_status, json_t *data, const char *fmt, ...)
{
	char message[300];
	va_list args;
	va_start(args, fmt);
	vsnprintf(message, sizeof message, fmt, args);
	va_end(args);
	json_t *body = json_build("{s:s, s:s, s:o}", "status", "success", "message", message, "data", data);
	if (body == NULL)
		panic("an answer is no JSON: %s", message);
	json_t *cursor = json_object_get(data, "nextCursor");
	if (cursor != NULL)
		json_object_set(body, "nextCursor", cursor);
	reply.done(reply.arg, http_status, body);
}

void answer_error(struct reply reply, int http_status, const char *code, const char *fmt, ...)
{
	char message[600];
	va_list args;
	va_start(args, fmt);
	vsnprintf(message, sizeof message, fmt, args);
	va_end(args);
	reply.fail(reply.arg, http_status, code, message);
}

int answer_store_status(const char *error)
{
	return store_failure(error) == STORE_REFUSED ? 500 : 503;
}

bool answer_store_error(struct reply reply, const char *error)
{
	if (error != NULL)
		reply.fail(reply.arg, answer_store_status(error), "store", error);
	return error != NULL;
}

const char *answer_whole_error(const json_t *found, const char *error)
{
	if (error == NULL && json_object_get(found, "incomplete") != NULL)
		return "the database cannot be reached at the moment; try again";
	return error;
}

void answer_list(struct reply reply, const json_t *found, const char *error, const char *name,
		 const char *what, json_t *(*show)(const json_t *document))
{
	json_t *shown = json_array(), *document;
	size_t i;
	if (answer_store_error(reply, error)) {
		json_decref(shown);
		return;
	}
	json_array_foreach (json_object_get(found, "documents"), i, document)
		json_array_append_new(shown, show(document));
	size_t count = json_array_size(shown);
	answer_success(reply, 200,
		       json_build("{s:I, s:o, s:O*, s:O*}", "count", (json_int_t)count, name, shown,
				  "nextCursor", json_object_get(found, "nextCursor"), "incomplete",
				  json_object_get(found, "incomplete")),
		       "Found %zu %s%s", count, what,
		       json_object_get(found, "incomplete") ? "; the database is away, there may be more"
							    : "");
}

bool answer_faults(struct reply reply, struct json_reader *r)
{
	json_read_close(r, JSON_OTHERS_LOGGED);
	if (json_read_ok(r))
		return false;
	reply.fail(reply.arg, 400, "invalid", r->faults);
	return true;
}

bool answer_page(struct reply reply, json_t *args, int64_t *limit, const char **cursor)
{
	struct json_reader r;
	*limit = LIST_DEFAULT;
	*cursor = NULL;
	json_read_open(&r, args);
	filter_read_page(&r, limit, cursor);
	return !answer_faults(reply, &r);
}
