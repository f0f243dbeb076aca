#include "mcpd/batch.h"

#include "lib/base/object.h"

#define BATCH_MAGIC 0x62617463u

struct batch {
	unsigned magic;
	unsigned holds;
	json_t *message, *answers;
};

struct batch *batch_new(json_t *message)
{
	struct batch *b;
	OBJ_ALLOC(b, BATCH_MAGIC);
	b->holds = 1;
	b->message = json_incref(message);
	b->answers = json_array();
	return b;
}

void batch_hold(struct batch *b)
{
	OBJ_CHECK(b, BATCH_MAGIC);
	b->holds++;
}

void batch_add(struct batch *b, json_t *answer)
{
	OBJ_CHECK(b, BATCH_MAGIC);
	json_array_append_new(b->answers, answer);
}

void batch_release(struct batch **bb, rpc_send_fn *send, void *arg)
{
	struct batch *b = *bb;
	*bb = NULL;
	if (b == NULL)
		return;
	OBJ_CHECK(b, BATCH_MAGIC);
	if (--b->holds > 0)
		return;
	if (send != NULL)
		send(arg, b->message, json_array_size(b->answers) > 0 ? json_incref(b->answers) : NULL);
	json_decref(b->answers);
	json_decref(b->message);
	OBJ_FREE(b);
}
