#include "lib/http/rate_limit.h"

#include "lib/base/object.h"
#include "lib/base/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define RATE_MAGIC 0x72617465u

enum { SOURCES_MAX = 512, SOURCE_TEXT = 48 };

struct bucket {
	char source[SOURCE_TEXT];
	double tokens;
	int64_t at_us;
};

struct rate {
	unsigned magic;
	unsigned per_second, count;
	struct bucket buckets[SOURCES_MAX];
};

struct rate *rate_new(unsigned per_second)
{
	struct rate *r;
	OBJ_ALLOC(r, RATE_MAGIC);
	r->per_second = per_second;
	return r;
}

void rate_free(struct rate **rr)
{
	if (*rr == NULL)
		return;
	OBJ_CHECK(*rr, RATE_MAGIC);
	OBJ_FREE(*rr);
	*rr = NULL;
}

/* A host with IPv6 has a whole /64 of addresses to ask from. */
static void source_key(const char *source, char key[SOURCE_TEXT])
{
	unsigned char address[sizeof(struct in6_addr)];
	enum { NETWORK_BYTES = 8 };
	text_printf(key, SOURCE_TEXT, "%s", source);
	if (inet_pton(AF_INET6, source, address) != 1)
		return;
	memset(address + NETWORK_BYTES, 0, sizeof address - NETWORK_BYTES);
	inet_ntop(AF_INET6, address, key, SOURCE_TEXT);
}

static struct bucket *find(struct rate *r, const char *key, int64_t now_us)
{
	struct bucket *oldest = &r->buckets[0];
	for (unsigned i = 0; i < r->count; i++) {
		if (strcmp(r->buckets[i].source, key) == 0)
			return &r->buckets[i];
		if (r->buckets[i].at_us < oldest->at_us)
			oldest = &r->buckets[i];
	}
	struct bucket *b = r->count < SOURCES_MAX ? &r->buckets[r->count++] : oldest;
	snprintf(b->source, sizeof b->source, "%s", key);
	b->tokens = (double)r->per_second * RATE_BURST_S;
	b->at_us = now_us;
	return b;
}

bool rate_take(struct rate *r, const char *source, unsigned cost, struct mono_us now)
{
	char key[SOURCE_TEXT];
	OBJ_CHECK(r, RATE_MAGIC);
	if (r->per_second == 0)
		return true;
	source_key(source, key);
	struct bucket *b = find(r, key, now.us);
	double most = (double)r->per_second * RATE_BURST_S;
	b->tokens += (double)(now.us - b->at_us) * r->per_second / 1e6;
	b->tokens = b->tokens > most ? most : b->tokens;
	b->at_us = now.us;
	if (b->tokens < cost)
		return false;
	b->tokens -= cost;
	return true;
}
