/* The question that an agent has in the middle of a call, put before the client's person. */
#ifndef PHONY_MCPD_FEATURES_OPERATOR_QUESTION_H
#define PHONY_MCPD_FEATURES_OPERATOR_QUESTION_H

#include "mcpd/features/elicitation.h"

/* Under which a question is put, and the form's field of the answer. */
#define OPERATOR_KEY "operator"
#define OPERATOR_FIELD "answer"

/* The form of a question. Owned by the caller. */
json_t *operator_form(const char *question);

enum operator_end {
	OPERATOR_ANSWERED, /* the agent has the answer */
	OPERATOR_REFUSED,  /* the person has none: whoever asked may know one */
	OPERATOR_FAILED,   /* the answer could not be given: message says why */
};

/*
 * Asks the person, where request_can_ask, and gives the call's agent what they
 * say. fn is told once, perhaps at once, unless the request ends before.
 */
typedef void operator_fn(void *arg, enum operator_end end, const char *message);
void operator_ask(struct request *q, const char *call_sid, const char *question, operator_fn *fn, void *arg);
/* Whether this request brings the answer to that question. */
bool operator_is_answered(struct request *q, const char *call_sid, const char *question);

#endif
