/* The shape of an answer: {status, message, data}, as the MCP tools give it. */
#ifndef PHONY_STORE_RESULT_H
#define PHONY_STORE_RESULT_H

#include "lib/base/json_read.h"
#include "lib/base/reply.h"
#include "lib/store/filter.h"

/* data is stolen; its nextCursor is shown beside it, too. */
void answer_success(struct reply reply, int http_status, json_t *data, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void answer_error(struct reply reply, int http_status, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The HTTP status of a store's error: 503, or 500 when trying again is in vain. Its code is "store". */
int answer_store_status(const char *error);
/* Answers when error is a sentence of the store's. */
bool answer_store_error(struct reply reply, const char *error);
/* error, or one when a find did not see all that fits: for what must not be done by halves. NULL: none. */
const char *answer_whole_error(const json_t *found, const char *error);

/*
 * Answers with a page of the store: {count, NAME: […], nextCursor?}, each document
 * made presentable by show; what: "message(s)". Or with the store's error.
 */
void answer_list(struct reply reply, const json_t *found, const char *error, const char *name,
		 const char *what, json_t *(*show)(const json_t *document));

/* Closes the reader; answers 400 when there are faults. */
bool answer_faults(struct reply reply, struct json_reader *r);
/* Reads what a list without filters takes; cursor is borrowed from args. False: answered 400. */
bool answer_page(struct reply reply, json_t *args, int64_t *limit, const char **cursor);

#endif
