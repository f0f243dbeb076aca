/* What all clients of one mcpd share. */
#ifndef PHONY_MCPD_H
#define PHONY_MCPD_H

#include "mcpd/daemon_client.h"

#include <sys/queue.h>

struct rpc;

struct mcpd {
	struct event_base *base;
	struct backend *backend;
	struct asks *asks; /* questions of the current era: it knows no connections */
	LIST_HEAD(, rpc) clients;
};

void mcpd_init(struct mcpd *m, struct event_base *base, struct backend *backend);
/* Its clients have gone before; the backend is freed, too. */
void mcpd_free(struct mcpd *m);

#endif
