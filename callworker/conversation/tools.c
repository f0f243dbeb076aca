#include "callworker/conversation/tools.h"

#include "callworker/audio/dtmf.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/object.h"
#include "lib/base/schema.h"

#include <string.h>

#define TOOLS_MAGIC 0x746f6f6cu

struct tools {
	unsigned magic;
	struct playout *playout;
	struct tools_setup setup;
	struct tools_out out;
};

struct digits {
	struct tools *tools;
	char *id; /* of the agent's call; NULL: asked by a person */
	char *text;
};

struct tools *tools_new(struct playout *playout, const struct tools_setup *setup, const struct tools_out *out)
{
	struct tools *t;
	OBJ_ALLOC(t, TOOLS_MAGIC);
	t->playout = playout;
	t->setup = *setup;
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

/* ---- what there is ---- */

static json_t *text_parameter(const char *name, const char *description)
{
	return json_build("{s:s, s:{s:{s:s, s:s}}, s:[s]}", "type", "object", "properties", name, "type",
			  "string", "description", description, "required", name);
}

static void describe(json_t *list, const char *name, const char *description, json_t *parameters)
{
	json_array_append_new(list, json_build("{s:s, s:s, s:o}", "name", name, "description", description,
					       "parameters", parameters));
}

json_t *tools_describe(const struct tools *t)
{
	OBJ_CHECK(t, TOOLS_MAGIC);
	json_t *list = json_array();
	describe(list, "send_dtmf", "Presses keys on the phone, for menus and extensions.",
		 text_parameter("digits", "0-9, *, #, A-D; w waits half a second, W a second"));
	describe(list, "end_call", "Hangs up. Say goodbye first; what you have said is heard to its end.",
		 text_parameter("reason", "Why the call is over, in a few words"));
	describe(list, "add_note", "Keeps a fact for whoever asked for this call: a name, a number, a date.",
		 text_parameter("note", "The fact, in one sentence"));
	describe(list, "ask_operator",
		 "Asks the person you call for something that you do not know. First tell the other side "
		 "courteously that you need a moment: they are put on hold until the answer is there.",
		 text_parameter("question", "One clear question"));
	if (t->setup.transfer_number[0] != '\0')
		describe(list, "transfer_call",
			 "Connects the other side with a human colleague. Announce it first; your part of "
			 "the call ends with it.",
			 text_parameter("reason", "Why, in a few words"));
	if (t->setup.outcome_schema != NULL)
		describe(list, "report_outcome",
			 "Reports what came of this call. Call it once, just before the call ends.",
			 json_deep_copy(t->setup.outcome_schema));
	return list;
}

/* ---- digits ---- */

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
		     json_build("{s:s, s:s}", "digits", d->text, "by", d->id ? "agent" : "operator"));
	if (d->id != NULL) {
		char *result = xasprintf("Successfully sent DTMF tones: %s", d->text);
		t->out.result(t->out.arg, d->id, result, false, true);
		free(result);
	}
	t->out.pressed(t->out.arg);
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
		t->out.result(t->out.arg, id, fault, true, true);
}

static void end_call(struct tools *t, const char *id, json_t *parameters)
{
	const char *reason = NULL;
	struct json_reader r;
	json_read_open(&r, parameters);
	json_read_text(&r, "reason", JSON_OPTIONAL, 0, 2000, &reason);
	const char *fault = t->out.end(t->out.arg);
	t->out.result(t->out.arg, id, fault ? fault : "Call ended", fault != NULL, false);
	if (fault == NULL && reason != NULL)
		t->out.event(t->out.arg, "end-reason", json_build("{s:s}", "reason", reason));
}

/* The text that a tool is about; NULL: answered with what is wrong. */
static const char *needed_text(struct tools *t, const char *id, json_t *parameters, const char *name)
{
	const char *text = NULL;
	struct json_reader r;
	json_read_open(&r, parameters);
	json_read_text(&r, name, JSON_NEEDED, 1, 2000, &text);
	if (json_read_ok(&r))
		return text;
	t->out.result(t->out.arg, id, r.faults, true, true);
	return NULL;
}

static void add_note(struct tools *t, const char *id, json_t *parameters)
{
	const char *note = needed_text(t, id, parameters, "note");
	if (note == NULL)
		return;
	t->out.event(t->out.arg, "note", json_build("{s:s}", "note", note));
	t->out.result(t->out.arg, id, "Noted", false, true);
}

static void ask_operator(struct tools *t, const char *id, json_t *parameters)
{
	const char *question = needed_text(t, id, parameters, "question");
	const char *fault = question ? t->out.ask_operator(t->out.arg, id, question) : NULL;
	if (fault != NULL)
		t->out.result(t->out.arg, id, fault, true, true);
}

static void transfer_call(struct tools *t, const char *id, json_t *parameters)
{
	const char *reason = "the agent asked for it";
	struct json_reader r;
	if (t->setup.transfer_number[0] == '\0') {
		t->out.result(t->out.arg, id, "This call cannot be transferred: no number was given for it",
			      true, true);
		return;
	}
	json_read_open(&r, parameters);
	json_read_text(&r, "reason", JSON_OPTIONAL, 1, 500, &reason);
	const char *fault = t->out.transfer(t->out.arg, t->setup.transfer_number, reason);
	t->out.result(t->out.arg, id, fault ? fault : "Transferring", fault != NULL, false);
}

static void report_outcome(struct tools *t, const char *id, json_t *parameters)
{
	char faults[512];
	if (t->setup.outcome_schema == NULL) {
		t->out.result(t->out.arg, id, "No outcome is asked for in this call", true, true);
	} else if (!schema_check(t->setup.outcome_schema, parameters, faults, sizeof faults)) {
		t->out.result(t->out.arg, id, faults, true, true);
	} else {
		t->out.result(t->out.arg, id, "Reported", false, false);
		t->out.outcome(t->out.arg, parameters);
	}
}

static const struct {
	const char *name;
	void (*run)(struct tools *t, const char *id, json_t *parameters);
} runners[] = {
	{"send_dtmf", send_dtmf},       {"end_call", end_call},           {"add_note", add_note},
	{"ask_operator", ask_operator}, {"transfer_call", transfer_call}, {"report_outcome", report_outcome},
};

void tools_call(struct tools *t, const char *id, const char *name, json_t *parameters)
{
	OBJ_CHECK(t, TOOLS_MAGIC);
	t->out.event(t->out.arg, "tool-call",
		     parameters ? json_build("{s:s, s:O}", "name", name, "parameters", parameters)
				: json_build("{s:s, s:n}", "name", name, "parameters"));
	if (parameters == NULL) {
		t->out.result(t->out.arg, id, "The arguments must be a JSON object", true, true);
		return;
	}
	for (size_t i = 0; i < sizeof runners / sizeof *runners; i++)
		if (strcmp(runners[i].name, name) == 0) {
			runners[i].run(t, id, parameters);
			return;
		}
	char *result = xasprintf("Unknown tool: %s", name);
	t->out.result(t->out.arg, id, result, true, true);
	free(result);
}
