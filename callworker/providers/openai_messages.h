/*
 * OpenAI Realtime: what it is told, and what its errors mean
 * (platform.openai.com/docs/guides/realtime; the messages' types are in the
 * npm package openai, resources/realtime). `preview` asks for the form of the
 * protocol's preview.
 */
#ifndef PHONY_CALLWORKER_PROVIDERS_OPENAI_MESSAGES_H
#define PHONY_CALLWORKER_PROVIDERS_OPENAI_MESSAGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct openai_voice {
	const char *name;
	const char *transcription_model; /* that writes down what the caller says */
};

/*
 * session.update: mu-law of 8,000 Hz both ways; the server hears where turns
 * end. tools: {name, description, parameters} each.
 */
json_t *openai_session(const struct openai_voice *voice, const char *prompt, const json_t *tools,
		       bool preview);

/*
 * The tools with their parameters in words, for a server that takes less of JSON
 * Schema: no oneOf, anyOf, allOf, enum or not at the top, no array without items.
 */
json_t *openai_tools_in_words(const json_t *tools);

/* conversation.item.create: a message of "user", "assistant" or "system". */
json_t *openai_item(const char *role, const char *text, bool preview);

/* conversation.item.create: the output of the function call `id`. */
json_t *openai_tool_result(const char *id, const char *result, bool is_error);

/* conversation.item.truncate: so much of the item was heard, in milliseconds. */
json_t *openai_truncation(const char *item, int64_t heard_ms);

/* response.create, response.cancel (of the response; "" for the present one). event: comes back in an error.
 */
json_t *openai_create(const char *event);
json_t *openai_cancel(const char *response, const char *event);

/* What an assistant's message item says, as far as it tells; *written: without audio. Owned by the caller. */
char *openai_item_text(const json_t *item, bool *written);

/* The words for an error: what a person can mend, where they can. */
void openai_describe(char *out, size_t size, const char *code, const char *message);

/* Whether another try would fail in the same way. */
bool openai_is_final(const char *code);
/* Whether the error is that a response is under way already; its code is missing at times. */
bool openai_is_busy(const char *code, const char *message);

#endif
