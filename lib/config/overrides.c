#include "lib/config/overrides.h"

#include "lib/base/fd.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/config/setting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VALUE_MAX = 500, LINE_SIZE = 1024 };

static const char *const changeable[] = {"VOICE_PROVIDER",
					 "OPENAI_VOICE",
					 "OPENAI_MODEL",
					 "OPENAI_TRANSCRIPTION_MODEL",
					 "ELEVENLABS_AGENT_ID",
					 "ELEVENLABS_VOICE_ID",
					 "SILENCE_SECONDS",
					 "OPERATOR_SECONDS",
					 "RING_TIMEOUT",
					 "MAX_CONCURRENT_CALLS",
					 "MAX_CONCURRENT_OUTGOING_CALLS",
					 "MAX_CONCURRENT_INCOMING_CALLS",
					 "MAX_OUTGOING_CALL_DURATION",
					 "MAX_INCOMING_CALL_DURATION",
					 "MAX_CALLS_PER_HOUR",
					 "MAX_CALLS_PER_DAY",
					 "ALLOWED_PREFIXES",
					 "DENIED_PREFIXES",
					 "QUIET_HOURS",
					 "CONFIRM_CALLS",
					 "RECORD_CALLS",
					 "FLIGHT_RECORDER",
					 "RETENTION_DAYS",
					 "LOG_LEVEL",
					 NULL};

static bool is_changeable(const struct setting *s)
{
	for (const char *const *name = changeable; s != NULL && *name != NULL; name++)
		if (strcmp(*name, s->name) == 0)
			return true;
	return false;
}

static char *path_in(const char *state_dir)
{
	return xasprintf("%s/settings.env", state_dir);
}

/* What is kept: {NAME: value}. What fits no more (an older version wrote it) is left out. */
static json_t *read_kept(const char *state_dir)
{
	char line[LINE_SIZE], why[256], *path = path_in(state_dir);
	/* Root reads here, in a folder of the daemons' user: what is no file of theirs is passed over. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	FILE *file = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? fdopen(fd, "r") : NULL;
	if (file == NULL)
		fd_close(&fd);
	json_t *kept = json_object();
	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		char *equals = strchr(line, '=');
		line[strcspn(line, "\n")] = '\0';
		if (equals == NULL)
			continue;
		*equals = '\0';
		const struct setting *s = setting_find(line);
		if (is_changeable(s) &&
		    (equals[1] == '\0' || setting_check(s, equals + 1, why, sizeof why) == NULL))
			json_object_set_new(kept, s->name, json_text(equals + 1));
	}
	if (file != NULL)
		fclose(file);
	free(path);
	return kept;
}

void overrides_read(const char *state_dir, char *values[])
{
	json_t *kept = read_kept(state_dir);
	for (size_t i = 0; i < setting_count; i++) {
		const char *value = json_string_value(json_object_get(kept, setting_table[i].name));
		if (value == NULL)
			continue;
		free(values[i]);
		values[i] = xstrdup(value);
	}
	json_decref(kept);
}

/* ---- telling ---- */

static const char *kind_name(enum setting_kind kind)
{
	switch (kind) {
	case K_UINT:
		return "number";
	case K_BOOL:
		return "switch";
	case K_CHOICE:
		return "choice";
	case K_SECRET:
		return "secret";
	default:
		return "text";
	}
}

static json_t *value_of(const struct config *c, const struct setting *s)
{
	const void *at = (const char *)c + s->offset;
	if (s->rule.kind == K_UINT)
		return json_text_printf("%u", *(const unsigned *)at);
	if (s->rule.kind == K_BOOL)
		return json_text(*(const bool *)at ? "true" : "false");
	return json_text(*(char *const *)at);
}

static json_t *choices_of(const struct setting *s)
{
	json_t *choices = json_array();
	for (const char *at = s->help; *at != '\0';) {
		size_t word = strcspn(at, "|");
		json_array_append_new(choices, json_text_n(at, word));
		at += word + (at[word] == '|');
	}
	return choices;
}

/* A URL of a database has its password in it. */
static bool is_secret(const struct setting *s)
{
	return s->rule.kind == K_SECRET || strcmp(s->name, "MONGODB_URL") == 0;
}

static json_t *describe(const struct config *c, const struct setting *s, const json_t *kept)
{
	json_t *row = json_build("{s:s, s:s, s:s, s:s, s:b, s:b}", "name", s->name, "default", s->fallback,
				 "help", s->rule.kind == K_CHOICE ? "" : s->help, "kind",
				 is_secret(s) ? "secret" : kind_name(s->rule.kind), "changeable",
				 is_changeable(s), "changed", json_object_get(kept, s->name) != NULL);
	json_t *value = value_of(c, s);
	if (is_secret(s)) {
		json_object_set_new(row, "isSet", json_boolean(json_string_length(value) > 0));
		json_decref(value);
	} else {
		json_object_set_new(row, "value", value);
	}
	if (s->rule.kind == K_UINT) {
		json_object_set_new(row, "min", json_integer(s->rule.min));
		json_object_set_new(row, "max", json_integer(s->rule.max));
	}
	if (s->rule.kind == K_CHOICE)
		json_object_set_new(row, "choices", choices_of(s));
	return row;
}

json_t *overrides_describe(const struct config *c)
{
	json_t *rows = json_array(), *kept = read_kept(c->state_dir);
	for (size_t i = 0; i < setting_count; i++)
		json_array_append_new(rows, describe(c, &setting_table[i], kept));
	json_decref(kept);
	return rows;
}

/* ---- changing ---- */

static bool change_fits(const char *name, const json_t *value, struct buffer *faults)
{
	char why[256];
	const struct setting *s = setting_find(name);
	const char *text = json_string_value(value), *wrong = NULL;
	if (s == NULL)
		wrong = "phony has no such setting";
	else if (!is_changeable(s))
		wrong = "is not changed here, but in the environment or phony.env";
	else if (!json_is_null(value) && text == NULL)
		wrong = "must be a text, or null to go back to what is configured";
	else if (text != NULL && (strlen(text) != json_string_length(value) || strlen(text) > VALUE_MAX ||
				  strpbrk(text, "\r\n") != NULL))
		wrong = "must be one line of at most 500 characters";
	else if (text != NULL && text[0] != '\0')
		wrong = setting_check(s, text, why, sizeof why);
	if (wrong != NULL)
		setting_fault(faults, s ? s->name : name, wrong);
	return wrong == NULL;
}

/* Beside its place, then moved there: whoever reads finds the old one or the new one. */
static bool write_kept(const char *state_dir, const json_t *kept)
{
	char *path = path_in(state_dir), *beside = xasprintf("%s.new", path);
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok = fd >= 0;
	const char *name;
	const json_t *value;
	json_object_foreach ((json_t *)kept, name, value)
		ok = ok && dprintf(fd, "%s=%s\n", name, json_string_value(value)) > 0;
	ok = ok && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	ok = ok && rename(beside, path) == 0;
	if (!ok)
		log_error("%s cannot be written: %s", path, strerror(errno));
	free(beside);
	free(path);
	return ok;
}

bool overrides_change(const struct config *c, const json_t *changes, struct buffer *faults)
{
	const char *name;
	const json_t *value;
	bool ok = true;
	json_object_foreach ((json_t *)changes, name, value)
		ok = change_fits(name, value, faults) && ok;
	if (!ok)
		return false;
	json_t *kept = read_kept(c->state_dir);
	json_object_foreach ((json_t *)changes, name, value) {
		const char *known = setting_find(name)->name;
		if (json_is_null(value))
			json_object_del(kept, known);
		else
			json_object_set(kept, known, (json_t *)value);
	}
	ok = write_kept(c->state_dir, kept);
	if (!ok)
		setting_fault(faults, "STATE_DIR", "the settings cannot be kept there; is the disk full?");
	json_decref(kept);
	return ok;
}
