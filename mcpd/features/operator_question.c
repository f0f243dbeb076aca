#include "mcpd/features/operator_question.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/text.h"

enum { ANSWER_MAX = 16 * 1024 };

struct asking_operator {
	struct request *request;
	char *call_sid;
	operator_fn *fn;
	void *arg;
};

json_t *operator_form(const char *question)
{
	return ask_form(json_text_printf("A call waits for you. The agent asks: %s", question),
			OPERATOR_FIELD, "string", "Your answer");
}

static void on_given(void *arg, json_t *reply, const struct peer_error *error)
{
	(void)reply;
	const struct asking_operator *o = arg;
	o->fn(o->arg, error ? OPERATOR_FAILED : OPERATOR_ANSWERED, error ? error->message : "");
}

static void on_asked(void *arg, const json_t *content)
{
	struct asking_operator *o = arg;
	const char *answer = "";
	struct json_reader r;
	json_read_open(&r, content);
	json_read_text(&r, OPERATOR_FIELD, JSON_NEEDED, 0, ANSWER_MAX, &answer);
	if (answer[0] == '\0')
		o->fn(o->arg, OPERATOR_REFUSED, "");
	else
		request_query(o->request, MSG_ANSWER_OPERATOR,
			      json_build("{s:s, s:s}", "callSid", o->call_sid, "answer", answer), on_given,
			      o);
}

static json_t *about(const char *call_sid, const char *question)
{
	return json_build("{s:s, s:s}", "callSid", call_sid, "question", question);
}

void operator_ask(struct request *q, const char *call_sid, const char *question, operator_fn *fn, void *arg)
{
	struct asking_operator *o = request_alloc(q, sizeof *o);
	*o = (struct asking_operator){q, request_strdup(q, call_sid), fn, arg};
	json_t *thing = about(call_sid, question);
	ask_person(q, OPERATOR_KEY, operator_form(question), thing, on_asked, o);
	json_decref(thing);
}

bool operator_is_answered(struct request *q, const char *call_sid, const char *question)
{
	json_t *thing = about(call_sid, question);
	bool is = request_can_ask(q) && ask_is_answered(q, OPERATOR_KEY, thing);
	json_decref(thing);
	return is;
}
