#include "voiced/calls/placement.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "voiced/calls/answering_machine.h"
#include "voiced/calls/hangup.h"
#include "voiced/calls/schedule.h"
#include "voiced/guard_rails/call_checks.h"
#include "voiced/shared/pending.h"

#include <stdlib.h>
#include <string.h>

enum {
	CLOCK_SLACK_MS =
		60 * 1000, /* between the clocks of Twilio's machines, and ours where it is not told */
	DAY_MS = 24 * 3600 * 1000,
	UNLISTED_MS = 10 * 60 * 1000, /* Twilio does not answer: until then the call may be live */
	LAST_LOOK_MS = 60 * 1000,
	LATER_MS = 5 * 1000, /* until a scheduled call that could not be placed is due again */
	TICK_MS = 250,       /* whether a callback has brought the SID */
	SID_LEN = 34,
};

/*
 * When Twilio's list is looked at, after an answer that was none: it may show a
 * call late, and a request may be carried out long after it was given up. Whoever
 * asked is told after LOOKS_ANSWERED.
 */
static const int look_after_ms[] = {0, 1000, 3000, 6000, 15000, 35000};
enum { LOOKS = sizeof look_after_ms / sizeof *look_after_ms, LOOKS_ANSWERED = 4 };

struct placement {
	struct voiced *v;
	char *call_id, *number;
	struct reply reply; /* done is NULL: nobody waits any more */
	struct wall_ms since;
	struct mono_us doubted; /* when it became doubtful; 0: it is not */
	size_t looks;           /* begun */
	bool listed;            /* Twilio's last list was an answer */
	json_t *candidates;     /* SIDs that may be ours */
	struct errand errand;
};

static struct placement *placement_new(struct voiced *v, const struct call *call, struct reply reply);

static void placement_free(struct placement *p)
{
	errand_end(&p->errand);
	json_decref(p->candidates);
	free(p->call_id);
	free(p->number);
	free(p);
}

/* voiced ends: the next one recovers the call. */
static void placement_drop(void *arg)
{
	struct placement *p = arg;
	if (p->reply.fail != NULL)
		p->reply.fail(p->reply.arg, 503, "ending", "phony is shutting down; see phony_list_calls.");
	placement_free(p);
}

static struct placement *placement_new(struct voiced *v, const struct call *call, struct reply reply)
{
	struct placement *p = xcalloc(1, sizeof *p);
	*p = (struct placement){.v = v,
				.call_id = xstrdup(call_id(call)),
				.number = xstrdup(call_text(call, "toNumber")),
				.reply = reply,
				.since = wall_now()};
	errand_begin(&p->errand, v, placement_drop, p);
	return p;
}

static struct call *placement_call(const struct placement *p)
{
	return calls_by_id(p->v->calls, p->call_id);
}

/* ---- how it ends ---- */

static void placement_finish(struct placement *p, struct call *call)
{
	if (p->reply.done != NULL)
		p->reply.done(
			p->reply.arg, 201,
			json_build("{s:s, s:s, s:s, s:o}", "callSid", call_sid(call), "status", "initiated",
				   "provider", call_text(call, "voiceProvider"), "message",
				   json_text_printf("Call initiated to %s using %s voice provider",
						    call_text(call, "toNumber"),
						    strcmp(call_text(call, "voiceProvider"), "openai") == 0
							    ? "openai"
							    : "ElevenLabs")));
	placement_free(p);
}

static void placement_over(struct placement *p)
{
	if (p->reply.fail != NULL)
		p->reply.fail(p->reply.arg, 502, "failed",
			      "The call ended before it was confirmed; see phony_list_calls.");
	placement_free(p);
}

static void on_named_stored(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct placement *p = arg;
	struct call *call = placement_call(p);
	if (call == NULL) {
		placement_over(p);
	} else if (error != NULL) {
		if (p->reply.fail != NULL)
			answer_store_error(p->reply, error);
		placement_free(p);
	} else {
		placement_finish(p, call);
	}
}

/* Twilio has the call: its SID is stored, then told. */
static void placement_named(struct placement *p, struct call *call, const char *sid, bool certain)
{
	if (!ending_name(p->v, call, sid, certain))
		log_call(LOG_SEV_WARN, sid, "the call is known by another SID, %s", call_sid(call));
	log_call(LOG_SEV_INFO, call_sid(call), "Twilio has taken the call to %s", p->number);
	call_save(call, on_named_stored, p);
}

/* It was certainly not placed; for a reason that passes, a scheduled call is placed later. */
static void placement_fail(struct placement *p, struct call *call, int http_status, const char *code,
			   const char *message, bool passing)
{
	bool named = call != NULL && call_sid(call)[0] != '\0';
	if (named && call_would(call, LIFECYCLE_NOT_PLACED) != LIFECYCLE_DO_FAIL) {
		placement_named(p, call, call_sid(call), true); /* a callback knows better */
		return;
	}
	gate_give_back(p->v, p->number);
	bool later =
		passing && call != NULL && schedule_postpone(p->v, call, wall_now().ms + LATER_MS, message);
	if (call != NULL && !later) {
		call_set_error(call, message, true);
		call_set_status(call, CALL_FAILED);
	}
	if (p->reply.fail != NULL)
		p->reply.fail(p->reply.arg, http_status, code, message);
	placement_free(p);
}

/* ---- in doubt ---- */

static void placement_tick(void *arg);

static const char *sid_of(const json_t *body)
{
	const char *sid = NULL;
	struct json_reader r;
	json_read_open(&r, body);
	json_read_text(&r, "sid", JSON_NEEDED, SID_LEN, SID_LEN, &sid);
	return sid;
}

/* When the request was made, by Twilio's clock as its answer tells it. */
static int64_t since_at_twilio_ms(const struct placement *p, const struct twilio_answer *answer)
{
	int64_t ahead_ms = answer->date_s != 0 ? answer->date_s * 1000 - wall_now().ms : 0;
	return p->since.ms + ahead_ms - CLOCK_SLACK_MS;
}

/* The SIDs of Twilio's list that can be ours: made since then by the API, and not known here. */
static json_t *candidates_of(struct placement *p, const struct twilio_answer *answer)
{
	int64_t since_ms = since_at_twilio_ms(p, answer);
	json_t *list = NULL, *item, *found = json_array();
	struct json_reader r;
	size_t i;
	json_read_open(&r, answer->body);
	json_read_any(&r, "calls", JSON_NEEDED, &list);
	json_array_foreach (list, i, item) {
		const char *created = "", *direction = "", *sid = sid_of(item);
		struct wall_ms when;
		json_read_open(&r, item);
		json_read_text(&r, "date_created", JSON_OPTIONAL, 1, 64, &created);
		json_read_text(&r, "direction", JSON_OPTIONAL, 1, 64, &direction);
		if (sid != NULL && strcmp(direction, "outbound-api") == 0 && twilio_date(created, &when) &&
		    when.ms >= since_ms && calls_by_sid(p->v->calls, sid) == NULL)
			json_array_append_new(found, json_text(sid));
	}
	return found;
}

/* Nobody is kept waiting for the last looks. */
static void placement_tell_doubt(struct placement *p, const struct call *call)
{
	char why[400];
	text_printf(
		why, sizeof why,
		"Twilio did not say whether it took the call%s phony goes on looking for it. Do not place it "
		"again before phony_get_call of %s says that it failed.",
		p->listed ? ", and does not list it: most probably it was not placed."
			  : ". It may still ring:",
		call_text(call, "requestId"));
	if (p->reply.fail != NULL)
		p->reply.fail(p->reply.arg, 504, "unconfirmed", why);
	p->reply = (struct reply){NULL, NULL, NULL};
}

static void placement_in_vain(struct placement *p, struct call *call)
{
	bool young = wall_now().ms - p->since.ms < UNLISTED_MS;
	if (p->looks >= LOOKS_ANSWERED)
		placement_tell_doubt(p, call);
	if (p->looks < LOOKS)
		errand_later(&p->errand, TICK_MS, placement_tick);
	else if (p->listed)
		placement_fail(p, call, 504, "unconfirmed",
			       "Twilio never confirmed this call and has no such call: it was not placed.",
			       true);
	else if (young)
		placement_free(p); /* hangup.c asks again in a minute */
	else
		placement_fail(p, call, 504, "unconfirmed",
			       "Twilio never confirmed this call, and did not answer whether it has it.",
			       false);
}

static void check_candidate(struct placement *p, struct call *call);

/* Whether another call of this database, perhaps of another host, has this SID. */
static void on_candidate(void *arg, json_t *document, const char *error)
{
	struct placement *p = arg;
	struct call *call = placement_call(p);
	(void)error;
	if (call == NULL || call_is_over(call)) {
		placement_over(p);
	} else if (call_sid(call)[0] != '\0') {
		placement_named(p, call, call_sid(call), true);
	} else if (json_is_object(document)) {
		json_array_remove(p->candidates, 0);
		check_candidate(p, call);
	} else {
		placement_named(p, call, json_string_value(json_array_get(p->candidates, 0)), false);
	}
}

static void check_candidate(struct placement *p, struct call *call)
{
	const char *sid = json_string_value(json_array_get(p->candidates, 0));
	if (sid != NULL)
		store_get(p->v->store, STORE_CALLS, "callSid", sid, on_candidate, p);
	else
		placement_in_vain(p, call);
}

static void on_list(void *arg, const struct twilio_answer *answer)
{
	struct placement *p = arg;
	struct call *call = placement_call(p);
	p->listed = answer->outcome == TWILIO_DONE;
	json_decref(p->candidates);
	p->candidates = p->listed ? candidates_of(p, answer) : json_array();
	if (call == NULL || call_is_over(call))
		placement_over(p);
	else if (call_sid(call)[0] != '\0')
		placement_named(p, call, call_sid(call), true);
	else
		check_candidate(p, call);
}

static void placement_look(struct placement *p, struct call *call)
{
	call_check_soon(call, LAST_LOOK_MS);
	char day[WALL_TEXT_SIZE];
	wall_format((struct wall_ms){p->since.ms - DAY_MS}, day); /* whatever our clock is worth */
	day[10] = '\0';
	p->looks++;
	twilio_find_calls(p->v->twilio, p->number, call_text(call, "fromNumber"), day, on_list, p);
}

static void placement_tick(void *arg)
{
	struct placement *p = arg;
	struct call *call = placement_call(p);
	int64_t waited_ms = (mono_now().us - p->doubted.us) / 1000;
	if (call == NULL || call_is_over(call))
		placement_over(p);
	else if (call_sid(call)[0] != '\0')
		placement_named(p, call, call_sid(call), true);
	else if (waited_ms >= look_after_ms[p->looks])
		placement_look(p, call);
	else
		errand_later(&p->errand, TICK_MS, placement_tick);
}

static void placement_doubt(struct placement *p, struct call *call)
{
	if (call_event(call, LIFECYCLE_DOUBTED) != LIFECYCLE_DO_LOOK) {
		if (call_sid(call)[0] != '\0')
			placement_named(p, call, call_sid(call), true);
		else
			placement_over(p);
		return;
	}
	p->doubted = mono_now();
	log_warn("Twilio did not answer whether it took the call to %s: looking for it", p->number);
	placement_look(p, call);
}

/* ---- the way there ---- */

static void on_created(void *arg, const struct twilio_answer *answer)
{
	struct placement *p = arg;
	struct call *call = placement_call(p);
	const char *sid = answer->outcome == TWILIO_DONE ? sid_of(answer->body) : NULL;
	if (call == NULL)
		placement_over(p);
	else if (sid != NULL)
		placement_named(p, call, sid, true);
	else if (answer->outcome == TWILIO_REFUSED)
		placement_fail(p, call, 502, "twilio", answer->message, false);
	else if (answer->outcome == TWILIO_UNREACHED)
		placement_fail(p, call, 502, "unreachable", answer->message, true);
	else
		placement_doubt(p, call);
}

static void on_stored(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct placement *p = arg;
	struct voiced *v = p->v;
	struct call *call = placement_call(p);
	if (error != NULL || call == NULL || call_is_ending(call)) {
		placement_fail(p, call, error ? answer_store_status(error) : 502, error ? "store" : "failed",
			       error ? error : "The call was ended before it was placed.",
			       error != NULL && store_failure(error) != STORE_REFUSED);
		return;
	}
	const char *base = v->config->public_url;
	/* Twilio repeats what could not be delivered when the fragment says so. */
	char *url = xasprintf("%s/call/outgoing?call=%s#rc=5&rp=all", base, call_token(call));
	char *status = xasprintf("%s/call/status?call=%s#rc=5&rp=all", base, call_token(call));
	char *recording = xasprintf("%s/call/recording?call=%s#rc=5&rp=all", base, call_token(call));
	char *amd = xasprintf("%s/call/amd?call=%s#rc=5&rp=all", base, call_token(call));
	int64_t ring = call_number(call, "ringTimeout"), most = call_number(call, "maxDuration");
	struct twilio_call request = {
		.to = call_text(call, "toNumber"),
		.from = call_text(call, "fromNumber"),
		.url = url,
		.status_callback = status,
		.recording_callback = json_is_true(call_value(call, "record")) ? recording : NULL,
		.machine_detection = machine_detection(call),
		.amd_callback = amd,
		.ring_timeout_s = ring > 0 ? (unsigned)ring : v->config->ring_s,
		.time_limit_s = most > 0 ? (unsigned)most : v->config->max_outgoing_duration_s,
	};
	p->since = wall_now();
	call_event(call, LIFECYCLE_SENT);
	twilio_create_call(v->twilio, &request, on_created, p);
	free(url);
	free(status);
	free(recording);
	free(amd);
}

void placement_begin(struct voiced *v, struct call *call, struct reply reply)
{
	if (call_value(call, "taken") != NULL)
		call_put(call, "taken", json_false()); /* from here on it may be placed */
	call_save(call, on_stored, placement_new(v, call, reply));
}

/* ---- calls whose placement is another's ---- */

static const struct reply nobody = {NULL, NULL, NULL};

void placement_recover(struct voiced *v, struct call *call)
{
	struct placement *p = placement_new(v, call, nobody);
	wall_parse(call_text(call, "startedAt"), &p->since);
	/* The time counts from the request on, however often voiced ends meanwhile. */
	int64_t ago_ms = wall_now().ms - p->since.ms;
	p->doubted = mono_now();
	if (ago_ms > 0)
		p->doubted.us -= ago_ms * 1000;
	while (p->looks + 1 < LOOKS && look_after_ms[p->looks + 1] <= ago_ms)
		p->looks++;
	log_info("a call to %s was being placed when voiced ended: looking for it at Twilio", p->number);
	placement_look(p, call);
}

void placement_give_up(struct voiced *v, struct call *call)
{
	struct placement *p = placement_new(v, call, nobody);
	wall_parse(call_text(call, "startedAt"), &p->since);
	p->looks = LOOKS - 1;
	placement_look(p, call);
}
