#include "smsd/outbox/bulk.h"

#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "smsd/messages/messages.h"
#include "smsd/messages/tombstones.h"
#include "smsd/outbox/bulk_states.h"
#include "smsd/outbox/outbox.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BULKS_MAGIC 0x62756c6bu

enum {
	PUMP_MS = 10000,
	PUMP_MAX = 100,     /* jobs looked at in one go */
	RETRY_MS = 2000,    /* until what could not be stored is stored again */
	ORPHAN_MS = 120000, /* a job that another host has not stored by then is anybody's */
};

struct bulks {
	unsigned magic;
	struct smsd *smsd;
	LIST_HEAD(, bulk_job) jobs; /* whose messages are being stored */
	struct timer pump;
	bool draining;
};

struct bulk_job {
	LIST_ENTRY(bulk_job) next;
	struct bulks *bulks;
	json_t *bulk, *deleted; /* deleted: the requestIds that are not to be stored again */
	size_t left;
	char error[200];
	struct timer retry;
};

/* ---- storing the messages ---- */

static void bulk_job_free(struct bulk_job *job)
{
	LIST_REMOVE(job, next);
	timer_stop(&job->retry);
	json_decref(job->bulk);
	json_decref(job->deleted);
	free(job);
}

static void bulk_job_begin(void *arg);
static void bulk_job_event(struct bulk_job *job, enum bulk_event event);

static void on_taken_back(void *arg, json_t *bulk, size_t canceled, const char *error)
{
	struct bulk_job *job = arg;
	(void)bulk;
	if (error != NULL)
		log_error("bulk %s was canceled; what was stored meanwhile stays: %s",
			  message_field(job->bulk, "bulkId"), error);
	else
		log_info("bulk %s was canceled while it was stored: %zu more messages are not sent",
			 message_field(job->bulk, "bulkId"), canceled);
	bulk_job_free(job);
}

static void on_state_again(void *arg, json_t *result, const char *error)
{
	struct bulk_job *job = arg;
	if (error != NULL || !json_is_object(result)) {
		bulk_job_free(job); /* the pump finds it again, if it is there */
		return;
	}
	json_decref(job->bulk);
	job->bulk = json_incref(result);
	bulk_job_event(job, BULK_STORED);
}

static void on_sending(void *arg, json_t *result, const char *error)
{
	struct bulk_job *job = arg;
	if (error == NULL && json_is_null(result))
		store_get(job->bulks->smsd->store, STORE_BULKS, "bulkId", message_field(job->bulk, "bulkId"),
			  on_state_again, job);
	else
		bulk_job_free(job);
}

static void begin_sending(struct bulk_job *job)
{
	struct store_change change = {
		.key = message_field(job->bulk, "bulkId"),
		.where = json_build("[[s, s, s]]", "status", "=", bulk_state_name(BULK_STORING)),
		.set = json_build("{s:s}", "status", bulk_state_name(BULK_SENDING)),
		.unset = json_build("[s, s]", "recipients", "mediaUrls")};
	store_update(job->bulks->smsd->store, STORE_BULKS, &change, on_sending, job);
}

static void store_later(struct bulk_job *job)
{
	struct bulks *b = job->bulks;
	log_warn("bulk %s is not all stored yet: %s", message_field(job->bulk, "bulkId"), job->error);
	if (b->draining)
		bulk_job_free(job);
	else
		timer_start(&job->retry, b->smsd->base, RETRY_MS, bulk_job_begin, job);
}

/* What has happened to the job whose messages are being stored. */
static void bulk_job_event(struct bulk_job *job, enum bulk_event event)
{
	switch (bulk_action(bulk_state_of(job->bulk), event)) {
	case BULK_SEND:
		begin_sending(job);
		break;
	case BULK_STORE_LATER:
		store_later(job);
		break;
	case BULK_TAKE_BACK:
		bulk_cancel(job->bulks->smsd, job->bulk, on_taken_back, job);
		break;
	case BULK_STORE:
	case BULK_FINISH:
	case BULK_NOTHING:
		bulk_job_free(job);
	}
}

static void bulk_job_step(struct bulk_job *job)
{
	if (--job->left == 0)
		bulk_job_event(job, job->error[0] ? BULK_STORE_FAILED : BULK_STORED);
}

static void on_one_stored(void *arg, const struct outbox_end *end)
{
	struct bulk_job *job = arg;
	if (end->error_status != 0)
		text_printf(job->error, sizeof job->error, "%s", end->message);
	bulk_job_step(job);
}

/* "PM" and the MD5 of the job's id and the place in its list: the same when it is stored again. */
static void request_id_of(const char *bulk_id, size_t i, char out[REQUEST_ID_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char *text = xasprintf("%s/%zu", bulk_id, i);
	if (EVP_Digest(text, strlen(text), digest, &len, EVP_md5(), NULL) != 1)
		panic("OpenSSL has no MD5");
	snprintf(out, REQUEST_ID_SIZE, "PM");
	for (size_t k = 0; k < 16; k++)
		snprintf(out + 2 + 2 * k, 3, "%02x", digest[k]);
	free(text);
}

static void bulk_job_store(struct bulk_job *job)
{
	const json_t *bulk = job->bulk;
	struct wall_ms start = {0};
	int64_t rate = json_integer_value(json_object_get(bulk, "ratePerMinute"));
	size_t i;
	json_t *one;
	wall_parse(message_field(bulk, json_object_get(bulk, "sendAt") ? "sendAt" : "createdAt"), &start);
	job->left = 1;
	job->error[0] = '\0';
	json_array_foreach (json_object_get(bulk, "recipients"), i, one) {
		char id[REQUEST_ID_SIZE];
		request_id_of(message_field(bulk, "bulkId"), i, id);
		if (json_object_get(job->deleted, id) != NULL)
			continue;
		struct outgoing m = {.to = message_field(one, "toNumber"),
				     .from = message_field(bulk, "fromNumber"),
				     .body = message_field(one, "body"),
				     .media_urls = json_object_get(bulk, "mediaUrls"),
				     .bulk_id = message_field(bulk, "bulkId"),
				     .request_id = id,
				     .send_at = start.ms + (int64_t)i * 60000 / (rate > 0 ? rate : 60)};
		job->left++;
		outbox_send(job->bulks->smsd->outbox, &m, on_one_stored, job);
	}
	bulk_job_step(job);
}

static void on_deleted_ones(void *arg, json_t *result, const char *error)
{
	struct bulk_job *job = arg;
	size_t i;
	json_t *tombstone;
	json_array_foreach (json_object_get(result, "documents"), i, tombstone)
		json_object_set_new(job->deleted, message_field(tombstone, "requestId"), json_true());
	if (error == NULL) {
		bulk_job_store(job);
		return;
	}
	text_printf(job->error, sizeof job->error, "%s", error);
	bulk_job_event(job, BULK_STORE_FAILED);
}

static void bulk_job_begin(void *arg)
{
	struct bulk_job *job = arg;
	tombstones_of_bulk(job->bulks->smsd, message_field(job->bulk, "bulkId"), BULK_RECIPIENTS_MAX,
			   on_deleted_ones, job);
}

bool bulk_store(struct bulks *b, const json_t *bulk)
{
	OBJ_CHECK(b, BULKS_MAGIC);
	struct bulk_job *job;
	if (b->draining || bulk_action(bulk_state_of(bulk), BULK_RESUME) != BULK_STORE)
		return false;
	LIST_FOREACH (job, &b->jobs, next)
		if (strcmp(message_field(job->bulk, "bulkId"), message_field(bulk, "bulkId")) == 0)
			return false;
	job = xcalloc(1, sizeof *job);
	job->bulks = b;
	job->bulk = json_incref((json_t *)bulk);
	job->deleted = json_object();
	LIST_INSERT_HEAD(&b->jobs, job, next);
	bulk_job_begin(job);
	return true;
}

/* ---- canceling ---- */

struct bulk_canceling {
	struct smsd *smsd;
	json_t *bulk;
	size_t left, canceled;
	char *error;
	bulk_cancel_fn *fn;
	void *arg;
};

static void bulk_canceling_step(struct bulk_canceling *c)
{
	if (--c->left > 0)
		return;
	c->fn(c->arg, c->bulk, c->canceled, c->error);
	json_decref(c->bulk);
	free(c->error);
	free(c);
}

static void on_message_canceled(void *arg, enum outbox_cancel_result canceled, json_t *message,
				const char *error)
{
	struct bulk_canceling *c = arg;
	(void)message;
	c->canceled += canceled == OUTBOX_CANCELED || canceled == OUTBOX_CANCEL_PENDING;
	if (error != NULL && c->error == NULL)
		c->error = xstrdup(error);
	bulk_canceling_step(c);
}

static void on_to_cancel(void *arg, json_t *result, const char *error)
{
	struct bulk_canceling *c = arg;
	size_t i;
	json_t *message;
	if (error != NULL)
		c->error = xstrdup(error);
	c->left = 1;
	json_array_foreach (json_object_get(result, "documents"), i, message) {
		c->left++;
		outbox_cancel(c->smsd, message, on_message_canceled, c);
	}
	bulk_canceling_step(c);
}

static void on_bulk_canceled(void *arg, json_t *result, const char *error)
{
	struct bulk_canceling *c = arg;
	if (error != NULL) {
		c->error = xstrdup(error);
		c->left = 1;
		bulk_canceling_step(c);
		return;
	}
	if (json_is_object(result) && json_object_get(result, "bulkId") != NULL) {
		json_decref(c->bulk);
		c->bulk = json_incref(result);
	}
	struct store_query q = {.where = json_build("[[s, s, s], [s, s]]", "bulkId", "=",
						    message_field(c->bulk, "bulkId"), "dueAt", "present"),
				.limit = BULK_RECIPIENTS_MAX};
	store_find(c->smsd->store, STORE_MESSAGES, &q, on_to_cancel, c);
}

/* The job first: then the gate lets none of its messages through, stored or not. */
void bulk_cancel(struct smsd *s, const json_t *bulk, bulk_cancel_fn *fn, void *arg)
{
	struct bulk_canceling *c = xcalloc(1, sizeof *c);
	*c = (struct bulk_canceling){.smsd = s, .bulk = json_incref((json_t *)bulk), .fn = fn, .arg = arg};
	struct store_change change = {
		.key = message_field(bulk, "bulkId"),
		.where = json_build("[[s, s, [s, s, s]]]", "status", "in", bulk_state_name(BULK_STORING),
				    bulk_state_name(BULK_SENDING), bulk_state_name(BULK_CANCELED)),
		.set = json_build("{s:s}", "status", bulk_state_name(BULK_CANCELED)),
		.unset = json_build("[s, s]", "recipients", "mediaUrls"),
		.strict = true};
	store_update(s->store, STORE_BULKS, &change, on_bulk_canceled, c);
}

/* ---- jobs to go on with, and jobs that have ended ---- */

static void pump(void *arg);

static void on_unfinished(void *arg, json_t *result, const char *error)
{
	struct bulks *b = arg;
	size_t i;
	json_t *bulk;
	if (error != NULL)
		log_debug("bulk jobs cannot be read: %s", error);
	json_array_foreach (json_object_get(result, "documents"), i, bulk) {
		struct wall_ms created = {0};
		wall_parse(message_field(bulk, "createdAt"), &created);
		bool ours = strcmp(message_field(bulk, "host"), b->smsd->host_id) == 0;
		if ((ours || wall_now().ms - created.ms > ORPHAN_MS) && bulk_store(b, bulk))
			log_info("bulk %s was not all stored yet: storing it", message_field(bulk, "bulkId"));
	}
}

struct bulk_finishing {
	struct smsd *smsd;
	char *id;
};

static void on_pending(void *arg, json_t *result, const char *error)
{
	struct bulk_finishing *f = arg;
	if (error == NULL && json_integer_value(result) == 0) {
		struct store_change change = {
			.key = f->id,
			.where = json_build("[[s, s, s]]", "status", "=", bulk_state_name(BULK_SENDING)),
			.set = json_build("{s:s}", "status", bulk_state_name(BULK_DONE)),
			/* Earlier versions kept the list. */
			.unset = json_build("[s, s]", "recipients", "mediaUrls"),
			.strict = true};
		store_update(f->smsd->store, STORE_BULKS, &change, NULL, NULL);
	}
	free(f->id);
	free(f);
}

static void on_in_sending(void *arg, json_t *result, const char *error)
{
	struct bulks *b = arg;
	size_t i;
	json_t *bulk;
	(void)error;
	json_array_foreach (json_object_get(result, "documents"), i, bulk) {
		struct bulk_finishing *f = xcalloc(1, sizeof *f);
		*f = (struct bulk_finishing){b->smsd, xstrdup(message_field(bulk, "bulkId"))};
		store_count(b->smsd->store, STORE_MESSAGES,
			    json_build("[[s, s, s], [s, s]]", "bulkId", "=", f->id, "dueAt", "present"), 1,
			    on_pending, f);
	}
	if (!b->draining)
		timer_start(&b->pump, b->smsd->base, PUMP_MS, pump, b);
}

static struct store_query in_state(enum bulk_state state)
{
	return (struct store_query){.where = json_build("[[s, s, s]]", "status", "=", bulk_state_name(state)),
				    .ascending = true,
				    .limit = PUMP_MAX};
}

static void pump(void *arg)
{
	struct bulks *b = arg;
	struct store_query storing = in_state(BULK_STORING), sending = in_state(BULK_SENDING);
	store_find(b->smsd->store, STORE_BULKS, &storing, on_unfinished, b);
	store_find(b->smsd->store, STORE_BULKS, &sending, on_in_sending, b);
}

struct bulks *bulks_new(struct smsd *s)
{
	struct bulks *b;
	OBJ_ALLOC(b, BULKS_MAGIC);
	b->smsd = s;
	LIST_INIT(&b->jobs);
	pump(b);
	return b;
}

void bulks_drain(struct bulks *b)
{
	struct bulk_job *job, *following;
	OBJ_CHECK(b, BULKS_MAGIC);
	b->draining = true;
	timer_stop(&b->pump);
	for (job = LIST_FIRST(&b->jobs); job != NULL; job = following) {
		following = LIST_NEXT(job, next);
		if (timer_running(&job->retry))
			bulk_job_free(job);
	}
}

void bulks_free(struct bulks **bb)
{
	struct bulks *b = *bb;
	if (b == NULL)
		return;
	OBJ_CHECK(b, BULKS_MAGIC);
	timer_stop(&b->pump);
	while (!LIST_EMPTY(&b->jobs))
		bulk_job_free(LIST_FIRST(&b->jobs));
	OBJ_FREE(b);
	*bb = NULL;
}
