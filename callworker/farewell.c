#include "callworker/farewell.h"

#include "callworker/goodbye.h"
#include "lib/base/object.h"

#define FAREWELL_MAGIC 0x66617265u

enum {
	LAST_WORDS_GRACE_MS = 800, /* after the last words were heard, before the line is cut */
	CALLER_GOODBYE_MS = 5000,  /* the agent's time to answer the caller's goodbye */
};

enum stage { NOT_YET, AGENT_GOODBYE, CALLER_GOODBYE, AGENT_DECIDED };

struct farewell {
	unsigned magic;
	struct ws_loop *loop;
	struct playout *playout;
	void (*leave)(void *arg, const char *reason);
	void *arg;
	enum stage stage;
	bool answered; /* the agent has spoken since the caller's goodbye */
	const char *reason;
	struct ws_timer timer;
};

struct farewell *farewell_new(struct ws_loop *loop, struct playout *playout,
			      void (*leave)(void *arg, const char *reason), void *arg)
{
	struct farewell *f;
	OBJ_ALLOC(f, FAREWELL_MAGIC);
	f->loop = loop;
	f->playout = playout;
	f->leave = leave;
	f->arg = arg;
	return f;
}

void farewell_free(struct farewell **ff)
{
	struct farewell *f = *ff;
	if (f == NULL)
		return;
	farewell_stop(f);
	OBJ_FREE(f);
	*ff = NULL;
}

void farewell_stop(struct farewell *f)
{
	OBJ_CHECK(f, FAREWELL_MAGIC);
	ws_timer_stop(f->loop, &f->timer);
	f->stage = NOT_YET;
}

bool farewell_begun(const struct farewell *f)
{
	OBJ_CHECK(f, FAREWELL_MAGIC);
	return f->stage != NOT_YET;
}

static void on_time(void *arg)
{
	struct farewell *f = arg;
	f->leave(f->arg, f->reason);
}

static void on_heard(void *arg)
{
	struct farewell *f = arg;
	if (f->stage == NOT_YET || (f->stage == CALLER_GOODBYE && !f->answered))
		return;
	ws_timer_start(f->loop, &f->timer, LAST_WORDS_GRACE_MS, on_time, f);
}

static void begin(struct farewell *f, enum stage stage, const char *reason)
{
	f->stage = stage;
	f->reason = reason;
	f->answered = false;
	if (stage == CALLER_GOODBYE)
		ws_timer_start(f->loop, &f->timer, CALLER_GOODBYE_MS, on_time, f);
	else
		playout_when_heard(f->playout, on_heard, f);
}

/* There is something more to talk about. */
static void take_back(struct farewell *f)
{
	if (f->stage == AGENT_GOODBYE || f->stage == CALLER_GOODBYE)
		farewell_stop(f);
}

void farewell_spoken(struct farewell *f)
{
	OBJ_CHECK(f, FAREWELL_MAGIC);
	if (f->stage == NOT_YET)
		return;
	f->answered = true;
	ws_timer_stop(f->loop, &f->timer);
	playout_when_heard(f->playout, on_heard, f);
}

void farewell_interrupted(struct farewell *f)
{
	OBJ_CHECK(f, FAREWELL_MAGIC);
	take_back(f);
}

void farewell_agent_said(struct farewell *f, const char *text)
{
	OBJ_CHECK(f, FAREWELL_MAGIC);
	if (f->stage == CALLER_GOODBYE)
		farewell_spoken(f);
	else if (f->stage == NOT_YET && goodbye_said(text, GOODBYE_AGENT))
		begin(f, AGENT_GOODBYE, "the agent said goodbye");
}

void farewell_caller_said(struct farewell *f, const char *text)
{
	OBJ_CHECK(f, FAREWELL_MAGIC);
	if (!goodbye_said(text, GOODBYE_CALLER))
		take_back(f);
	else if (f->stage == NOT_YET)
		begin(f, CALLER_GOODBYE, "the caller said goodbye");
}

void farewell_agent_decided(struct farewell *f, const char *reason)
{
	OBJ_CHECK(f, FAREWELL_MAGIC);
	begin(f, AGENT_DECIDED, reason);
}
