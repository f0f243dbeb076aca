#include "smsd/messages/tombstones.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "smsd/messages/messages.h"

/* Twilio keeps messages for 400 days unless told otherwise (www.twilio.com/docs/messaging, data retention).
 */
#define KEPT_MS (400LL * 86400 * 1000)

void tombstone_set(struct smsd *s, const json_t *message, store_fn *fn, void *arg)
{
	json_t *tombstone =
		json_build("{s:O, s:O, s:O*, s:o}", "requestId", json_object_get(message, "requestId"),
			   "messageSid", json_object_get(message, "messageSid"), "bulkId",
			   json_object_get(message, "bulkId"), "deletedAt", message_time(wall_now().ms));
	store_put(s->store, STORE_TOMBSTONES, tombstone, fn, arg);
	json_decref(tombstone);
}

void tombstone_look(struct smsd *s, const char *sid, store_fn *fn, void *arg)
{
	store_get(s->store, STORE_TOMBSTONES, "messageSid", sid, fn, arg);
}

void tombstones_of_bulk(struct smsd *s, const char *bulk_id, int64_t limit, store_fn *fn, void *arg)
{
	struct store_query q = {.where = json_build("[[s, s, s]]", "bulkId", "=", bulk_id), .limit = limit};
	store_find(s->store, STORE_TOMBSTONES, &q, fn, arg);
}

void tombstones_sweep(struct smsd *s)
{
	store_remove(s->store, STORE_TOMBSTONES,
		     json_build("[[s, s, o]]", "deletedAt", "<", message_time(wall_now().ms - KEPT_MS)), NULL,
		     NULL);
}
