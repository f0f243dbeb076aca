/*
 * A JSON API served: a table of methods and paths, each a verb. Arguments come
 * from the path, the body, or (GET) the query; whoever asks shows the token.
 */
#ifndef PHONY_HTTP_JSON_API_H
#define PHONY_HTTP_JSON_API_H

#include "lib/base/reply.h"
#include "lib/config/config.h"
#include "lib/http/server.h"

struct api_route {
	const char *method;
	const char *pattern; /* "/api/calls/{callSid}/hangup": a part in braces is an argument */
	int verb;
};

/* args is borrowed. */
typedef void api_verb_fn(void *arg, int verb, json_t *args, struct reply reply);

struct api {
	const struct api_route *routes; /* up to one without a method */
	const struct config *config;    /* the token's */
	api_verb_fn *run;
	void *arg;
};

/* Answers a request whose path begins with /api/; false when it does not. */
bool api_handle(const struct api *api, struct http_request *r);

/* Where a verb's answer goes when r asked. */
struct reply http_reply_to(struct http_request *r);

/* Answers 405, naming what is allowed, unless the method is this one. */
bool http_method_is(struct http_request *r, const char *method);

#endif
