#include "lib/base/json_build.h"
#include "voiced/guard_rails/quota.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sixty-one minutes and 1441: a minute that has begun before the span counts in full. */
enum {
	MINUTE_MS = 60000,
	HOUR_MIN = 60,
	DAY_MIN = 1440,
	KEY_SIZE = 24,
	AHEAD_MIN = 1, /* of another host's clock; what is later was written before a clock was set back */
	ASKING_MS = 10000, /* a request that is in work now may have been asked for so long ago */
};

static int64_t placed_since(const json_t *row, int64_t minute)
{
	const char *name;
	json_t *count;
	int64_t sum = 0;
	json_object_foreach (json_object_get(row, "minutes"), name, count)
		if (atoll(name) >= minute)
			sum += json_integer_value(count);
	return sum;
}

/* Of an entry of `recent`: {to, host, atMs}. */
static bool is_recent(const json_t *entry, int64_t now_ms)
{
	int64_t at = json_integer_value(json_object_get(entry, "atMs"));
	return at > now_ms - QUOTA_DUPLICATE_S * 1000 && at <= now_ms + QUOTA_DUPLICATE_S * 1000;
}

static bool text_is(const json_t *entry, const char *field, const char *text)
{
	const char *value = json_string_value(json_object_get(entry, field));
	return value != NULL && strcmp(value, text) == 0;
}

enum quota_answer quota_row_check(const json_t *row, const struct quota_limits *limits, const char *to,
				  int64_t asked_ms, int64_t now_ms)
{
	size_t i;
	json_t *entry;
	if (json_integer_value(json_object_get(row, "stoppedMs")) >= asked_ms)
		return QUOTA_STOPPED;
	if (to != NULL)
		json_array_foreach (json_object_get(row, "recent"), i, entry)
			if (is_recent(entry, now_ms) && text_is(entry, "to", to) &&
			    !text_is(entry, "host", limits->host))
				return QUOTA_DUPLICATE;
	if (placed_since(row, now_ms / MINUTE_MS - HOUR_MIN) >= limits->per_hour)
		return QUOTA_HOUR;
	return placed_since(row, now_ms / MINUTE_MS - DAY_MIN) >= limits->per_day ? QUOTA_DAY : QUOTA_GRANTED;
}

static json_t *part(json_t *row, const char *name, json_t *fresh)
{
	if (json_object_get(row, name) == NULL)
		json_object_set_new(row, name, fresh);
	else
		json_decref(fresh);
	return json_object_get(row, name);
}

void quota_row_add(json_t *row, const char *host, const char *to, int64_t now_ms)
{
	char minute[KEY_SIZE];
	json_t *minutes = part(row, "minutes", json_object()), *recent = part(row, "recent", json_array());
	snprintf(minute, sizeof minute, "%lld", (long long)(now_ms / MINUTE_MS));
	json_object_set_new(minutes, minute,
			    json_integer(json_integer_value(json_object_get(minutes, minute)) + 1));
	if (to != NULL)
		json_array_append_new(recent, json_build("{s:s, s:s, s:I}", "to", to, "host", host, "atMs",
							 (json_int_t)now_ms));
}

void quota_row_take_back(json_t *row, const char *to, int64_t now_ms)
{
	char minute[KEY_SIZE];
	json_t *minutes = json_object_get(row, "minutes"), *recent = json_object_get(row, "recent"), *count;
	/* The newest minute that counts anything: within seconds it is the one that was added to. */
	for (int64_t ago = 0; ago <= HOUR_MIN; ago++) {
		snprintf(minute, sizeof minute, "%lld", (long long)(now_ms / MINUTE_MS - ago));
		count = json_object_get(minutes, minute);
		if (json_integer_value(count) > 0) {
			json_integer_set(count, json_integer_value(count) - 1);
			break;
		}
	}
	for (size_t i = json_array_size(recent); to != NULL && i-- > 0;)
		if (text_is(json_array_get(recent, i), "to", to)) {
			json_array_remove(recent, i);
			break;
		}
}

/* A clock was set back: what lies ahead counts as now, so that it does not count for ever. Whether there was
 * any. */
static bool settle_future(json_t *row, int64_t now_ms)
{
	const char *name;
	char minute[KEY_SIZE];
	json_t *count, *minutes = json_object_get(row, "minutes");
	void *next;
	int64_t ahead = 0, now_min = now_ms / MINUTE_MS;
	json_object_foreach_safe(minutes, next, name, count) if (atoll(name) > now_min + AHEAD_MIN)
	{
		ahead += json_integer_value(count);
		json_object_del(minutes, name);
	}
	snprintf(minute, sizeof minute, "%lld", (long long)now_min);
	if (ahead > 0)
		json_object_set_new(
			minutes, minute,
			json_integer(ahead + json_integer_value(json_object_get(minutes, minute))));
	bool stopped = json_integer_value(json_object_get(row, "stoppedMs")) > now_ms + AHEAD_MIN * MINUTE_MS;
	if (stopped)
		json_object_set_new(row, "stoppedMs", json_integer(now_ms - ASKING_MS));
	return stopped || ahead > 0;
}

bool quota_row_prune(json_t *row, int64_t now_ms)
{
	const char *name;
	json_t *count, *minutes = json_object_get(row, "minutes"), *recent = json_object_get(row, "recent");
	void *next;
	bool settled = settle_future(row, now_ms);
	json_object_foreach_safe(minutes, next, name, count) if (atoll(name) < now_ms / MINUTE_MS - DAY_MIN ||
								 json_integer_value(count) <= 0)
		json_object_del(minutes, name);
	for (size_t i = json_array_size(recent); i-- > 0;)
		if (!is_recent(json_array_get(recent, i), now_ms))
			json_array_remove(recent, i);
	return settled;
}
