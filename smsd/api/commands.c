#include "smsd/api/commands.h"

#include "proto/messages.h"

static const struct {
	int verb;
	verb_fn *run;
} verbs[] = {
	{MSG_SEND_SMS, send_message},
	{MSG_LIST_MESSAGES, list_messages},
	{MSG_SEARCH_MESSAGES, search_messages},
	{MSG_GET_MESSAGE, get_message},
	{MSG_DELETE_MESSAGE, delete_message},
	{MSG_DELETE_MESSAGES, delete_messages},
	{MSG_GET_CONVERSATION, get_conversation},
	{MSG_CREATE_GROUP, create_group},
	{MSG_LIST_CONVERSATIONS, list_conversations},
	{MSG_GET_DETAILS, get_details},
	{MSG_GET_GROUP_MESSAGES, get_group_messages},
	{MSG_ADD_PARTICIPANT, add_participant},
	{MSG_REMOVE_PARTICIPANT, remove_participant},
	{MSG_UPDATE_GROUP_NAME, update_group_name},
	{MSG_SEND_GROUP, send_group},
	{MSG_CANCEL_MESSAGE, cancel_message},
	{MSG_SEND_BULK, send_bulk},
	{MSG_GET_BULK, get_bulk},
	{MSG_LIST_BULKS, list_bulks},
	{MSG_CANCEL_BULK, cancel_bulk},
	{MSG_CREATE_TEMPLATE, create_template},
	{MSG_LIST_TEMPLATES, list_templates},
	{MSG_GET_TEMPLATE, get_template},
	{MSG_UPDATE_TEMPLATE, update_template},
	{MSG_DELETE_TEMPLATE, delete_template},
	{MSG_STOP_MESSAGES, stop_messages},
	{MSG_ADD_TAGS, add_tags},
	{MSG_REMOVE_TAGS, remove_tags},
	{MSG_SEARCH_BY_TAGS, search_by_tags},
};

void verb_run(struct smsd *s, int verb, json_t *args, struct reply reply)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (verbs[i].verb == verb) {
			verbs[i].run(s, args, reply);
			return;
		}
	reply.fail(reply.arg, 501, "unknown", "smsd has no such verb.");
}
