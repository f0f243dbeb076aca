#include "mcpd/features/tools.h"

#include "lib/base/buffer.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/schema.h"
#include "lib/base/text.h"
#include "mcpd/features/arguments.h"
#include "mcpd/features/call_confirmation.h"
#include "mcpd/features/notifications.h"
#include "mcpd/features/operator_question.h"
#include "mcpd/features/tasks.h"
#include "tools_json.h" /* made from tools.json */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a tool asks, and what is said of its success (NULL: the answer's own message). */
static const struct tool {
	const char *name;
	enum message message;
	const char *said;
	const char *counted; /* what the answer counts: "Found 3 call(s)" */
	bool plain;          /* the answer is the result, without {status, message, data} around it */
} tools[] = {
	{"phony_create_call", MSG_CREATE_CALL, NULL, NULL, true},
	{"phony_list_calls", MSG_LIST_CALLS, NULL, "call(s)", false},
	{"phony_get_call", MSG_GET_CALL, "Call retrieved successfully", NULL, false},
	{"phony_get_call_transcript", MSG_GET_TRANSCRIPT, "Transcript retrieved successfully", NULL, false},
	{"phony_get_call_events", MSG_GET_EVENTS, NULL, "event(s)", false},
	{"phony_get_call_instructions", MSG_GET_INSTRUCTIONS, "Instructions retrieved successfully", NULL,
	 false},
	{"phony_hangup_call", MSG_HANGUP_CALL, NULL, NULL, false},
	{"phony_inject_context", MSG_INJECT_CONTEXT, NULL, NULL, false},
	{"phony_send_dtmf", MSG_SEND_DTMF, NULL, NULL, false},
	{"phony_hold_call", MSG_HOLD_CALL, NULL, NULL, false},
	{"phony_resume_call", MSG_RESUME_CALL, NULL, NULL, false},
	{"phony_transfer_call", MSG_TRANSFER_CALL, NULL, NULL, false},
	{"phony_request_operator_context", MSG_REQUEST_OPERATOR, NULL, NULL, false},
	{"phony_answer_operator", MSG_ANSWER_OPERATOR, NULL, NULL, false},
	{"phony_emergency_shutdown", MSG_EMERGENCY_SHUTDOWN, NULL, NULL, false},
	/* voiced's newer answers, too. */
	{"phony_wait_for_call", MSG_WAIT_CALL, NULL, NULL, true},
	{"phony_search_calls", MSG_SEARCH_CALLS, NULL, NULL, true},
	{"phony_list_operator_questions", MSG_LIST_QUESTIONS, NULL, NULL, true},
	{"phony_cancel_call", MSG_CANCEL_CALL, NULL, NULL, true},
	{"phony_delete_call", MSG_DELETE_CALL, NULL, NULL, true},
	{"phony_delete_calls", MSG_DELETE_CALLS, NULL, NULL, true},
	{"phony_get_recording", MSG_GET_RECORDING, NULL, NULL, true},
	{"phony_list_contexts", MSG_LIST_CONTEXTS, NULL, NULL, true},
	{"phony_get_context", MSG_GET_CONTEXT, NULL, NULL, true},
	{"phony_create_context", MSG_CREATE_CONTEXT, NULL, NULL, true},
	{"phony_update_context", MSG_UPDATE_CONTEXT, NULL, NULL, true},
	{"phony_delete_context", MSG_DELETE_CONTEXT, NULL, NULL, true},
	{"phony_list_numbers", MSG_LIST_NUMBERS, NULL, NULL, true},
	{"phony_list_available_numbers", MSG_LIST_FREE_NUMBERS, NULL, NULL, true},
	{"phony_list_incoming_configs", MSG_LIST_HANDLERS, NULL, NULL, true},
	{"phony_create_incoming_config", MSG_CREATE_HANDLER, NULL, NULL, true},
	{"phony_update_incoming_config", MSG_UPDATE_HANDLER, NULL, NULL, true},
	{"phony_delete_incoming_config", MSG_DELETE_HANDLER, NULL, NULL, true},
	{"phony_list_voicemails", MSG_LIST_VOICEMAILS, NULL, NULL, true},
	{"phony_search_voicemails", MSG_SEARCH_VOICEMAILS, NULL, NULL, true},
	{"phony_get_unread_voicemail_count", MSG_COUNT_UNREAD, NULL, NULL, true},
	{"phony_get_voicemail", MSG_GET_VOICEMAIL, NULL, NULL, true},
	{"phony_mark_voicemail_read", MSG_MARK_READ, NULL, NULL, true},
	{"phony_mark_voicemail_unread", MSG_MARK_UNREAD, NULL, NULL, true},
	{"phony_delete_voicemail", MSG_DELETE_VOICEMAIL, NULL, NULL, true},
	{"phony_delete_voicemails", MSG_DELETE_VOICEMAILS, NULL, NULL, true},
	{"phony_list_do_not_call", MSG_LIST_BARRED, NULL, NULL, true},
	{"phony_add_do_not_call", MSG_BAR_NUMBER, NULL, NULL, true},
	{"phony_remove_do_not_call", MSG_UNBAR_NUMBER, NULL, NULL, true},
	/* smsd's answers are the results. */
	{"phony_send_sms", MSG_SEND_SMS, NULL, NULL, true},
	{"phony_list_messages", MSG_LIST_MESSAGES, NULL, NULL, true},
	{"phony_search_messages", MSG_SEARCH_MESSAGES, NULL, NULL, true},
	{"phony_get_message", MSG_GET_MESSAGE, NULL, NULL, true},
	{"phony_cancel_message", MSG_CANCEL_MESSAGE, NULL, NULL, true},
	{"phony_delete_message", MSG_DELETE_MESSAGE, NULL, NULL, true},
	{"phony_delete_messages", MSG_DELETE_MESSAGES, NULL, NULL, true},
	{"phony_get_conversation", MSG_GET_CONVERSATION, NULL, NULL, true},
	{"phony_create_group_conversation", MSG_CREATE_GROUP, NULL, NULL, true},
	{"phony_list_conversations", MSG_LIST_CONVERSATIONS, NULL, NULL, true},
	{"phony_get_conversation_details", MSG_GET_DETAILS, NULL, NULL, true},
	{"phony_get_conversation_messages", MSG_GET_GROUP_MESSAGES, NULL, NULL, true},
	{"phony_add_participant", MSG_ADD_PARTICIPANT, NULL, NULL, true},
	{"phony_remove_participant", MSG_REMOVE_PARTICIPANT, NULL, NULL, true},
	{"phony_update_group_name", MSG_UPDATE_GROUP_NAME, NULL, NULL, true},
	{"phony_send_group_sms", MSG_SEND_GROUP, NULL, NULL, true},
	{"phony_send_bulk_sms", MSG_SEND_BULK, NULL, NULL, true},
	{"phony_get_bulk_sms", MSG_GET_BULK, NULL, NULL, true},
	{"phony_cancel_bulk_sms", MSG_CANCEL_BULK, NULL, NULL, true},
	{"phony_list_message_templates", MSG_LIST_TEMPLATES, NULL, NULL, true},
	{"phony_create_message_template", MSG_CREATE_TEMPLATE, NULL, NULL, true},
	{"phony_update_message_template", MSG_UPDATE_TEMPLATE, NULL, NULL, true},
	{"phony_delete_message_template", MSG_DELETE_TEMPLATE, NULL, NULL, true},
	{"phony_add_tags", MSG_ADD_TAGS, NULL, NULL, true},
	{"phony_remove_tags", MSG_REMOVE_TAGS, NULL, NULL, true},
	{"phony_search_by_tags", MSG_SEARCH_BY_TAGS, NULL, NULL, true},
	{"phony_get_system_status", MSG_SYSTEM_STATUS, "phony is running", NULL, false},
};

static json_t *descriptions; /* the parsed tools.json, outputSchemas completed */

static json_t *wrapped_schema(json_t *data)
{
	return json_build("{s:s, s:{s:{s:s}, s:{s:s}, s:O}, s:[s,s]}", "type", "object", "properties",
			  "status", "type", "string", "message", "type", "string", "data", data, "required",
			  "status", "message");
}

static json_t *load(void)
{
	if (descriptions != NULL)
		return descriptions;
	json_error_t fault;
	descriptions = json_loads(tools_json, 0, &fault);
	if (descriptions == NULL)
		panic("tools.json, line %d: %s", fault.line, fault.text);
	size_t i;
	json_t *tool;
	json_array_foreach (descriptions, i, tool) {
		json_t *data = json_object_get(tool, "data");
		if (data != NULL)
			json_object_set_new(tool, "outputSchema", wrapped_schema(data));
		json_object_del(tool, "data");
	}
	return descriptions;
}

void tools_free(void)
{
	json_decref(descriptions);
	descriptions = NULL;
}

void tools_list(struct request *q)
{
	if (!request_first_page(q))
		return;
	static const struct rpc_cache cache = {3600000, "public"};
	request_answer(q, json_build("{s:O}", "tools", load()), &cache);
}

static json_t *description_of(const char *name)
{
	size_t i;
	json_t *tool;
	json_array_foreach (load(), i, tool)
		if (strcmp(json_string_value(json_object_get(tool, "name")), name) == 0)
			return tool;
	return NULL;
}

/* A result the model can read and mend: the text alone, marked as an error. */
static void answer_error(struct request *q, const char *message)
{
	request_answer(
		q,
		json_build("{s:[{s:s, s:s}], s:b}", "content", "type", "text", "text", message, "isError", 1),
		NULL);
}

/* The daemon did what it could, and says that it failed: what failed is told, too. */
static bool has_failed(const json_t *reply)
{
	const char *status = json_string_value(json_object_get(reply, "status"));
	return status != NULL && strcmp(status, "error") == 0;
}

static void answer_failure(struct request *q, const json_t *reply)
{
	const char *message = json_string_value(json_object_get(reply, "message"));
	json_t *failure;
	size_t i;
	struct buffer text = {0};
	buffer_append_text(&text, message ? message : "It failed.");
	json_array_foreach (json_object_get(reply, "failures"), i, failure) {
		const char *sid = json_string_value(json_object_get(failure, "callSid")),
			   *why = json_string_value(json_object_get(failure, "message"));
		buffer_append_text(&text, "\n");
		buffer_append_text(&text, sid ? sid : "?");
		buffer_append_text(&text, ": ");
		buffer_append_text(&text, why ? why : "?");
	}
	buffer_append(&text, "", 1);
	answer_error(q, (char *)text.data);
	buffer_free(&text);
}

/* structuredContent, and the same as text: some clients show the model only one of them. */
static void answer_structured(struct request *q, json_t *content)
{
	char *text = json_dumps(content, JSON_COMPACT);
	request_answer(q,
		       json_build("{s:[{s:s, s:s}], s:o}", "content", "type", "text", "text", text,
				  "structuredContent", content),
		       NULL);
	free(text);
}

struct calling {
	struct request *request;
	const struct tool *tool;
	json_t *args;
	json_t *reply; /* while the person is asked */
};

static json_t *wrap(const struct tool *tool, json_t *reply)
{
	char message[128];
	const char *own = json_string_value(json_object_get(reply, "message"));
	if (tool->counted != NULL)
		text_printf(message, sizeof message, "Found %lld %s",
			    (long long)json_integer_value(json_object_get(reply, "count")), tool->counted);
	else
		text_printf(message, sizeof message, "%s", tool->said ? tool->said : own ? own : "Done");
	return json_build("{s:s, s:s, s:O}", "status", "success", "message", message, "data", reply);
}

static void answer_reply(struct calling *c, json_t *reply)
{
	answer_structured(c->request, c->tool->plain ? json_incref(reply) : wrap(c->tool, reply));
}

/* The agent's question as the answer has it, or the one that the tool puts; NULL: none. */
static const char *question_of(const struct calling *c, const json_t *reply)
{
	const json_t *data = json_object_get(reply, "data");
	if (c->tool->message == MSG_REQUEST_OPERATOR)
		return json_string_value(json_object_get(c->args, "question"));
	if (c->tool->message == MSG_WAIT_CALL)
		return json_string_value(
			json_object_get(json_object_get(data, "operatorQuestion"), "question"));
	return NULL;
}

static void on_operator(void *arg, enum operator_end end, const char *message)
{
	static const char said[] = "The person was asked, and the agent has the answer; the call goes on";
	struct calling *c = arg;
	char text[400];
	if (end == OPERATOR_ANSWERED) {
		json_t *reply = json_copy(c->reply), *data = json_copy(json_object_get(reply, "data"));
		json_object_set_new(reply, "message", json_text(said));
		if (data != NULL) {
			json_object_del(data, "operatorQuestion");
			json_object_set_new(reply, "data", data);
		}
		answer_reply(c, reply);
		json_decref(reply);
	} else if (end == OPERATOR_REFUSED) {
		answer_reply(c, c->reply); /* whoever reads it may know the answer */
	} else if (end == OPERATOR_FAILED) {
		snprintf(text, sizeof text, "The person answered, but the agent could not be told: %s",
			 message);
		answer_error(c->request, text);
	}
}

static void ask_operator(struct calling *c, json_t *reply)
{
	c->reply = request_keep(c->request, json_incref(reply));
	operator_ask(c->request, json_string_value(json_object_get(c->args, "callSid")),
		     question_of(c, reply), on_operator, c);
}

static void on_reply(void *arg, json_t *reply, const struct peer_error *error)
{
	struct calling *c = arg;
	if (error != NULL) {
		answer_error(c->request, error->message);
	} else if (has_failed(reply)) {
		answer_failure(c->request, reply);
	} else if (question_of(c, reply) != NULL && request_can_ask(c->request)) {
		ask_operator(c, reply);
		return;
	} else if (c->tool->message == MSG_CREATE_CALL && tasks_wanted(c->request)) {
		tasks_created(c->request, reply);
	} else {
		answer_reply(c, reply);
	}
}

static const struct tool *find_tool(const char *name)
{
	for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
		if (strcmp(tools[i].name, name) == 0)
			return &tools[i];
	return NULL;
}

static void go_on(void *arg, bool consent)
{
	struct calling *c = arg;
	if (consent)
		request_query(c->request, c->tool->message, json_incref(c->args), on_reply, c);
	else if (request_ask_failed(c->request))
		answer_error(c->request,
			     "This client says that it can ask its person, and could not: the call was "
			     "not placed. Without CONFIRM_CALLS nobody is asked.");
	else
		answer_error(c->request, "The person was asked and did not agree: the call was not placed.");
}

/* The question was put by the request before this one, which brings the answer. */
static bool brings_answer(const struct calling *c)
{
	const char *sid = json_string_value(json_object_get(c->args, "callSid"));
	return c->tool->message == MSG_REQUEST_OPERATOR &&
	       operator_is_answered(c->request, sid, question_of(c, NULL));
}

/* Once for each tool: a client that sends such arguments does so with each call. */
static void log_ignored(const struct tool *tool, const char *ignored)
{
	static bool logged[sizeof tools / sizeof *tools];
	bool *done = &logged[tool - tools];
	if (ignored[0] == '\0' || *done)
		return;
	*done = true;
	log_warn("%s: ignored arguments that it does not have: %s", tool->name, ignored);
}

void tools_call(struct request *q)
{
	const char *name = "";
	json_t *args = NULL;
	struct json_reader r;
	char faults[512], message[200], ignored[200];
	json_read_open(&r, request_params(q));
	json_read_text(&r, "name", JSON_NEEDED, 1, 128, &name);
	json_read_object(&r, "arguments", JSON_OPTIONAL, &args);
	if (!json_read_ok(&r)) {
		request_fail(q, RPC_INVALID_PARAMS, r.faults, NULL);
		return;
	}
	const struct tool *tool = find_tool(name);
	if (tool == NULL) {
		text_printf(message, sizeof message, "Unknown tool: %s", name);
		request_fail(q, RPC_INVALID_PARAMS, message, NULL);
		return;
	}
	const json_t *schema = json_object_get(description_of(name), "inputSchema");
	args = request_keep(q, arguments_read(schema, args, ignored, sizeof ignored));
	log_ignored(tool, ignored);
	if (!schema_check(schema, args, faults, sizeof faults)) {
		answer_error(q, faults);
		return;
	}
	json_t *token = json_object_get(request_meta(q), "progressToken");
	const char *sid = json_string_value(json_object_get(args, "callSid"));
	if (tool->message == MSG_WAIT_CALL && sid != NULL &&
	    (json_is_string(token) || json_is_integer(token)))
		follow_progress(q, sid, token);
	struct calling *c = request_alloc(q, sizeof *c);
	*c = (struct calling){q, tool, args, NULL};
	if (tool->message == MSG_CREATE_CALL) {
		confirm_call(q, args, go_on, c);
	} else if (brings_answer(c)) {
		json_t *reply = json_build("{s:s}", "callSid", sid);
		ask_operator(c, reply);
		json_decref(reply);
	} else {
		go_on(c, true);
	}
}
