/* A histogram of durations: log-linear buckets, within 6 % of the truth, 2 kB. */
#ifndef PHONY_CALLWORKER_NET_LATENCY_H
#define PHONY_CALLWORKER_NET_LATENCY_H

#include <stdint.h>

enum { LATENCY_BUCKETS = 16 * 28 };

struct latency {
	uint32_t counts[LATENCY_BUCKETS];
	uint32_t total;
	int64_t max_us;
};

void latency_add(struct latency *l, int64_t us);
/* Adds all of `more`. */
void latency_merge(struct latency *l, const struct latency *more);
/* The duration (us) that a share (0 to 1) of all does not exceed; 0 if there are none. */
int64_t latency_percentile(const struct latency *l, double share);

#endif
