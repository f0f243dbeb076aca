#include "supervisor/policy.h"

typedef struct policy_step step_fn(struct policy *p, int64_t now_ms);

static const struct policy_step nothing = {POLICY_NOTHING, -1};

static struct policy_step ignore(struct policy *p, int64_t now_ms)
{
	(void)p;
	(void)now_ms;
	return nothing;
}

static struct policy_step start(struct policy *p, int64_t now_ms)
{
	p->state = POLICY_STARTING;
	return (struct policy_step){POLICY_START, now_ms + POLICY_READY_MS};
}

static struct policy_step up(struct policy *p, int64_t now_ms)
{
	p->state = POLICY_UP;
	p->up_since_ms = now_ms;
	return nothing;
}

/* Never said hello: its exit brings the next start. */
static struct policy_step kill_it(struct policy *p, int64_t now_ms)
{
	(void)p;
	(void)now_ms;
	return (struct policy_step){POLICY_KILL, -1};
}

static struct policy_step again(struct policy *p, int64_t now_ms)
{
	if (p->state == POLICY_UP && now_ms - p->up_since_ms >= POLICY_HEALTHY_MS)
		p->failures = 0;
	int64_t delay = POLICY_DELAY_FIRST_MS;
	for (unsigned i = 0; i < p->failures && delay < POLICY_DELAY_MAX_MS; i++)
		delay *= 2;
	if (delay > POLICY_DELAY_MAX_MS)
		delay = POLICY_DELAY_MAX_MS;
	p->failures++;
	p->state = POLICY_DOWN;
	return (struct policy_step){POLICY_NOTHING, now_ms + delay};
}

static struct policy_step stopping(struct policy *p, int64_t now_ms)
{
	(void)now_ms;
	p->state = POLICY_STOPPING;
	return nothing;
}

static struct policy_step ended(struct policy *p, int64_t now_ms)
{
	(void)now_ms;
	p->state = POLICY_ENDED;
	return nothing;
}

/* clang-format off */
static step_fn *const table[5][5] = {
	/*                   TIME     HELLO   EXIT   HOPELESS  STOP */
	[POLICY_DOWN] =     {start,   ignore, ignore, ignore,  ended},
	[POLICY_STARTING] = {kill_it, up,     again,  ended,   stopping},
	[POLICY_UP] =       {ignore,  ignore, again,  ended,   stopping},
	[POLICY_STOPPING] = {ignore,  ignore, ended,  ended,   ignore},
	[POLICY_ENDED] =    {ignore,  ignore, ignore, ignore,  ignore},
};
/* clang-format on */

struct policy_step policy_step(struct policy *p, enum policy_event event, int64_t now_ms)
{
	return table[p->state][event](p, now_ms);
}
