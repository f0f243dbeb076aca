#include "voiced/calls/answering_machine.h"

#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "voiced/calls/hangup.h"
#include "voiced/shared/pending.h"
#include "voiced/workers/pool.h"

#include <stdlib.h>
#include <string.h>

enum { AGAIN_MS = 500, TRIES = 20 }; /* the agent may not be there yet */

const char *machine_detection(const struct call *call)
{
	const char *choice = call_text(call, "machineDetection");
	if (strcmp(choice, "message") == 0)
		return "DetectMessageEnd"; /* the verdict comes after the tone */
	return strcmp(choice, "hangup") == 0 || strcmp(choice, "continue") == 0 ? "Enable" : NULL;
}

struct leaving {
	struct voiced *v;
	char *call_id;
	unsigned tries;
	struct errand errand;
};

static void leave_message(void *arg);

static void end(void *arg)
{
	struct leaving *l = arg;
	errand_end(&l->errand);
	free(l->call_id);
	free(l);
}

static void on_directed(void *arg, json_t *reply, const struct peer_error *error)
{
	(void)reply;
	struct leaving *l = arg;
	if (error != NULL && ++l->tries < TRIES && calls_by_id(l->v->calls, l->call_id) != NULL)
		errand_later(&l->errand, AGAIN_MS, leave_message);
	else
		end(l);
}

static void leave_message(void *arg)
{
	struct leaving *l = arg;
	struct call *call = calls_by_id(l->v->calls, l->call_id);
	if (call == NULL || call_is_over(call)) {
		end(l);
		return;
	}
	const char *message = call_text(call, "voicemailMessage");
	char *text = xasprintf(
		"A voicemail has answered and its tone has sounded. Leave your message now, in full "
		"and without waiting for an answer, then end the call with end_call.%s%s",
		message[0] ? " Say this: " : " Say who calls, why, and how to call back.", message);
	worker_ask(call, MSG_WORKER_DIRECT, json_build("{s:s, s:b}", "text", text, "interrupt", 1),
		   on_directed, l);
	free(text);
}

void machine_answered(struct voiced *v, struct call *call, const char *answered_by)
{
	const char *choice = call_text(call, "machineDetection");
	bool machine = strncmp(answered_by, "machine", 7) == 0 || strcmp(answered_by, "fax") == 0;
	log_call(LOG_SEV_INFO, call_sid(call), "answered by: %.*s", TEXT_CUT(answered_by, 40));
	if (!machine || call_is_over(call) || call_is_ending(call))
		return;
	if (strcmp(choice, "hangup") == 0 || strcmp(answered_by, "fax") == 0) {
		ending_begin(v, call, "an answering machine answered", NULL, NULL);
	} else if (strcmp(choice, "message") == 0) {
		struct leaving *l = xcalloc(1, sizeof *l);
		*l = (struct leaving){.v = v, .call_id = xstrdup(call_id(call))};
		errand_begin(&l->errand, v, end, l);
		leave_message(l);
	}
}
