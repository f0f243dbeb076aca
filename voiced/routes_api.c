/* /api/…: a person's requests, turned into verbs. */
#include "lib/http/api.h"
#include "voiced/routes.h"
#include "voiced/verbs.h"

static const struct api_route routes[] = {
	{"POST", "/api/calls", MSG_CREATE_CALL},
	{"GET", "/api/calls", MSG_LIST_CALLS},
	{"GET", "/api/calls/{callSid}", MSG_GET_CALL},
	{"GET", "/api/calls/{callSid}/transcript", MSG_GET_TRANSCRIPT},
	{"GET", "/api/calls/{callSid}/events", MSG_GET_EVENTS},
	{"GET", "/api/calls/{callSid}/instructions", MSG_GET_INSTRUCTIONS},
	{"POST", "/api/calls/{callSid}/hangup", MSG_HANGUP_CALL},
	{"POST", "/api/calls/{callSid}/inject-context", MSG_INJECT_CONTEXT},
	{"POST", "/api/calls/{callSid}/dtmf", MSG_SEND_DTMF},
	{"POST", "/api/emergency-shutdown", MSG_EMERGENCY_SHUTDOWN},
	{"GET", "/api/tags", MSG_SEARCH_BY_TAGS},
	{"POST", "/api/tags", MSG_ADD_TAGS},
	{"DELETE", "/api/tags", MSG_REMOVE_TAGS},
	{"GET", "/api/status", MSG_SYSTEM_STATUS},
	{0},
};

static void run(void *arg, int verb, json_t *args, struct reply reply)
{
	verb_run(arg, (enum message)verb, args, reply);
}

bool routes_api(struct voiced *v, struct http_request *r)
{
	struct api api = {routes, v->config->api_token, run, v};
	return api_handle(&api, r);
}
