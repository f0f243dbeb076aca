#include "voiced/api/commands.h"

#include "lib/base/clock.h"
#include "lib/base/e164.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/object.h"
#include "lib/store/filter.h"
#include "lib/store/result.h"
#include "voiced/api/call_commands.h"
#include "voiced/api/call_control.h"
#include "voiced/api/call_queries.h"
#include "voiced/api/call_search.h"
#include "voiced/api/doctor_endpoint.h"
#include "voiced/api/emergency_shutdown.h"
#include "voiced/api/settings.h"
#include "voiced/api/stats.h"
#include "voiced/api/tags.h"
#include "voiced/api/wait.h"
#include "voiced/calls/contexts.h"
#include "voiced/calls/create.h"
#include "voiced/calls/schedule.h"
#include "voiced/guard_rails/denied_numbers.h"
#include "voiced/numbers/incoming_configs.h"
#include "voiced/numbers/numbers.h"
#include "voiced/numbers/voicemail.h"
#include "voiced/numbers/voicemail_audio.h"
#include "voiced/retention/call_deletion.h"
#include "voiced/retention/recordings.h"
#include "voiced/workers/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void system_status(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	json_read_open(&r, args);
	if (answer_faults(reply, &r))
		return;
	reply.done(reply.arg, 200,
		   json_build("{s:s, s:b, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:o}", "status",
			      v->draining ? "draining" : "running", "draining", v->draining, "liveCalls",
			      (int)calls_count(v->calls, NULL), "outgoingCalls",
			      (int)calls_count(v->calls, "outbound"), "incomingCalls",
			      (int)calls_count(v->calls, "inbound"), "maxCalls", (int)v->config->max_calls,
			      "maxOutgoingCalls", (int)v->config->max_outgoing_calls, "maxIncomingCalls",
			      (int)v->config->max_incoming_calls, "store", store_kind_name(v->store),
			      "provider", v->config->voice_provider, "workers", workers_list(v->workers)));
}

/* ---- all verbs ---- */

static void mark_read(struct voiced *v, json_t *args, struct reply reply)
{
	voicemail_mark(v, args, reply, true);
}

static void mark_unread(struct voiced *v, json_t *args, struct reply reply)
{
	voicemail_mark(v, args, reply, false);
}

static void add_tags(struct voiced *v, json_t *args, struct reply reply)
{
	tags_change(v, args, reply, true);
}

static void remove_tags(struct voiced *v, json_t *args, struct reply reply)
{
	tags_change(v, args, reply, false);
}

static const struct {
	enum message verb;
	void (*run)(struct voiced *v, json_t *args, struct reply reply);
} verbs[] = {
	{MSG_CREATE_CALL, outgoing_place},
	{MSG_BROWSER_CALL, outgoing_place_in_browser},
	{MSG_LIST_CALLS, reading_list},
	{MSG_GET_CALL, reading_call},
	{MSG_GET_TRANSCRIPT, reading_transcript},
	{MSG_GET_EVENTS, reading_events},
	{MSG_GET_INSTRUCTIONS, reading_instructions},
	{MSG_HANGUP_CALL, steering_hang_up},
	{MSG_INJECT_CONTEXT, steering_inject},
	{MSG_SEND_DTMF, steering_press},
	{MSG_CALL_LEVELS, reading_levels},
	{MSG_CHECKUP, checkup_run},
	{MSG_LIST_SETTINGS, settings_list},
	{MSG_CHANGE_SETTINGS, settings_change},
	{MSG_EMERGENCY_SHUTDOWN, shutdown_run},
	{MSG_SYSTEM_STATUS, system_status},
	{MSG_SEARCH_CALLS, search_calls},
	{MSG_DELETE_CALL, deletion_of_call},
	{MSG_DELETE_CALLS, deletion_of_calls},
	{MSG_HOLD_CALL, steering_hold},
	{MSG_RESUME_CALL, steering_resume},
	{MSG_REQUEST_OPERATOR, steering_ask_operator},
	{MSG_ANSWER_OPERATOR, steering_answer_operator},
	{MSG_LIST_QUESTIONS, steering_list_questions},
	{MSG_TRANSFER_CALL, steering_transfer},
	{MSG_WAIT_CALL, waiting_wait},
	{MSG_GET_RECORDING, recordings_get},
	{MSG_CANCEL_CALL, schedule_cancel},
	{MSG_LIST_CONTEXTS, contexts_list},
	{MSG_GET_CONTEXT, contexts_get},
	{MSG_CREATE_CONTEXT, contexts_create},
	{MSG_UPDATE_CONTEXT, contexts_update},
	{MSG_DELETE_CONTEXT, contexts_delete},
	{MSG_LIST_NUMBERS, numbers_list},
	{MSG_LIST_FREE_NUMBERS, numbers_list_free},
	{MSG_LIST_HANDLERS, handlers_list},
	{MSG_GET_HANDLER, handlers_get},
	{MSG_CREATE_HANDLER, handlers_create},
	{MSG_UPDATE_HANDLER, handlers_update},
	{MSG_DELETE_HANDLER, handlers_delete},
	{MSG_LIST_VOICEMAILS, voicemail_list},
	{MSG_SEARCH_VOICEMAILS, voicemail_search},
	{MSG_GET_VOICEMAIL, voicemail_get},
	{MSG_MARK_READ, mark_read},
	{MSG_MARK_UNREAD, mark_unread},
	{MSG_DELETE_VOICEMAIL, voicemail_delete},
	{MSG_DELETE_VOICEMAILS, voicemail_delete_many},
	{MSG_COUNT_UNREAD, voicemail_count_unread},
	{MSG_GET_VOICEMAIL_AUDIO, voicemail_audio_get},
	{MSG_LIST_BARRED, guard_list_barred},
	{MSG_BAR_NUMBER, guard_bar},
	{MSG_UNBAR_NUMBER, guard_unbar},
	{MSG_STATS, stats_tell},
	{MSG_ADD_TAGS, add_tags},
	{MSG_REMOVE_TAGS, remove_tags},
	{MSG_SEARCH_BY_TAGS, tags_search},
};

void verb_run(struct voiced *v, enum message verb, json_t *args, struct reply reply)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (verbs[i].verb == verb) {
			verbs[i].run(v, args, reply);
			return;
		}
	reply.fail(reply.arg, 501, "unknown", "voiced has no such verb.");
}
