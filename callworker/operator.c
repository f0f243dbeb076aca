#include "callworker/operator.h"

#include "lib/base/json_build.h"
#include "lib/base/object.h"

#define OPERATOR_MAGIC 0x6f706572u

#define ANNOUNCE                                                                                             \
	"OPERATOR INSTRUCTION:\nTell the person in one short, courteous sentence that you need a moment to " \
	"check something, then wait."
#define NO_ANSWER \
	"Nobody could be asked in time. Apologise briefly, go on without the answer, or offer to call back."

struct operator_line {
	unsigned magic;
	struct ws_loop *loop;
	struct pause *pause;
	int seconds;
	struct operator_out out;
	bool waiting;
	char *tool_id, *question;
	struct ws_timer timer;
};

struct operator_line *operator_new(struct ws_loop *loop, struct pause *pause, int seconds,
				   const struct operator_out *out)
{
	struct operator_line *o;
	OBJ_ALLOC(o, OPERATOR_MAGIC);
	o->loop = loop;
	o->pause = pause;
	o->seconds = seconds;
	o->out = *out;
	return o;
}

static void settle(struct operator_line *o)
{
	ws_timer_stop(o->loop, &o->timer);
	o->waiting = false;
	free(o->tool_id);
	free(o->question);
	o->tool_id = o->question = NULL;
}

void operator_free(struct operator_line **oo)
{
	struct operator_line *o = *oo;
	if (o == NULL)
		return;
	OBJ_CHECK(o, OPERATOR_MAGIC);
	settle(o);
	OBJ_FREE(o);
	*oo = NULL;
}

/* The agent learns the end as its tool's result, or as an instruction. */
static void go_on(struct operator_line *o, const char *text, bool is_error)
{
	if (o->tool_id != NULL) {
		pause_end(o->pause, NULL);
		o->out.result(o->out.arg, o->tool_id, text, is_error, true);
	} else {
		char *directive = xasprintf("OPERATOR INSTRUCTION:\nYou are back with the person. %s", text);
		pause_end(o->pause, directive);
		free(directive);
	}
	settle(o);
}

static void on_time(void *arg)
{
	struct operator_line *o = arg;
	o->out.event(o->out.arg, "operator-timeout", json_build("{s:s}", "question", o->question));
	go_on(o, NO_ANSWER, true);
}

const char *operator_ask(struct operator_line *o, const char *tool_id, const char *question)
{
	OBJ_CHECK(o, OPERATOR_MAGIC);
	if (o->waiting)
		return "A question is open already; wait for its answer";
	o->waiting = true;
	o->tool_id = tool_id ? xstrdup(tool_id) : NULL;
	o->question = xstrdup(question);
	o->out.event(o->out.arg, "operator-question",
		     json_build("{s:s, s:s, s:i}", "question", question, "by", tool_id ? "agent" : "operator",
				"seconds", o->seconds));
	pause_begin(o->pause, tool_id ? NULL : ANNOUNCE);
	ws_timer_start(o->loop, &o->timer, o->seconds * 1000, on_time, o);
	return NULL;
}

const char *operator_answer(struct operator_line *o, const char *answer)
{
	OBJ_CHECK(o, OPERATOR_MAGIC);
	if (!o->waiting)
		return "No question is open in this call";
	o->out.event(o->out.arg, "operator-answer",
		     json_build("{s:s, s:s}", "question", o->question, "answer", answer));
	char *text = xasprintf("The answer to \"%s\" is: %s", o->question, answer);
	go_on(o, text, false);
	free(text);
	return NULL;
}

bool operator_waits(const struct operator_line *o)
{
	OBJ_CHECK(o, OPERATOR_MAGIC);
	return o->waiting;
}
