#include "callworker/conversation/operator_question.h"

#include "lib/base/json_build.h"
#include "lib/base/object.h"

#define OPERATOR_MAGIC 0x6f706572u

#define NO_ANSWER \
	"Nobody could be asked in time. Apologise briefly, go on without the answer, or offer to call back."

struct operator_line {
	unsigned magic;
	struct ws_loop *loop;
	int seconds;
	struct operator_out out;
	bool waiting;
	char *tool_id, *question;
	struct ws_timer timer;
};

struct operator_line *operator_new(struct ws_loop *loop, int seconds, const struct operator_out *out)
{
	struct operator_line *o;
	OBJ_ALLOC(o, OPERATOR_MAGIC);
	o->loop = loop;
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

static void answered(struct operator_line *o, const char *text, bool is_error)
{
	char *tool_id = o->tool_id;
	o->tool_id = NULL;
	settle(o);
	o->out.answered(o->out.arg, tool_id, text, is_error);
	free(tool_id);
}

static void on_time(void *arg)
{
	struct operator_line *o = arg;
	o->out.event(o->out.arg, "operator-timeout", json_build("{s:s}", "question", o->question));
	answered(o, NO_ANSWER, true);
}

void operator_ask(struct operator_line *o, const char *tool_id, const char *question)
{
	OBJ_CHECK(o, OPERATOR_MAGIC);
	settle(o);
	o->waiting = true;
	o->tool_id = tool_id ? xstrdup(tool_id) : NULL;
	o->question = xstrdup(question);
	o->out.event(o->out.arg, "operator-question",
		     json_build("{s:s, s:s, s:i}", "question", question, "by", tool_id ? "agent" : "operator",
				"seconds", o->seconds));
	ws_timer_start(o->loop, &o->timer, o->seconds * 1000, on_time, o);
}

const char *operator_answer(struct operator_line *o, const char *answer)
{
	OBJ_CHECK(o, OPERATOR_MAGIC);
	if (!o->waiting)
		return "No question is open in this call";
	o->out.event(o->out.arg, "operator-answer",
		     json_build("{s:s, s:s}", "question", o->question, "answer", answer));
	char *text = xasprintf("The answer to \"%s\" is: %s", o->question, answer);
	answered(o, text, false);
	free(text);
	return NULL;
}

void operator_stop(struct operator_line *o)
{
	OBJ_CHECK(o, OPERATOR_MAGIC);
	settle(o);
}

bool operator_waits(const struct operator_line *o)
{
	OBJ_CHECK(o, OPERATOR_MAGIC);
	return o->waiting;
}
