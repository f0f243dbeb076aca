/* What the verbs of one call share: reading callSid, finding the live call, asking its worker. */
#ifndef PHONY_VOICED_API_CALL_COMMANDS_H
#define PHONY_VOICED_API_CALL_COMMANDS_H

#include "lib/base/json_read.h"
#include "lib/base/reply.h"
#include "proto/messages.h"
#include "voiced/voiced.h"

/* A question about one call that needs more than one step. */
struct call_question {
	struct voiced *v;
	struct reply reply;
	json_t *document; /* the call, as a person sees it, once it was looked up */
	char *sid;        /* as it was asked for */
	char *call_id;    /* once it was looked up */
	char *text;
	void (*next)(struct call_question *q);
};
struct call_question *call_question_new(struct voiced *v, const char *sid, struct reply reply);
/* Looks the call up, live or over, then goes on with next; an unknown one is answered with 404. */
void call_question_look_up(struct voiced *v, const char *sid, const char *text, struct reply reply,
			   void (*next)(struct call_question *q));
/* Each answers and ends the question; acted: {status: "success", message, callSid}. */
void call_question_done(struct call_question *q, json_t *body);
void call_question_acted(struct call_question *q, const char *message);
void call_question_free(struct call_question *q); /* somebody else answers */
void call_question_fail(struct call_question *q, int http_status, const char *code, const char *message);
/* The same with the store's error; false when there is none. */
bool call_question_store_error(struct call_question *q, const char *error);

/* Whether the call that was looked up waits for its time. */
bool call_question_is_scheduled(const struct call_question *q);
/* Answers with 409: the call is over, not placed yet, or another host's. */
void call_question_not_live(struct call_question *q);

/* Opens the reader and reads callSid; "" after a fault. */
const char *verb_read_sid(struct json_reader *r, json_t *args);
/* The live call, or NULL: answered (404 for an unknown call, 409 for one that is over). */
struct call *verb_live_call(struct voiced *v, const char *sid, struct reply reply);
/* Asks the live call's worker and answers {status, message, callSid}. body is stolen. */
void verb_ask_worker(struct voiced *v, const char *sid, enum message type, json_t *body, const char *message,
		     struct reply reply);

#endif
