#include "voiced/guard_rails/call_checks.h"

#include "lib/base/object.h"
#include "lib/base/text.h"
#include "lib/config/setting.h"
#include "lib/store/result.h"
#include "voiced/guard_rails/country_time.h"
#include "voiced/guard_rails/denied_numbers.h"
#include "voiced/guard_rails/quota.h"

#include <stdlib.h>
#include <string.h>

enum {
	CHECK_DRAINING = 1 << 0,
	CHECK_RANGES = 1 << 1,
	CHECK_HOURS = 1 << 2,
	CHECK_LIVE = 1 << 3,
	CHECK_BARRED = 1 << 4,
	CHECK_QUOTA = 1 << 5,
};

static const unsigned gate_checks[GATE_ACTIONS] = {
	[GATE_CALL] = CHECK_DRAINING | CHECK_RANGES | CHECK_HOURS | CHECK_LIVE | CHECK_BARRED | CHECK_QUOTA,
	[GATE_SCHEDULE] = CHECK_DRAINING | CHECK_RANGES | CHECK_HOURS | CHECK_BARRED,
	[GATE_DUE_CALL] =
		CHECK_DRAINING | CHECK_RANGES | CHECK_HOURS | CHECK_LIVE | CHECK_BARRED | CHECK_QUOTA,
	[GATE_BROWSER_CALL] = CHECK_DRAINING | CHECK_LIVE | CHECK_QUOTA,
	[GATE_TRANSFER] = CHECK_RANGES | CHECK_HOURS | CHECK_BARRED | CHECK_QUOTA,
};

enum {
	LIVE_AGAIN_MS = 10 * 1000,
	HOUR_AGAIN_MS = 60 * 1000,
	DAY_AGAIN_MS = 10 * 60 * 1000,
	STORE_AGAIN_MS = 30 * 1000,
};

struct gate {
	struct voiced *v;
	struct gate_request request;
	char *number;
	unsigned checks;
	gate_fn *fn;
	void *arg;
	struct gate_verdict verdict;
};

static void gate_end(struct gate *g)
{
	g->fn(g->arg, &g->verdict);
	free(g->number);
	free(g);
}

/* again_in_ms 0: never. What stands in verdict.why is kept. */
static bool gate_refuse(struct gate *g, enum gate_rule rule, int http_status, const char *code,
			int64_t again_in_ms)
{
	g->verdict.rule = rule;
	g->verdict.http_status = http_status;
	g->verdict.code = code;
	g->verdict.again_ms = again_in_ms ? wall_now().ms + again_in_ms : 0;
	return true;
}

#define gate_explain(g, ...) text_printf((g)->verdict.why, sizeof(g)->verdict.why, __VA_ARGS__)

/* ---- what is known at once ---- */

static bool refused_by_hours(struct gate *g)
{
	int from, to;
	struct country_time time;
	int64_t at = g->request.at_ms;
	const char *hours = g->v->config->quiet_hours;
	if (g->request.at_any_hour || !setting_read_hours(hours, &from, &to) ||
	    !country_time_is_quiet(g->number, at, from, to))
		return false;
	const char *verb = g->request.action == GATE_SCHEDULE ? "will be" : "is";
	if (!country_time_of(g->number, at, &time))
		gate_explain(
			g,
			"It is not known which time it is where %s rings, so QUIET_HOURS (%s) stand against "
			"it. Set ignoreQuietHours if it may ring now.",
			g->number, hours);
	else if (time.west_offset_min == time.east_offset_min)
		gate_explain(g,
			     "It %s %02d:%02d where %s rings, within QUIET_HOURS (%s). Call at another time "
			     "(callAt), or set ignoreQuietHours.",
			     verb, time.west_minute / 60, time.west_minute % 60, g->number, hours);
	else
		gate_explain(
			g,
			"It %s between %02d:%02d and %02d:%02d where %s may ring, and QUIET_HOURS are %s. "
			"Call at another time (callAt), or set ignoreQuietHours.",
			verb, time.west_minute / 60, time.west_minute % 60, time.east_minute / 60,
			time.east_minute % 60, g->number, hours);
	gate_refuse(g, GATE_HOURS, 403, "quiet_hours", 0);
	g->verdict.again_ms = country_time_next_allowed(g->number, at, from, to);
	return true;
}

static bool refused_by_live_calls(struct gate *g)
{
	const struct config *config = g->v->config;
	unsigned self = g->request.call != NULL;
	if (calls_count_served(g->v->calls, NULL) >= config->max_calls + self) {
		gate_explain(
			g, "Too many active calls: %u of MAX_CONCURRENT_CALLS are live. Wait for one to end.",
			config->max_calls);
		return gate_refuse(g, GATE_LIVE, 429, "limit", LIVE_AGAIN_MS);
	}
	if (g->number == NULL)
		return false;
	if (calls_count_served(g->v->calls, "outbound") >= config->max_outgoing_calls + self) {
		gate_explain(g,
			     "Too many active calls: %u of MAX_CONCURRENT_OUTGOING_CALLS are live. Wait for "
			     "one to end.",
			     config->max_outgoing_calls);
		return gate_refuse(g, GATE_LIVE, 429, "limit", LIVE_AGAIN_MS);
	}
	double since = calls_seconds_since(g->v->calls, g->number, g->request.call);
	if (since >= 0 && since < QUOTA_DUPLICATE_S) {
		gate_explain(
			g,
			"Duplicate call to %s rejected - another call was placed %.1fs ago. Ask again %d s "
			"after it.",
			g->number, since, QUOTA_DUPLICATE_S);
		return gate_refuse(g, GATE_TWICE, 429, "limit", QUOTA_DUPLICATE_S * 1000);
	}
	return false;
}

static bool gate_refuse_draining(struct gate *g)
{
	gate_explain(g, "phony is shutting down; it takes no new calls.");
	return gate_refuse(g, GATE_DRAINING, 503, "ending", LIVE_AGAIN_MS);
}

static bool refused_at_once(struct gate *g)
{
	if ((g->checks & CHECK_DRAINING) && g->v->draining)
		return gate_refuse_draining(g);
	if ((g->checks & CHECK_RANGES) &&
	    guard_denies(g->v->config, g->number, g->verdict.why, sizeof g->verdict.why))
		return gate_refuse(g, GATE_RANGES, 403, "denied", 0);
	if ((g->checks & CHECK_HOURS) && refused_by_hours(g))
		return true;
	return (g->checks & CHECK_LIVE) && refused_by_live_calls(g);
}

/* ---- what the store knows ---- */

static void on_quota(void *arg, enum quota_answer answer)
{
	struct gate *g = arg;
	const struct config *config = g->v->config;
	switch (answer) {
	case QUOTA_GRANTED:
		break;
	case QUOTA_HOUR:
		gate_explain(g, "MAX_CALLS_PER_HOUR: %u calls were placed in the last hour.",
			     config->max_calls_per_hour);
		gate_refuse(g, GATE_QUOTA, 429, "limit", HOUR_AGAIN_MS);
		break;
	case QUOTA_DAY:
		gate_explain(g, "MAX_CALLS_PER_DAY: %u calls were placed in the last 24 hours.",
			     config->max_calls_per_day);
		gate_refuse(g, GATE_QUOTA, 429, "limit", DAY_AGAIN_MS);
		break;
	case QUOTA_DUPLICATE:
		gate_explain(
			g,
			"Duplicate call to %s rejected - another host placed one less than %d seconds ago. "
			"Ask again when they are over.",
			g->number, QUOTA_DUPLICATE_S);
		gate_refuse(g, GATE_TWICE, 429, "limit", QUOTA_DUPLICATE_S * 1000);
		break;
	case QUOTA_STOPPED:
		gate_explain(g, "It was asked for before the emergency shutdown, which ended and canceled "
				"all calls.");
		gate_refuse(g, GATE_STOPPED, 409, "stopped", 0);
		break;
	case QUOTA_CLOSED:
		gate_refuse_draining(g);
		break;
	}
	gate_end(g);
}

static void gate_take_quota(struct gate *g)
{
	if (g->checks & CHECK_QUOTA)
		quota_take(g->v->quota, g->request.action == GATE_TRANSFER ? NULL : g->number,
			   g->request.asked_ms, on_quota, g);
	else
		gate_end(g);
}

static void on_barred(void *arg, json_t *result, const char *error)
{
	struct gate *g = arg;
	if (error != NULL) { /* while the database is away a copy is asked: there has never been one */
		gate_explain(
			g, "Whether %s is on the do-not-call list is not known just now: %s. Try again soon.",
			g->number, error);
		gate_refuse(g, GATE_STORE, answer_store_status(error), "store", STORE_AGAIN_MS);
		gate_end(g);
	} else if (json_is_object(result)) {
		gate_explain(
			g,
			"%s is on the do-not-call list. phony_remove_do_not_call takes it off, if the person "
			"agrees.",
			g->number);
		gate_refuse(g, GATE_BARRED, 403, "do_not_call", 0);
		gate_end(g);
	} else {
		gate_take_quota(g);
	}
}

void gate_ask(struct voiced *v, const struct gate_request *request, gate_fn *fn, void *arg)
{
	int64_t now = wall_now().ms;
	struct gate *g = xcalloc(1, sizeof *g);
	*g = (struct gate){.v = v,
			   .request = *request,
			   .number = request->number ? xstrdup(request->number) : NULL,
			   .checks = gate_checks[request->action],
			   .fn = fn,
			   .arg = arg};
	g->request.at_ms = request->at_ms ? request->at_ms : now;
	g->request.asked_ms = request->asked_ms ? request->asked_ms : now;
	if (refused_at_once(g))
		gate_end(g);
	else if (g->checks & CHECK_BARRED)
		store_get(v->store, STORE_BARRED, "phoneNumber", g->number, on_barred, g);
	else
		gate_take_quota(g);
}

void gate_give_back(struct voiced *v, const char *number)
{
	quota_give_back(v->quota, number);
}
