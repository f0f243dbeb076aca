#include "lib/config/config.h"

#include "lib/base/fd.h"
#include "lib/base/form.h"
#include "lib/base/inherit.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/config/overrides.h"
#include "lib/config/setting.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_LEN = 40, SNAPSHOT_MAX = 1024 * 1024 };

struct settings_file {
	FILE *file;
	char *line;
	size_t size;
	unsigned number; /* of the line, from 1 */
};

static void replace(char **field, char *value)
{
	free(*field);
	*field = value;
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

/*
 * The value of a line KEY=value, in place: without its quotes, and without a comment
 * (after a closing quote, or after a blank where there are no quotes). NULL: its quote
 * does not end.
 */
static char *line_value(char *text)
{
	char *value = trim(text), quote = *value;
	if (quote != '"' && quote != '\'') {
		for (char *at = value; (at = strchr(at, '#')) != NULL; at++)
			if (at == value || isspace((unsigned char)at[-1])) {
				*at = '\0';
				break;
			}
		return trim(value);
	}
	for (char *end = value + 1; (end = strchr(end, quote)) != NULL; end++) {
		const char *after = end + 1 + strspn(end + 1, " \t");
		if (*after != '\0' && (*after != '#' || after == end + 1))
			continue; /* a quote inside */
		*end = '\0';
		return value + 1;
	}
	return NULL;
}

/*
 * Reads the next line that is neither empty nor a comment: its name, and what follows
 * the "=" in *rest, NULL where there is none. False: the file has ended, or with errno
 * it cannot be read.
 */
static bool next_line(struct settings_file *f, char **name, char **rest)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	errno = 0;
	while (getline(&f->line, &f->size, f->file) >= 0) {
		bool marked = f->number++ == 0 && strncmp(f->line, byte_order_mark, 3) == 0;
		char *at = trim(marked ? f->line + 3 : f->line);
		if (strncmp(at, "export ", 7) == 0)
			at = trim(at + 7);
		if (*at == '\0' || *at == '#')
			continue;
		char *equals = strchr(at, '=');
		*rest = equals ? equals + 1 : NULL;
		if (equals != NULL)
			*equals = '\0';
		*name = trim(at);
		return true;
	}
	return false;
}

/* Values of a file, for settings that have none yet; of two lines the later counts. */
static void read_values(struct settings_file *f, char *values[], struct buffer *faults, unsigned *count)
{
	char *found[SETTINGS_MAX] = {NULL}, *name, *rest;
	while (next_line(f, &name, &rest)) {
		const struct setting *s = rest ? setting_find(name) : NULL;
		if (s == NULL || values[s - setting_table] != NULL)
			continue;
		const char *value = line_value(rest);
		if (value == NULL) {
			setting_fault(faults, s->name,
				      "its value begins with a quote that does not end; end it");
			++*count;
		}
		replace(&found[s - setting_table], xstrdup(value ? value : ""));
	}
	for (size_t i = 0; i < setting_count; i++)
		if (found[i] != NULL)
			values[i] = found[i];
}

/* False: it cannot be read. */
static bool read_file(const char *path, bool required, char *values[], struct buffer *faults, unsigned *count)
{
	struct settings_file f = {.file = fopen(path, "re")};
	if (f.file != NULL)
		read_values(&f, values, faults, count);
	bool ok = f.file != NULL ? !ferror(f.file) : !required && errno == ENOENT;
	if (!ok) {
		char why[256];
		text_printf(why, sizeof why, "cannot be read: %s", strerror(errno));
		setting_fault(faults, path, why);
		++*count;
	}
	if (f.file != NULL)
		fclose(f.file);
	free(f.line);
	return ok;
}

bool config_unknown(const char *path, struct buffer *out)
{
	struct settings_file f = {.file = fopen(path ? path : CONFIG_FILE, "re")};
	char *name, *rest, line[160];
	while (f.file != NULL && next_line(&f, &name, &rest)) {
		if (rest != NULL && setting_find(name) != NULL)
			continue;
		/* A line without "=" may be the rest of a secret. */
		size_t n = text_printf(line, sizeof line, "%s%.*s (line %u)", out->len > 0 ? ", " : "",
				       TEXT_CUT(rest ? name : "no KEY=value", 100), f.number);
		buffer_append(out, line, n);
	}
	if (f.file != NULL)
		fclose(f.file);
	free(f.line);
	return out->len > 0;
}

static void read_environment(char *values[])
{
	for (size_t i = 0; i < setting_count; i++) {
		const char *value = getenv(setting_table[i].name);
		if ((value == NULL || value[0] == '\0') && setting_table[i].alias[0])
			value = getenv(setting_table[i].alias);
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

static void assign(struct config *c, const struct setting *s, const char *value)
{
	void *target = (char *)c + s->offset;
	if (s->rule.kind == K_UINT)
		*(unsigned *)target = (unsigned)strtoul(value, NULL, 10);
	else if (s->rule.kind == K_BOOL)
		*(bool *)target = strchr("t1y", value[0]) != NULL && value[0] != '\0';
	else
		*(char **)target = xstrdup(value);
	if (s->rule.kind == K_SECRET)
		log_hide_secret(value);
}

/*
 * A directory by the XDG rules, for clients that pass no XDG variables too. Owned by
 * the caller; NULL: there is none. A name that is not absolute would mean a folder of
 * wherever one was started.
 */
static char *default_state_dir(void)
{
	const char *home = getenv("HOME"), *state = getenv("XDG_STATE_HOME");
	if (geteuid() == 0)
		return xstrdup("/var/lib/phony");
	if (state != NULL && state[0] == '/')
		return xasprintf("%s/phony", state);
	const struct passwd *user = home != NULL && home[0] == '/' ? NULL : getpwuid(getuid());
	if (user != NULL)
		home = user->pw_dir;
	return home != NULL && home[0] == '/' ? xasprintf("%s/.local/state/phony", home) : NULL;
}

static char *default_run_dir(void)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	if (geteuid() == 0)
		return xstrdup("/run/phony");
	if (run != NULL && run[0] == '/')
		return xasprintf("%s/phony", run);
	return xasprintf("/run/user/%u/phony", (unsigned)getuid());
}

/* A parameter of a URL's query as it stands there, "" when it is not. Owned by the caller. */
static char *query_parameter(const char *url, const char *name)
{
	size_t len = strlen(name);
	const char *at = strchr(url, '?');
	for (; at != NULL; at = strchr(at + 1, '&'))
		if (strncmp(at + 1, name, len) == 0 && at[1 + len] == '=')
			return xasprintf("%.*s", TEXT_SPAN(at + len + 2, strcspn(at + len + 2, "&#")));
	return xstrdup("");
}

/* The address names its model (at Azure: its deployment), or OPENAI_MODEL is it. */
static void derive_model(struct config *c)
{
	char *model = query_parameter(c->openai_websocket_url, "model");
	char *deployment = query_parameter(c->openai_websocket_url, "deployment");
	if (model[0] != '\0' || deployment[0] != '\0') {
		replace(&c->openai_model, xstrdup(model[0] ? model : deployment));
	} else {
		struct buffer url = {0};
		buffer_append_text(&url, c->openai_websocket_url);
		buffer_append_text(&url, strchr(c->openai_websocket_url, '?') ? "&model=" : "?model=");
		form_append_escaped(&url, c->openai_model);
		buffer_append(&url, "", 1);
		replace(&c->openai_websocket_url, (char *)url.data);
	}
	free(model);
	free(deployment);
}

static void derive(struct config *c)
{
	if (c->run_dir[0] == '\0')
		replace(&c->run_dir, default_run_dir());
	for (size_t n; (n = strlen(c->public_url)) > 0 && c->public_url[n - 1] == '/';)
		c->public_url[n - 1] = '\0';
	if (c->voice_provider[0] == '\0')
		replace(&c->voice_provider, xstrdup(c->openai_api_key[0] ? "openai" : "elevenlabs"));
	derive_model(c);
	if (c->sms_enabled_numbers[0] == '\0')
		replace(&c->sms_enabled_numbers, xstrdup(c->twilio_number));
}

/* The environment, then a file, then what was changed while phony ran. */
static unsigned read_sources(const char *file, char *values[], bool *unread, struct buffer *faults)
{
	unsigned count = 0;
	read_environment(values);
	*unread = !read_file(file ? file : CONFIG_FILE, file != NULL, values, faults, &count);
	char **dir = &values[setting_find("STATE_DIR") - setting_table];
	if (*dir == NULL || **dir == '\0')
		replace(dir, default_state_dir());
	if (*dir == NULL) {
		setting_fault(faults, "STATE_DIR", "must be set, since HOME is not");
		count++;
	} else if (**dir == '/') {
		overrides_read(*dir, values);
	}
	return count;
}

/* What config_snapshot wrote: NAME=value, each with a NUL. False: it is not whole. */
static bool read_snapshot(int fd, char *values[])
{
	struct stat st;
	if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > SNAPSHOT_MAX)
		return false;
	size_t len = (size_t)st.st_size;
	char *text = xcalloc(1, len + 1);
	bool ok = pread(fd, text, len, 0) == (ssize_t)len;
	for (char *at = text; ok && at < text + len; at += strlen(at) + 1) {
		char *equals = strchr(at, '=');
		if (equals == NULL)
			break;
		*equals = '\0';
		const struct setting *s = setting_find(at);
		*equals = '=';
		if (s != NULL)
			replace(&values[s - setting_table], xstrdup(equals + 1));
	}
	free(text);
	return ok;
}

/* What the sources have, checked; values are freed. The faults so far, and its own. */
static unsigned take_values(struct config *c, char *values[], unsigned count, struct buffer *faults)
{
	memset(c, 0, sizeof *c);
	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *s = &setting_table[i];
		const char *value = values[i] && values[i][0] ? values[i] : s->fallback;
		char why[256];
		const char *wrong = value[0] ? setting_check(s, value, why, sizeof why) : NULL;
		if (wrong != NULL) {
			setting_fault(faults, s->name, wrong);
			count++;
			value = s->fallback;
		}
		assign(c, s, value);
		free(values[i]);
	}
	derive(c);
	return count;
}

unsigned config_load_snapshot(struct config *c, int fd, struct buffer *faults)
{
	char *values[SETTINGS_MAX] = {NULL};
	bool whole = read_snapshot(fd, values);
	if (!whole)
		setting_fault(faults, "phony", "the settings that it hands down cannot be read");
	return take_values(c, values, !whole, faults);
}

unsigned config_load(struct config *c, const char *file, struct buffer *faults)
{
	char *values[SETTINGS_MAX] = {NULL};
	int snapshot = fd_inherited(DOOR_SETTINGS);
	if (snapshot >= 0)
		return config_load_snapshot(c, snapshot, faults);
	bool unread;
	unsigned count = read_sources(file, values, &unread, faults);
	count = take_values(c, values, count, faults);
	c->unread = unread;
	return count;
}

int config_snapshot(const struct config *c)
{
	struct buffer text = {0};
	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *s = &setting_table[i];
		const void *at = (const char *)c + s->offset;
		char *line;
		if (s->rule.kind == K_UINT)
			line = xasprintf("%s=%u", s->name, *(const unsigned *)at);
		else if (s->rule.kind == K_BOOL)
			line = xasprintf("%s=%s", s->name, *(const bool *)at ? "true" : "false");
		else
			line = xasprintf("%s=%s", s->name, *(char *const *)at);
		buffer_append(&text, line, strlen(line) + 1);
		free(line);
	}
	int fd = memfd_create("phony settings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 &&
	    (write(fd, text.data, text.len) != (ssize_t)text.len ||
	     fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0))
		fd_close(&fd);
	buffer_free(&text);
	return fd;
}

void config_free(struct config *c)
{
	for (size_t i = 0; i < setting_count; i++)
		if (setting_table[i].rule.kind != K_UINT && setting_table[i].rule.kind != K_BOOL)
			free(*(char **)((char *)c + setting_table[i].offset));
	memset(c, 0, sizeof *c);
}

/* It was set, but to something wrong. */
static bool has_fault(const struct buffer *faults, const char *name)
{
	size_t len = strlen(name);
	const char *at = (const char *)faults->data, *end = at + faults->len;
	for (; at != NULL && at < end; at = memchr(at, '\n', (size_t)(end - at)), at += at != NULL)
		if ((size_t)(end - at) > len && memcmp(at, name, len) == 0 && at[len] == ':')
			return true;
	return false;
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
	for (size_t i = 0; !c->unread && i < sizeof needed / sizeof *needed; i++)
		if (needed[i].value[0] == '\0' && !has_fault(faults, needed[i].name)) {
			setting_fault(faults, needed[i].name, needed[i].why);
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

const char *config_voice_missing(const struct config *c)
{
	if (strcmp(c->voice_provider, "openai") == 0)
		return c->openai_api_key[0] ? NULL : "OPENAI_API_KEY";
	return c->elevenlabs_agent_id[0] ? NULL : "ELEVENLABS_AGENT_ID";
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
