/*
 * How the databases go about what the store asks them: from an index, on SQLite
 * and on MongoDB (TEST_MONGODB_URL).
 */
#include "lib/loop/loop.h"
#include "lib/store/backend.h"
#include "lib/store/store.h"
#include "tests/unit/unit.h"

#include <event2/event.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "build/unit-plans"
#define WHERE(...) json_pack("[[" __VA_ARGS__)

/* An empty store with its tables and indexes; url is "" for SQLite. */
static void make_store(const char *url)
{
	char error[300] = "";
	assert_int_equal(system("rm -rf " FOLDER), 0);
	mkdir(FOLDER, 0700);
	struct event_base *base = loop_new(false);
	struct store *store = store_open(base, url, FOLDER, "test", error, sizeof error);
	if (store == NULL)
		fail_msg("%s", error);
	store_close(&store);
	event_base_free(base);
}

/* Every list that the program asks for is read from an index: no scan, no sorting of all. */
static void test_plans(void **state)
{
	(void)state;
	static const struct {
		const char *sql, *index;
	} lists[] = {
		{"SELECT document FROM sms WHERE 1 ORDER BY createdAt DESC, key DESC LIMIT 9", "sms_list"},
		{"SELECT document FROM sms WHERE 1 AND direction = 'x' ORDER BY createdAt DESC, key DESC "
		 "LIMIT 9",
		 "sms_direction"},
		{"SELECT document FROM sms WHERE 1 AND conversationId = 'x' AND (createdAt, key) < ('a', 'b')"
		 " ORDER BY createdAt DESC, key DESC LIMIT 9",
		 "sms_conversationId"},
		{"SELECT document FROM sms WHERE 1 AND dueAt <= 'x' ORDER BY dueAt ASC, key ASC LIMIT 9",
		 "sms_dueAt"},
		{"SELECT id, document FROM sms WHERE messageSid = 'x' LIMIT 1", "sms_messageSid"},
		{"SELECT document FROM calls WHERE 1 AND status IN (NULL, 'x') ORDER BY startedAt DESC",
		 "calls_status"},
	};
	sqlite3 *db;
	make_store("");
	assert_int_equal(sqlite3_open(FOLDER "/phony.db", &db), SQLITE_OK);
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		char sql[400];
		sqlite3_stmt *statement;
		snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", lists[i].sql);
		assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
		const char *plan = (const char *)sqlite3_column_text(statement, 3);
		if (strstr(plan, lists[i].index) == NULL)
			fail_msg("%s: %s", lists[i].sql, plan);
		sqlite3_finalize(statement);
	}
	sqlite3_close(db);
}

static bool has_stage(const json_t *plan, const char *stage)
{
	const char *name;
	json_t *value;
	size_t i;
	if (json_is_string(json_object_get(plan, "stage")) &&
	    strcmp(json_string_value(json_object_get(plan, "stage")), stage) == 0)
		return true;
	json_object_foreach ((json_t *)plan, name, value)
		if (has_stage(value, stage))
			return true;
	json_array_foreach (plan, i, value)
		if (has_stage(value, stage))
			return true;
	return false;
}

/* Where the server tells its plan, no list reads the whole collection. */
static void test_explain(void **state)
{
	(void)state;
	char url[300];
	struct store_error error = {.text = ""};
	snprintf(url, sizeof url, "%s/unit_plans_%d_%d?", getenv("TEST_MONGODB_URL"), (int)getpid(),
		 (int)time(NULL));
	make_store(url);
	struct store_backend *b = mongodb_backend_open(url, &error);
	json_t *wheres[] = {
		json_array(),
		WHERE("s,s,s]]", "direction", "=", "x"),
		WHERE("s,s,s]]", "conversationId", "=", "x"),
		WHERE("s,s,s],[s,s,s]]", "status", "=", "x", "createdAt", ">=", "2026-11-24T10:00:00.000Z"),
		WHERE("s,s,[s,s]]]", "tags", "any", "a", "b"),
		WHERE("s,s,[s,s]]]", "body", "text", "a", "b*"),
		WHERE("s,s,s]]", "requestId", "=", "x"),
	};
	for (size_t i = 0; i < sizeof wheres / sizeof *wheres; i++) {
		json_t *args = json_pack("{s:o, s:i}", "where", wheres[i], "limit", 10);
		json_t *plan = mongodb_explain(b->self, &store_collections[STORE_MESSAGES], args, &error);
		assert_string_equal(error.text, "");
		assert_non_null(plan);
		assert_false(has_stage(plan, "COLLSCAN"));
		json_decref(plan);
		json_decref(args);
	}
	b->close(b->self);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plans),
		cmocka_unit_test(test_explain),
	};
	if (getenv("TEST_MONGODB_URL") == NULL) {
		fputs("TEST_MONGODB_URL is not set: a MongoDB server is needed (tests/run.sh starts one)\n",
		      stderr);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
