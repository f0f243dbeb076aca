#include "voiced/load_report.h"

#include "lib/base/json_build.h"
#include "voiced/api/control_socket.h"
#include "voiced/workers/pool.h"

void load_tell(struct voiced *v)
{
	unsigned live = calls_count(v->calls, NULL);
	if (v->daemon->supervisor != NULL)
		peer_tell(link_peer(v->daemon->supervisor), MSG_LOAD,
			  json_build("{s:i, s:i}", "clients", v->clients ? (int)clients_count(v->clients) : 0,
				     "liveCalls", (int)live),
			  -1);
	/* The last words of a call that is over are still to be stored. */
	if (v->draining && live == 0 && v->workers != NULL && workers_busy(v->workers) == 0)
		daemon_end(v->daemon);
}
