#include "callworker/tools.h"

#include "callworker/dtmf.h"
#include "lib/base/json_read.h"
#include "lib/base/object.h"

#include <string.h>

#define TOOLS_MAGIC 0x746f6f6cu

struct tools {
	unsigned magic;
	struct playout *playout;
	struct farewell *farewell;
	struct tools_out out;
};

struct digits {
	struct tools *tools;
	char *id; /* of the agent's call; NULL: asked by a person */
	char *text;
};

struct tools *tools_new(struct playout *playout, struct farewell *farewell, const struct tools_out *out)
{
	struct tools *t;
	OBJ_ALLOC(t, TOOLS_MAGIC);
	t->playout = playout;
	t->farewell = farewell;
	t->out = *out;
	return t;
}

void tools_free(struct tools **tt)
{
	struct tools *t = *tt;
	if (t == NULL)
		return;
	OBJ_CHECK(t, TOOLS_MAGIC);
	OBJ_FREE(t);
	*tt = NULL;
}

static void free_digits(struct digits *d)
{
	free(d->id);
	free(d->text);
	free(d);
}

static void on_played(void *arg, bool played)
{
	struct digits *d = arg;
	struct tools *t = d->tools;
	if (!played) {
		free_digits(d);
		return;
	}
	t->out.event(t->out.arg, "dtmf-sent",
		     json_pack("{s:s, s:s}", "digits", d->text, "by", d->id ? "agent" : "operator"));
	if (d->id != NULL) {
		char *result = xasprintf("Successfully sent DTMF tones: %s", d->text);
		t->out.result(t->out.arg, d->id, result, false);
		free(result);
	}
	farewell_spoken(t->farewell);
	free_digits(d);
}

/* Why they cannot be sent, or NULL. */
static const char *send_digits(struct tools *t, const char *text, const char *id)
{
	const char *fault = dtmf_check(text);
	if (fault != NULL)
		return fault;
	struct digits *d = xcalloc(1, sizeof *d);
	*d = (struct digits){t, id ? xstrdup(id) : NULL, xstrdup(text)};
	if (playout_digits(t->playout, text, on_played, d))
		return NULL;
	free_digits(d);
	return "Too many digits wait to be played; try again in a moment";
}

const char *tools_press(struct tools *t, const char *digits)
{
	OBJ_CHECK(t, TOOLS_MAGIC);
	return send_digits(t, digits, NULL);
}

static void send_dtmf(struct tools *t, const char *id, json_t *parameters)
{
	const char *text = "";
	struct json_reader r;
	json_read_open(&r, parameters);
	json_read_text(&r, "digits", JSON_OPTIONAL, 0, DTMF_DIGITS_MAX * 2 - 1, &text);
	const char *fault = json_read_ok(&r) ? send_digits(t, text, id) : r.faults;
	if (fault != NULL)
		t->out.result(t->out.arg, id, fault, true);
}

static void end_call(struct tools *t, const char *id, json_t *parameters)
{
	const char *reason = NULL;
	struct json_reader r;
	json_read_open(&r, parameters);
	json_read_text(&r, "reason", JSON_OPTIONAL, 0, 2000, &reason);
	t->out.result(t->out.arg, id, "Call ended", false);
	if (reason != NULL)
		t->out.event(t->out.arg, "end-reason", json_pack("{s:s}", "reason", reason));
	farewell_agent_decided(t->farewell, "the agent ended the call");
}

void tools_call(struct tools *t, const char *id, const char *name, json_t *parameters)
{
	OBJ_CHECK(t, TOOLS_MAGIC);
	t->out.event(t->out.arg, "tool-call",
		     json_pack("{s:s, s:O}", "name", name, "parameters", parameters));
	if (strcmp(name, "send_dtmf") == 0) {
		send_dtmf(t, id, parameters);
	} else if (strcmp(name, "end_call") == 0) {
		end_call(t, id, parameters);
	} else {
		char *result = xasprintf("Unknown tool: %s", name);
		t->out.result(t->out.arg, id, result, true);
		free(result);
	}
}
