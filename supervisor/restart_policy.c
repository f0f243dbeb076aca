#include "supervisor/restart_policy.h"

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
	p->was_up = true;
	return nothing;
}

/* It never said hello, or hangs: its exit brings what follows. */
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

static struct policy_step hopeless(struct policy *p, int64_t now_ms)
{
	return p->was_up ? again(p, now_ms) : ended(p, now_ms);
}

/* clang-format off */
static step_fn *const table[POLICY_STATES][POLICY_EVENTS] = {
	[POLICY_DOWN] = {
		[POLICY_TIME] = start,     [POLICY_HELLO] = ignore, [POLICY_EXIT] = ignore,
		[POLICY_HOPELESS] = ignore, [POLICY_STOP] = ended,   [POLICY_SILENT] = ignore},
	[POLICY_STARTING] = {
		[POLICY_TIME] = kill_it,   [POLICY_HELLO] = up,     [POLICY_EXIT] = again,
		[POLICY_HOPELESS] = hopeless, [POLICY_STOP] = stopping, [POLICY_SILENT] = ignore},
	[POLICY_UP] = {
		[POLICY_TIME] = ignore,    [POLICY_HELLO] = ignore, [POLICY_EXIT] = again,
		[POLICY_HOPELESS] = hopeless, [POLICY_STOP] = stopping, [POLICY_SILENT] = kill_it},
	[POLICY_STOPPING] = {
		[POLICY_TIME] = ignore,    [POLICY_HELLO] = ignore, [POLICY_EXIT] = ended,
		[POLICY_HOPELESS] = ended, [POLICY_STOP] = ignore,  [POLICY_SILENT] = kill_it},
	[POLICY_ENDED] = {
		[POLICY_TIME] = ignore,    [POLICY_HELLO] = ignore, [POLICY_EXIT] = ignore,
		[POLICY_HOPELESS] = ignore, [POLICY_STOP] = ignore, [POLICY_SILENT] = ignore},
};
/* clang-format on */

struct policy_step policy_step(struct policy *p, enum policy_event event, int64_t now_ms)
{
	return table[p->state][event](p, now_ms);
}
