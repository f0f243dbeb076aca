#include "callworker/audio/levels.h"

#include "callworker/audio/mulaw.h"

enum {
	BLOCK = 20 * MULAW_BYTES_PER_MS,
	TENTH = 100 * MULAW_BYTES_PER_MS,
	BESIDE = 2, /* blocks before and after the present one that count with it */
};

static uint8_t magnitude(uint8_t code)
{
	return (uint8_t)(~code & 0x7f);
}

void levels_caller(struct levels *l, const uint8_t *mulaw, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (l->caller_bytes++ % TENTH == 0) {
			l->caller_before = l->caller;
			l->caller = 0;
		}
		if (magnitude(mulaw[i]) > l->caller)
			l->caller = magnitude(mulaw[i]);
	}
}

void levels_agent(struct levels *l, const uint8_t *mulaw, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t *block = &l->agent[l->agent_bytes / BLOCK % LEVELS_AHEAD];
		if (l->agent_bytes++ % BLOCK == 0)
			*block = 0;
		if (magnitude(mulaw[i]) > *block)
			*block = magnitude(mulaw[i]);
	}
}

int levels_of_caller(const struct levels *l)
{
	return l->caller > l->caller_before ? l->caller : l->caller_before;
}

int levels_of_agent(const struct levels *l, int ahead_ms)
{
	int64_t end = (int64_t)(l->agent_bytes / BLOCK), at = end - ahead_ms * MULAW_BYTES_PER_MS / BLOCK;
	int level = 0;
	if (ahead_ms == 0)
		return 0;
	for (int64_t i = at - BESIDE; i <= at + BESIDE; i++)
		if (i >= 0 && i <= end && i > end - LEVELS_AHEAD && l->agent[i % LEVELS_AHEAD] > level)
			level = l->agent[i % LEVELS_AHEAD];
	return level;
}
