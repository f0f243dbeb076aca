/*
 * Names of hosts to addresses, off the loop: calls' processes look nothing up.
 * An answer is kept for a while, and used beyond that when no new one is to be
 * had: a name server that is away for a moment ends no call.
 */
#ifndef PHONY_VOICED_WORKERS_RESOLVER_H
#define PHONY_VOICED_WORKERS_RESOLVER_H

#include <event2/event.h>

struct resolver;

/*
 * The end of a question, from the loop. address: as numbers, "" when the host
 * was numbers already; borrowed. NULL: fault says why there is none.
 */
typedef void resolver_fn(void *arg, const char *address, const char *fault);

struct resolver *resolver_new(struct event_base *base);
/* Questions that are open end with a fault. */
void resolver_free(struct resolver **r);

/*
 * Where the URL's host is. nth: of several addresses that one, from 0, the best as
 * getaddrinfo(3) has it, so that a next try is another's.
 */
void resolver_ask(struct resolver *r, const char *url, unsigned nth, resolver_fn *fn, void *arg);
/* The address of the same host that follows this one, in a circle; borrowed. NULL: it has no other. */
const char *resolver_next(const struct resolver *r, const char *url, const char *address);

#endif
