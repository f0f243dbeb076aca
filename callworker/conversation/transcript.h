/*
 * What has been said in this call, as this process knows it: for an agent that
 * takes over from one whose connection broke.
 */
#ifndef PHONY_CALLWORKER_CONVERSATION_TRANSCRIPT_H
#define PHONY_CALLWORKER_CONVERSATION_TRANSCRIPT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct transcript;

/* history: [{role, content}] of what was said before, or NULL; copied. */
struct transcript *transcript_new(const json_t *history);
void transcript_free(struct transcript **t);

/* number: of the turn's event; before: of the turn that it precedes, 0 for the end. */
void transcript_add(struct transcript *t, const char *role, const char *content, int64_t number,
		    int64_t before);
void transcript_correct(struct transcript *t, int64_t number, const char *content);
/* Whether this role has said anything. */
bool transcript_has(const struct transcript *t, const char *role);
/*
 * The turns, oldest first: [{role, content}]; borrowed, valid until the next call. One of
 * which nothing was heard is none.
 */
const json_t *transcript_turns(struct transcript *t);

#endif
