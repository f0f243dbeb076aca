/* Collections that are at hand as a whole, should the database go away (store_replicate). */
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/store/spool/spool_inside.h"

enum {
	COPY_EVERY_MS = 5000, /* what other hosts have changed */
	COPY_MAX = 1000000,
};

void spool_copy(struct spool *s, const struct store_collection *c)
{
	struct store_error error = {.text = ""};
	json_t *args = json_build("{s:i, s:b}", "limit", COPY_MAX, "whole", 1);
	json_t *documents = s->db->find(s->db->self, c, args, &error);
	if (error.text[0] == '\0')
		mirror_replace(s->mirror, c, documents);
	else if (!spool_lost(s, &error))
		log_warn("%s cannot be copied to local disk: %s", c->name, error.text);
	json_decref(documents);
	json_decref(args);
}

void spool_copy_when_due(struct spool *s)
{
	if (!spool_is_direct(s) || mono_now().us - s->copied.us < COPY_EVERY_MS * INT64_C(1000))
		return;
	s->copied = mono_now();
	for (int kind = 0; kind < STORE_TABLES && spool_is_direct(s); kind++)
		if ((s->replicas & 1u << kind) != 0)
			spool_copy(s, &store_collections[kind]);
}
