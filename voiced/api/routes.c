/* /api/…: a person's requests, turned into verbs. */
#include "lib/http/json_api.h"
#include "voiced/api/commands.h"
#include "voiced/http_routes.h"

static const struct api_route routes[] = {
	{"POST", "/api/calls", MSG_CREATE_CALL},
	{"POST", "/api/calls/browser", MSG_BROWSER_CALL},
	{"GET", "/api/calls", MSG_LIST_CALLS},
	{"GET", "/api/calls/{callSid}", MSG_GET_CALL},
	{"GET", "/api/calls/{callSid}/transcript", MSG_GET_TRANSCRIPT},
	{"GET", "/api/calls/{callSid}/events", MSG_GET_EVENTS},
	{"GET", "/api/calls/{callSid}/instructions", MSG_GET_INSTRUCTIONS},
	{"GET", "/api/calls/{callSid}/levels", MSG_CALL_LEVELS},
	{"POST", "/api/calls/{callSid}/hangup", MSG_HANGUP_CALL},
	{"POST", "/api/calls/{callSid}/inject-context", MSG_INJECT_CONTEXT},
	{"POST", "/api/calls/{callSid}/dtmf", MSG_SEND_DTMF},
	{"POST", "/api/calls/{callSid}/hold", MSG_HOLD_CALL},
	{"POST", "/api/calls/{callSid}/resume", MSG_RESUME_CALL},
	{"POST", "/api/calls/{callSid}/transfer", MSG_TRANSFER_CALL},
	{"POST", "/api/calls/{callSid}/cancel", MSG_CANCEL_CALL},
	{"POST", "/api/calls/{callSid}/ask-operator", MSG_REQUEST_OPERATOR},
	{"POST", "/api/calls/{callSid}/answer-operator", MSG_ANSWER_OPERATOR},
	{"GET", "/api/calls/{callSid}/wait", MSG_WAIT_CALL},
	{"DELETE", "/api/calls/{callSid}", MSG_DELETE_CALL},
	{"DELETE", "/api/calls", MSG_DELETE_CALLS},
	{"GET", "/api/search/calls", MSG_SEARCH_CALLS},
	{"GET", "/api/operator/questions", MSG_LIST_QUESTIONS},
	{"GET", "/api/contexts", MSG_LIST_CONTEXTS},
	{"POST", "/api/contexts", MSG_CREATE_CONTEXT},
	{"GET", "/api/contexts/{contextId}", MSG_GET_CONTEXT},
	{"PUT", "/api/contexts/{contextId}", MSG_UPDATE_CONTEXT},
	{"DELETE", "/api/contexts/{contextId}", MSG_DELETE_CONTEXT},
	{"GET", "/api/numbers", MSG_LIST_NUMBERS},
	{"GET", "/api/incoming-configs", MSG_LIST_HANDLERS},
	{"POST", "/api/incoming-configs", MSG_CREATE_HANDLER},
	{"GET", "/api/incoming-configs/available-numbers", MSG_LIST_FREE_NUMBERS},
	{"GET", "/api/incoming-configs/{phoneNumber}", MSG_GET_HANDLER},
	{"PUT", "/api/incoming-configs/{phoneNumber}", MSG_UPDATE_HANDLER},
	{"DELETE", "/api/incoming-configs/{phoneNumber}", MSG_DELETE_HANDLER},
	{"GET", "/api/voicemails", MSG_LIST_VOICEMAILS},
	{"DELETE", "/api/voicemails", MSG_DELETE_VOICEMAILS},
	{"GET", "/api/voicemails/search", MSG_SEARCH_VOICEMAILS},
	{"GET", "/api/voicemails/unread-count", MSG_COUNT_UNREAD},
	{"GET", "/api/voicemails/{recordingSid}", MSG_GET_VOICEMAIL},
	{"DELETE", "/api/voicemails/{recordingSid}", MSG_DELETE_VOICEMAIL},
	{"POST", "/api/voicemails/{recordingSid}/read", MSG_MARK_READ},
	{"POST", "/api/voicemails/{recordingSid}/unread", MSG_MARK_UNREAD},
	{"GET", "/api/do-not-call", MSG_LIST_BARRED},
	{"POST", "/api/do-not-call", MSG_BAR_NUMBER},
	{"DELETE", "/api/do-not-call/{phoneNumber}", MSG_UNBAR_NUMBER},
	{"GET", "/api/stats", MSG_STATS},
	{"POST", "/api/emergency-shutdown", MSG_EMERGENCY_SHUTDOWN},
	{"GET", "/api/tags", MSG_SEARCH_BY_TAGS},
	{"POST", "/api/tags", MSG_ADD_TAGS},
	{"DELETE", "/api/tags", MSG_REMOVE_TAGS},
	{"POST", "/api/doctor", MSG_CHECKUP},
	{"GET", "/api/settings", MSG_LIST_SETTINGS},
	{"PUT", "/api/settings", MSG_CHANGE_SETTINGS},
	{"GET", "/api/status", MSG_SYSTEM_STATUS},
	{0},
};

static void run(void *arg, int verb, json_t *args, struct reply reply)
{
	verb_run(arg, (enum message)verb, args, reply);
}

bool routes_api(struct voiced *v, struct http_request *r)
{
	struct api api = {routes, v->config, run, v};
	return api_handle(&api, r);
}
