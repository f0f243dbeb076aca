#include "lib/base/json_read.h"

#include "lib/base/clock.h"
#include "lib/base/e164.h"
#include "lib/base/log.h"
#include "lib/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void json_read_fault(struct json_reader *r, const char *fmt, ...)
{
	size_t used = strlen(r->faults);
	if (used > 0 && used + 2 < sizeof r->faults) {
		memcpy(r->faults + used, "; ", 3);
		used += 2;
	}
	va_list args;
	va_start(args, fmt);
	text_vprintf(r->faults + used, sizeof r->faults - used, fmt, args);
	va_end(args);
}

void json_read_open(struct json_reader *r, const json_t *value)
{
	memset(r, 0, sizeof *r);
	r->object = value;
	if (!json_is_object(value)) {
		r->object = NULL;
		json_read_fault(r, "a JSON object is needed");
	}
}

/* The member, or NULL; notes the name as known and faults a missing needed one. */
static json_t *take(struct json_reader *r, const char *name, enum json_presence presence)
{
	if (r->seen_count < sizeof r->seen / sizeof *r->seen)
		r->seen[r->seen_count++] = name;
	json_t *value = r->object ? json_object_get(r->object, name) : NULL;
	if (json_is_null(value))
		value = NULL;
	if (value == NULL && presence == JSON_NEEDED && r->object != NULL)
		json_read_fault(r, "%s is missing", name);
	return value;
}

bool json_read_given(struct json_reader *r, const char *name)
{
	return take(r, name, JSON_OPTIONAL) != NULL;
}

bool json_whole(const json_t *value, int64_t *out)
{
	const double exact = 9007199254740992; /* 2^53: above it a double skips whole numbers */
	double real = json_number_value(value);
	if (json_is_integer(value))
		*out = json_integer_value(value);
	else if (json_is_real(value) && real >= -exact && real <= exact && (double)(int64_t)real == real)
		*out = (int64_t)real;
	else
		return false;
	return true;
}

void json_read_text(struct json_reader *r, const char *name, enum json_presence presence, size_t min_len,
		    size_t max_len, const char **out)
{
	json_t *value = take(r, name, presence);
	if (value == NULL)
		return;
	if (!json_is_string(value)) {
		json_read_fault(r, "%s must be a text", name);
		return;
	}
	size_t len = json_string_length(value);
	if (len < min_len)
		json_read_fault(r, len == 0 ? "%s is empty" : "%s is too short", name);
	else if (len > max_len)
		json_read_fault(r, "%s is longer than %zu bytes", name, max_len);
	else
		*out = json_string_value(value);
}

void json_read_int(struct json_reader *r, const char *name, enum json_presence presence, int64_t min,
		   int64_t max, int64_t *out)
{
	json_t *value = take(r, name, presence);
	if (value == NULL)
		return;
	int64_t number = 0;
	if (!json_whole(value, &number))
		json_read_fault(r, "%s must be a whole number", name);
	else if (number < min || number > max)
		json_read_fault(r, "%s must be %lld to %lld", name, (long long)min, (long long)max);
	else
		*out = number;
}

void json_read_bool(struct json_reader *r, const char *name, enum json_presence presence, bool *out)
{
	json_t *value = take(r, name, presence);
	if (value == NULL)
		return;
	if (!json_is_boolean(value))
		json_read_fault(r, "%s must be true or false", name);
	else
		*out = json_is_true(value);
}

void json_read_any(struct json_reader *r, const char *name, enum json_presence presence, json_t **out)
{
	json_t *value = take(r, name, presence);
	if (value != NULL)
		*out = value;
}

void json_read_object(struct json_reader *r, const char *name, enum json_presence presence, json_t **out)
{
	json_t *value = take(r, name, presence);
	if (value == NULL)
		return;
	if (!json_is_object(value))
		json_read_fault(r, "%s must be an object", name);
	else
		*out = value;
}

void json_read_number(struct json_reader *r, const char *name, enum json_presence presence, const char **out)
{
	const char *text = NULL;
	json_read_text(r, name, presence, 1, 64, &text);
	if (text == NULL)
		return;
	if (!e164_valid(text))
		json_read_fault(r, "%s: %s", name, E164_ADVICE);
	else
		*out = text;
}

void json_read_address(struct json_reader *r, const char *name, enum json_presence presence, const char **out)
{
	const char *text = NULL;
	json_read_text(r, name, presence, 1, 256, &text);
	if (text == NULL)
		return;
	if (!address_valid(text))
		json_read_fault(r, "%s: %s", name, ADDRESS_ADVICE);
	else
		*out = text;
}

void json_read_time(struct json_reader *r, const char *name, enum json_presence presence, int64_t *ms)
{
	const char *text = NULL;
	struct wall_ms when;
	json_read_text(r, name, presence, 1, 64, &text);
	if (text == NULL)
		return;
	if (!wall_parse(text, &when))
		json_read_fault(r, "%s must be an ISO 8601 date such as 2026-11-24 or 2026-11-24T16:40:00Z",
				name);
	else
		*ms = when.ms;
}

/* Whether a time follows the date, and a zone the time. */
static bool has_zone(const char *text)
{
	const char *time = strpbrk(text, "Tt ");
	return time != NULL && strpbrk(time, "Zz+-") != NULL;
}

void json_read_moment(struct json_reader *r, const char *name, enum json_presence presence, int64_t *ms)
{
	const char *text = NULL;
	struct wall_ms when;
	json_read_text(r, name, presence, 1, 64, &text);
	if (text == NULL)
		return;
	bool is_time = wall_parse(text, &when);
	if (is_time)
		*ms = when.ms;
	if (!is_time || !has_zone(text))
		json_read_fault(
			r,
			"%s must be a date, a time and the time's zone, as 2026-11-24T16:40:00-05:00 or "
			"2026-11-24T21:40:00Z",
			name);
}

void json_read_until(struct json_reader *r, const char *name, enum json_presence presence, int64_t *ms)
{
	enum { DATE_LEN = 10, DAY_MS = 86400000 };
	int64_t read = INT64_MIN;
	json_read_time(r, name, presence, &read);
	if (read != INT64_MIN)
		*ms = read + (json_string_length(json_object_get(r->object, name)) == DATE_LEN ? DAY_MS : 1);
}

void json_read_word(struct json_reader *r, const char *name, enum json_presence presence,
		    const char *const *words, const char **out)
{
	const char *text = NULL;
	char list[256] = "";
	json_read_text(r, name, presence, 1, 64, &text);
	if (text == NULL)
		return;
	for (const char *const *word = words; *word != NULL; word++) {
		if (strcmp(*word, text) == 0) {
			*out = text;
			return;
		}
		size_t used = strlen(list);
		snprintf(list + used, sizeof list - used, "%s%s",
			 used == 0 ? ""
			 : word[1] ? ", "
				   : " or ",
			 *word);
	}
	json_read_fault(r, "%s must be %s", name, list);
}

void json_read_texts(struct json_reader *r, const char *name, enum json_presence presence, size_t min,
		     size_t max, size_t max_len, json_t **out)
{
	json_t *value = take(r, name, presence), *item;
	size_t i, count = json_array_size(value);
	if (value == NULL)
		return;
	bool ok = json_is_array(value) && count >= min && count <= max;
	json_array_foreach (value, i, item)
		ok = ok && json_is_string(item) && json_string_length(item) > 0 &&
		     json_string_length(item) <= max_len;
	if (!ok)
		json_read_fault(r, "%s must be a list of %zu to %zu texts, each of at most %zu bytes", name,
				min, max, max_len);
	else
		*out = value;
}

static bool was_seen(const struct json_reader *r, const char *name)
{
	for (unsigned i = 0; i < r->seen_count; i++)
		if (strcmp(r->seen[i], name) == 0)
			return true;
	return false;
}

/*
 * Says what was passed over, at most once a second in a process: whoever sends
 * arguments may not fill the log with them.
 */
static void log_others(const char *names)
{
	enum { EVERY_US = 1000000 };
	static struct mono_us next;
	static unsigned unsaid;
	struct mono_us now = mono_now();
	if (now.us < next.us) {
		unsaid++;
		return;
	}
	if (unsaid > 0)
		log_info("arguments that are not known here were ignored: %s (and in %u more requests)",
			 names, unsaid);
	else
		log_info("arguments that are not known here were ignored: %s", names);
	next.us = now.us + EVERY_US;
	unsaid = 0;
}

void json_read_close(struct json_reader *r, enum json_strictness strictness)
{
	const char *name;
	json_t *value;
	char names[160] = "";
	if (strictness == JSON_OTHERS_TOO || r->object == NULL)
		return;
	json_object_foreach ((json_t *)r->object, name, value) {
		size_t used = strlen(names);
		if (was_seen(r, name))
			continue;
		if (strictness == JSON_KNOWN_ONLY)
			json_read_fault(r, "%.*s is not known here", TEXT_CUT(name, 64));
		else if (used + 64 + 3 < sizeof names)
			text_printf(names + used, sizeof names - used, "%s%.*s", used ? ", " : "",
				    TEXT_CUT(name, 64));
	}
	if (names[0] != '\0')
		log_others(names);
}

bool json_read_ok(const struct json_reader *r)
{
	return r->faults[0] == '\0';
}

json_t *json_parse_object(const char *bytes, size_t len, char *error, size_t error_size)
{
	json_error_t fault;
	json_t *value = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &fault);
	if (value == NULL) {
		snprintf(error, error_size, "not JSON: %s", fault.text);
		return NULL;
	}
	if (!json_is_object(value)) {
		snprintf(error, error_size, "a JSON object is needed");
		json_decref(value);
		return NULL;
	}
	return value;
}
