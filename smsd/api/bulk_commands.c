/* What a person asks of bulk jobs: started, followed, listed, canceled. */
#include "lib/base/e164.h"
#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "smsd/api/commands.h"
#include "smsd/api/templates.h"
#include "smsd/messages/messages.h"
#include "smsd/messages/send_request.h"
#include "smsd/outbox/bulk.h"
#include "smsd/outbox/bulk_states.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RATE_DEFAULT = 60, RATE_MAX = 6000, ID_LEN = 24 };

static json_t *bulk_public(const json_t *bulk)
{
	return json_build("{s:s, s:s, s:O, s:s, s:O, s:O*, s:O}", "bulkId", message_field(bulk, "bulkId"),
			  "status", message_field(bulk, "status"), "total", json_object_get(bulk, "total"),
			  "fromNumber", message_field(bulk, "fromNumber"), "ratePerMinute",
			  json_object_get(bulk, "ratePerMinute"), "sendAt", json_object_get(bulk, "sendAt"),
			  "createdAt", json_object_get(bulk, "createdAt"));
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
	if (!answer_store_error(p->reply, error)) {
		/* The list is durable: its messages follow from it, whatever ends meanwhile. */
		bulk_store(p->smsd->bulks, p->bulk);
		answer_success(p->reply, 202, bulk_public(p->bulk),
			       "%lld message(s) will be sent; follow them with phony_get_bulk_sms",
			       (long long)json_integer_value(json_object_get(p->bulk, "total")));
	}
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
			     p->smsd->host_id, "status", bulk_state_name(BULK_STORING), "total",
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
	if (numbers != NULL && (!json_is_array(numbers) || count == 0 || count > BULK_RECIPIENTS_MAX)) {
		json_read_fault(r, "toNumbers must be a list of 1 to %d numbers", BULK_RECIPIENTS_MAX);
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
	size_t canceled;
};

static void free_looking(struct looking *l)
{
	json_decref(l->bulk);
	free(l->id);
	free(l);
}

static void count_up(json_t *counts, const char *status)
{
	json_object_set_new(counts, status,
			    json_integer(json_integer_value(json_object_get(counts, status)) + 1));
}

static json_int_t counted(const json_t *counts, const char *status)
{
	return json_integer_value(json_object_get(counts, status));
}

static void on_results(void *arg, json_t *result, const char *error)
{
	struct looking *l = arg;
	json_t *messages = json_object_get(result, "documents"), *m;
	if (answer_store_error(l->reply, error)) {
		free_looking(l);
		return;
	}
	json_t *results = json_array(), *counts = json_object(), *data = bulk_public(l->bulk);
	json_int_t pending = 0, total = json_integer_value(json_object_get(l->bulk, "total"));
	for (size_t i = json_array_size(messages); i-- > 0;) {
		m = json_array_get(messages, i);
		json_array_append_new(results, json_build("{s:s, s:s, s:s, s:O*, s:O*}", "toNumber",
							  message_field(m, "toNumber"), "messageSid",
							  message_field(m, "messageSid"), "status",
							  message_field(m, "status"), "errorCode",
							  json_object_get(m, "errorCode"), "errorMessage",
							  json_object_get(m, "errorMessage")));
		count_up(counts, message_field(m, "status"));
		pending += json_object_get(m, "dueAt") != NULL;
	}
	enum bulk_state state = bulk_state_of(l->bulk);
	json_int_t stored = (json_int_t)json_array_size(results);
	if (state == BULK_STORING && stored < total)
		pending += total - stored;
	if (pending == 0 && bulk_action(state, BULK_DRAINED) == BULK_FINISH)
		json_object_set_new(data, "status", json_text(bulk_state_name(BULK_DONE)));
	json_int_t failed = counted(counts, "failed") + counted(counts, "undelivered");
	json_int_t sent = stored - failed - counted(counts, "canceled");
	for (size_t i = 0; i < json_array_size(messages); i++)
		sent -= json_object_get(json_array_get(messages, i), "dueAt") != NULL;
	json_object_set_new(data, "pending", json_integer(pending));
	json_object_set_new(data, "sent", json_integer(sent));
	json_object_set_new(data, "failed", json_integer(failed));
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
				.limit = BULK_RECIPIENTS_MAX};
	store_find(l->smsd->store, STORE_MESSAGES, &q, on_results, l);
}

static void on_canceled(void *arg, json_t *bulk, size_t canceled, const char *error)
{
	struct looking *l = arg;
	if (answer_store_error(l->reply, error)) {
		free_looking(l);
		return;
	}
	json_decref(l->bulk);
	l->bulk = json_incref(bulk);
	l->canceled = canceled;
	find_results(l);
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
	if (l->cancel)
		bulk_cancel(l->smsd, l->bulk, on_canceled, l);
	else
		find_results(l);
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

/* ---- lists, with how far each is ---- */

enum { PENDING, FAILED, CANCELED, STORED, FIGURES };

static json_t *bulk_with_figures(const json_t *bulk)
{
	static const char *const names[] = {"pending", "sent", "failed"};
	json_t *data = bulk_public(bulk);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		json_object_set(data, names[i], json_object_get(bulk, names[i]));
	return data;
}

struct listing {
	struct reply reply;
	json_t *found;
	json_int_t (*figures)[FIGURES]; /* of each bulk */
	size_t left;
};

struct figure {
	struct listing *listing;
	json_int_t *value;
};

static void listing_end(struct listing *l)
{
	size_t i;
	json_t *bulk;
	json_array_foreach (json_object_get(l->found, "documents"), i, bulk) {
		json_int_t *f = l->figures[i], missing = 0;
		if (bulk_state_of(bulk) == BULK_STORING)
			missing = json_integer_value(json_object_get(bulk, "total")) - f[STORED];
		json_object_set_new(bulk, "sent",
				    json_integer(f[STORED] - f[PENDING] - f[FAILED] - f[CANCELED]));
		json_object_set_new(bulk, "failed", json_integer(f[FAILED]));
		json_object_set_new(bulk, "pending", json_integer(f[PENDING] + missing));
		if (f[PENDING] + missing == 0 &&
		    bulk_action(bulk_state_of(bulk), BULK_DRAINED) == BULK_FINISH)
			json_object_set_new(bulk, "status", json_text(bulk_state_name(BULK_DONE)));
	}
	answer_list(l->reply, l->found, NULL, "bulks", "bulk sending(s)", bulk_with_figures);
	json_decref(l->found);
	free(l->figures);
	free(l);
}

static void on_figure(void *arg, json_t *result, const char *error)
{
	struct figure *f = arg;
	struct listing *l = f->listing;
	*f->value = error == NULL ? json_integer_value(result) : 0;
	free(f);
	if (--l->left == 0)
		listing_end(l);
}

/* condition is stolen; NULL: all of the bulk's messages. */
static void count_figure(struct smsd *s, struct listing *l, const char *bulk_id, json_int_t *value,
			 json_t *condition)
{
	struct figure *f = xcalloc(1, sizeof *f);
	*f = (struct figure){l, value};
	json_t *where = json_build("[[s, s, s]]", "bulkId", "=", bulk_id);
	if (condition != NULL)
		json_array_append_new(where, condition);
	l->left++;
	store_count(s->store, STORE_MESSAGES, where, BULK_RECIPIENTS_MAX, on_figure, f);
}

struct list_asked {
	struct smsd *smsd;
	struct reply reply;
};

static void on_bulks(void *arg, json_t *result, const char *error)
{
	struct list_asked *a = arg;
	struct smsd *s = a->smsd;
	size_t i, n = json_array_size(json_object_get(result, "documents"));
	json_t *bulk;
	struct reply reply = a->reply;
	free(a);
	if (answer_store_error(reply, error))
		return;
	struct listing *l = xcalloc(1, sizeof *l);
	*l = (struct listing){.reply = reply, .found = json_deep_copy(result), .left = 1};
	l->figures = xcalloc(n + 1, sizeof *l->figures);
	json_array_foreach (json_object_get(l->found, "documents"), i, bulk) {
		const char *id = message_field(bulk, "bulkId");
		json_int_t *f = l->figures[i];
		count_figure(s, l, id, &f[STORED], NULL);
		count_figure(s, l, id, &f[PENDING], json_build("[s, s]", "dueAt", "present"));
		count_figure(s, l, id, &f[FAILED],
			     json_build("[s, s, [s, s]]", "status", "in", "failed", "undelivered"));
		count_figure(s, l, id, &f[CANCELED], json_build("[s, s, s]", "status", "=", "canceled"));
	}
	if (--l->left == 0)
		listing_end(l);
}

void list_bulks(struct smsd *s, json_t *args, struct reply reply)
{
	const char *cursor;
	int64_t limit;
	if (!answer_page(reply, args, &limit, &cursor))
		return;
	struct list_asked *a = xcalloc(1, sizeof *a);
	*a = (struct list_asked){s, reply};
	struct store_query q = {.limit = limit, .cursor = cursor};
	store_find(s->store, STORE_BULKS, &q, on_bulks, a);
}
