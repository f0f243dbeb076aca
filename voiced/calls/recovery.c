#include "voiced/calls/recovery.h"

#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "voiced/calls/hangup.h"
#include "voiced/calls/placement.h"
#include "voiced/calls/schedule.h"
#include "voiced/calls/transfer.h"

#include <string.h>

enum {
	LIVE_MAX = 10000, /* the most that MAX_CONCURRENT_CALLS allows */
	ENDING_MS = 1000,
	CHECK_MS = 5000,
	CHECK_EACH_MS = 50,
};

struct loading {
	struct voiced *v;
	bool done, ok;
};

static void on_live_calls(void *arg, json_t *result, const char *error)
{
	struct loading *l = arg;
	size_t i;
	json_t *document;
	l->done = true;
	l->ok = error == NULL;
	if (error != NULL)
		log_error("the live calls cannot be read: %s", error);
	json_array_foreach (json_object_get(result, "documents"), i, document) {
		const char *host = json_string_value(json_object_get(document, "host"));
		if (host == NULL || strcmp(host, l->v->host_id) == 0)
			calls_restore(l->v->calls, document);
	}
}

bool restore_calls(struct voiced *v)
{
	struct loading l = {v, false, false};
	struct store_query live = {.where = json_build("[[s, s, [s, s, s]]]", "status", "in", "initiated",
						       "ringing", "in-progress"),
				   .limit = LIVE_MAX,
				   .keep = true};
	store_find(v->store, STORE_CALLS, &live, on_live_calls, &l);
	while (!l.done)
		event_base_loop(v->base, EVLOOP_ONCE);
	return l.ok;
}

struct going_on {
	struct voiced *v;
	int check_ms;
};

static void go_on(struct call *call, void *arg)
{
	struct going_on *g = arg;
	struct voiced *v = g->v;
	store_have_turns(v->store, call_id(call));
	if (call_sid(call)[0] == '\0') {
		if (!schedule_recover(v, call))
			placement_recover(v, call);
	} else if (call_is_ending(call)) {
		call_check_soon(call, ENDING_MS); /* the request to end it may be lost, or its end untold */
	} else {
		/* It may have ended meanwhile, and its end been told to nobody. One after the other. */
		call_check_soon(call, g->check_ms += CHECK_EACH_MS);
		if (transfer_is_unclear(call))
			transfer_recover(v, call);
	}
}

void restore_go_on(struct voiced *v)
{
	struct going_on g = {v, CHECK_MS};
	calls_each(v->calls, go_on, &g);
}

static void save_unsaved(struct call *call, void *arg)
{
	(void)arg;
	if (call_is_unsaved(call))
		call_save(call, NULL, NULL);
}

void restore_leave(struct voiced *v)
{
	calls_each(v->calls, save_unsaved, NULL);
}
