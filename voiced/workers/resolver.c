#include "voiced/workers/resolver.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "lib/loop/worker_thread.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define RESOLVER_MAGIC 0x7265736fu

enum {
	FRESH_MS = 60 * 1000,
	ADDRESSES_MAX = 8,
	HOST_SIZE = 256,
	HOSTS_MAX = 32, /* there are as many as providers; signed URLs might name some more */
};

struct addresses {
	char text[ADDRESSES_MAX][INET6_ADDRSTRLEN];
	unsigned count;
	char fault[200];
};

struct host {
	STAILQ_ENTRY(host) next;
	char name[HOST_SIZE];
	struct addresses found;
	struct mono_us at;
};

struct resolver {
	unsigned magic;
	struct worker_thread *thread;
	STAILQ_HEAD(, host) hosts;
	unsigned count;
};

struct question {
	struct worker_job job; /* first: the thread gets it */
	struct resolver *resolver;
	char name[HOST_SIZE];
	unsigned nth;
	resolver_fn *fn;
	void *arg;
	struct addresses found;
};

static void look_up(struct worker_job *job, void *context)
{
	(void)context;
	struct question *q = (struct question *)job;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
	int code = getaddrinfo(q->name, NULL, &hints, &list);
	if (code != 0)
		snprintf(q->found.fault, sizeof q->found.fault, "%s", gai_strerror(code));
	for (struct addrinfo *a = list; a != NULL && q->found.count < ADDRESSES_MAX; a = a->ai_next)
		if (getnameinfo(a->ai_addr, a->ai_addrlen, q->found.text[q->found.count], INET6_ADDRSTRLEN,
				NULL, 0, NI_NUMERICHOST) == 0)
			q->found.count++;
	freeaddrinfo(list);
}

static struct host *find(const struct resolver *r, const char *name)
{
	struct host *h;
	STAILQ_FOREACH (h, &r->hosts, next)
		if (strcmp(h->name, name) == 0)
			return h;
	return NULL;
}

static void keep(struct resolver *r, const char *name, const struct addresses *found)
{
	struct host *h = find(r, name);
	if (h == NULL && r->count == HOSTS_MAX) {
		h = STAILQ_FIRST(&r->hosts);
		STAILQ_REMOVE_HEAD(&r->hosts, next);
		STAILQ_INSERT_TAIL(&r->hosts, h, next);
	} else if (h == NULL) {
		h = xcalloc(1, sizeof *h);
		STAILQ_INSERT_TAIL(&r->hosts, h, next);
		r->count++;
	}
	snprintf(h->name, sizeof h->name, "%s", name);
	h->found = *found;
	h->at = mono_now();
}

static void answer(const struct addresses *found, unsigned nth, resolver_fn *fn, void *arg)
{
	fn(arg, found->text[nth % found->count], NULL);
}

static void on_looked_up(struct worker_job *job, bool ok)
{
	(void)ok;
	struct question *q = (struct question *)job;
	struct host *known = find(q->resolver, q->name);
	char fault[HOST_SIZE + 300];
	if (q->found.count > 0) {
		keep(q->resolver, q->name, &q->found);
		answer(&q->found, q->nth, q->fn, q->arg);
	} else if (known != NULL) {
		log_warn("%s cannot be looked up (%s): its last address is used", q->name, q->found.fault);
		answer(&known->found, q->nth, q->fn, q->arg);
	} else {
		text_printf(fault, sizeof fault,
			    "the host %s is not found (%s): check the name, and this "
			    "machine's name server",
			    q->name, q->found.fault);
		q->fn(q->arg, NULL, fault);
	}
	free(q);
}

/* The URL's host; false when it is numbers, or none. */
static bool host_of(const char *url, char host[HOST_SIZE])
{
	const char *at = strstr(url, "://");
	struct in_addr numbers;
	if (at == NULL || at[3] == '[')
		return false;
	size_t len = strcspn(at + 3, ":/?#");
	snprintf(host, HOST_SIZE, "%.*s", TEXT_SPAN(at + 3, len));
	return len > 0 && len < HOST_SIZE && inet_pton(AF_INET, host, &numbers) != 1;
}

const char *resolver_next(const struct resolver *r, const char *url, const char *address)
{
	OBJ_CHECK(r, RESOLVER_MAGIC);
	char name[HOST_SIZE];
	const struct host *known = host_of(url, name) ? find(r, name) : NULL;
	for (unsigned i = 0; known != NULL && known->found.count > 1 && i < known->found.count; i++)
		if (strcmp(known->found.text[i], address) == 0)
			return known->found.text[(i + 1) % known->found.count];
	return NULL;
}

void resolver_ask(struct resolver *r, const char *url, unsigned nth, resolver_fn *fn, void *arg)
{
	OBJ_CHECK(r, RESOLVER_MAGIC);
	char name[HOST_SIZE];
	if (!host_of(url, name)) {
		fn(arg, "", NULL);
		return;
	}
	struct host *known = find(r, name);
	if (known != NULL && mono_now().us - known->at.us < FRESH_MS * INT64_C(1000)) {
		answer(&known->found, nth, fn, arg);
		return;
	}
	struct question *q = xcalloc(1, sizeof *q);
	*q = (struct question){.job = {.work = look_up, .done = on_looked_up},
			       .resolver = r,
			       .nth = nth,
			       .fn = fn,
			       .arg = arg};
	snprintf(q->name, sizeof q->name, "%s", name);
	worker_thread_post(r->thread, &q->job);
}

static void begin(void *context)
{
	(void)context;
}

static bool end(void *context)
{
	(void)context;
	return true;
}

struct resolver *resolver_new(struct event_base *base)
{
	static const struct worker_batch each = {begin, end, NULL};
	struct resolver *r;
	OBJ_ALLOC(r, RESOLVER_MAGIC);
	STAILQ_INIT(&r->hosts);
	r->thread = worker_thread_new(base, &each);
	return r;
}

void resolver_free(struct resolver **rr)
{
	struct resolver *r = *rr;
	if (r == NULL)
		return;
	OBJ_CHECK(r, RESOLVER_MAGIC);
	worker_thread_free(&r->thread);
	struct host *h;
	while ((h = STAILQ_FIRST(&r->hosts)) != NULL) {
		STAILQ_REMOVE_HEAD(&r->hosts, next);
		free(h);
	}
	OBJ_FREE(r);
	*rr = NULL;
}
