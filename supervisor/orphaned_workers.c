#include "supervisor/orphaned_workers.h"

#include "lib/base/json_build.h"

void orphans_add(struct orphans *o, pid_t pid, int status)
{
	if (o->count == ORPHANS_MAX)
		return;
	o->list[o->count].pid = pid;
	o->list[o->count++].status = status;
}

void orphans_tell(struct orphans *o, struct peer *voiced)
{
	for (unsigned i = 0; i < o->count; i++)
		peer_tell(voiced, MSG_ORPHAN_ENDED,
			  json_build("{s:i, s:i}", "pid", (int)o->list[i].pid, "status", o->list[i].status),
			  -1);
	o->count = 0;
}
