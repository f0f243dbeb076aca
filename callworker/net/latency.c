#include "callworker/net/latency.h"

enum { SUB = 16 };

static unsigned bucket_of(uint64_t us)
{
	if (us < SUB)
		return (unsigned)us;
	unsigned exponent = 63u - (unsigned)__builtin_clzll(us); /* 4 or more */
	unsigned bucket = (exponent - 3) * SUB + (unsigned)(us >> (exponent - 4) & (SUB - 1));
	return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

static int64_t upper_bound(unsigned bucket)
{
	if (bucket < SUB)
		return bucket;
	unsigned exponent = bucket / SUB + 3, sub = bucket % SUB;
	return (int64_t)(SUB + sub + 1) << (exponent - 4);
}

void latency_add(struct latency *l, int64_t us)
{
	if (us < 0)
		us = 0;
	l->counts[bucket_of((uint64_t)us)]++;
	l->total++;
	if (us > l->max_us)
		l->max_us = us;
}

void latency_merge(struct latency *l, const struct latency *more)
{
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		l->counts[i] += more->counts[i];
	l->total += more->total;
	if (more->max_us > l->max_us)
		l->max_us = more->max_us;
}

int64_t latency_percentile(const struct latency *l, double share)
{
	double wanted = share * l->total;
	uint32_t seen = 0;
	for (unsigned i = 0; i < LATENCY_BUCKETS && l->total > 0; i++) {
		seen += l->counts[i];
		if (seen >= wanted) {
			int64_t bound = upper_bound(i);
			return bound < l->max_us ? bound : l->max_us;
		}
	}
	return l->max_us;
}
