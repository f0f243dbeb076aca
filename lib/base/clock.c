#include "lib/base/clock.h"

#include "lib/base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t held_us;       /* 0: the clocks go */
static int64_t wall_ahead_ms; /* of held_us, as milliseconds */

struct mono_us mono_real(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (struct mono_us){(int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000};
}

struct mono_us mono_now(void)
{
	if (held_us != 0)
		return (struct mono_us){held_us};
	return mono_real();
}

struct wall_ms wall_now(void)
{
	struct timespec now;
	if (held_us != 0)
		return (struct wall_ms){held_us / 1000 + wall_ahead_ms};
	clock_gettime(CLOCK_REALTIME, &now);
	return (struct wall_ms){(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000};
}

void clock_hold(struct mono_us at, struct wall_ms wall)
{
	held_us = at.us;
	if (wall.ms != 0)
		wall_ahead_ms = wall.ms - at.us / 1000;
}

void clock_release(void)
{
	held_us = 0;
}

void wall_format(struct wall_ms t, char out[WALL_TEXT_SIZE])
{
	time_t seconds = t.ms / 1000;
	struct tm parts;
	gmtime_r(&seconds, &parts);
	size_t n = strftime(out, WALL_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(out + n, WALL_TEXT_SIZE - n, ".%03dZ", (int)(t.ms % 1000));
}

json_t *wall_json(int64_t ms)
{
	char text[WALL_TEXT_SIZE];
	wall_format((struct wall_ms){ms}, text);
	return json_text(text);
}

/* Reads exactly `digits` digits; -1 when there are fewer. */
static int number(const char **at, int digits)
{
	int value = 0;
	for (int i = 0; i < digits; i++, (*at)++) {
		if (!isdigit((unsigned char)**at))
			return -1;
		value = value * 10 + (**at - '0');
	}
	return value;
}

static bool accept(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool parse_date(const char **at, struct tm *parts)
{
	int year = number(at, 4);
	if (year < 1970 || !accept(at, '-'))
		return false;
	int month = number(at, 2);
	if (month < 1 || month > 12 || !accept(at, '-'))
		return false;
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	int day = number(at, 2);
	if (day < 1 || day > days[month - 1] + (month == 2 && leap))
		return false;
	parts->tm_year = year - 1900;
	parts->tm_mon = month - 1;
	parts->tm_mday = day;
	return true;
}

static bool parse_time(const char **at, struct tm *parts, int *millis)
{
	parts->tm_hour = number(at, 2);
	if (parts->tm_hour < 0 || parts->tm_hour > 23 || !accept(at, ':'))
		return false;
	parts->tm_min = number(at, 2);
	if (parts->tm_min < 0 || parts->tm_min > 59)
		return false;
	if (!accept(at, ':'))
		return true;
	parts->tm_sec = number(at, 2);
	if (parts->tm_sec < 0 || parts->tm_sec > 59)
		return false;
	if (accept(at, '.')) {
		int scale = 100;
		if (!isdigit((unsigned char)**at))
			return false;
		for (; isdigit((unsigned char)**at); (*at)++, scale /= 10)
			*millis += (**at - '0') * scale;
	}
	return true;
}

static bool parse_zone(const char **at, int *offset_s)
{
	if (accept(at, 'Z') || **at == '\0')
		return true;
	int sign = **at == '+' ? 1 : **at == '-' ? -1 : 0;
	if (sign == 0)
		return false;
	(*at)++;
	int hours = number(at, 2);
	accept(at, ':');
	int minutes = number(at, 2);
	if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59)
		return false;
	*offset_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

bool wall_parse(const char *text, struct wall_ms *out)
{
	struct tm parts = {0};
	int millis = 0, offset_s = 0;
	const char *at = text;
	if (!parse_date(&at, &parts))
		return false;
	if (*at == 'T' || *at == ' ') {
		at++;
		if (!parse_time(&at, &parts, &millis) || !parse_zone(&at, &offset_s))
			return false;
	}
	if (*at != '\0')
		return false;
	out->ms = ((int64_t)timegm(&parts) - offset_s) * 1000 + millis;
	return true;
}
