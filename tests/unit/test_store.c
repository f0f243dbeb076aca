/*
 * The store's verbs, the same suite on SQLite and on MongoDB (TEST_MONGODB_URL):
 * every answer is written down, and at the end both have said the same, byte for byte.
 */
#include "lib/base/buffer.h"
#include "lib/base/panic.h"
#include "lib/loop/loop.h"
#include "lib/store/store.h"
#include "lib/store/tokenize.h"
#include "tests/unit/unit.h"

#include <event2/event.h>
#include <mongoc/mongoc.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "build/unit-store"

static struct event_base *base;
static struct store *store;
static char url[300]; /* "": SQLite */
static struct buffer said[2], *saying;

static const char *server(void)
{
	return getenv("TEST_MONGODB_URL");
}

static void remove_files(void)
{
	assert_int_equal(system("rm -rf " FOLDER), 0);
	mkdir(FOLDER, 0700);
}

static void open_store(void)
{
	char error[300] = "";
	store = store_open(base, url, FOLDER, "test", error, sizeof error);
	if (store == NULL)
		fail_msg("%s", error);
}

static int setup_sqlite(void **state)
{
	(void)state;
	url[0] = '\0';
	saying = &said[0];
	remove_files();
	base = loop_new(false);
	open_store();
	return 0;
}

/* A database of its own for each test. */
static int setup_mongodb(void **state)
{
	(void)state;
	static int n;
	snprintf(url, sizeof url, "%s/unit_%d_%d_%d?", server(), (int)getpid(), (int)time(NULL), n++);
	saying = &said[1];
	remove_files();
	base = loop_new(false);
	open_store();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(&store);
	event_base_free(base);
	return 0;
}

struct answer {
	bool done;
	json_t *result;
	char error[300];
	enum store_failure failure;
};

static void on_answer(void *arg, json_t *result, const char *error)
{
	struct answer *a = arg;
	a->done = true;
	a->result = json_incref(result);
	a->failure = store_failure(error);
	snprintf(a->error, sizeof a->error, "%s", error ? error : "");
}

/* Waits for the answer, writes it down and gives it away. */
static json_t *take(struct answer *a)
{
	while (!a->done)
		event_base_loop(base, EVLOOP_ONCE);
	char *text = a->result ? json_dumps(a->result, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	buffer_append_text(saying, text ? text : "nothing");
	buffer_append_text(saying, a->error[0] ? " with an error\n" : "\n");
	free(text);
	json_t *result = a->result;
	*a = (struct answer){0};
	return result;
}

static struct answer answer;

static json_t *insert(enum store_kind kind, json_t *document)
{
	store_insert(store, kind, document, on_answer, &answer);
	json_decref(document);
	return take(&answer);
}

static void put(enum store_kind kind, json_t *document)
{
	store_put(store, kind, document, on_answer, &answer);
	json_decref(document);
	json_t *result = take(&answer);
	assert_non_null(result);
	json_decref(result);
}

static json_t *get(enum store_kind kind, const char *field, const char *value)
{
	store_get(store, kind, field, value, on_answer, &answer);
	return take(&answer);
}

static json_t *find(enum store_kind kind, json_t *where, int limit, const char *cursor, bool ascending)
{
	struct store_query q = {.where = where, .limit = limit, .cursor = cursor, .ascending = ascending};
	store_find(store, kind, &q, on_answer, &answer);
	return take(&answer);
}

/* The keys of what a filter finds, newest first, joined by spaces. */
static void assert_finds(json_t *where, const char *expected)
{
	char keys[600] = "";
	size_t i;
	json_t *document, *found = find(STORE_MESSAGES, where, 50, NULL, false);
	json_array_foreach (json_object_get(found, "documents"), i, document) {
		size_t used = strlen(keys);
		snprintf(keys + used, sizeof keys - used, "%s%s", used ? " " : "",
			 json_string_value(json_object_get(document, "messageSid")));
	}
	json_decref(found);
	assert_string_equal(keys, expected);
}

static json_t *message(int n, const char *direction, const char *from, const char *to, const char *body)
{
	char sid[40], when[40];
	snprintf(sid, sizeof sid, "SM%02d", n);
	/* Pairs share their time: an order and a cursor must not lose one of them. */
	snprintf(when, sizeof when, "2026-11-24T10:%02d:00.000Z", n / 2);
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:[],s:[],s:s,s:s}", "messageSid", sid, "direction",
			 direction, "fromNumber", from, "toNumber", to, "body", body, "status",
			 n % 3 ? "delivered" : "failed", "numMedia", 0, "mediaUrls", "tags", "createdAt",
			 when, "updatedAt", when);
}

static void fill(int count)
{
	for (int i = 0; i < count; i++)
		json_decref(insert(STORE_MESSAGES,
				   message(i, i % 2 ? "inbound" : "outbound",
					   i % 5 ? "+12025550101" : "+12025550102", "+12025550143",
					   i % 4 ? "See you at 7pm" : "Réservation confirmée, Müller")));
}

#define WHERE(...) json_pack("[[" __VA_ARGS__)

static void test_documents(void **state)
{
	(void)state;
	json_t *first =
		insert(STORE_MESSAGES, message(1, "inbound", "+1", "+2", "{\"$gt\": \"\"} 😀 'x'; --"));
	assert_true(json_is_true(json_object_get(first, "inserted")));
	json_t *again = insert(STORE_MESSAGES, message(1, "outbound", "+3", "+4", "another"));
	assert_false(json_is_true(json_object_get(again, "inserted")));
	assert_true(json_equal(json_object_get(again, "document"), json_object_get(first, "document")));
	json_decref(first);
	json_decref(again);
	json_t *one = get(STORE_MESSAGES, "messageSid", "SM01");
	assert_string_equal(json_string_value(json_object_get(one, "body")), "{\"$gt\": \"\"} 😀 'x'; --");
	assert_string_equal(json_string_value(json_object_get(one, "createdAt")), "2026-11-24T10:00:00.000Z");
	json_decref(one);
	one = get(STORE_MESSAGES, "messageSid", "{\"$gt\":\"\"}");
	assert_true(json_is_null(one));
	json_decref(one);
	/* put sets members and leaves the others */
	put(STORE_CALLS, json_pack("{s:s,s:s,s:s,s:s,s:[s]}", "callId", "id1", "callSid", "CA1", "status",
				   "initiated", "startedAt", "2026-11-24T10:00:00.000Z", "tags", "a"));
	put(STORE_CALLS, json_pack("{s:s,s:s,s:f,s:b,s:n,s:{s:s,s:[i,s]}}", "callId", "id1", "status",
				   "completed", "cost", 0.0125, "flag", 1, "none", "nested", "atAt",
				   "2026-11-24T10:00:00.000Z", "list", 1, "x"));
	one = get(STORE_CALLS, "callSid", "CA1");
	assert_string_equal(json_string_value(json_object_get(one, "status")), "completed");
	assert_int_equal(json_array_size(json_object_get(one, "tags")), 1);
	json_decref(one);
}

static void test_update(void **state)
{
	(void)state;
	fill(3);
	struct store_change c = {.key = "SM01",
				 .where = WHERE("s,s,[s,s]]]", "status", "in", "queued", "delivered"),
				 .set = json_pack("{s:s,s:s}", "status", "read", "messageSid", "SM99"),
				 .unset = json_pack("[s]", "numMedia"),
				 .add = json_pack("{s:[s,s,s]}", "tags", "b", "a", "b")};
	store_update(store, STORE_MESSAGES, &c, on_answer, &answer);
	json_t *changed = take(&answer);
	assert_string_equal(json_string_value(json_object_get(changed, "messageSid")), "SM99");
	assert_null(json_object_get(changed, "numMedia"));
	assert_int_equal(json_array_size(json_object_get(changed, "tags")), 2);
	json_decref(changed);
	/* The key stays what it was; what a document is found by finds it, too. */
	struct store_change stale = {.key = "SM99",
				     .field = "messageSid",
				     .where = WHERE("s,s,s]]", "status", "=", "delivered"),
				     .set = json_pack("{s:s}", "status", "sent")};
	store_update(store, STORE_MESSAGES, &stale, on_answer, &answer);
	json_t *nothing = take(&answer);
	assert_true(json_is_null(nothing));
	json_decref(nothing);
	struct store_change untag = {.key = "SM01", .remove = json_pack("{s:[s,s]}", "tags", "a", "zz")};
	store_update(store, STORE_MESSAGES, &untag, on_answer, &answer);
	json_decref(take(&answer));
	assert_finds(WHERE("s,s,[s]]]", "tags", "all", "b"), "SM99");
	assert_finds(WHERE("s,s,[s]]]", "tags", "all", "a"), "");
}

static void test_filters(void **state)
{
	(void)state;
	fill(8);
	assert_finds(json_array(), "SM07 SM06 SM05 SM04 SM03 SM02 SM01 SM00");
	assert_finds(WHERE("s,s,s]]", "direction", "=", "inbound"), "SM07 SM05 SM03 SM01");
	assert_finds(WHERE("s,s,s],[s,s,s]]", "direction", "=", "inbound", "status", "!=", "delivered"),
		     "SM03");
	assert_finds(WHERE("s,s,s],[s,s,s]]", "createdAt", ">=", "2026-11-24T10:01:00.000Z", "createdAt", "<",
			   "2026-11-24T10:02:00.000Z"),
		     "SM03 SM02");
	assert_finds(WHERE("n,s,[[[s,s,s]],[[s,s,s]]]]]", "or", "fromNumber", "=", "+12025550102", "toNumber",
			   "=", "nobody"),
		     "SM05 SM00");
	assert_finds(WHERE("s,s]]", "dueAt", "present"), "");
	assert_finds(WHERE("s,s],[s,s,s]]", "dueAt", "missing", "messageSid", "<=", "SM01"), "SM01 SM00");
	/* what comes from outside is a value */
	assert_finds(WHERE("s,s,s]]", "status", "=", "{\"$ne\":\"x\"}"), "");
	assert_finds(WHERE("s,s,s]]", "status", "=", "' OR 1 --"), "");
	store_count(store, STORE_MESSAGES, WHERE("s,s,s]]", "direction", "=", "outbound"), 100, on_answer,
		    &answer);
	json_t *n = take(&answer);
	assert_int_equal(json_integer_value(n), 4);
	json_decref(n);
}

static void test_pages(void **state)
{
	(void)state;
	fill(25);
	for (int ascending = 0; ascending < 2; ascending++) {
		char cursor[64] = "";
		int pages = 0, total = 0;
		do {
			size_t i;
			json_t *document, *page = find(STORE_MESSAGES, json_array(), 4,
						       cursor[0] ? cursor : NULL, ascending);
			json_array_foreach (json_object_get(page, "documents"), i, document) {
				int n = atoi(json_string_value(json_object_get(document, "messageSid")) + 2);
				assert_int_equal(n, ascending ? total : 24 - total);
				total++;
			}
			const char *next = json_string_value(json_object_get(page, "nextCursor"));
			snprintf(cursor, sizeof cursor, "%s", next ? next : "");
			assert_true(!next || store_cursor_valid(next));
			json_decref(page);
			pages++;
		} while (cursor[0]);
		assert_int_equal(total, 25);
		assert_int_equal(pages, 7);
	}
	assert_false(store_cursor_valid("1'; DROP TABLE sms"));
}

static void assert_search(const char *query, const char *expected)
{
	assert_finds(json_pack("[[s,s,o]]", "body", "text", words_of(query, true)), expected);
}

static void test_search(void **state)
{
	(void)state;
	static const char *const bodies[] = {"See you at 7pm",
					     "Réservation CONFIRMÉE, Müller!",
					     "the art of cartoons",
					     "Table for two at seven; art",
					     "予約は7時です",
					     "don't AND can't",
					     ""};
	for (int i = 0; i < 7; i++)
		json_decref(insert(STORE_MESSAGES, message(i, "inbound", "+1", "+2", bodies[i])));
	assert_search("SEE you", "SM00");
	assert_search("reservation muller", "SM01");
	assert_search("the", "SM02"); /* no word is skipped */
	assert_search("art", "SM03 SM02");
	assert_search("art toon", "");
	assert_search("cart*", "SM02");
	assert_search("at table", "SM03");
	assert_search("予", "SM04");
	assert_search("and", "SM05");
	assert_search("\" OR *", "");
	assert_search("confirmee", "SM01");
	/* what is removed is found no more */
	store_remove(store, STORE_MESSAGES, WHERE("s,s,s]]", "messageSid", "=", "SM03"), on_answer, &answer);
	json_t *removed = take(&answer);
	assert_int_equal(json_integer_value(removed), 1);
	json_decref(removed);
	assert_search("art", "SM02");
	store_remove(store, STORE_MESSAGES, json_array(), on_answer, &answer);
	removed = take(&answer);
	assert_int_equal(json_integer_value(removed), 0);
	json_decref(removed);
}

static void test_members(void **state)
{
	(void)state;
	static const char *const tags[][3] = {{"a", "b"}, {"b"}, {"c", "a", "b"}, {NULL}};
	for (int i = 0; i < 4; i++) {
		json_t *m = message(i, "inbound", "+1", "+2", "x");
		for (int t = 0; t < 3 && tags[i][t]; t++)
			json_array_append_new(json_object_get(m, "tags"), json_string(tags[i][t]));
		json_decref(insert(STORE_MESSAGES, m));
	}
	assert_finds(WHERE("s,s,[s,s]]]", "tags", "all", "a", "b"), "SM02 SM00");
	assert_finds(WHERE("s,s,[s,s]]]", "tags", "any", "a", "b"), "SM02 SM01 SM00");
	assert_finds(WHERE("s,s,[s]],[s,s,s]]", "tags", "any", "b", "status", "=", "failed"), "SM00");
	assert_finds(WHERE("s,s,[s]]]", "tags", "any", "d"), "");
}

static void event(int64_t seq, const char *type, json_t *data)
{
	struct store_event e = {"id1", 0, seq, type, "2026-11-24T10:00:00.000Z", data};
	store_add_event(store, &e, on_answer, &answer);
	json_t *result = take(&answer);
	assert_non_null(result);
	json_decref(result);
	json_decref(data);
}

static void test_events(void **state)
{
	(void)state;
	for (int twice = 0; twice < 2; twice++) { /* a replay changes nothing */
		event(1, "turn",
		      json_pack("{s:s,s:s}", "role", "assistant", "content", "I would like to book"));
		event(2, "interruption", json_object());
		event(3, "turn-corrected", json_pack("{s:i,s:s}", "turn", 1, "content", "I would like"));
		event(4, "turn",
		      json_pack("{s:s,s:s}", "role", "user", "content", "It's \"closed\"; sorry 😀"));
		/* Texts that came late. */
		for (int i = 5; i < 7; i++)
			event(i, "turn",
			      json_pack("{s:s,s:s,s:i,s:s}", "role", "user", "content", i == 5 ? "Hello?" : "Who?",
					"before", i == 5 ? 1 : 4, "saidAt", "2026-11-24T16:40:00.000Z"));
	}
	store_turns(store, "id1", on_answer, &answer);
	json_t *turns = take(&answer), *list = json_object_get(turns, "documents");
	static const char *const contents[] = {"Hello?", "I would like", "Who?", "It's \"closed\"; sorry 😀"};
	assert_int_equal(json_array_size(list), 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(json_string_value(json_object_get(json_array_get(list, i), "content")),
				    contents[i]);
	assert_true(json_is_true(json_object_get(json_array_get(list, 1), "truncated")));
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "timestamp")),
			    "2026-11-24T16:40:00.000Z");
	json_decref(turns);
	/* Nothing of it was heard: it is no turn, and what is told with its place before it has that place. */
	event(7, "turn", json_pack("{s:s,s:s}", "role", "assistant", "content", "Goodbye"));
	event(8, "turn-corrected", json_pack("{s:i,s:s}", "turn", 7, "content", ""));
	event(9, "turn", json_pack("{s:s,s:s}", "role", "user", "content", "Wait"));
	event(10, "turn", json_pack("{s:s,s:s,s:i}", "role", "user", "content", "Well", "before", 7));
	static const struct {
		int64_t after;
		const char *fresh[7];
	} looks[] = {{0, {"Hello?", "I would like", "Who?", "It's \"closed\"; sorry 😀", "Well", "Wait"}},
		     {2, {"Hello?", "Who?", "Well", "Wait"}},
		     {4, {"Well", "Wait"}},
		     {6, {"Well"}},
		     {7, {NULL}}};
	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
		size_t k = 0;
		store_turns_after(store, "id1", looks[i].after, on_answer, &answer);
		turns = take(&answer);
		list = json_object_get(turns, "documents");
		assert_int_equal(json_integer_value(json_object_get(turns, "count")), 7);
		for (; looks[i].fresh[k] != NULL; k++)
			assert_string_equal(json_string_value(json_object_get(json_array_get(list, k), "content")),
					    looks[i].fresh[k]);
		assert_int_equal(json_array_size(list), k);
		assert_null(json_object_get(json_array_get(list, 0), "turnId"));
		json_decref(turns);
	}
	store_turns(store, "id1", on_answer, &answer);
	turns = take(&answer);
	assert_int_equal(json_array_size(json_object_get(turns, "documents")), 6);
	json_decref(turns);
	store_events(store, "id1", NULL, on_answer, &answer);
	json_t *events = take(&answer);
	assert_int_equal(json_array_size(json_object_get(events, "documents")), 3);
	json_decref(events);
	store_events(store, "id1", "interruption", on_answer, &answer);
	events = take(&answer);
	assert_int_equal(json_array_size(json_object_get(events, "documents")), 1);
	json_decref(events);
}

/* Names that a database refuses, in what others have written: it is as they wrote it. */
static void test_free_form(void **state)
{
	(void)state;
	static const char odd[] =
		"{\"\":\"x\",\"$schema\":\"https://json-schema.org/\",\"a.b\":{\"$ref\":[{\"\":1}]},"
		"\"atAt\":\"2026-11-24T10:00:00.000Z\",\"n\":5.0,\"$oid\":null}";
	json_t *schema = json_loads(odd, 0, NULL), *text = json_string("{\"no\": \"object\"}");
	put(STORE_CALLS, json_pack("{s:s,s:s,s:s,s:O,s:O,s:O}", "callId", "id1", "callSid", "CA1",
				   "startedAt", "2026-11-24T10:00:00.000Z", "outcomeSchema", schema,
				   "operatorQuestion", schema, "outcome", text));
	json_t *one = get(STORE_CALLS, "callSid", "CA1");
	assert_true(json_equal(json_object_get(one, "outcomeSchema"), schema));
	assert_true(json_equal(json_object_get(one, "operatorQuestion"), schema));
	assert_true(json_equal(json_object_get(one, "outcome"), text));
	json_decref(one);
	struct store_change c = {.key = "id1",
				 .set = json_pack("{s:O,s:n}", "outcome", schema, "operatorQuestion")};
	store_update(store, STORE_CALLS, &c, on_answer, &answer);
	one = take(&answer);
	assert_true(json_equal(json_object_get(one, "outcome"), schema));
	assert_true(json_is_null(json_object_get(one, "operatorQuestion")));
	json_decref(one);
	json_t *found = find(STORE_CALLS, json_array(), 5, NULL, false);
	one = json_array_get(json_object_get(found, "documents"), 0);
	assert_true(json_equal(json_object_get(one, "outcome"), schema));
	json_decref(found);
	event(1, "outcome", json_incref(schema));
	event(1, "outcome", json_incref(schema));
	store_events(store, "id1", NULL, on_answer, &answer);
	json_t *events = take(&answer);
	one = json_array_get(json_object_get(events, "documents"), 0);
	assert_true(json_equal(json_object_get(one, "data"), schema));
	json_decref(events);
	json_decref(schema);
	json_decref(text);
}

/* What can never be written is told apart from what only cannot be now. */
static void test_refused(void **state)
{
	(void)state;
	struct buffer own = {0};
	saying = &own; /* MongoDB's code for this differs between servers */
	fill(2);
	struct store_change c = {.key = "SM00", .set = json_pack("{s:s}", "requestId", "SM01")};
	store_update(store, STORE_MESSAGES, &c, on_answer, &answer);
	while (!answer.done)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(answer.failure, STORE_REFUSED);
	assert_true(answer.error[0] != '\0');
	json_decref(answer.result);
	answer = (struct answer){0};
	assert_int_equal(store_failure(NULL), STORE_DONE);
	assert_int_equal(store_failure("a sentence of somebody else's"), STORE_BUSY);
	assert_finds(json_array(), "SM01 SM00");
	buffer_free(&own);
}

static void test_durable(void **state)
{
	(void)state;
	fill(3);
	store_close(&store);
	open_store();
	assert_finds(json_array(), "SM02 SM01 SM00");
	assert_search("reservation", "SM00");
	assert_search("müller*", "SM00");
	store_check(store, on_answer, &answer);
	json_t *checked = take(&answer);
	assert_int_equal(json_integer_value(json_object_get(checked, "spooled")), 0);
	json_decref(checked);
}

static void test_same_answers(void **state)
{
	(void)state;
	assert_true(said[0].len > 4000);
	buffer_append(&said[0], "", 1);
	buffer_append(&said[1], "", 1);
	assert_string_equal((char *)said[0].data, (char *)said[1].data);
	buffer_free(&said[0]);
	buffer_free(&said[1]);
}

/* ---- SQLite alone ---- */

static void test_unopenable(void **state)
{
	(void)state;
	char error[300] = "";
	assert_null(store_open(base, "", "/nonexistent", "test", error, sizeof error));
	assert_non_null(strstr(error, "/nonexistent/phony.db"));
	mkdir(FOLDER "/garbage", 0700);
	FILE *f = fopen(FOLDER "/garbage/phony.db", "w");
	for (int i = 0; i < 5000; i++)
		fputs("no database ", f);
	fclose(f);
	assert_null(store_open(base, "", FOLDER "/garbage", "test", error, sizeof error));
	assert_non_null(strstr(error, FOLDER "/garbage/phony.db is damaged"));
	assert_null(store_open(base, "http://example.com", FOLDER, "test", error, sizeof error));
	assert_non_null(strstr(error, "MONGODB_URL"));
}

static void test_newer_schema(void **state)
{
	(void)state;
	char error[300] = "";
	store_close(&store);
	sqlite3 *db;
	sqlite3_open(FOLDER "/phony.db", &db);
	sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL);
	sqlite3_close(db);
	assert_null(store_open(base, "", FOLDER, "test", error, sizeof error));
	assert_non_null(strstr(error, "newer"));
}

static void run_sql(const char *sql)
{
	sqlite3 *db;
	char *fault = NULL;
	assert_int_equal(sqlite3_open(FOLDER "/phony.db", &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &fault) != SQLITE_OK)
		fail_msg("%s", fault);
	sqlite3_close(db);
}

static void assert_member(json_t *document, const char *field, const char *expected)
{
	assert_string_equal(json_string_value(json_object_get(document, field)), expected);
	json_decref(document);
}

/* Schema 1 named a message by its messageSid, which changed; a message sent twice is there twice. */
static void test_schema_1(void **state)
{
	(void)state;
	store_close(&store);
	run_sql("DROP TABLE sms; CREATE TABLE sms (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,"
		" document TEXT NOT NULL);"
		"ALTER TABLE sms ADD COLUMN requestId AS (json_extract(document, '$.requestId')) VIRTUAL;"
		"INSERT INTO sms (key, document) VALUES"
		" ('SM1', '{\"messageSid\":\"SM1\",\"requestId\":\"PM1\",\"createdAt\":\"1\",\"tags\":[\"a\"]}'),"
		" ('SM2', '{\"messageSid\":\"SM2\",\"createdAt\":\"2\",\"tags\":[]}'),"
		" ('PM3', '{\"messageSid\":\"PM3\",\"requestId\":\"PM3\",\"createdAt\":\"3\"}'),"
		" ('SM4', '{\"messageSid\":\"SM4\",\"requestId\":\"PM1\",\"createdAt\":\"4\",\"tags\":[\"a\"]}');"
		"INSERT INTO members VALUES ('sms', 'tags', 'a', 'SM1'), ('sms', 'tags', 'a', 'SM4');"
		"INSERT INTO journal (key, document) VALUES"
		" ('1', '{\"entry\":\"1\",\"seq\":\"1\",\"target\":\"sms/SM1\",\"collection\":\"sms\",\"op\":\"insert\",\"first\":\"PM1\"}'),"
		" ('2', '{\"entry\":\"2\",\"seq\":\"2\",\"target\":\"sms/SM9\",\"collection\":\"sms\",\"op\":\"update\",\"args\":{\"key\":\"SM9\"}}');"
		"PRAGMA user_version = 1");
	open_store();
	assert_member(get(STORE_MESSAGES, "requestId", "PM1"), "messageSid", "SM1");
	assert_member(get(STORE_MESSAGES, "messageSid", "SM2"), "requestId", "SM2");
	assert_member(get(STORE_MESSAGES, "requestId", "PM3"), "messageSid", "PM3");
	assert_member(get(STORE_MESSAGES, "messageSid", "SM4"), "requestId", "SM4");
	assert_finds(WHERE("s,s,[s]]]", "tags", "all", "a"), "SM4 SM1");
	assert_member(get(STORE_JOURNAL, "entry", "1"), "target", "sms/PM1");
	json_t *entry = get(STORE_JOURNAL, "entry", "2");
	assert_member(json_incref(json_object_get(entry, "args")), "field", "messageSid");
	json_decref(entry);
	/* What is there already is not inserted again, whatever Twilio calls it by now. */
	json_t *again = insert(STORE_MESSAGES, json_pack("{s:s, s:s, s:s}", "requestId", "PM1", "messageSid", "PM1",
							 "createdAt", "5"));
	assert_false(json_is_true(json_object_get(again, "inserted")));
	json_decref(again);
}

/* A migration that ends halfway keeps what it has done, and the next goes on from there. */
static void test_schema_1_halfway(void **state)
{
	(void)state;
	char error[300] = "";
	store_close(&store);
	run_sql("INSERT INTO sms (id, key, document) VALUES"
		" (1, 'SM1', '{\"messageSid\":\"SM1\",\"requestId\":\"PM1\",\"createdAt\":\"1\",\"tags\":[\"a\"]}'),"
		" (20000, 'SM2', '{\"messageSid\":\"SM2\",\"requestId\":\"PM2\",\"createdAt\":\"2\",\"tags\":[\"a\"]}');"
		"INSERT INTO members VALUES ('sms', 'tags', 'a', 'SM1'), ('sms', 'tags', 'a', 'SM2');"
		"CREATE TRIGGER killed BEFORE UPDATE ON sms WHEN new.id = 20000 BEGIN SELECT raise(ABORT, 'killed'); END;"
		"PRAGMA user_version = 1");
	assert_null(store_open(base, "", FOLDER, "test", error, sizeof error));
	assert_non_null(strstr(error, "killed"));
	run_sql("CREATE TEMP TABLE sound (ok CHECK (ok));"
		"INSERT INTO sound SELECT count(*) = 1 FROM sms WHERE key = 'PM1';"
		"INSERT INTO sound SELECT count(*) = 1 FROM members WHERE key = 'PM1';"
		"INSERT INTO sound SELECT count(*) = 1 FROM sms WHERE key = 'SM2';"
		"INSERT INTO sound SELECT count(*) = 1 FROM members WHERE key = 'SM2';"
		"DROP TRIGGER killed");
	open_store();
	assert_member(get(STORE_MESSAGES, "requestId", "PM1"), "messageSid", "SM1");
	assert_member(get(STORE_MESSAGES, "requestId", "PM2"), "messageSid", "SM2");
	assert_finds(WHERE("s,s,[s]]]", "tags", "all", "a"), "SM2 SM1");
}

/* ---- MongoDB alone ---- */

static mongoc_client_t *raw_client(const char **name)
{
	mongoc_uri_t *uri = mongoc_uri_new(url);
	static char database[200];
	snprintf(database, sizeof database, "%s", mongoc_uri_get_database(uri));
	*name = database;
	mongoc_client_t *client = mongoc_client_new_from_uri(uri);
	mongoc_uri_destroy(uri);
	return client;
}

static void raw_insert(mongoc_client_t *client, const char *database, const char *name, const char *text)
{
	bson_error_t fault;
	bson_t *document = bson_new_from_json((const uint8_t *)text, -1, &fault);
	mongoc_collection_t *in = mongoc_client_get_collection(client, database, name);
	assert_non_null(document);
	assert_true(mongoc_collection_insert_one(in, document, NULL, NULL, &fault));
	bson_destroy(document);
	mongoc_collection_destroy(in);
}

/* A database as mongoose filled it: ObjectIds, dates, __v, no fields of ours. */
static void test_original(void **state)
{
	(void)state;
	const char *database;
	store_close(&store);
	mongoc_client_t *client = raw_client(&database);
	bson_t drop = BSON_INITIALIZER;
	bson_append_int32(&drop, "dropDatabase", -1, 1);
	assert_true(mongoc_client_command_simple(client, database, &drop, NULL, NULL, NULL));
	bson_destroy(&drop);
	raw_insert(client, database, "sms",
		   "{\"messageSid\":\"SM90\",\"conversationId\":\"conv_12025550101_12025550143\","
		   "\"fromNumber\":\"+12025550101\",\"toNumber\":\"+12025550143\",\"direction\":\"inbound\","
		   "\"body\":\"Tisch für "
		   "zwei\",\"status\":\"received\",\"twilioStatus\":\"received\",\"numMedia\":0,"
		   "\"mediaUrls\":[],\"createdAt\":{\"$date\":\"2025-03-01T12:00:00.123Z\"},"
		   "\"updatedAt\":{\"$date\":\"2025-03-01T12:00:00.123Z\"},\"__v\":0}");
	raw_insert(client, database, "calls",
		   "{\"callSid\":\"CA90\",\"fromNumber\":\"+12025550143\",\"toNumber\":\"+12025550101\","
		   "\"callType\":\"outbound\",\"conversationHistory\":[{\"role\":\"user\",\"content\":\"Hi\","
		   "\"timestamp\":{\"$date\":\"2025-03-01T12:00:01Z\"},\"truncated\":false}],"
		   "\"twilioEvents\":[{\"type\":\"media\"}],\"openaiEvents\":[],\"status\":\"completed\","
		   "\"startedAt\":{\"$date\":\"2025-03-01T12:00:00Z\"},\"duration\":12,\"__v\":3}");
	raw_insert(client, database, "contexts",
		   "{\"name\":\"restaurant\",\"systemInstructions\":\"…\",\"contextType\":\"outgoing\","
		   "\"createdAt\":{\"$date\":\"2025-03-01T12:00:00Z\"}}");
	mongoc_client_destroy(client);
	open_store();
	assert_search("fur zwei", "SM90");
	json_t *one = get(STORE_CALLS, "callSid", "CA90");
	assert_string_equal(json_string_value(json_object_get(one, "callId")), "CA90");
	assert_null(json_object_get(one, "twilioEvents"));
	assert_null(json_object_get(one, "_id"));
	json_t *turn = json_array_get(json_object_get(one, "conversationHistory"), 0);
	assert_string_equal(json_string_value(json_object_get(turn, "timestamp")),
			    "2025-03-01T12:00:01.000Z");
	json_decref(one);
	json_t *contexts = find(STORE_CONTEXTS, json_array(), 5, NULL, false);
	json_t *context = json_array_get(json_object_get(contexts, "documents"), 0);
	assert_int_equal(json_string_length(json_object_get(context, "contextId")), 24);
	json_decref(contexts);
}

/* While another host still runs an earlier version, it goes on adding messages without a requestId. */
static void test_earlier_beside(void **state)
{
	(void)state;
	const char *database;
	mongoc_client_t *client = raw_client(&database);
	json_t *args = find(STORE_MESSAGES, json_array(), 5, NULL, false); /* everything is prepared */
	json_decref(args);
	raw_insert(client, database, "sms", "{\"messageSid\":\"SM91\",\"body\":\"a\",\"createdAt\":{\"$date\":\"2025-03-01T12:00:00Z\"}}");
	assert_member(get(STORE_MESSAGES, "messageSid", "SM91"), "requestId", "SM91");
	mongoc_client_destroy(client);
}

/* The same of a MongoDB that an earlier version filled: requestId had an index that allowed it twice. */
static void test_earlier(void **state)
{
	(void)state;
	const char *database;
	store_close(&store);
	mongoc_client_t *client = raw_client(&database);
	bson_t command = BSON_INITIALIZER;
	bson_append_int32(&command, "dropDatabase", -1, 1);
	assert_true(mongoc_client_command_simple(client, database, &command, NULL, NULL, NULL));
	bson_destroy(&command);
	raw_insert(client, database, "sms", "{\"messageSid\":\"SM1\",\"requestId\":\"PM1\",\"body\":\"a\",\"createdAt\":{\"$date\":\"2025-03-01T12:00:00Z\"}}");
	raw_insert(client, database, "sms", "{\"messageSid\":\"SM2\",\"requestId\":\"PM1\",\"body\":\"a\",\"createdAt\":{\"$date\":\"2025-03-01T12:00:01Z\"}}");
	bson_error_t fault;
	bson_t *index = bson_new_from_json((const uint8_t *)"{\"createIndexes\":\"sms\",\"indexes\":[{\"key\":{\"requestId\":1},\"name\":\"requestId_1\"}]}", -1, &fault);
	assert_true(mongoc_client_command_simple(client, database, index, NULL, NULL, &fault));
	bson_destroy(index);
	mongoc_client_destroy(client);
	open_store();
	assert_member(get(STORE_MESSAGES, "messageSid", "SM1"), "requestId", "PM1");
	assert_member(get(STORE_MESSAGES, "messageSid", "SM2"), "requestId", "SM2");
	json_t *again = insert(STORE_MESSAGES, json_pack("{s:s, s:s, s:s, s:s}", "requestId", "PM1", "messageSid", "PM1",
							 "body", "a", "createdAt", "2025-03-01T12:00:00.000Z"));
	assert_false(json_is_true(json_object_get(again, "inserted")));
	json_decref(again);
}

/* Whether these bytes stand in one of the store's files. */
static bool is_in_files(const char *text)
{
	char command[200];
	snprintf(command, sizeof command, "grep -rqaF '%s' " FOLDER, text);
	return system(command) == 0;
}

static void remove_where(enum store_kind kind, const char *field, const char *value)
{
	store_remove(store, kind, WHERE("s,s,s]]", field, "=", value), on_answer, &answer);
	json_decref(take(&answer));
}

/* What was removed is in no file when that is told: neither a body nor a word of it. */
static void test_removed_is_gone(void **state)
{
	(void)state;
	struct buffer own = {0};
	saying = &own;
	for (int again = 0; again < 2; again++) { /* a file that is new, and one that was opened again */
		fill(30);
		json_decref(insert(STORE_MESSAGES, message(99, "inbound", "+1", "+2", "Zanzibar quuxplugh meridian")));
		json_t *tagged = json_pack("{s:s,s:s,s:s,s:[s]}", "callId", "id1", "startedAt", "1", "searchText",
					   "sesquipedalian words", "tags", "floccinaucini");
		put(STORE_CALLS, tagged);
		event(1, "turn", json_pack("{s:s,s:s}", "role", "user", "content", "My name is Rumpelstilzchen"));
		for (int i = 100; i < 140; i++)
			json_decref(insert(STORE_MESSAGES, message(i, "inbound", "+1", "+2", "meanwhile")));
		assert_true(is_in_files("quuxplugh meridian") && is_in_files("Rumpelstilzchen"));
		remove_where(STORE_MESSAGES, "messageSid", "SM99");
		assert_false(is_in_files("Zanzibar") || is_in_files("quuxplugh"));
		remove_where(STORE_TURNS, "callId", "id1");
		remove_where(STORE_CALLS, "callId", "id1");
		assert_false(is_in_files("Rumpelstilzchen"));
		assert_false(is_in_files("sesquipedalian") || is_in_files("floccinaucini"));
		assert_search("meanwhile", "SM139 SM138 SM137 SM136 SM135 SM134 SM133 SM132 SM131 SM130 SM129 SM128 "
					   "SM127 SM126 SM125 SM124 SM123 SM122 SM121 SM120 SM119 SM118 SM117 SM116 "
					   "SM115 SM114 SM113 SM112 SM111 SM110 SM109 SM108 SM107 SM106 SM105 SM104 "
					   "SM103 SM102 SM101 SM100");
		store_close(&store);
		open_store();
		remove_where(STORE_MESSAGES, "body", "meanwhile");
	}
	buffer_free(&own);
}

/* Another process reads meanwhile: it is gone once that is done. */
static void test_removed_while_read(void **state)
{
	(void)state;
	struct buffer own = {0};
	saying = &own;
	sqlite3 *db;
	fill(3);
	json_decref(insert(STORE_MESSAGES, message(99, "inbound", "+1", "+2", "Zanzibar quuxplugh meridian")));
	assert_int_equal(sqlite3_open(FOLDER "/phony.db", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM sms", NULL, NULL, NULL), SQLITE_OK);
	remove_where(STORE_MESSAGES, "messageSid", "SM99");
	assert_true(is_in_files("quuxplugh"));
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	for (int i = 0; i < 1000 && is_in_files("quuxplugh"); i++)
		event_base_loop(base, EVLOOP_ONCE);
	assert_false(is_in_files("Zanzibar") || is_in_files("quuxplugh"));
	buffer_free(&own);
}

/* What only MongoDB refuses, and documents from before free-form members were texts. */
static void test_odd_names(void **state)
{
	(void)state;
	const char *database;
	static const char *const odd[] = {"", "$set"};
	for (size_t i = 0; i < 2; i++) {
		json_t *document = json_pack("{s:s,s:{s:i}}", "callId", "id1", "nested", odd[i], 1);
		store_put(store, STORE_CALLS, document, on_answer, &answer);
		json_decref(document);
		while (!answer.done)
			event_base_loop(base, EVLOOP_ONCE);
		assert_true(answer.failure == STORE_REFUSED || (i == 1 && answer.failure == STORE_DONE));
		json_decref(answer.result);
		answer = (struct answer){0};
	}
	mongoc_client_t *client = raw_client(&database);
	raw_insert(client, database, "calls",
		   "{\"callId\":\"id2\",\"callSid\":\"CA2\",\"outcomeSchema\":{\"type\":\"object\"},"
		   "\"outcome\":\"fine\"}");
	mongoc_client_destroy(client);
	json_t *one = get(STORE_CALLS, "callSid", "CA2");
	assert_string_equal(json_string_value(json_object_get(json_object_get(one, "outcomeSchema"), "type")),
			    "object");
	assert_string_equal(json_string_value(json_object_get(one, "outcome")), "fine");
	json_decref(one);
}

#define SUITE(setup)                                                              \
	cmocka_unit_test_setup_teardown(test_documents, setup, teardown),         \
		cmocka_unit_test_setup_teardown(test_update, setup, teardown),    \
		cmocka_unit_test_setup_teardown(test_filters, setup, teardown),   \
		cmocka_unit_test_setup_teardown(test_pages, setup, teardown),     \
		cmocka_unit_test_setup_teardown(test_search, setup, teardown),    \
		cmocka_unit_test_setup_teardown(test_members, setup, teardown),   \
		cmocka_unit_test_setup_teardown(test_events, setup, teardown),    \
		cmocka_unit_test_setup_teardown(test_free_form, setup, teardown), \
		cmocka_unit_test_setup_teardown(test_durable, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE(setup_sqlite),
		cmocka_unit_test_setup_teardown(test_refused, setup_sqlite, teardown),
		cmocka_unit_test_setup_teardown(test_removed_is_gone, setup_sqlite, teardown),
		cmocka_unit_test_setup_teardown(test_removed_while_read, setup_sqlite, teardown),
		cmocka_unit_test_setup_teardown(test_unopenable, setup_sqlite, teardown),
		cmocka_unit_test_setup_teardown(test_newer_schema, setup_sqlite, teardown),
		SUITE(setup_mongodb),
		cmocka_unit_test(test_same_answers),
		cmocka_unit_test_setup_teardown(test_schema_1, setup_sqlite, teardown),
		cmocka_unit_test_setup_teardown(test_schema_1_halfway, setup_sqlite, teardown),
		cmocka_unit_test_setup_teardown(test_original, setup_mongodb, teardown),
		cmocka_unit_test_setup_teardown(test_earlier, setup_mongodb, teardown),
		cmocka_unit_test_setup_teardown(test_earlier_beside, setup_mongodb, teardown),
		cmocka_unit_test_setup_teardown(test_odd_names, setup_mongodb, teardown),
	};
	if (server() == NULL) {
		fputs("TEST_MONGODB_URL is not set: a MongoDB server is needed (tests/run.sh starts one)\n",
		      stderr);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
