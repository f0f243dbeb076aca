#include "callworker/conversation/silence.h"

#include "lib/base/object.h"

#define SILENCE_MAGIC 0x73696c65u

enum { LOOK_MS = 250 };

#define NUDGE                                                                                            \
	"OPERATOR INSTRUCTION:\nThe person has not said anything for a while. Ask kindly, in one short " \
	"sentence, whether they are still there."
#define FAREWELL                                                                                           \
	"OPERATOR INSTRUCTION:\nThe person still says nothing. Say goodbye in one short sentence and end " \
	"the "                                                                                             \
	"call."

struct silence {
	unsigned magic;
	struct ws_loop *loop;
	int seconds;
	struct silence_out out;
	struct mono_us since;
	unsigned stage; /* 0: all well; 1: nudged; 2: said goodbye */
	struct ws_timer timer;
};

struct silence *silence_new(struct ws_loop *loop, int seconds, const struct silence_out *out)
{
	struct silence *s;
	OBJ_ALLOC(s, SILENCE_MAGIC);
	s->loop = loop;
	s->seconds = seconds;
	s->out = *out;
	return s;
}

void silence_stop(struct silence *s)
{
	OBJ_CHECK(s, SILENCE_MAGIC);
	ws_timer_stop(s->loop, &s->timer);
}

void silence_free(struct silence **ss)
{
	struct silence *s = *ss;
	if (s == NULL)
		return;
	silence_stop(s);
	OBJ_FREE(s);
	*ss = NULL;
}

static void look(void *arg)
{
	struct silence *s = arg;
	struct mono_us now = mono_now();
	ws_timer_start(s->loop, &s->timer, LOOK_MS, look, s);
	if (s->out.broken(s->out.arg)) {
		s->since = now;
		return;
	}
	if (now.us - s->since.us < (int64_t)s->seconds * 1000000)
		return;
	s->since = now;
	switch (s->stage++) {
	case 0:
		s->out.direct(s->out.arg, NUDGE);
		return;
	case 1:
		s->out.direct(s->out.arg, FAREWELL);
		return;
	default:
		silence_stop(s);
		s->out.give_up(s->out.arg);
	}
}

void silence_watch(struct silence *s)
{
	OBJ_CHECK(s, SILENCE_MAGIC);
	if (s->seconds == 0)
		return;
	s->since = mono_now();
	ws_timer_start(s->loop, &s->timer, LOOK_MS, look, s);
}

void silence_heard(struct silence *s)
{
	OBJ_CHECK(s, SILENCE_MAGIC);
	s->stage = 0;
	s->since = mono_now();
}
