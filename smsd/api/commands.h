/*
 * What a person can ask of messages, over HTTP or MCP: the same verbs,
 * arguments and answers. Arguments are checked here; args is borrowed.
 */
#ifndef PHONY_SMSD_API_COMMANDS_H
#define PHONY_SMSD_API_COMMANDS_H

#include "lib/base/reply.h"
#include "smsd/smsd.h"

typedef void verb_fn(struct smsd *s, json_t *args, struct reply reply);

/* Runs the verb of an MCP message (MSG_SEND_SMS …). */
void verb_run(struct smsd *s, int verb, json_t *args, struct reply reply);

/* send_message.c */
verb_fn send_message, cancel_message;
/* message_queries.c */
verb_fn list_messages, search_messages, get_message, get_conversation;
/* message_deletion.c */
verb_fn delete_message, delete_messages;
/* tags.c */
verb_fn add_tags, remove_tags, search_by_tags;
/* conversations.c */
verb_fn create_group, list_conversations, get_details, get_group_messages, add_participant,
	remove_participant, update_group_name, send_group;
/* templates.c */
verb_fn create_template, list_templates, get_template, update_template, delete_template;
/* emergency_stop.c */
verb_fn stop_messages;
/* bulk_commands.c */
verb_fn send_bulk, get_bulk, list_bulks, cancel_bulk;

#endif
