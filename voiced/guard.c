#include "voiced/guard.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/base/setting.h"
#include "lib/base/text.h"
#include "lib/store/answers.h"
#include "voiced/records.h"
#include "voiced/zones.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT_NUMBER = 7, HOUR_MS = 3600000, DAY_MS = 86400000 };

static const char *const fields[] = {"phoneNumber", "reason", "createdAt", NULL};
static const struct record_kind kind = {STORE_BARRED, "do-not-call number", "numbers",
					"phony_list_do_not_call lists them", fields};

/*
 * Emergency numbers written as if they were international, and premium and
 * satellite ranges (ITU-T E.164, and the countries' numbering plans).
 */
static const char *const denied[] = {
	"+1900",  "+1976",  "+1911",  "+979",   "+878",   "+881",   "+882",   "+883",   "+870",
	"+4490",  "+4491",  "+4498",  "+44118", "+44999", "+49900", "+49137", "+49110", "+49112",
	"+3389",  "+33112", "+39899", "+39892", "+34803", "+34806", "+34807", "+43900", "+43930",
	"+41900", "+41901", "+41906", "+31900", "+31906", "+61190",
};

/* Whether the number begins with one of a list of prefixes, by commas; which, in *len. */
static bool listed(const char *list, const char *number, const char **prefix, size_t *len)
{
	while (*list != '\0') {
		list += strspn(list, ", ");
		*len = strcspn(list, ", ");
		if (*len > 0 && strncmp(list, number, *len) == 0) {
			*prefix = list;
			return true;
		}
		list += *len;
	}
	return false;
}

bool guard_denies(const struct config *config, const char *number, char *why, size_t size)
{
	const char *prefix;
	size_t len;
	if (listed(config->denied_prefixes, number, &prefix, &len)) {
		text_printf(why, size, "%s begins with %.*s, which DENIED_PREFIXES names: it is not called.",
			    number, TEXT_SPAN(prefix, len));
		return true;
	}
	if (config->allowed_prefixes[0] != '\0') {
		if (listed(config->allowed_prefixes, number, &prefix, &len))
			return false;
		text_printf(why, size,
			    "%s begins with none of ALLOWED_PREFIXES (%.*s): add its prefix there.", number,
			    TEXT_CUT(config->allowed_prefixes, 100));
		return true;
	}
	if (strlen(number) < SHORT_NUMBER) {
		text_printf(why, size,
			    "%s is too short for a subscriber: emergency and service numbers are not called. "
			    "ALLOWED_PREFIXES may name it.",
			    number);
		return true;
	}
	for (size_t i = 0; i < sizeof denied / sizeof *denied; i++)
		if (strncmp(number, denied[i], strlen(denied[i])) == 0) {
			text_printf(why, size,
				    "%s begins with %s, an emergency, premium or satellite range that is not "
				    "called. ALLOWED_PREFIXES may name it.",
				    number, denied[i]);
			return true;
		}
	return false;
}

/* The hour where it rings; false when nothing stands against it. */
static bool is_quiet(const struct config *config, const char *number, char *why, size_t size)
{
	int from, to, west, east;
	if (!setting_read_hours(config->quiet_hours, &from, &to) || from == to ||
	    !zones_local_minutes(number, wall_now().ms, &west, &east))
		return false;
	bool quiet = zones_within(west, from, to) || zones_within(east, from, to);
	if (quiet && west == east)
		text_printf(
			why, size,
			"It is %02d:%02d where %s rings, within QUIET_HOURS (%s). Call later (callAt), or "
			"set "
			"ignoreQuietHours.",
			west / 60, west % 60, number, config->quiet_hours);
	else if (quiet)
		text_printf(why, size,
			    "It is between %02d:%02d and %02d:%02d in the country of %s, within QUIET_HOURS "
			    "(%s). "
			    "Call later (callAt), or set ignoreQuietHours.",
			    west / 60, west % 60, east / 60, east % 60, number, config->quiet_hours);
	return quiet;
}

struct checking {
	struct voiced *v;
	char *number;
	guard_fn *fn;
	void *arg;
	bool retry;
};

static void settle(struct checking *c, int http_status, const char *code, const char *why)
{
	c->fn(c->arg, http_status, code, why);
	free(c->number);
	free(c);
}

static json_t *outgoing_since(int64_t ms)
{
	char since[WALL_TEXT_SIZE];
	wall_format((struct wall_ms){wall_now().ms - ms}, since);
	return json_build("[[s, s, s], [s, s, s], [s, s, s]]", "callType", "=", "outbound", "startedAt",
			  ">=", since, "status", "!=", "scheduled");
}

static void on_day(void *arg, json_t *result, const char *error)
{
	struct checking *c = arg;
	char why[200];
	unsigned most = c->v->config->max_calls_per_day;
	if (error == NULL && json_integer_value(result) >= most) {
		text_printf(why, sizeof why, "MAX_CALLS_PER_DAY: %u calls were placed in the last 24 hours.",
			    most);
		settle(c, 429, "limit", why);
	} else {
		settle(c, 200, NULL, NULL);
	}
}

static void on_hour(void *arg, json_t *result, const char *error)
{
	struct checking *c = arg;
	char why[200];
	unsigned most = c->v->config->max_calls_per_hour;
	if (error == NULL && json_integer_value(result) >= most) {
		text_printf(why, sizeof why, "MAX_CALLS_PER_HOUR: %u calls were placed in the last hour.",
			    most);
		settle(c, 429, "limit", why);
		return;
	}
	store_count(c->v->store, STORE_CALLS, outgoing_since(DAY_MS), c->v->config->max_calls_per_day, on_day,
		    c);
}

static void on_barred(void *arg, json_t *result, const char *error)
{
	struct checking *c = arg;
	char why[200];
	(void)error; /* away: what is on local disk is known */
	if (json_is_object(result)) {
		snprintf(
			why, sizeof why,
			"%s is on the do-not-call list. phony_remove_do_not_call takes it off, if the person "
			"agrees.",
			c->number);
		settle(c, 403, "do_not_call", why);
	} else if (c->retry) {
		settle(c, 200, NULL, NULL);
	} else {
		store_count(c->v->store, STORE_CALLS, outgoing_since(HOUR_MS),
			    c->v->config->max_calls_per_hour, on_hour, c);
	}
}

void guard_check(struct voiced *v, const char *to_number, bool ignore_hours, bool retry, guard_fn *fn,
		 void *arg)
{
	char why[300];
	if (guard_denies(v->config, to_number, why, sizeof why)) {
		fn(arg, 403, "denied", why);
		return;
	}
	if (!ignore_hours && is_quiet(v->config, to_number, why, sizeof why)) {
		fn(arg, 403, "quiet_hours", why);
		return;
	}
	struct checking *c = xcalloc(1, sizeof *c);
	*c = (struct checking){v, xstrdup(to_number), fn, arg, retry};
	store_get(v->store, STORE_BARRED, "phoneNumber", to_number, on_barred, c);
}

/* ---- the do-not-call list ---- */

void guard_list_barred(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *cursor = NULL;
	int64_t limit = LIST_DEFAULT;
	json_read_open(&r, args);
	filter_read_page(&r, &limit, &cursor);
	if (!answer_faults(reply, &r))
		records_list(v, &kind, json_array(), limit, cursor, reply);
}

void guard_bar(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *number = "", *reason = "";
	json_read_open(&r, args);
	json_read_number(&r, "phoneNumber", JSON_NEEDED, &number);
	json_read_text(&r, "reason", JSON_OPTIONAL, 0, 500, &reason);
	if (!answer_faults(reply, &r))
		records_create(v, &kind, json_build("{s:s, s:s}", "phoneNumber", number, "reason", reason),
			       reply);
}

void guard_unbar(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *number = "";
	json_read_open(&r, args);
	json_read_number(&r, "phoneNumber", JSON_NEEDED, &number);
	if (!answer_faults(reply, &r))
		records_remove(v, &kind, number, reply);
}
