#include "smsd/outbox/early_status.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "smsd/messages/messages.h"

#include <stdlib.h>

enum { SWEEP_MAX = 10000, KEPT_MS = 7 * 86400 * 1000 };

void early_keep(struct smsd *s, const char *sid, const char *status, int error_code,
		const char *error_message, store_fn *fn, void *arg)
{
	json_t *early = json_build("{s:s, s:s, s:I, s:o, s:o}", "messageSid", sid, "status", status,
				   "errorCode", (json_int_t)error_code, "errorMessage",
				   json_text(error_message), "createdAt", message_time(wall_now().ms));
	struct store_change change = {
		.key = sid,
		.where = json_build("[[s, s, o]]", "status", "in", message_states_before(status)),
		.set = json_build("{s:s, s:I}", "status", status, "errorCode", (json_int_t)error_code)};
	store_insert(s->store, STORE_EARLY_STATUSES, early, NULL, NULL);
	store_update(s->store, STORE_EARLY_STATUSES, &change, fn, arg);
	json_decref(early);
}

static void drop(struct smsd *s, const char *sid)
{
	store_remove(s->store, STORE_EARLY_STATUSES, json_build("[[s, s, s]]", "messageSid", "=", sid), NULL,
		     NULL);
}

struct settling {
	struct smsd *smsd;
	char *sid;
	store_fn *fn;
	void *arg;
};

static void end(struct settling *t, json_t *message, const char *error)
{
	if (t->fn != NULL)
		t->fn(t->arg, message, error);
	free(t->sid);
	free(t);
}

static void on_advanced(void *arg, json_t *message, const char *error)
{
	struct settling *t = arg;
	if (error == NULL)
		drop(t->smsd, t->sid);
	end(t, message, error);
}

static void apply(struct settling *t, const json_t *early)
{
	message_advance(t->smsd, t->sid, message_field(early, "status"),
			(int)json_integer_value(json_object_get(early, "errorCode")),
			message_field(early, "errorMessage"), on_advanced, t);
}

static struct settling *new_settling(struct smsd *s, const char *sid, store_fn *fn, void *arg)
{
	struct settling *t = xcalloc(1, sizeof *t);
	*t = (struct settling){s, xstrdup(sid), fn, arg};
	return t;
}

static void on_kept(void *arg, json_t *early, const char *error)
{
	if (error != NULL || !json_is_object(early))
		end(arg, NULL, NULL);
	else
		apply(arg, early);
}

void early_settle(struct smsd *s, const char *sid, store_fn *fn, void *arg)
{
	store_get(s->store, STORE_EARLY_STATUSES, "messageSid", sid, on_kept, new_settling(s, sid, fn, arg));
}

/* ---- at the start ---- */

struct sweeping {
	struct settling *settling;
	json_t *early;
};

static void on_message(void *arg, json_t *message, const char *error)
{
	struct sweeping *w = arg;
	struct wall_ms kept = {0};
	wall_parse(message_field(w->early, "createdAt"), &kept);
	if (error == NULL && json_is_object(message)) {
		apply(w->settling, w->early);
	} else {
		if (error == NULL && wall_now().ms - kept.ms > KEPT_MS)
			drop(w->settling->smsd, w->settling->sid);
		end(w->settling, NULL, NULL);
	}
	json_decref(w->early);
	free(w);
}

static void on_all(void *arg, json_t *result, const char *error)
{
	struct smsd *s = arg;
	size_t i;
	json_t *early;
	if (error != NULL)
		log_error("statuses that came early cannot be read: %s", error);
	json_array_foreach (json_object_get(result, "documents"), i, early) {
		const char *sid = message_field(early, "messageSid");
		struct sweeping *w = xcalloc(1, sizeof *w);
		*w = (struct sweeping){new_settling(s, sid, NULL, NULL), json_incref(early)};
		store_get(s->store, STORE_MESSAGES, "messageSid", sid, on_message, w);
	}
}

void early_sweep(struct smsd *s)
{
	struct store_query all = {.limit = SWEEP_MAX};
	store_find(s->store, STORE_EARLY_STATUSES, &all, on_all, s);
}
