/* The register of calls: what the store refuses for the moment is stored soon after. */
#include "lib/loop/loop.h"
#include "lib/store/store.h"
#include "tests/unit/unit.h"
#include "voiced/registry/registry.h"

#include <event2/event.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FOLDER "build/unit-calls"

static void on_found(void *arg, json_t *result, const char *error)
{
	assert_null(error);
	*(json_t **)arg = json_deep_copy(result);
}

static void test_saved_again(void **state)
{
	(void)state;
	char error[300] = "";
	struct config config = {.max_outgoing_duration_s = 60};
	sqlite3 *other;
	json_t *stored = NULL;
	assert_int_equal(system("rm -rf " FOLDER), 0);
	mkdir(FOLDER, 0700);
	struct event_base *base = loop_new(false);
	struct store *store = store_open(base, "", FOLDER, "test", error, sizeof error);
	assert_non_null(store);
	struct calls *calls = calls_new(base, store, &config, "here");
	json_t *document = calls_new_document(calls);
	struct call *call = calls_admit(calls, document);
	json_decref(document);
	/* Somebody else holds the database for longer than the store waits. */
	assert_int_equal(sqlite3_open(FOLDER "/phony.db", &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	call_put(call, "answeredBy", json_string("human"));
	call_save(call, NULL, NULL);
	while (!call_is_unsaved(call))
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	while (call_is_unsaved(call) || store_pending(store) > 0)
		event_base_loop(base, EVLOOP_ONCE);
	store_get(store, STORE_CALLS, "callId", call_id(call), on_found, &stored);
	store_close(&store);
	assert_string_equal(json_string_value(json_object_get(stored, "answeredBy")), "human");
	json_decref(stored);
	calls_free(&calls);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_saved_again)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
