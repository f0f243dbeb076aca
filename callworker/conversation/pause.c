#include "callworker/conversation/pause.h"

#include "lib/base/object.h"

#define PAUSE_MAGIC 0x70617573u

enum {
	LOOK_MS = 100,
	ANNOUNCE_MS = 5000, /* the agent's time to announce the pause */
	QUIET_LOOKS = 3,    /* so often nothing was ahead of the ear: it has finished */
};

struct pause {
	unsigned magic;
	struct ws_loop *loop;
	struct playout *playout;
	struct agent *agent;
	struct hold *hold;
	bool on, announcing;
	uint64_t given; /* of the agent's audio, when the pause began */
	struct mono_us until;
	unsigned quiet;
	struct ws_timer timer;
};

struct pause *pause_new(struct ws_loop *loop, struct playout *playout, struct agent *agent, struct hold *hold)
{
	struct pause *p;
	OBJ_ALLOC(p, PAUSE_MAGIC);
	p->loop = loop;
	p->playout = playout;
	p->agent = agent;
	p->hold = hold;
	return p;
}

void pause_free(struct pause **pp)
{
	struct pause *p = *pp;
	if (p == NULL)
		return;
	OBJ_CHECK(p, PAUSE_MAGIC);
	ws_timer_stop(p->loop, &p->timer);
	OBJ_FREE(p);
	*pp = NULL;
}

/* The music begins once what the agent says has been heard. */
static void look(void *arg)
{
	struct pause *p = arg;
	bool spoke = playout_given(p->playout) > p->given || !p->announcing;
	bool late = mono_now().us >= p->until.us;
	p->quiet = playout_ahead_ms(p->playout) == 0 ? p->quiet + 1 : 0;
	if (p->quiet >= QUIET_LOOKS && (spoke || late)) {
		agent_finish(p->agent); /* what it has said before was heard */
		playout_mute(p->playout, true);
		hold_play(p->hold, HOLD_MUSIC);
		return;
	}
	ws_timer_start(p->loop, &p->timer, LOOK_MS, look, p);
}

void pause_begin(struct pause *p, const char *directive)
{
	OBJ_CHECK(p, PAUSE_MAGIC);
	if (p->on)
		return;
	p->on = true;
	p->announcing = directive != NULL;
	p->quiet = 0;
	p->given = playout_given(p->playout);
	p->until.us = mono_now().us + ANNOUNCE_MS * 1000;
	if (directive != NULL)
		agent_direct(p->agent, directive);
	look(p);
}

void pause_end(struct pause *p, const char *directive)
{
	OBJ_CHECK(p, PAUSE_MAGIC);
	if (!p->on)
		return;
	p->on = false;
	ws_timer_stop(p->loop, &p->timer);
	playout_mute(p->playout, false);
	hold_stop(p->hold);
	if (directive != NULL)
		agent_direct(p->agent, directive);
}

bool pause_on(const struct pause *p)
{
	OBJ_CHECK(p, PAUSE_MAGIC);
	return p->on;
}
