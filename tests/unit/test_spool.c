/*
 * The spool's replay, where the database refuses one of the writes: another file of
 * SQLite is the database here, behind an insert that refuses.
 */
#include "lib/base/panic.h"
#include "lib/store/spool_inside.h"
#include "tests/unit/unit.h"

#include <sys/stat.h>

#define FOLDER "build/unit-spool"
#define NOWHERE "mongodb://127.0.0.1:1/phony?serverSelectionTimeoutMS=50"
#define MESSAGES (&store_collections[STORE_MESSAGES])

static struct store_backend *database; /* what is behind the insert that refuses */
static const char *refused;            /* the key of the message that it refuses; NULL: none */
static unsigned refusals;

static json_t *refusing_insert(void *self, const struct store_collection *c, const json_t *args,
			       struct store_error *error)
{
	if (refused != NULL && strcmp(store_key(c, json_object_get(args, "document")), refused) == 0) {
		refusals++;
		snprintf(error->text, sizeof error->text, "this document is refused");
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
	return database == NULL;
}

static int teardown(void **state)
{
	(void)state;
	database->close(database->self);
	free(database);
	return 0;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refused_write_is_laid_aside, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
