/*
 * The list is stored first, then each message under an id made of the list's:
 * whatever ends in between, going on stores what is missing and nothing twice.
 */
#include "smsd/bulk.h"

#include "lib/base/e164.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/store/answers.h"
#include "smsd/messages.h"
#include "smsd/outbox.h"
#include "smsd/templates.h"
#include "smsd/verbs.h"
#include "smsd/wish.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECIPIENTS_MAX = 1000, RATE_DEFAULT = 60, RATE_MAX = 6000, ID_LEN = 24, RESUME_MAX = 1000 };

/* ---- storing the messages ---- */

struct spreading {
	struct smsd *smsd;
	struct reply reply; /* done is NULL: nobody waits */
	json_t *bulk;
	size_t left;
	char error[200];
};

static json_t *bulk_public(const json_t *bulk)
{
	return json_build("{s:s, s:s, s:O, s:s, s:O, s:O*, s:O}", "bulkId", message_field(bulk, "bulkId"),
			  "status", message_field(bulk, "status"), "total", json_object_get(bulk, "total"),
			  "fromNumber", message_field(bulk, "fromNumber"), "ratePerMinute",
			  json_object_get(bulk, "ratePerMinute"), "sendAt", json_object_get(bulk, "sendAt"),
			  "createdAt", json_object_get(bulk, "createdAt"));
}

static void on_spread_stored(void *arg, json_t *result, const char *error)
{
	struct spreading *p = arg;
	if (p->reply.done == NULL)
		;
	else if (error != NULL)
		answer_store_error(p->reply, error);
	else
		answer_success(
			p->reply, 202,
			bulk_public(json_is_object(result) && json_object_get(result, "bulkId") ? result
												: p->bulk),
			"%lld message(s) are stored and will be sent; follow them with phony_get_bulk_sms",
			(long long)json_integer_value(json_object_get(p->bulk, "total")));
	json_decref(p->bulk);
	free(p);
}

static void spread_step(struct spreading *p)
{
	if (--p->left > 0)
		return;
	if (p->error[0] != '\0') {
		/* It stays "storing" and goes on at the next start. */
		on_spread_stored(p, NULL, p->error);
		return;
	}
	struct store_change change = {.key = message_field(p->bulk, "bulkId"),
				      .where = json_build("[[s, s, s]]", "status", "=", "storing"),
				      .set = json_build("{s:s}", "status", "sending")};
	store_update(p->smsd->store, STORE_BULKS, &change, on_spread_stored, p);
}

static void on_one_stored(void *arg, const struct outbox_end *end)
{
	struct spreading *p = arg;
	if (end->error_status != 0)
		snprintf(p->error, sizeof p->error, "%s", end->message);
	spread_step(p);
}

/* "PM" and the MD5 of the list's id and the place in it: the same when it is stored again. */
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

/* Steals bulk: {bulkId, recipients: [{toNumber, body}], …}. */
static void spread(struct smsd *s, json_t *bulk, struct reply reply)
{
	struct spreading *p = xcalloc(1, sizeof *p);
	*p = (struct spreading){.smsd = s, .reply = reply, .bulk = bulk, .left = 1};
	struct wall_ms start = {0};
	int64_t rate = json_integer_value(json_object_get(bulk, "ratePerMinute"));
	size_t i;
	json_t *one;
	wall_parse(message_field(bulk, json_object_get(bulk, "sendAt") ? "sendAt" : "createdAt"), &start);
	json_array_foreach (json_object_get(bulk, "recipients"), i, one) {
		char id[REQUEST_ID_SIZE];
		request_id_of(message_field(bulk, "bulkId"), i, id);
		struct outgoing m = {.to = message_field(one, "toNumber"),
				     .from = message_field(bulk, "fromNumber"),
				     .body = message_field(one, "body"),
				     .media_urls = json_object_get(bulk, "mediaUrls"),
				     .bulk_id = message_field(bulk, "bulkId"),
				     .request_id = id,
				     .send_at = start.ms + (int64_t)i * 60000 / rate};
		p->left++;
		outbox_send(s->outbox, &m, on_one_stored, p);
	}
	spread_step(p);
}

static void on_unfinished(void *arg, json_t *result, const char *error)
{
	struct smsd *s = arg;
	static const struct reply nobody = {0};
	size_t i;
	json_t *bulk;
	(void)error;
	json_array_foreach (json_object_get(result, "documents"), i, bulk) {
		if (strcmp(message_field(bulk, "host"), s->host_id) != 0)
			continue;
		log_info("bulk %s was being stored when smsd ended: going on", message_field(bulk, "bulkId"));
		spread(s, json_incref(bulk), nobody);
	}
}

void bulk_resume(struct smsd *s)
{
	struct store_query q = {.where = json_build("[[s, s, s]]", "status", "=", "storing"),
				.limit = RESUME_MAX};
	store_find(s->store, STORE_BULKS, &q, on_unfinished, s);
}

/* ---- asking for it ---- */

struct starting {
	struct smsd *smsd;
	struct reply reply;
	json_t *args, *bulk;
	struct wish wish;
	json_t *numbers;
	int64_t rate;
};

static void free_starting(struct starting *p)
{
	json_decref(p->args);
	json_decref(p->bulk);
	free(p);
}

static void on_bulk_stored(void *arg, json_t *result, const char *error)
{
	struct starting *p = arg;
	(void)result;
	if (!answer_store_error(p->reply, error))
		spread(p->smsd, json_incref(p->bulk), p->reply);
	free_starting(p);
}

/* An entry of toNumbers: a number, or {toNumber, fields}. */
static const char *entry_number(json_t *entry)
{
	const char *text =
		json_string_value(json_is_object(entry) ? json_object_get(entry, "toNumber") : entry);
	return text ? text : "";
}

/* Its fields; NULL when it has none. */
static json_t *entry_fields(const json_t *entry)
{
	json_t *fields = json_object_get(entry, "fields");
	return json_is_null(fields) ? NULL : fields;
}

/* The messages' texts; NULL after a fault, which is answered. */
static json_t *make_recipients(struct starting *p, const char *template_body)
{
	json_t *recipients = json_array(), *entry;
	size_t i;
	json_array_foreach (p->numbers, i, entry) {
		char why[300];
		/* The list's fields stand for all; an entry's own come before them. */
		json_t *fields = p->wish.fields ? json_copy(p->wish.fields) : json_object();
		json_object_update(fields, entry_fields(entry));
		char *body = wish_body(&p->wish, template_body, fields, why, sizeof why);
		json_decref(fields);
		if (body == NULL) {
			answer_error(p->reply, 400, "invalid", "toNumbers[%zu]: %s", i, why);
			json_decref(recipients);
			return NULL;
		}
		json_array_append_new(
			recipients, json_build("{s:s, s:s}", "toNumber", entry_number(entry), "body", body));
		free(body);
	}
	return recipients;
}

static void with_text(struct starting *p, const char *template_body)
{
	char id[ID_LEN + 1];
	json_t *recipients = make_recipients(p, template_body);
	if (recipients == NULL) {
		free_starting(p);
		return;
	}
	secret_make(id, ID_LEN);
	p->bulk = json_build("{s:s, s:s, s:s, s:I, s:s, s:I, s:o, s:O*, s:o}", "bulkId", id, "host",
			     p->smsd->host_id, "status", "storing", "total",
			     (json_int_t)json_array_size(recipients), "fromNumber", p->wish.from,
			     "ratePerMinute", (json_int_t)p->rate, "recipients", recipients, "mediaUrls",
			     p->wish.media_urls, "createdAt", message_time(wall_now().ms));
	if (p->wish.send_at != 0)
		json_object_set_new(p->bulk, "sendAt", message_time(p->wish.send_at));
	store_insert(p->smsd->store, STORE_BULKS, p->bulk, on_bulk_stored, p);
}

static void on_template(void *arg, const char *template_body)
{
	struct starting *p = arg;
	if (template_body != NULL)
		with_text(p, template_body);
	else
		free_starting(p);
}

static void check_numbers(struct json_reader *r, json_t *numbers)
{
	size_t i, k, count = json_array_size(numbers);
	json_t *entry;
	if (numbers != NULL && (!json_is_array(numbers) || count == 0 || count > RECIPIENTS_MAX)) {
		json_read_fault(r, "toNumbers must be a list of 1 to %d numbers", RECIPIENTS_MAX);
		return;
	}
	json_t *seen = json_object();
	json_array_foreach (numbers, i, entry) {
		const char *number = entry_number(entry);
		json_t *fields = entry_fields(entry);
		k = json_object_size(seen);
		if (!e164_valid(number))
			json_read_fault(r, "toNumbers[%zu]: %s", i, E164_ADVICE);
		else if (json_object_set_new(seen, number, json_true()) == 0 && json_object_size(seen) == k)
			json_read_fault(r, "toNumbers[%zu]: %s is there twice", i, number);
		if (fields != NULL && !json_is_object(fields))
			json_read_fault(r, "toNumbers[%zu]: fields must be an object", i);
	}
	json_decref(seen);
}

void send_bulk(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	struct starting *p = xcalloc(1, sizeof *p);
	p->smsd = s;
	p->reply = reply;
	p->args = json_incref(args);
	p->rate = RATE_DEFAULT;
	json_read_open(&r, args);
	json_read_any(&r, "toNumbers", JSON_NEEDED, &p->numbers);
	check_numbers(&r, p->numbers);
	wish_read(s, &r, &p->wish, true);
	json_read_int(&r, "ratePerMinute", JSON_OPTIONAL, 1, RATE_MAX, &p->rate);
	if (answer_faults(reply, &r))
		free_starting(p);
	else if (p->wish.template_name != NULL)
		template_look_up(s, p->wish.template_name, reply, on_template, p);
	else
		with_text(p, NULL);
}

/* ---- how far it is ---- */

struct looking {
	struct smsd *smsd;
	struct reply reply;
	char *id;
	bool cancel;
	json_t *bulk;
	size_t left, canceled;
};

static void free_looking(struct looking *l)
{
	json_decref(l->bulk);
	free(l->id);
	free(l);
}

static void on_results(void *arg, json_t *result, const char *error)
{
	struct looking *l = arg;
	json_t *messages = json_object_get(result, "documents"), *results = json_array(), *m;
	json_t *counts = json_object();
	json_int_t pending = 0;
	if (answer_store_error(l->reply, error)) {
		json_decref(results);
		json_decref(counts);
		free_looking(l);
		return;
	}
	for (size_t i = json_array_size(messages); i-- > 0;) {
		m = json_array_get(messages, i);
		const char *status = message_field(m, "status");
		json_t *one = json_build(
			"{s:s, s:s, s:s, s:O*, s:O*}", "toNumber", message_field(m, "toNumber"), "messageSid",
			message_field(m, "messageSid"), "status", status, "errorCode",
			json_object_get(m, "errorCode"), "errorMessage", json_object_get(m, "errorMessage"));
		json_array_append_new(results, one);
		json_object_set_new(counts, status,
				    json_integer(json_integer_value(json_object_get(counts, status)) + 1));
		pending += json_object_get(m, "dueAt") != NULL;
	}
	json_t *data = bulk_public(l->bulk);
	json_int_t total = json_integer_value(json_object_get(l->bulk, "total"));
	bool stored = strcmp(message_field(l->bulk, "status"), "storing") != 0;
	if (stored && pending == 0 && strcmp(message_field(l->bulk, "status"), "sending") == 0)
		json_object_set_new(data, "status", json_text("done"));
	json_object_set_new(data, "pending", json_integer(pending));
	json_object_set_new(data, "counts", counts);
	json_object_set_new(data, "results", results);
	if (l->cancel)
		answer_success(l->reply, 200, data, "%zu message(s) will not be sent", l->canceled);
	else
		answer_success(l->reply, 200, data, "%lld of %lld message(s) have left",
			       (long long)(total - pending), (long long)total);
	free_looking(l);
}

static void find_results(struct looking *l)
{
	struct store_query q = {.where = json_build("[[s, s, s]]", "bulkId", "=", l->id),
				.limit = RECIPIENTS_MAX};
	store_find(l->smsd->store, STORE_MESSAGES, &q, on_results, l);
}

static void cancel_step(struct looking *l)
{
	if (--l->left == 0)
		find_results(l);
}

static void on_one_canceled(void *arg, json_t *result, const char *error)
{
	struct looking *l = arg;
	l->canceled += error == NULL && json_is_object(result);
	cancel_step(l);
}

static void on_to_cancel(void *arg, json_t *result, const char *error)
{
	struct looking *l = arg;
	size_t i;
	json_t *m;
	if (answer_store_error(l->reply, error)) {
		free_looking(l);
		return;
	}
	l->left = 1;
	json_array_foreach (json_object_get(result, "documents"), i, m) {
		struct store_change change = {.key = message_field(m, "requestId"),
					      .where = json_build("[[s, s, s]]", "state", "=", "waiting"),
					      .set = json_build("{s:s, s:o}", "status", "canceled",
								"updatedAt", message_time(wall_now().ms)),
					      .unset = json_build("[s, s, s]", "state", "dueAt", "tries"),
					      .strict = true};
		l->left++;
		store_update(l->smsd->store, STORE_MESSAGES, &change, on_one_canceled, l);
	}
	cancel_step(l);
}

static void on_bulk(void *arg, json_t *result, const char *error)
{
	struct looking *l = arg;
	if (error != NULL || !json_is_object(result)) {
		if (!answer_store_error(l->reply, error))
			answer_error(l->reply, 404, "not_found", "No bulk sending has this bulkId.");
		free_looking(l);
		return;
	}
	l->bulk = json_incref(result);
	if (!l->cancel) {
		find_results(l);
		return;
	}
	struct store_query waiting = {
		.where = json_build("[[s, s, s], [s, s, s]]", "bulkId", "=", l->id, "state", "=", "waiting"),
		.limit = RECIPIENTS_MAX};
	store_find(l->smsd->store, STORE_MESSAGES, &waiting, on_to_cancel, l);
}

static void look_at(struct smsd *s, json_t *args, struct reply reply, bool cancel)
{
	struct json_reader r;
	const char *id = "";
	json_read_open(&r, args);
	json_read_text(&r, "bulkId", JSON_NEEDED, 1, 64, &id);
	if (answer_faults(reply, &r))
		return;
	struct looking *l = xcalloc(1, sizeof *l);
	*l = (struct looking){.smsd = s, .reply = reply, .id = xstrdup(id), .cancel = cancel};
	store_get(s->store, STORE_BULKS, "bulkId", id, on_bulk, l);
}

void get_bulk(struct smsd *s, json_t *args, struct reply reply)
{
	look_at(s, args, reply, false);
}

void cancel_bulk(struct smsd *s, json_t *args, struct reply reply)
{
	look_at(s, args, reply, true);
}

static void on_bulks(void *arg, json_t *result, const char *error)
{
	struct looking *l = arg;
	answer_list(l->reply, result, error, "bulks", "bulk sending(s)", bulk_public);
	free_looking(l);
}

void list_bulks(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *cursor = NULL;
	int64_t limit = LIST_DEFAULT;
	json_read_open(&r, args);
	filter_read_page(&r, &limit, &cursor);
	if (answer_faults(reply, &r))
		return;
	struct looking *l = xcalloc(1, sizeof *l);
	*l = (struct looking){.smsd = s, .reply = reply};
	struct store_query q = {.limit = limit, .cursor = cursor};
	store_find(s->store, STORE_BULKS, &q, on_bulks, l);
}
