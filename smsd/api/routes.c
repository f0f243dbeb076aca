#include "smsd/api/routes.h"

#include "lib/http/json_api.h"
#include "proto/messages.h"
#include "smsd/api/commands.h"

static const struct api_route routes[] = {
	{"POST", "/api/sms/send", MSG_SEND_SMS},
	{"GET", "/api/sms/messages", MSG_LIST_MESSAGES},
	{"DELETE", "/api/sms/messages", MSG_DELETE_MESSAGES},
	{"GET", "/api/sms/messages/{messageSid}", MSG_GET_MESSAGE},
	{"DELETE", "/api/sms/messages/{messageSid}", MSG_DELETE_MESSAGE},
	{"POST", "/api/sms/messages/{messageSid}/cancel", MSG_CANCEL_MESSAGE},
	{"GET", "/api/sms/search", MSG_SEARCH_MESSAGES},
	{"GET", "/api/sms/conversation", MSG_GET_CONVERSATION},
	{"POST", "/api/sms/bulk", MSG_SEND_BULK},
	{"GET", "/api/sms/bulk", MSG_LIST_BULKS},
	{"GET", "/api/sms/bulk/{bulkId}", MSG_GET_BULK},
	{"POST", "/api/sms/bulk/{bulkId}/cancel", MSG_CANCEL_BULK},
	{"POST", "/api/sms/templates", MSG_CREATE_TEMPLATE},
	{"GET", "/api/sms/templates", MSG_LIST_TEMPLATES},
	{"GET", "/api/sms/templates/{name}", MSG_GET_TEMPLATE},
	{"PUT", "/api/sms/templates/{name}", MSG_UPDATE_TEMPLATE},
	{"DELETE", "/api/sms/templates/{name}", MSG_DELETE_TEMPLATE},
	{"POST", "/api/conversations", MSG_CREATE_GROUP},
	{"GET", "/api/conversations", MSG_LIST_CONVERSATIONS},
	{"GET", "/api/conversations/{conversationId}", MSG_GET_DETAILS},
	{"GET", "/api/conversations/{conversationId}/messages", MSG_GET_GROUP_MESSAGES},
	{"POST", "/api/conversations/{conversationId}/participants", MSG_ADD_PARTICIPANT},
	{"DELETE", "/api/conversations/{conversationId}/participants", MSG_REMOVE_PARTICIPANT},
	{"DELETE", "/api/conversations/{conversationId}/participants/{phoneNumber}", MSG_REMOVE_PARTICIPANT},
	{"PUT", "/api/conversations/{conversationId}/name", MSG_UPDATE_GROUP_NAME},
	{"POST", "/api/conversations/{conversationId}/send", MSG_SEND_GROUP},
	{0},
};

static void run(void *arg, int verb, json_t *args, struct reply reply)
{
	verb_run(arg, verb, args, reply);
}

void routes_handle(struct http_request *r, void *arg)
{
	struct smsd *s = arg;
	struct api api = {routes, s->config, run, s};
	if (!routes_twilio(s, r) && !api_handle(&api, r))
		http_reply_error(r, 404, "not_found", "Nothing is served at this address.");
}
