/*
 * Asking the person behind a client (elicitation), in both eras: the older one
 * is asked by a request of ours; in the current one the question is the answer
 * (input_required), and the client repeats its request with the person's.
 */
#ifndef PHONY_MCPD_FEATURES_ELICITATION_H
#define PHONY_MCPD_FEATURES_ELICITATION_H

#include "mcpd/request.h"

struct asks;

struct asks *asks_new(void);
void asks_free(struct asks **a);

/* content (borrowed): what the person filled in; NULL when they declined or put it away. */
typedef void ask_fn(void *arg, const json_t *content);

/*
 * Puts a form (stolen: elicitation/create's params) before the person, under key.
 * about (borrowed) is what the question is about: an answer counts once, within
 * ten minutes, for the same key and thing. fn is told once, perhaps at once, unless
 * the request ends before, perhaps at once, too. Only where request_can_ask.
 */
void ask_person(struct request *q, const char *key, json_t *form, const json_t *about, ask_fn *fn, void *arg);
/* Whether this request brings the answer to such a question. */
bool ask_is_answered(struct request *q, const char *key, const json_t *about);

/* A form with one field: type "boolean" or "string". Owned by the caller; message is stolen. */
json_t *ask_form(json_t *message, const char *field, const char *type, const char *title);
/* What the person said to a form as it came, {action, content}: content if they agreed, else NULL; borrowed.
 */
const json_t *ask_content(const json_t *answer);

#endif
