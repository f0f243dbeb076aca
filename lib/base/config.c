#include "lib/base/config.h"

#include "lib/base/e164.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/secret.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_LEN = 40, LINE_SIZE = 8192, SETTINGS_MAX = 64 };

enum kind { K_TEXT, K_SECRET, K_URL_HTTP, K_URL_WS, K_NUMBER, K_NUMBERS, K_SID, K_CHOICE, K_BOOL, K_UINT };

struct kind_of {
	enum kind kind;
	unsigned min, max;
};

struct setting {
	struct kind_of kind;
	size_t offset;
	const char *name, *alias, *fallback, *help;
};

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
#define SID                 \
	{                   \
		K_SID, 0, 0 \
	}
#define CHOICE                 \
	{                      \
		K_CHOICE, 0, 0 \
	}
#define BOOL                 \
	{                    \
		K_BOOL, 0, 0 \
	}
#define UINT(min, max)           \
	{                        \
		K_UINT, min, max \
	}
static const struct setting settings[] = {
#define SETTING(kind, field, name, alias, fallback, help) \
	{kind, offsetof(struct config, field), name, alias, fallback, help},
#include "lib/base/settings.h"
#undef SETTING
};
enum { SETTING_COUNT = sizeof settings / sizeof *settings };
_Static_assert((int)SETTING_COUNT <= (int)SETTINGS_MAX, "raise SETTINGS_MAX");

static void fault(struct buffer *faults, const char *name, const char *why)
{
	char line[1024];
	int n = snprintf(line, sizeof line, "%s: %s\n", name, why);
	buffer_append(faults, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
}

static const struct setting *find_setting(const char *name)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (strcmp(settings[i].name, name) == 0 ||
		    (settings[i].alias[0] && strcmp(settings[i].alias, name) == 0))
			return &settings[i];
	return NULL;
}

static char *trim(char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	size_t len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

static char *unquote(char *value)
{
	size_t len = strlen(value);
	if (len >= 2 && (value[0] == '"' || value[0] == '\'') && value[len - 1] == value[0]) {
		value[len - 1] = '\0';
		return value + 1;
	}
	return value;
}

/* Values of a file, for settings that have none yet. Unknown names belong to others. */
static void read_values(FILE *file, char *values[])
{
	char line[LINE_SIZE];
	while (fgets(line, sizeof line, file) != NULL) {
		char *at = trim(line);
		if (strncmp(at, "export ", 7) == 0)
			at = trim(at + 7);
		char *equals = strchr(at, '=');
		if (*at == '#' || equals == NULL)
			continue;
		*equals = '\0';
		const struct setting *s = find_setting(trim(at));
		if (s == NULL || values[s - settings] != NULL)
			continue;
		values[s - settings] = xstrdup(unquote(trim(equals + 1)));
	}
}

static void read_file(const char *path, bool required, char *values[], struct buffer *faults, unsigned *count)
{
	FILE *file = fopen(path, "re");
	if (file != NULL) {
		read_values(file, values);
		fclose(file);
	} else if (required || errno != ENOENT) {
		char why[256];
		snprintf(why, sizeof why, "cannot be read: %s", strerror(errno));
		fault(faults, path, why);
		++*count;
	}
}

static void read_environment(char *values[])
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const char *value = getenv(settings[i].name);
		if ((value == NULL || value[0] == '\0') && settings[i].alias[0])
			value = getenv(settings[i].alias);
		if (value != NULL && value[0] != '\0')
			values[i] = xstrdup(value);
	}
}

bool url_is_loopback(const char *url)
{
	const char *host = strstr(url, "://");
	if (host == NULL)
		return false;
	host += 3;
	size_t len = strcspn(host, "/?#");
	const char *at = memchr(host, '@', len);
	if (at != NULL)
		return false;
	if (strncmp(host, "[::1]", 5) == 0)
		return host[5] == ':' || host[5] == '/' || host[5] == '\0';
	size_t name = strcspn(host, ":/?#");
	if (name == 9 && strncmp(host, "localhost", 9) == 0)
		return true;
	return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == name;
}

static const char *check_url(const char *value, const char *secure, const char *plain)
{
	size_t n = strlen(secure);
	bool tls = strncmp(value, secure, n) == 0 && value[n] != '\0';
	if (!tls && strncmp(value, plain, strlen(plain)) != 0)
		return secure[0] == 'w' ? "must be a wss:// URL" : "must be an https:// URL";
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

static const char *check_numbers(const char *value)
{
	char *copy = xstrdup(value), *rest = copy, *part;
	const char *why = NULL;
	while ((part = strsep(&rest, ",")) != NULL && why == NULL)
		if (!e164_valid(trim(part)))
			why = E164_ADVICE;
	free(copy);
	return why;
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

/* Why value does not fit the setting, or NULL. */
static const char *check(const struct setting *s, const char *value, char *why, size_t size)
{
	switch (s->kind.kind) {
	case K_URL_HTTP:
		return check_url(value, "https://", "http://");
	case K_URL_WS:
		return check_url(value, "wss://", "ws://");
	case K_NUMBER:
		return e164_valid(value) ? NULL : E164_ADVICE;
	case K_NUMBERS:
		return check_numbers(value);
	case K_SID:
		return check_sid(value);
	case K_CHOICE:
		if (check_choice(value, s->help) == NULL)
			return NULL;
		snprintf(why, size, "must be one of %s", s->help);
		return why;
	case K_BOOL:
		return check_choice(value, "true|false|1|0|yes|no") ? "must be true or false" : NULL;
	case K_UINT: {
		char *end;
		errno = 0;
		unsigned long number = strtoul(value, &end, 10);
		if (isdigit((unsigned char)value[0]) && *end == '\0' && errno == 0 && number >= s->kind.min &&
		    number <= s->kind.max)
			return NULL;
		snprintf(why, size, "must be a whole number from %u to %u", s->kind.min, s->kind.max);
		return why;
	}
	case K_TEXT:
	case K_SECRET:
		return NULL;
	}
	return NULL;
}

static void assign(struct config *c, const struct setting *s, const char *value)
{
	void *target = (char *)c + s->offset;
	if (s->kind.kind == K_UINT)
		*(unsigned *)target = (unsigned)strtoul(value, NULL, 10);
	else if (s->kind.kind == K_BOOL)
		*(bool *)target = strchr("t1y", value[0]) != NULL && value[0] != '\0';
	else
		*(char **)target = xstrdup(value);
	if (s->kind.kind == K_SECRET)
		log_hide_secret(value);
}

static void replace(char **field, char *value)
{
	free(*field);
	*field = value;
}

/* A directory by the XDG rules, for clients that pass no XDG variables too. */
static void default_dirs(struct config *c)
{
	const char *home = getenv("HOME"), *state = getenv("XDG_STATE_HOME");
	const char *run = getenv("XDG_RUNTIME_DIR");
	bool root = geteuid() == 0;
	if (c->state_dir[0] == '\0') {
		if (root)
			replace(&c->state_dir, xstrdup("/var/lib/phony"));
		else if (state != NULL && state[0] == '/')
			replace(&c->state_dir, xasprintf("%s/phony", state));
		else
			replace(&c->state_dir, xasprintf("%s/.local/state/phony", home ? home : "/tmp"));
	}
	if (c->run_dir[0] == '\0') {
		if (root)
			replace(&c->run_dir, xstrdup("/run/phony"));
		else if (run != NULL && run[0] == '/')
			replace(&c->run_dir, xasprintf("%s/phony", run));
		else
			replace(&c->run_dir, xasprintf("/run/user/%u/phony", (unsigned)getuid()));
	}
}

static void derive(struct config *c)
{
	default_dirs(c);
	for (size_t n; (n = strlen(c->public_url)) > 0 && c->public_url[n - 1] == '/';)
		c->public_url[n - 1] = '\0';
	if (c->voice_provider[0] == '\0')
		replace(&c->voice_provider, xstrdup(c->openai_api_key[0] ? "openai" : "elevenlabs"));
	if (c->sms_enabled_numbers[0] == '\0')
		replace(&c->sms_enabled_numbers, xstrdup(c->twilio_number));
}

unsigned config_load(struct config *c, const char *file, struct buffer *faults)
{
	char *values[SETTINGS_MAX] = {NULL};
	unsigned count = 0;
	memset(c, 0, sizeof *c);
	read_environment(values);
	if (file != NULL) {
		read_file(file, true, values, faults, &count);
	} else {
		read_file(".env", false, values, faults, &count);
		read_file("/etc/phony/phony.env", false, values, faults, &count);
	}
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *s = &settings[i];
		const char *value = values[i] && values[i][0] ? values[i] : s->fallback;
		char why[256];
		const char *wrong = value[0] ? check(s, value, why, sizeof why) : NULL;
		if (wrong != NULL) {
			fault(faults, s->name, wrong);
			count++;
			value = s->fallback;
		}
		assign(c, s, value);
		free(values[i]);
	}
	derive(c);
	return count;
}

void config_free(struct config *c)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (settings[i].kind.kind != K_UINT && settings[i].kind.kind != K_BOOL)
			free(*(char **)((char *)c + settings[i].offset));
	memset(c, 0, sizeof *c);
}

unsigned config_require_telephony(const struct config *c, struct buffer *faults)
{
	const struct {
		const char *value, *name, *why;
	} needed[] = {
		{c->public_url, "PUBLIC_URL",
		 "PUBLIC_URL environment variable is required: the https URL at which Twilio reaches this "
		 "machine"},
		{c->twilio_account_sid, "TWILIO_ACCOUNT_SID",
		 "TWILIO_ACCOUNT_SID environment variable is required: see the Twilio Console"},
		{c->twilio_auth_token, "TWILIO_AUTH_TOKEN",
		 "TWILIO_AUTH_TOKEN environment variable is required: see the Twilio Console"},
		{c->twilio_number, "TWILIO_NUMBER",
		 "TWILIO_NUMBER environment variable is required: a number of the account, like "
		 "+12025550198"},
	};
	unsigned count = 0;
	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
		if (needed[i].value[0] == '\0') {
			fault(faults, needed[i].name, needed[i].why);
			count++;
		}
	return count;
}

char *config_state_path(const struct config *c, const char *name)
{
	return xasprintf("%s/%s", c->state_dir, name);
}

char *config_run_path(const struct config *c, const char *name)
{
	return xasprintf("%s/%s", c->run_dir, name);
}

bool config_make_dir(const char *path)
{
	char *copy = xstrdup(path);
	bool ok = true;
	for (char *at = copy + 1; ok && *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		ok = mkdir(copy, 0755) == 0 || errno == EEXIST;
		*at = '/';
	}
	ok = ok && (mkdir(copy, 0700) == 0 || errno == EEXIST);
	free(copy);
	return ok;
}

static bool read_token(const char *path, char token[TOKEN_LEN + 1])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, token, TOKEN_LEN);
	close(fd);
	if (n != TOKEN_LEN)
		errno = EINVAL;
	token[TOKEN_LEN] = '\0';
	return n == TOKEN_LEN;
}

/* Written beside its place and linked into it, so that two at once agree on one. */
static bool make_token(const char *path)
{
	char token[TOKEN_LEN + 1];
	char *temporary = xasprintf("%s.%d", path, (int)getpid());
	secret_make(token, TOKEN_LEN);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, token, TOKEN_LEN) == TOKEN_LEN && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	ok = ok && (link(temporary, path) == 0 || errno == EEXIST);
	int saved = errno;
	unlink(temporary);
	free(temporary);
	errno = saved;
	return ok;
}

/* The token kept in STATE_DIR/name, made there when it is not; NULL with errno. */
static char *keep_token(const struct config *c, const char *name)
{
	char token[TOKEN_LEN + 1];
	char *path = config_state_path(c, name);
	bool ok = read_token(path, token) || (errno == ENOENT && make_token(path) && read_token(path, token));
	free(path);
	return ok ? xstrdup(token) : NULL;
}

bool config_api_token(struct config *c)
{
	if (c->api_token[0] != '\0')
		return true;
	char *token = keep_token(c, "api-token");
	if (token == NULL)
		return false;
	log_hide_secret(token);
	replace(&c->api_token, token);
	return true;
}

char *config_host_id(const struct config *c)
{
	return keep_token(c, "host-id");
}
