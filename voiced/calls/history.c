#include "voiced/calls/history.h"

#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "voiced/calls/worker_events.h"
#include "voiced/shared/pending.h"
#include "voiced/workers/pool.h"

#include <stdlib.h>

enum {
	SETTLE_MS = 20,
	SETTLE_TRIES = 75,
	READ_TRIES = 5,
	READ_AGAIN_MS = 100,
};

struct reading {
	struct voiced *v;
	char *call_id;
	history_fn *fn;
	void *arg;
	unsigned waits, tries;
	bool retired;
	struct errand errand;
};

static void end(struct reading *r, struct call *call, bool ending)
{
	r->fn(r->arg, call, ending);
	errand_end(&r->errand);
	free(r->call_id);
	free(r);
}

static void drop(void *arg)
{
	end(arg, NULL, true);
}

static void read_turns(void *arg);

static void on_turns(void *arg, json_t *result, const char *error)
{
	struct reading *r = arg;
	struct call *call = calls_by_id(r->v->calls, r->call_id);
	if (call != NULL && error != NULL && r->tries++ < READ_TRIES && r->v->workers != NULL) {
		errand_later(&r->errand, READ_AGAIN_MS, read_turns);
		return;
	}
	if (call != NULL && error == NULL)
		call_set_history(call, json_object_get(result, "documents"));
	else if (call != NULL)
		log_call(LOG_SEV_ERROR, call_sid(call), "what was said before cannot be read: %s", error);
	end(r, call, false);
}

static void read_turns(void *arg)
{
	struct reading *r = arg;
	store_turns(r->v->store, r->call_id, on_turns, r);
}

/* The store reads in the order asked: what came before stands before the question. */
static void settle(void *arg)
{
	struct reading *r = arg;
	struct call *call = calls_by_id(r->v->calls, r->call_id);
	if (call == NULL) {
		end(r, NULL, false);
		return;
	}
	if (call_worker(call) != NULL && !r->retired) {
		r->retired = true;
		worker_retire(call);
	}
	bool settled = !call_is_retiring(call) && !events_wait(r->v, call);
	if (settled || r->waits++ >= SETTLE_TRIES || r->v->workers == NULL)
		read_turns(r);
	else
		errand_later(&r->errand, SETTLE_MS, settle);
}

void history_read(struct voiced *v, const struct call *call, history_fn *fn, void *arg)
{
	struct reading *r = xcalloc(1, sizeof *r);
	*r = (struct reading){.v = v, .call_id = xstrdup(call_id(call)), .fn = fn, .arg = arg};
	errand_begin(&r->errand, v, drop, r);
	settle(r);
}
