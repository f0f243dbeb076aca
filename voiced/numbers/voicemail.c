#include "voiced/numbers/voicemail.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/loop/loop.h"
#include "lib/store/result.h"
#include "lib/store/tokenize.h"
#include "voiced/retention/call_deletion.h"
#include "voiced/retention/recording_removal.h"
#include "voiced/shared/crud.h"
#include "voiced/shared/event_bus.h"

#include <stdlib.h>
#include <string.h>

enum {
	LOOK_EVERY_MS = 60 * 1000,
	LATE_MS = 2 * 60 * 1000,       /* Twilio mostly needs less */
	GIVE_UP_MS = 24 * 3600 * 1000, /* it will not come any more */
	LOOK_MAX = 50,
};

static const char *const fields[] = {"callSid",      "recordingSid",  "fromNumber", "toNumber", "duration",
				     "recordingUrl", "transcription", "status",     "isRead",   "tags",
				     "errorMessage", "createdAt",     "updatedAt",  NULL};
static const char *const statuses[] = {"recording", "transcribing", "completed", "failed", NULL};
static const struct record_kind kind = {STORE_VOICEMAILS, "voicemail", "voicemails",
					"phony_list_voicemails lists them", fields};

/* ---- asking ---- */

/* The filters that a list and a deletion share; owned by the caller. */
static json_t *read_filters(struct json_reader *r)
{
	const char *from = NULL, *to = NULL, *status = NULL;
	int64_t start_ms = 0, end_ms = 0;
	bool read = false;
	json_t *where = json_array();
	json_read_address(r, "fromNumber", JSON_OPTIONAL, &from);
	json_read_address(r, "toNumber", JSON_OPTIONAL, &to);
	json_read_word(r, "status", JSON_OPTIONAL, statuses, &status);
	json_read_time(r, "startDate", JSON_OPTIONAL, &start_ms);
	json_read_until(r, "endDate", JSON_OPTIONAL, &end_ms);
	if (json_read_given(r, "isRead")) {
		json_read_bool(r, "isRead", JSON_OPTIONAL, &read);
		json_array_append_new(where, json_build("[s, s, b]", "isRead", "=", read));
	}
	filter_equal(where, "fromNumber", from);
	filter_equal(where, "toNumber", to);
	filter_equal(where, "status", status);
	filter_time(where, "createdAt", ">=", start_ms);
	filter_time(where, "createdAt", "<", end_ms);
	return where;
}

void voicemail_list(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *cursor = NULL;
	int64_t limit = LIST_DEFAULT;
	json_read_open(&r, args);
	json_t *where = read_filters(&r);
	filter_read_page(&r, &limit, &cursor);
	if (answer_faults(reply, &r))
		json_decref(where);
	else
		records_list(v, &kind, where, limit, cursor, reply);
}

void voicemail_search(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *query = "", *to = NULL, *cursor = NULL;
	int64_t limit = LIST_DEFAULT;
	json_read_open(&r, args);
	json_read_text(&r, "query", JSON_NEEDED, 1, 500, &query);
	json_read_address(&r, "toNumber", JSON_OPTIONAL, &to);
	filter_read_page(&r, &limit, &cursor);
	json_t *words = words_of(query, true);
	if (query[0] != '\0' && json_array_size(words) == 0)
		json_read_fault(&r, "query has no word to search for");
	json_t *where = json_build("[[s, s, o]]", "transcription", "text", words);
	filter_equal(where, "toNumber", to);
	if (answer_faults(reply, &r))
		json_decref(where);
	else
		records_list(v, &kind, where, limit, cursor, reply);
}

const char *voicemail_read_sid(struct json_reader *r, json_t *args)
{
	const char *sid = "";
	json_read_open(r, args);
	json_read_text(r, "recordingSid", JSON_NEEDED, 1, 64, &sid);
	if (sid[0] != '\0' && !twilio_is_recording_sid(sid))
		json_read_fault(r, "recordingSid must be RE and 32 hexadecimal digits");
	return sid;
}

void voicemail_get(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = voicemail_read_sid(&r, args);
	if (!answer_faults(reply, &r))
		records_get(v, &kind, sid, reply);
}

void voicemail_mark(struct voiced *v, json_t *args, struct reply reply, bool read)
{
	struct json_reader r;
	const char *sid = voicemail_read_sid(&r, args);
	if (!answer_faults(reply, &r))
		records_update(v, &kind, sid, json_build("{s:b}", "isRead", read), reply);
}

/* ---- deleting: Twilio's recordings first, which nothing else names ---- */

struct deletion {
	struct voiced *v;
	struct reply reply;
	json_t *sids;
	unsigned left;
	bool one, failed;
};

static void deletion_step(struct deletion *d)
{
	if (--d->left > 0)
		return;
	if (d->failed)
		answer_store_error(d->reply, "The voicemails could not be deleted; try again.");
	else if (d->one)
		records_remove(d->v, &kind, json_string_value(json_array_get(d->sids, 0)), d->reply);
	else
		records_remove_where(d->v, &kind, json_build("[[s, s, O]]", "recordingSid", "in", d->sids),
				     d->reply);
	json_decref(d->sids);
	free(d);
}

static void on_removal_noted(void *arg, json_t *result, const char *error)
{
	struct deletion *d = arg;
	(void)result;
	if (error != NULL)
		log_error("a voicemail cannot be deleted: %s", error);
	d->failed = d->failed || error != NULL;
	deletion_step(d);
}

static void on_to_delete(void *arg, json_t *result, const char *error)
{
	struct deletion *d = arg;
	size_t i;
	json_t *document;
	if (answer_store_error(d->reply, answer_whole_error(result, error))) {
		json_decref(d->sids);
		free(d);
		return;
	}
	d->left = 1;
	json_array_foreach (json_object_get(result, "documents"), i, document) {
		const char *sid = store_key(&store_collections[STORE_VOICEMAILS], document);
		if (!d->one)
			json_array_append_new(d->sids, json_text(sid));
		d->left += 2;
		deletion_note(d->v, STORE_VOICEMAILS, sid, on_removal_noted, d);
		removals_add(d->v, sid, STORE_VOICEMAILS, sid, on_removal_noted, d);
	}
	deletion_step(d);
}

/* sids are those to delete; NULL: what is found. Both are stolen. */
static void find_and_delete(struct voiced *v, json_t *where, json_t *sids, struct reply reply)
{
	enum { DELETE_MAX = 10000 };
	struct deletion *d = xcalloc(1, sizeof *d);
	*d = (struct deletion){
		.v = v, .reply = reply, .sids = sids ? sids : json_array(), .one = sids != NULL};
	struct store_query query = {.where = where, .limit = DELETE_MAX};
	store_find(v->store, STORE_VOICEMAILS, &query, on_to_delete, d);
}

void voicemail_delete(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = voicemail_read_sid(&r, args);
	if (!answer_faults(reply, &r))
		find_and_delete(v, json_build("[[s, s, s]]", "recordingSid", "=", sid),
				json_build("[s]", sid), reply);
}

void voicemail_delete_many(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	json_read_open(&r, args);
	json_t *where = read_filters(&r);
	if (json_read_ok(&r) && json_array_size(where) == 0)
		json_read_fault(&r, "give at least one filter: which voicemails are to be deleted?");
	if (answer_faults(reply, &r))
		json_decref(where);
	else
		find_and_delete(v, where, NULL, reply);
}

struct counting {
	struct reply reply;
	char *number;
};

static void on_counted(void *arg, json_t *result, const char *error)
{
	struct counting *c = arg;
	long long count = json_integer_value(result);
	if (!answer_store_error(c->reply, error))
		answer_success(
			c->reply, 200,
			json_build("{s:s, s:I}", "toNumber", c->number, "unreadCount", (json_int_t)count),
			"%lld unread voicemail(s)", count);
	free(c->number);
	free(c);
}

void voicemail_count_unread(struct voiced *v, json_t *args, struct reply reply)
{
	enum { COUNT_MAX = 100000 };
	struct json_reader r;
	const char *to = "";
	json_read_open(&r, args);
	json_read_number(&r, "toNumber", JSON_NEEDED, &to);
	if (answer_faults(reply, &r))
		return;
	struct counting *c = xcalloc(1, sizeof *c);
	*c = (struct counting){reply, xstrdup(to)};
	store_count(v->store, STORE_VOICEMAILS,
		    json_build("[[s, s, s], [s, s, b]]", "toNumber", "=", to, "isRead", "=", 0), COUNT_MAX,
		    on_counted, c);
}

/* ---- from Twilio ---- */

static json_t *text(const struct form *form, const char *name)
{
	return json_text(form_get(form, name));
}

/* A voicemail that Twilio has told of, perhaps again. */
struct recorded {
	struct voiced *v;
	json_t *document;
	store_fn *fn;
	void *arg;
};

static void on_recorded_before(void *arg, json_t *note, const char *error)
{
	struct recorded *r = arg;
	/* While the database is away nothing is known of deletions: it is kept. */
	if (error == NULL && json_is_object(note)) {
		r->fn(r->arg, NULL, NULL); /* it was deleted since: it does not come back */
	} else {
		log_info("a voicemail of %lld s is kept",
			 (long long)json_integer_value(json_object_get(r->document, "duration")));
		news_voicemail(r->v, r->document);
		/* A repeat changes nothing: it may have been read, tagged, transcribed since. */
		store_insert(r->v->store, STORE_VOICEMAILS, r->document, r->fn, r->arg);
	}
	json_decref(r->document);
	free(r);
}

void voicemail_recorded(struct voiced *v, const struct form *form, store_fn *fn, void *arg)
{
	const char *duration = form_get(form, "RecordingDuration");
	json_t *document =
		json_build("{s:o, s:o, s:o, s:o, s:I, s:o, s:s, s:s, s:b, s:[], s:o, s:o}", "callSid",
			   text(form, "CallSid"), "recordingSid", text(form, "RecordingSid"), "fromNumber",
			   text(form, "From"), "toNumber", text(form, "To"), "duration",
			   (json_int_t)(duration ? atoll(duration) : 0), "recordingUrl",
			   text(form, "RecordingUrl"), "transcription", "", "status", "transcribing",
			   "isRead", 0, "tags", "createdAt", record_now(), "updatedAt", record_now());
	int64_t days = v->config->retention_days;
	if (days > 0)
		json_object_set_new(document, "recordingUntilAt", wall_json(wall_now().ms + days * 86400000));
	struct recorded *r = xcalloc(1, sizeof *r);
	*r = (struct recorded){v, document, fn, arg};
	deletion_look_up(v, STORE_VOICEMAILS, store_key(&store_collections[STORE_VOICEMAILS], document),
			 on_recorded_before, r);
}

static void set_transcription(struct voiced *v, const char *sid, const char *words, const char *fault,
			      store_fn *fn, void *arg)
{
	json_t *set = json_build("{s:s, s:s, s:o}", "status", fault ? "failed" : "completed", "transcription",
				 words, "updatedAt", record_now());
	if (fault != NULL)
		json_object_set_new(set, "errorMessage", json_text(fault));
	struct store_change change = {.key = sid, .set = set};
	store_update(v->store, STORE_VOICEMAILS, &change, fn, arg);
	news_voicemail_changed(v, sid);
}

void voicemail_transcribed(struct voiced *v, const struct form *form, store_fn *fn, void *arg)
{
	const char *status = form_get(form, "TranscriptionStatus"),
		   *words = form_get(form, "TranscriptionText");
	const char *sid = form_get(form, "RecordingSid");
	bool done = status != NULL && strcmp(status, "completed") == 0;
	set_transcription(v, sid ? sid : "", words ? words : "",
			  done ? NULL : "Twilio could not transcribe this recording.", fn, arg);
}

/* ---- what did not come ---- */

struct voicemails {
	struct voiced *v;
	struct timer timer;
};

struct late {
	struct voiced *v;
	char *sid;
	int64_t age_ms;
};

static void on_transcriptions(void *arg, const struct twilio_answer *answer)
{
	struct late *l = arg;
	json_t *list = NULL, *one;
	const char *words = NULL, *status = "";
	struct json_reader r;
	size_t i;
	json_read_open(&r, answer->outcome == TWILIO_DONE ? answer->body : NULL);
	json_read_any(&r, "transcriptions", JSON_NEEDED, &list);
	json_array_foreach (list, i, one) {
		json_read_open(&r, one);
		json_read_text(&r, "status", JSON_OPTIONAL, 0, 40, &status);
		if (strcmp(status, "completed") == 0)
			json_read_text(&r, "transcription_text", JSON_OPTIONAL, 0, 64 * 1024, &words);
	}
	if (words != NULL)
		set_transcription(l->v, l->sid, words, NULL, NULL, NULL);
	else if (l->age_ms > GIVE_UP_MS)
		set_transcription(l->v, l->sid, "", "Twilio never told a transcription.", NULL, NULL);
	free(l->sid);
	free(l);
}

static void look(void *arg);

static void on_late(void *arg, json_t *result, const char *error)
{
	struct voicemails *m = arg;
	size_t i;
	json_t *document;
	if (m->v->draining)
		return;
	if (error != NULL)
		log_debug("voicemails cannot be looked at: %s", error);
	json_array_foreach (json_object_get(result, "documents"), i, document) {
		struct wall_ms created = {0};
		struct late *l = xcalloc(1, sizeof *l);
		const char *at = json_string_value(json_object_get(document, "createdAt"));
		wall_parse(at ? at : "", &created);
		*l = (struct late){m->v, xstrdup(store_key(&store_collections[STORE_VOICEMAILS], document)),
				   wall_now().ms - created.ms};
		twilio_list_transcriptions(m->v->twilio, l->sid, on_transcriptions, l);
	}
	timer_start(&m->timer, m->v->base, LOOK_EVERY_MS, look, m);
}

static void look(void *arg)
{
	struct voicemails *m = arg;
	char before[WALL_TEXT_SIZE];
	wall_format((struct wall_ms){wall_now().ms - LATE_MS}, before);
	struct store_query query = {.where = json_build("[[s, s, s], [s, s, s]]", "status", "=",
							"transcribing", "createdAt", "<", before),
				    .limit = LOOK_MAX};
	store_find(m->v->store, STORE_VOICEMAILS, &query, on_late, m);
}

struct voicemails *voicemails_new(struct voiced *v)
{
	struct voicemails *m = xcalloc(1, sizeof *m);
	m->v = v;
	timer_start(&m->timer, v->base, 0, look, m);
	return m;
}

void voicemails_free(struct voicemails **mm)
{
	struct voicemails *m = *mm;
	if (m == NULL)
		return;
	timer_stop(&m->timer);
	free(m);
	*mm = NULL;
}
