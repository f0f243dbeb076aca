#include "tests/sim/common/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int violation_count;

int64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void report(const char *event, json_t *members)
{
	json_t *line = json_pack("{s:s, s:I}", "event", event, "us", (json_int_t)now_us());
	if (members == NULL)
		members = json_object();
	json_object_update(line, members);
	json_decref(members);
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(line);
}

void violation(const char *who, const char *fmt, ...)
{
	char why[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(why, sizeof why, fmt, args);
	va_end(args);
	violation_count++;
	json_t *text = json_string(why);
	report("violation",
	       json_pack("{s:s, s:o}", "who", who, "why", text ? text : json_string("(not UTF-8)")));
	fprintf(stderr, "simulator: VIOLATION (%s): %s\n", who, why);
}

int violations(void)
{
	return violation_count;
}

json_t *load_json(const char *path)
{
	json_error_t fault;
	json_t *value = json_load_file(path, 0, &fault);
	if (value == NULL) {
		fprintf(stderr, "simulator: %s, line %d: %s\n", path, fault.line, fault.text);
		exit(2);
	}
	return value;
}

const char *text_of(const json_t *object, const char *name, const char *fallback)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : fallback;
}

int64_t int_of(const json_t *object, const char *name, int64_t fallback)
{
	const json_t *value = json_object_get(object, name);
	return json_is_integer(value) ? json_integer_value(value) : fallback;
}
