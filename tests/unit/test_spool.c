/*
 * The spool's replay, where the database refuses one of the writes: another file of
 * SQLite is the database here, behind an insert that refuses.
 */
#include "lib/base/panic.h"
#include "lib/store/spool/spool_inside.h"
#include "lib/store/sqlite/sqlite_query.h"
#include "tests/unit/unit.h"

#include <sys/stat.h>

#define FOLDER "build/unit-spool"
#define NOWHERE "mongodb://127.0.0.1:1/phony?serverSelectionTimeoutMS=50"
#define MESSAGES (&store_collections[STORE_MESSAGES])

static struct store_backend *database; /* what is behind the insert that refuses */
static const char *refused;            /* the key of the message that it refuses; NULL: none */
static unsigned refusals;
static enum store_failure refusal = STORE_BUSY;

static json_t *refusing_insert(void *self, const struct store_collection *c, const json_t *args,
			       struct store_error *error)
{
	if (refused != NULL && strcmp(store_key(c, json_object_get(args, "document")), refused) == 0) {
		refusals++;
		*error = (struct store_error){"this document is refused", refusal};
		return NULL;
	}
	return database->insert(self, c, args, error);
}

static struct store_backend *open_spool(void)
{
	struct store_error error = {.text = ""};
	struct store_backend *b = spool_backend_open(NOWHERE, FOLDER "/spool.db", &error);
	assert_non_null(b);
	return b;
}

static json_t *one_message(const char *sid)
{
	return json_pack("{s:{s:s, s:s, s:s, s:s}}", "document", "messageSid", sid, "requestId", sid, "body",
			 sid, "createdAt", "2026-01-01T00:00:00.000Z");
}

static void write_message(struct store_backend *b, const char *sid)
{
	struct store_error error = {.text = ""};
	json_t *args = one_message(sid);
	b->tick(b->self);
	json_decref(b->insert(b->self, MESSAGES, args, &error));
	assert_string_equal(error.text, "");
	assert_true(b->end(b->self));
	json_decref(args);
}

/* From now on the database is there, and it is ours. -> MongoDB's, to be closed as the spool's. */
static struct store_backend *comes_back(struct store_backend *b, struct store_backend *ours)
{
	struct spool *s = b->self;
	struct store_backend *before = s->db;
	pthread_mutex_lock(&s->mutex);
	s->probing = false;
	pthread_mutex_unlock(&s->mutex);
	*ours = *database;
	ours->insert = refusing_insert;
	s->db = ours;
	s->away = false;
	return before;
}

static void replay(struct store_backend *b, unsigned times)
{
	while (times-- > 0) {
		b->tick(b->self);
		assert_true(b->end(b->self));
	}
}

static void close_spool(struct store_backend *b, struct store_backend *mongodb)
{
	((struct spool *)b->self)->db = mongodb;
	b->close(b->self);
	free(b);
}

/* Commits the database, and closes the spool before it. */
static void settle(struct store_backend *b, struct store_backend *mongodb)
{
	assert_true(database->end(database->self));
	close_spool(b, mongodb);
}

static bool is_there(const char *sid)
{
	struct store_error error = {.text = ""};
	json_t *args = json_pack("{s:s, s:s}", "field", "requestId", "value", sid);
	json_t *found = database->get(database->self, MESSAGES, args, &error);
	bool there = json_is_object(found);
	assert_string_equal(error.text, "");
	json_decref(found);
	json_decref(args);
	return there;
}

static int setup(void **state)
{
	struct store_error error = {.text = ""};
	(void)state;
	assert_int_equal(system("rm -rf " FOLDER), 0);
	mkdir(FOLDER, 0700);
	database = sqlite_backend_open(FOLDER "/database.db", false, &error);
	refusals = 0;
	refusal = STORE_BUSY;
	return database == NULL;
}

static int teardown(void **state)
{
	(void)state;
	database->close(database->self);
	free(database);
	return 0;
}

/* What is refused for good stands in nobody's way: it is asked for once. */
static void test_refused_for_good(void **state)
{
	(void)state;
	struct store_backend *b = open_spool(), ours;
	write_message(b, "SM1");
	write_message(b, "SM2");
	assert_true(database->begin(database->self));
	struct store_backend *mongodb = comes_back(b, &ours);
	refused = "SM1";
	refusal = STORE_REFUSED;
	replay(b, 2);
	assert_int_equal(refusals, 1);
	assert_true(is_there("SM2"));
	assert_int_equal(b->spooled(b->self), 0);
	refused = NULL;
	settle(b, mongodb);
}

static void test_refused_write_is_laid_aside(void **state)
{
	(void)state;
	struct store_backend *b = open_spool(), ours;
	write_message(b, "SM1");
	write_message(b, "SM2");
	write_message(b, "SM3");
	assert_true(database->begin(database->self));
	struct store_backend *mongodb = comes_back(b, &ours);
	refused = "SM2";
	/* It may come to its mind: nothing overtakes it for a while. */
	replay(b, 10);
	assert_true(is_there("SM1"));
	assert_false(is_there("SM2") || is_there("SM3"));
	assert_int_equal(b->spooled(b->self), 2);
	replay(b, 100);
	assert_int_equal(refusals, 40);
	assert_true(is_there("SM3"));
	assert_int_equal(b->spooled(b->self), 0);
	/* The next start finds it, and it is refused again: it is laid aside again. */
	close_spool(b, mongodb);
	b = open_spool();
	write_message(b, "SM4");
	mongodb = comes_back(b, &ours);
	assert_int_equal(b->spooled(b->self), 2);
	replay(b, 100);
	assert_true(is_there("SM4"));
	assert_false(is_there("SM2"));
	assert_int_equal(b->spooled(b->self), 0);
	/* And once it is taken nothing is left. */
	close_spool(b, mongodb);
	b = open_spool();
	mongodb = comes_back(b, &ours);
	refused = NULL;
	replay(b, 1);
	assert_true(is_there("SM2"));
	close_spool(b, mongodb);
	b = open_spool();
	assert_int_equal(((struct spool *)b->self)->pending, 0);
	b->close(b->self);
	free(b);
	assert_true(database->end(database->self));
}

/* ---- what is asked while the database is away, in order ---- */

enum verb { INSERT, PUT, UPDATE, REMOVE };

/* Of message SM1: body is what it says then; key: its new name, or NULL. */
static void ask(struct store_backend *b, enum verb verb, const char *body, const char *key)
{
	struct store_error error = {.text = ""};
	json_t *document = json_pack("{s:s, s:s, s:s}", "requestId", "SM1", "body", body, "createdAt",
				     "2026-01-01T00:00:00.000Z");
	json_t *args = json_pack("{s:O, s:s, s:{s:s, s:s}, s:[[s, s, s]]}", "document", document, "key",
				 "SM1", "set", "body", body, "requestId", key ? key : "SM1", "where",
				 "requestId", "=", "SM1");
	store_backend_fn *const verbs[] = {b->insert, b->put, b->update, b->remove};
	if (verb == UPDATE)
		json_object_del(args, "where");
	b->tick(b->self);
	json_decref(verbs[verb](b->self, MESSAGES, args, &error));
	assert_string_equal(error.text, "");
	assert_true(b->end(b->self));
	json_decref(args);
	json_decref(document);
}

/* What the database has of this message: its body, or "". */
static void assert_body(const char *sid, const char *body)
{
	struct store_error error = {.text = ""};
	json_t *args = json_pack("{s:s, s:s}", "field", "requestId", "value", sid);
	json_t *found = database->get(database->self, MESSAGES, args, &error);
	const char *text = json_string_value(json_object_get(found, "body"));
	assert_string_equal(text ? text : "", body);
	json_decref(found);
	json_decref(args);
}

static void test_order(void **state)
{
	(void)state;
	static const struct {
		bool there; /* in the database, before it goes away */
		struct {
			enum verb verb;
			const char *body, *key;
		} asked[6];
		unsigned count;
		const char *first, *second; /* the bodies of SM1 and SM2 in the end */
	} cases[] = {
		{true, {{UPDATE, "a", NULL}, {PUT, "b", NULL}}, 2, "b", ""},
		{true, {{UPDATE, "a", NULL}, {PUT, "b", NULL}, {UPDATE, "c", NULL}}, 3, "c", ""},
		{true, {{UPDATE, "a", NULL}, {PUT, "b", NULL}, {PUT, "c", NULL}}, 3, "c", ""},
		{true, {{UPDATE, "a", NULL}, {PUT, "b", NULL}, {UPDATE, "c", "SM2"}}, 3, "", "c"},
		{true, {{PUT, "a", NULL}, {REMOVE, "", NULL}}, 2, "", ""},
		{true, {{REMOVE, "", NULL}, {INSERT, "a", NULL}}, 2, "a", ""},
		{true, {{PUT, "a", NULL}, {REMOVE, "", NULL}, {PUT, "b", NULL}}, 3, "b", ""},
		{false, {{INSERT, "a", NULL}, {REMOVE, "", NULL}, {INSERT, "b", NULL}}, 3, "b", ""},
		{false, {{INSERT, "a", NULL}, {UPDATE, "b", NULL}, {REMOVE, "", NULL}}, 3, "", ""},
		{false, {{INSERT, "a", NULL}, {UPDATE, "b", "SM2"}, {INSERT, "c", NULL}}, 3, "c", "b"},
		{false, {{UPDATE, "a", NULL}, {INSERT, "b", NULL}, {UPDATE, "c", NULL}}, 3, "c", ""},
	};
	struct store_backend *b = open_spool(), ours;
	struct spool *spool = b->self;
	struct store_error error = {.text = ""};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *old = one_message("SM1");
		assert_true(database->begin(database->self));
		if (cases[i].there)
			json_decref(database->insert(database->self, MESSAGES, old, &error));
		json_decref(old);
		for (unsigned k = 0; k < cases[i].count; k++)
			ask(b, cases[i].asked[k].verb, cases[i].asked[k].body, cases[i].asked[k].key);
		struct store_backend *mongodb = comes_back(b, &ours);
		replay(b, 3);
		print_message("case %zu\n", i);
		assert_body("SM1", cases[i].first);
		assert_body("SM2", cases[i].second);
		assert_int_equal(b->spooled(b->self), 0);
		/* Nothing stays in the spool, neither; and it goes away again. */
		spool_read_journal(spool, &error);
		assert_int_equal(spool->pending, 0);
		spool->db = mongodb;
		spool->away = true;
		json_t *both = json_pack("{s:[[s, s, [s, s]]]}", "where", "requestId", "in", "SM1", "SM2");
		json_decref(database->remove(database->self, MESSAGES, both, &error));
		json_decref(both);
		assert_true(database->end(database->self));
	}
	assert_string_equal(error.text, "");
	b->close(b->self);
	free(b);
}

/* ---- local disk that does not keep a batch ---- */

static struct store_backend *disk;
static unsigned ends_to_fail;

/* What a full disk leaves: the transaction is rolled back, and its commit fails. */
static bool failing_end(void *self)
{
	struct store_error error = {.text = ""};
	if (ends_to_fail > 0) {
		ends_to_fail--;
		assert_true(sqlite_execute(self, "ROLLBACK", &error));
	}
	return disk->end(self);
}

/* What was replayed and could not be forgotten is not replayed over what came after it. */
static void test_replay_not_kept(void **state)
{
	(void)state;
	for (unsigned failures = 1; failures <= 3; failures++) {
		struct store_backend *b = open_spool(), ours, failing;
		struct spool *spool = b->self;
		struct store_error error = {.text = ""};
		ask(b, INSERT, "a", NULL);
		ask(b, UPDATE, "b", NULL);
		assert_true(database->begin(database->self));
		struct store_backend *mongodb = comes_back(b, &ours);
		disk = spool->local;
		failing = *disk;
		failing.end = failing_end;
		spool->local = &failing;
		ends_to_fail = failures;
		json_t *args = json_pack("{s:s, s:{s:s}}", "key", "SM1", "set", "body", "c");
		bool kept = false;
		while (!kept) { /* as its caller would: again, until it is stored */
			b->tick(b->self);
			json_decref(b->update(b->self, MESSAGES, args, &error));
			assert_string_equal(error.text, "");
			kept = b->end(b->self);
		}
		json_decref(args);
		spool->local = disk;
		b->tick(b->self); /* and this process ends, and another reads the journal */
		assert_true(b->end(b->self));
		spool_read_journal(spool, &error);
		replay(b, 3);
		assert_body("SM1", "c");
		assert_int_equal(b->spooled(b->self), 0);
		json_t *one = json_pack("{s:[[s, s, s]]}", "where", "requestId", "=", "SM1");
		json_decref(database->remove(database->self, MESSAGES, one, &error));
		json_decref(one);
		settle(b, mongodb);
	}
}

/* From now on local disk keeps everything again, and the process ends; the next reads the journal. */
static void next_process(struct store_backend *b)
{
	struct store_error error = {.text = ""};
	struct spool *spool = b->self;
	json_object_clear(spool->brought);
	spool->pending = 0;
	spool->seq = 0;
	spool_read_journal(spool, &error);
	assert_string_equal(error.text, "");
}

/* Another host has changed the document since it was brought: it is not brought again. */
static void test_brought_once(void **state)
{
	(void)state;
	struct store_backend *b = open_spool(), ours, failing;
	struct spool *spool = b->self;
	struct store_error error = {.text = ""};
	json_t *set = json_pack("{s:s, s:{s:s}}", "key", "SM1", "set", "body", "another host's");
	ask(b, INSERT, "a", NULL);
	ask(b, UPDATE, "b", NULL);
	assert_true(database->begin(database->self));
	struct store_backend *mongodb = comes_back(b, &ours);
	disk = spool->local;
	failing = *disk;
	failing.end = failing_end;
	spool->local = &failing;
	ends_to_fail = 3;
	for (int i = 0; i < 5; i++) {
		b->tick(b->self);
		b->end(b->self);
		if (i == 0)
			json_decref(database->update(database->self, MESSAGES, set, &error));
	}
	assert_body("SM1", "another host's");
	assert_int_equal(b->spooled(b->self), 0);
	/* But what was written here meanwhile is. */
	spool->away = true;
	ask(b, INSERT, "c", "SM1");
	ask(b, PUT, "d", NULL);
	spool->away = false;
	ends_to_fail = 1;
	b->tick(b->self);
	assert_true(b->end(b->self));
	ask(b, UPDATE, "e", NULL);
	replay(b, 2);
	assert_body("SM1", "e");
	assert_int_equal(b->spooled(b->self), 0);
	spool->local = disk;
	json_decref(set);
	settle(b, mongodb);
}

/* An insert arrived although its answer was lost: what is dropped here afterwards is dropped there. */
static void test_unset(void **state)
{
	(void)state;
	struct store_backend *b = open_spool(), ours;
	struct store_error error = {.text = ""};
	json_t *args = json_pack("{s:{s:s, s:s, s:s, s:s, s:s}}", "document", "requestId", "SM1", "body", "a",
				 "createdAt", "2026-01-01T00:00:00.000Z", "dueAt", "2026-01-01T00:00:00.000Z",
				 "state", "asking");
	json_t *named = json_pack("{s:s, s:{s:s}, s:[s, s]}", "key", "SM1", "set", "messageSid", "SM1",
				  "unset", "dueAt", "state");
	json_t *waits =
		json_pack("{s:s, s:{s:s}, s:[s]}", "key", "SM1", "set", "state", "waiting", "unset", "owner");
	assert_true(database->begin(database->self));
	json_decref(database->insert(database->self, MESSAGES, args, &error));
	b->tick(b->self);
	json_decref(b->insert(b->self, MESSAGES, args, &error));
	json_decref(b->update(b->self, MESSAGES, named, &error));
	json_decref(b->update(b->self, MESSAGES, waits, &error));
	assert_true(b->end(b->self));
	struct store_backend *mongodb = comes_back(b, &ours);
	replay(b, 2);
	json_t *by_key = json_pack("{s:s, s:s}", "field", "requestId", "value", "SM1");
	json_t *there = database->get(database->self, MESSAGES, by_key, &error);
	assert_string_equal(json_string_value(json_object_get(there, "messageSid")), "SM1");
	assert_string_equal(json_string_value(json_object_get(there, "state")), "waiting");
	assert_null(json_object_get(there, "dueAt"));
	assert_string_equal(error.text, "");
	json_decref(there);
	json_decref(by_key);
	json_decref(args);
	json_decref(named);
	json_decref(waits);
	settle(b, mongodb);
}

/* What was laid aside and is changed afterwards is brought again, and not only by the next process. */
static void test_changed_when_laid_aside(void **state)
{
	(void)state;
	for (enum verb verb = PUT; verb <= UPDATE; verb++) {
		struct store_backend *b = open_spool(), ours;
		struct spool *spool = b->self;
		struct store_error error = {.text = ""};
		assert_true(database->begin(database->self));
		ask(b, INSERT, "a", NULL);
		struct store_backend *mongodb = comes_back(b, &ours);
		refused = "SM1";
		refusal = STORE_REFUSED;
		replay(b, 2);
		assert_int_equal(b->spooled(b->self), 0);
		spool->away = true;
		ask(b, verb, "b", NULL);
		refused = NULL;
		spool->away = false;
		replay(b, 2);
		assert_body("SM1", "b");
		next_process(b);
		assert_int_equal(spool->pending, 0);
		json_t *one = json_pack("{s:[[s, s, s]]}", "where", "requestId", "=", "SM1");
		json_decref(database->remove(database->self, MESSAGES, one, &error));
		json_decref(one);
		settle(b, mongodb);
	}
}

static bool no_begin(void *self)
{
	(void)self;
	return false;
}

/* What was laid aside counts for the next entry's number, also where local disk cannot be written. */
static void test_numbers(void **state)
{
	(void)state;
	struct store_backend *b = open_spool(), ours, failing;
	struct spool *spool = b->self;
	assert_true(database->begin(database->self));
	write_message(b, "SM1");
	write_message(b, "SM2");
	struct store_backend *mongodb = comes_back(b, &ours);
	refused = "SM2";
	refusal = STORE_REFUSED;
	replay(b, 2);
	disk = spool->local;
	failing = *disk;
	failing.begin = no_begin;
	spool->local = &failing;
	next_process(b);
	spool->local = disk;
	spool->away = true;
	write_message(b, "SM3");
	write_message(b, "SM4");
	write_message(b, "SM5");
	assert_int_equal(spool->seq, 5);
	spool->away = false;
	replay(b, 2);
	assert_true(is_there("SM3") && is_there("SM4") && is_there("SM5"));
	refused = NULL;
	settle(b, mongodb);
}

/* What was not brought yet counts, too. */
static void test_count(void **state)
{
	(void)state;
	struct store_backend *b = open_spool(), ours;
	struct store_error error = {.text = ""};
	json_t *args = json_pack("{s:[[s, s, s]], s:i}", "where", "body", "=", "SM1", "limit", 10);
	assert_true(database->begin(database->self));
	write_message(b, "SM1");
	struct store_backend *mongodb = comes_back(b, &ours);
	for (int i = 0; i < 2; i++) {
		json_t *n = b->count(b->self, MESSAGES, args, &error);
		assert_int_equal(json_integer_value(n), 1);
		json_decref(n);
		replay(b, 1);
	}
	json_decref(args);
	settle(b, mongodb);
}

/* On a full disk a batch is kept as a whole or not at all: the callers of all of it are told so. */
static void test_whole_batches(void **state)
{
	(void)state;
	struct store_error error = {.text = ""};
	char *much = xcalloc(1, 400000);
	memset(much, 'x', 400000 - 1);
	json_t *args[] = {one_message("SM1"), one_message("SM2"), one_message("SM3")};
	json_object_set_new(json_object_get(args[1], "document"), "body", json_string(much));
	assert_true(sqlite_execute(database->self, "PRAGMA max_page_count = 100", &error));
	assert_true(database->begin(database->self));
	for (int i = 0; i < 3; i++) {
		error = (struct store_error){.text = ""};
		json_decref(database->insert(database->self, MESSAGES, args[i], &error));
		assert_int_equal(error.text[0] != '\0', i > 0);
		json_decref(args[i]);
	}
	assert_false(database->end(database->self));
	assert_false(is_there("SM1") || is_there("SM2") || is_there("SM3"));
	/* And the next is kept. */
	error = (struct store_error){.text = ""};
	args[0] = one_message("SM4");
	assert_true(database->begin(database->self));
	json_decref(database->insert(database->self, MESSAGES, args[0], &error));
	assert_true(database->end(database->self));
	assert_true(is_there("SM4"));
	json_decref(args[0]);
	free(much);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refused_write_is_laid_aside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_for_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replay_not_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_brought_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changed_when_laid_aside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_whole_batches, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
