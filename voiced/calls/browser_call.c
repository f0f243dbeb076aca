#include "voiced/calls/browser_call.h"

#include "lib/base/form.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "voiced/workers/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	COME_BACK_MS = 8000, /* the page tries for about so long */
	GONE_MS = 200,       /* for the call's process to go */
	SID_LEN = 34,
};

/* A name such as Twilio gives: CA and 32 hexadecimal digits. */
static void make_sid(const struct call *call, char sid[SID_LEN + 1])
{
	char digest[SECRET_SIGNATURE_SIZE];
	secret_sign(call_token(call), call_id(call), digest);
	snprintf(sid, SID_LEN + 1, "CA%.*s", TEXT_CUT(digest, 32));
}

struct beginning {
	struct voiced *v;
	char *call_id;
	struct reply reply;
};

static void on_stored(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct beginning *b = arg;
	struct call *call = calls_by_id(b->v->calls, b->call_id);
	if (error != NULL || call == NULL) {
		if (call != NULL) {
			call_set_error(call, error, true);
			call_set_status(call, CALL_FAILED);
		}
		if (!answer_store_error(b->reply, error))
			b->reply.fail(b->reply.arg, 502, "failed", "The call was ended.");
	} else {
		char *path = xasprintf("/call/connection-browser/%s", call_token(call));
		b->reply.done(b->reply.arg, 201,
			      json_build("{s:s, s:s, s:s, s:s, s:s}", "callSid", call_sid(call), "status",
					 "ringing", "provider", call_text(call, "voiceProvider"), "message",
					 "The call waits for its page's stream", "streamPath", path));
		free(path);
	}
	free(b->call_id);
	free(b);
}

void browser_begin(struct voiced *v, struct call *call, struct reply reply)
{
	char sid[SID_LEN + 1];
	make_sid(call, sid);
	enum lifecycle_action action;
	call_set_sid(call, sid, true, &action);
	call_set_status(call, CALL_RINGING);
	struct beginning *b = xcalloc(1, sizeof *b);
	*b = (struct beginning){v, xstrdup(call_id(call)), reply};
	log_call(LOG_SEV_INFO, sid, "a call in the browser");
	call_save(call, on_stored, b);
}

static int64_t attempt_of(const char *target)
{
	struct form query = {0};
	const char *mark = strchr(target, '?'), *again = NULL;
	if (mark != NULL && form_parse(mark + 1, strlen(mark + 1), &query))
		again = form_get(&query, "again");
	int64_t attempt = again ? atoll(again) : 0;
	form_free(&query);
	return attempt;
}

const char *browser_connect(struct call *call, const char *target)
{
	int64_t attempt = attempt_of(target);
	if (attempt < call_attempt(call) || attempt > 1000)
		return "This stream of the call is over.";
	if (call_streams(call) > CALL_BREAKS_MAX || call_has_failed(call)) {
		call_give_up_streams(call);
		call_set_status(call, CALL_FAILED);
		return "The stream broke again and again.";
	}
	if (attempt > call_attempt(call)) {
		log_call(LOG_SEV_INFO, call_sid(call), "the stream broke; connecting again (%lld)",
			 (long long)attempt);
		call_set_attempt(call, attempt);
		call_set_agent(call, AGENT_NONE, "");
		call_save(call, NULL, NULL);
	}
	return NULL;
}

static void on_told(void *arg, json_t *reply, const struct peer_error *error)
{
	(void)arg;
	(void)reply;
	(void)error;
}

void browser_hang_up(struct call *call)
{
	worker_ask(call, MSG_WORKER_HANGUP, json_build("{s:b}", "close", 1), on_told, NULL);
	call_check_soon(call, GONE_MS);
}

void browser_check(struct call *call)
{
	if (call_worker(call) != NULL) {
		if (call_is_ending(call))
			call_check_soon(call, GONE_MS);
		return;
	}
	if (call_streams(call) == 0 && !call_is_ending(call))
		call_set_error(call, "The page never opened the call's line.", true);
	call_set_status(call, CALL_COMPLETED);
}

void browser_expect(struct call *call, bool for_good)
{
	if (for_good)
		call_set_ending(call, "the person hung up");
	call_check_soon(call, for_good ? GONE_MS : COME_BACK_MS);
}
