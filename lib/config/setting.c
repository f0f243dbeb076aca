#include "lib/config/setting.h"

#include "lib/base/e164.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/config/config.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT                 \
	{                    \
		K_TEXT, 0, 0 \
	}
#define SECRET                 \
	{                      \
		K_SECRET, 0, 0 \
	}
#define URL_HTTP                 \
	{                        \
		K_URL_HTTP, 0, 0 \
	}
#define URL_WS                 \
	{                      \
		K_URL_WS, 0, 0 \
	}
#define NUMBER                 \
	{                      \
		K_NUMBER, 0, 0 \
	}
#define NUMBERS                 \
	{                       \
		K_NUMBERS, 0, 0 \
	}
#define PREFIXES                 \
	{                        \
		K_PREFIXES, 0, 0 \
	}
#define ABSOLUTE_PATH        \
	{                    \
		K_PATH, 0, 0 \
	}
#define HOURS                 \
	{                     \
		K_HOURS, 0, 0 \
	}
#define SID                 \
	{                   \
		K_SID, 0, 0 \
	}
#define CHOICE                 \
	{                      \
		K_CHOICE, 0, 0 \
	}
#define ADDRESS                 \
	{                       \
		K_ADDRESS, 0, 0 \
	}
#define BOOL                 \
	{                    \
		K_BOOL, 0, 0 \
	}
#define UINT(min, max)           \
	{                        \
		K_UINT, min, max \
	}
const struct setting setting_table[] = {
#define SETTING(kind, field, name, alias, fallback, help) \
	{kind, offsetof(struct config, field), name, alias, fallback, help},
#include "lib/config/settings.h"
#undef SETTING
};
const size_t setting_count = sizeof setting_table / sizeof *setting_table;
_Static_assert(sizeof setting_table / sizeof *setting_table <= SETTINGS_MAX, "raise SETTINGS_MAX");

const struct setting *setting_find(const char *name)
{
	for (size_t i = 0; i < setting_count; i++)
		if (strcmp(setting_table[i].name, name) == 0 ||
		    (setting_table[i].alias[0] && strcmp(setting_table[i].alias, name) == 0))
			return &setting_table[i];
	return NULL;
}

static const char *check_url(const char *value, const char *secure, const char *plain)
{
	size_t n = strlen(secure);
	bool tls = strncmp(value, secure, n) == 0 && value[n] != '\0';
	if (!tls && strncmp(value, plain, strlen(plain)) != 0)
		return secure[0] == 'w' ? "must be a wss:// URL" : "must be an https:// URL";
	const char *host = strstr(value, "://") + 3;
	if (memchr(host, '@', strcspn(host, "/?#")) != NULL)
		return "must not have a user or password in it (USER:PASSWORD@); leave them out";
	if (!tls && !url_is_loopback(value))
		return "without TLS only loopback hosts are allowed";
	for (; *value != '\0'; value++)
		if ((unsigned char)*value <= ' ' || *value == '"' || *value == '<')
			return "has a character that no URL has";
	return NULL;
}

static const char *check_sid(const char *value)
{
	if (strncmp(value, "AC", 2) != 0 || strspn(value + 2, "0123456789abcdefABCDEF") != 32 ||
	    value[34] != '\0')
		return "must be AC and 32 hexadecimal digits, as the Twilio Console shows it";
	return NULL;
}

static bool is_prefix(const char *part)
{
	return part[0] == '+' && part[1 + strspn(part + 1, "0123456789")] == '\0';
}

/* Each part of a list by commas, with blanks around it; a tab would be part of it for whoever reads the list.
 */
static const char *check_list(const char *value, bool (*fits)(const char *part), const char *advice)
{
	char *copy = xstrdup(value), *rest = copy, *part;
	const char *why = NULL;
	while ((part = strsep(&rest, ",")) != NULL && why == NULL) {
		part += strspn(part, " ");
		size_t len = strcspn(part, " ");
		bool more = part[len + strspn(part + len, " ")] != '\0';
		part[len] = '\0';
		if (more || !fits(part))
			why = advice;
	}
	free(copy);
	return why;
}

/* One or two digits, no more than max; -1 where there are none. */
static int small_number(const char **at, int max)
{
	int number = -1;
	for (int i = 0; i < 2 && isdigit((unsigned char)**at); i++)
		number = (number < 0 ? 0 : number * 10) + *(*at)++ - '0';
	return number <= max ? number : -1;
}

/* Minutes since midnight; -1 where it is no time. */
static int time_of_day(const char **at)
{
	int hours = small_number(at, 23);
	if (hours < 0 || *(*at)++ != ':')
		return -1;
	int minutes = small_number(at, 59);
	return minutes < 0 ? -1 : hours * 60 + minutes;
}

bool setting_read_hours(const char *value, int *from, int *to)
{
	*from = *to = 0;
	if (strcmp(value, "off") == 0)
		return true;
	*from = time_of_day(&value);
	if (*from < 0 || *value++ != '-')
		return false;
	*to = time_of_day(&value);
	return *to >= 0 && *value == '\0';
}

static const char *check_hours(const char *value)
{
	int from, to;
	if (!setting_read_hours(value, &from, &to))
		return "must be as 22:00-07:00, or off";
	return from != to || strcmp(value, "off") == 0 ? NULL
						       : "begin and end at the same time; off turns them off";
}

static const char *check_choice(const char *value, const char *words)
{
	size_t len = strlen(value);
	for (const char *at = words; at != NULL && *at != '\0';) {
		size_t word = strcspn(at, "|");
		if (word == len && memcmp(at, value, len) == 0)
			return NULL;
		at += word + (at[word] == '|');
	}
	return words;
}

static bool is_ip_address(const char *value)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found = NULL;
	bool is = getaddrinfo(value, NULL, &hints, &found) == 0;
	if (is)
		freeaddrinfo(found);
	return is;
}

const char *setting_check(const struct setting *s, const char *value, char *why, size_t size)
{
	switch (s->rule.kind) {
	case K_URL_HTTP: /* paths are added to it */
		return strpbrk(value, "?#") ? "must end with its path: no query (?) and no fragment (#)"
					    : check_url(value, "https://", "http://");
	case K_URL_WS:
		return check_url(value, "wss://", "ws://");
	case K_NUMBER:
		return e164_valid(value) ? NULL : E164_ADVICE;
	case K_NUMBERS:
		return check_list(value, e164_valid, E164_ADVICE);
	case K_PREFIXES:
		return check_list(value, is_prefix, "must be + and digits, several by commas, as +1,+4420");
	case K_HOURS:
		return check_hours(value);
	case K_SID:
		return check_sid(value);
	case K_CHOICE:
		if (check_choice(value, s->help) == NULL)
			return NULL;
		text_printf(why, size, "must be one of %s", s->help);
		return why;
	case K_ADDRESS:
		return is_ip_address(value) ? NULL
					    : "must be an IP address of this machine, such as 127.0.0.1, or "
					      "0.0.0.0 for all of them";
	case K_BOOL:
		return check_choice(value, "true|false|1|0|yes|no") ? "must be true or false" : NULL;
	case K_UINT: {
		char *end;
		errno = 0;
		unsigned long number = strtoul(value, &end, 10);
		if (isdigit((unsigned char)value[0]) && *end == '\0' && errno == 0 && number >= s->rule.min &&
		    number <= s->rule.max)
			return NULL;
		text_printf(why, size, "must be a whole number from %u to %u", s->rule.min, s->rule.max);
		return why;
	}
	case K_PATH:
		return value[0] == '/' ? NULL : "must be an absolute path, one that begins with /";
	case K_TEXT:
	case K_SECRET:
		return NULL;
	}
	return NULL;
}

void setting_fault(struct buffer *faults, const char *name, const char *why)
{
	char line[1024];
	int n = snprintf(line, sizeof line, "%s: %s\n", name, why);
	buffer_append(faults, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
}
