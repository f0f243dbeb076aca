/* The connection to MongoDB: the driver's pool of clients, its limits, and whether the database is there. */
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/mongodb/mongodb.h"

#include <stdlib.h>
#include <unistd.h>

enum {
	SELECT_MS = 1000,
	CONNECT_MS = 2000,
	SOCKET_MS = 10000,
};
/* Where the original's driver keeps data when the URL names no database. */
#define DEFAULT_DATABASE "test"

static void set_default(mongoc_uri_t *uri, const char *option, int32_t value)
{
	if (!mongoc_uri_has_option(uri, option))
		mongoc_uri_set_option_as_int32(uri, option, value);
}

/* The driver has a log of its own. */
static void on_driver_log(mongoc_log_level_t level, const char *domain, const char *message, void *arg)
{
	(void)arg;
	if (level <= MONGOC_LOG_LEVEL_CRITICAL)
		log_warn("MongoDB driver, %s: %s", domain, message);
	else
		log_debug("MongoDB driver, %s: %s", domain, message);
}

struct mongodb *mongodb_connect(const char *url, struct store_error *error)
{
	static bool started;
	bson_error_t fault;
	if (!started) {
		mongoc_init();
		mongoc_log_set_handler(on_driver_log, NULL);
		atexit(mongoc_cleanup); /* once for all: the driver cannot start again */
		started = true;
	}
	mongoc_uri_t *uri = mongoc_uri_new_with_error(url, &fault);
	if (uri == NULL) {
		text_printf(error->text, sizeof error->text, "MONGODB_URL is no MongoDB URL: %.*s",
			    TEXT_CUT(fault.message, 200));
		return NULL;
	}
	set_default(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, SELECT_MS);
	set_default(uri, MONGOC_URI_CONNECTTIMEOUTMS, CONNECT_MS);
	set_default(uri, MONGOC_URI_SOCKETTIMEOUTMS, SOCKET_MS);
	if (!mongoc_uri_has_option(uri, MONGOC_URI_W))
		mongoc_uri_set_option_as_utf8(uri, MONGOC_URI_W, "majority");
	const char *database = mongoc_uri_get_database(uri);
	struct mongodb *m = xcalloc(1, sizeof *m);
	m->database = xstrdup(database ? database : DEFAULT_DATABASE);
	m->pool = mongoc_client_pool_new_with_error(uri, &fault);
	mongoc_uri_destroy(uri);
	if (m->pool == NULL) {
		text_printf(error->text, sizeof error->text, "MONGODB_URL cannot be used: %.*s",
			    TEXT_CUT(fault.message, 200));
		free(m->database);
		free(m);
		return NULL;
	}
	mongoc_client_pool_set_error_api(m->pool, MONGOC_ERROR_API_VERSION_2);
	mongoc_client_pool_set_appname(m->pool, "phony");
	return m;
}

void mongodb_disconnect(void *self)
{
	struct mongodb *m = self;
	if (m->client != NULL)
		mongoc_client_pool_push(m->pool, m->client);
	mongoc_client_pool_destroy(m->pool);
	free(m->database);
	free(m);
}

mongoc_collection_t *mongodb_collection(struct mongodb *m, const struct store_collection *c)
{
	if (m->client == NULL)
		m->client = mongoc_client_pool_pop(m->pool);
	return mongoc_client_get_collection(m->client, m->database, c->name);
}

bool mongodb_ping(void *self)
{
	struct mongodb *m = self;
	bson_t command = BSON_INITIALIZER;
	mongoc_client_t *client = mongoc_client_pool_pop(m->pool);
	bson_append_int32(&command, "ping", -1, 1);
	bool ok = mongoc_client_command_simple(client, "admin", &command, NULL, NULL, NULL);
	mongoc_client_pool_push(m->pool, client);
	bson_destroy(&command);
	return ok;
}

bool mongodb_takes_writes(void *self)
{
	struct mongodb *m = self;
	char host[65] = "host";
	gethostname(host, sizeof host - 1);
	bson_t filter = BSON_INITIALIZER, change = BSON_INITIALIZER, set, options = BSON_INITIALIZER;
	bson_append_utf8(&filter, "host", -1, host, -1);
	bson_append_document_begin(&change, "$set", -1, &set);
	bson_append_now_utc(&set, "checkedAt", -1);
	bson_append_document_end(&change, &set);
	bson_append_bool(&options, "upsert", -1, true);
	mongoc_client_t *client = mongoc_client_pool_pop(m->pool);
	mongoc_collection_t *health =
		mongoc_client_get_collection(client, m->database, store_collections[STORE_HEALTH].name);
	bool ok = mongoc_collection_update_one(health, &filter, &change, &options, NULL, NULL);
	mongoc_collection_destroy(health);
	mongoc_client_pool_push(m->pool, client);
	bson_destroy(&filter);
	bson_destroy(&change);
	bson_destroy(&options);
	return ok;
}
