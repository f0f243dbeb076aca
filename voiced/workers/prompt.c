#include "voiced/workers/prompt.h"

#include "lib/base/buffer.h"
#include "lib/base/clock.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "voiced/guard_rails/country_time.h"

#include "prompt_incoming_txt.h" /* made from the .txt files */
#include "prompt_outgoing_txt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEMPLATE_MAX = 64 * 1024, NAME_MAX_LEN = 40 };

struct prompts {
	char *outgoing, *incoming;
};

/* The first ones are texts of the call itself. */
enum field {
	SYSTEM_INSTRUCTIONS,
	CALL_INSTRUCTIONS,
	FROM_NUMBER,
	TO_NUMBER,
	DATE,
	TIME,
	TRANSFER,
	OUTCOME,
	FIELDS
};

static const char *const names[FIELDS] = {[SYSTEM_INSTRUCTIONS] = "systemInstructions",
					  [CALL_INSTRUCTIONS] = "callInstructions",
					  [FROM_NUMBER] = "fromNumber",
					  [TO_NUMBER] = "toNumber",
					  [DATE] = "date",
					  [TIME] = "time",
					  [TRANSFER] = "transfer",
					  [OUTCOME] = "outcome"};

/* Which field's name stands in the braces at `at`; FIELDS: none of ours. *len: of the whole. */
static enum field field_at(const char *at, size_t *len)
{
	enum field field = 0;
	const char *end = strstr(at, "}}");
	if (end == NULL || end - at > NAME_MAX_LEN)
		return FIELDS;
	*len = (size_t)(end + 2 - at);
	while (field < FIELDS &&
	       (strlen(names[field]) != *len - 4 || strncmp(at + 2, names[field], *len - 4) != 0))
		field++;
	return field;
}

/* What is wrong with a template; false when nothing is. */
static bool faulty(const char *text, const char *path, char *why, size_t size)
{
	size_t len = 2;
	for (const char *at = strstr(text, "{{"); at != NULL; at = strstr(at + len, "{{"))
		if (field_at(at, &len) == FIELDS) {
			text_printf(why, size, "%s: %.*s is no field of a prompt", path,
				    TEXT_CUT(at, strcspn(at, "\n") > 40 ? 40 : strcspn(at, "\n")));
			return true;
		}
	if (strstr(text, "{{callInstructions}}") != NULL)
		return false;
	text_printf(why, size, "%s: {{callInstructions}} is missing: the call's own goal would be lost",
		    path);
	return true;
}

/* The file's text, or the built-in one when there is no path; NULL: why is set. */
static char *load(const char *path, const char *builtin, char *why, size_t size)
{
	if (path[0] == '\0')
		return xstrdup(builtin);
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		text_printf(why, size, "%s: %s", path, strerror(errno));
		return NULL;
	}
	char *text = xcalloc(1, TEMPLATE_MAX + 1);
	size_t len = fread(text, 1, TEMPLATE_MAX, file);
	bool whole = len < TEMPLATE_MAX && !ferror(file);
	fclose(file);
	if (!whole)
		text_printf(why, size, "%s: it cannot be read, or is over %d bytes", path, TEMPLATE_MAX);
	if (whole && !faulty(text, path, why, size))
		return text;
	free(text);
	return NULL;
}

struct prompts *prompts_open(const struct config *config, char *why, size_t size)
{
	struct prompts *p = xcalloc(1, sizeof *p);
	p->outgoing = load(config->prompt_file, prompt_outgoing_txt, why, size);
	p->incoming = p->outgoing ? load(config->incoming_prompt_file, prompt_incoming_txt, why, size) : NULL;
	if (p->incoming == NULL)
		prompts_free(&p);
	return p;
}

void prompts_free(struct prompts **pp)
{
	struct prompts *p = *pp;
	if (p == NULL)
		return;
	free(p->outgoing);
	free(p->incoming);
	free(p);
	*pp = NULL;
}

static char *outcome_of(const struct call *call)
{
	const json_t *schema = call_value(call, "outcomeSchema");
	if (!json_is_object(schema))
		return xstrdup("");
	char *text = json_dumps(schema, JSON_COMPACT);
	char *line = xasprintf(
		"- Before you hang up, call report_outcome once. Its parameters, as JSON Schema: %s", text);
	free(text);
	return line;
}

/* The number whose clock counts: the called one's, or, where that is not known, the other one's. */
static const char *place_of(const struct call *call)
{
	struct country_time time;
	bool known = country_time_of(call_text(call, "toNumber"), wall_now().ms, &time);
	return call_text(call, known ? "toNumber" : "fromNumber");
}

static char *value_of(enum field field, const struct call *call)
{
	static const char transfer[] =
		"- The other side needs a human: announce it, then use transfer_call.\n";
	char clock[COUNTRY_TIME_TEXT_SIZE];
	switch (field) {
	case SYSTEM_INSTRUCTIONS:
	case CALL_INSTRUCTIONS:
	case FROM_NUMBER:
	case TO_NUMBER:
		return xstrdup(call_text(call, names[field]));
	case DATE:
		country_time_date(place_of(call), wall_now().ms, clock);
		return xstrdup(clock);
	case TIME:
		country_time_text(place_of(call), wall_now().ms, clock);
		return xstrdup(clock);
	case TRANSFER:
		return xstrdup(call_text(call, "transferNumber")[0] ? transfer : "");
	case OUTCOME:
		return outcome_of(call);
	case FIELDS:
		break;
	}
	panic("a template of the prompt was not checked");
}

char *prompt_make(const struct prompts *p, const struct call *call)
{
	const char *at = call_is_inbound(call) ? p->incoming : p->outgoing, *next;
	struct buffer text = {0};
	size_t len = 0;
	for (; (next = strstr(at, "{{")) != NULL; at = next + len) {
		buffer_append(&text, at, (size_t)(next - at));
		char *value = value_of(field_at(next, &len), call);
		buffer_append_text(&text, value); /* what looks like a field in a value is none */
		free(value);
	}
	buffer_append_text(&text, at);
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	buffer_append(&text, "", 1);
	return (char *)text.data;
}
