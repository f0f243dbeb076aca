/* The mirror: what of the database is at hand on local disk while it is away. */
#include "lib/base/clock.h"
#include "lib/store/spool/mirror.h"
#include "tests/unit/unit.h"

#include <sys/stat.h>

#define FOLDER "build/unit-mirror"
#define COLLECTION(kind) (&store_collections[kind])

static size_t count_mirrored(struct mirror *m, enum store_kind kind)
{
	json_t *args = json_pack("{s:i}", "limit", 100), *found = mirror_find(m, COLLECTION(kind), args);
	size_t count = json_array_size(found);
	json_decref(found);
	json_decref(args);
	return count;
}

static void learn(struct mirror *m, enum store_kind kind, json_t *document, bool keep)
{
	json_t *documents = json_pack("[o]", document);
	mirror_tick(m);
	mirror_learn(m, COLLECTION(kind), documents, keep);
	mirror_end(m);
	json_decref(documents);
}

static json_t *turn(const char *call_id, const char *content)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "turnId", call_id, "callId", call_id, "position", "1",
			 "content", content);
}

static json_t *live_call(const char *id)
{
	char now[WALL_TEXT_SIZE];
	wall_format(wall_now(), now);
	return json_pack("{s:s, s:s}", "callId", id, "startedAt", now);
}

static bool is_in_mirror(const char *text)
{
	char command[200];
	snprintf(command, sizeof command, "grep -qaF '%s' " FOLDER "/mirror*", text);
	return system(command) == 0;
}

static void test_keeps(void **state)
{
	(void)state;
	struct mirror *m = mirror_new(FOLDER "/mirror");
	learn(m, STORE_CALLS, live_call("id1"), true);
	learn(m, STORE_TURNS, turn("id1", "of a live call"), true);
	learn(m, STORE_TURNS, turn("id2", "of a call without a document"), true);
	learn(m, STORE_TURNS, turn("id3", "merely read"), false);
	learn(m, STORE_CALLS, live_call("id4"), false);
	assert_int_equal(count_mirrored(m, STORE_TURNS), 2);
	assert_int_equal(count_mirrored(m, STORE_CALLS), 1);
	mirror_free(&m);
	/* The next process finds what an earlier version has left behind. */
	m = mirror_new(FOLDER "/mirror");
	mirror_tick(m);
	mirror_end(m);
	assert_int_equal(count_mirrored(m, STORE_TURNS), 1);
	assert_false(is_in_mirror("without a document"));
	assert_true(is_in_mirror("of a live call"));
	/* Another host has deleted it. */
	learn(m, STORE_DELETIONS, json_pack("{s:s}", "record", "sms/id1"), false);
	assert_int_equal(count_mirrored(m, STORE_CALLS), 1);
	learn(m, STORE_DELETIONS, json_pack("{s:s}", "record", "calls/id1"), false);
	assert_int_equal(count_mirrored(m, STORE_CALLS) + count_mirrored(m, STORE_TURNS), 0);
	assert_false(is_in_mirror("of a live call"));
	mirror_free(&m);
}

static void replace(struct mirror *m, json_t *documents)
{
	mirror_tick(m);
	mirror_replace(m, COLLECTION(STORE_BARRED), documents);
	mirror_end(m);
	json_decref(documents);
}

static void test_whole(void **state)
{
	(void)state;
	const struct store_collection *barred = COLLECTION(STORE_BARRED);
	struct mirror *m = mirror_new(FOLDER "/mirror");
	json_t *by_number = json_pack("{s:s, s:s}", "field", "phoneNumber", "value", "+1");
	assert_false(mirror_is_whole(m, barred));
	mirror_replicate(m, barred);
	assert_false(mirror_is_whole(m, barred)); /* nobody has told yet */
	replace(m, json_pack("[{s:s, s:s}, {s:s}]", "phoneNumber", "+1", "reason", "asked", "phoneNumber",
			     "+2"));
	assert_true(mirror_is_whole(m, barred));
	replace(m, json_pack("[{s:s}, {s:s}]", "phoneNumber", "+1", "phoneNumber", "+3"));
	mirror_free(&m);
	/* A later process knows it, too, once it is to. */
	m = mirror_new(FOLDER "/mirror");
	assert_false(mirror_is_whole(m, barred));
	mirror_replicate(m, barred);
	assert_true(mirror_is_whole(m, barred));
	assert_int_equal(count_mirrored(m, STORE_BARRED), 2);
	json_t *found = mirror_get(m, barred, by_number);
	assert_true(json_is_object(found));
	assert_null(json_object_get(found, "reason")); /* a member that has gone goes */
	json_decref(found);
	replace(m, json_array());
	assert_int_equal(count_mirrored(m, STORE_BARRED), 0);
	assert_true(mirror_is_whole(m, barred));
	json_decref(by_number);
	mirror_free(&m);
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(system("rm -rf " FOLDER), 0);
	return mkdir(FOLDER, 0700);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_keeps, setup),
		cmocka_unit_test_setup(test_whole, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
