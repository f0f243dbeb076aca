/* The inside of the MongoDB backend, shared by its files. */
#ifndef PHONY_STORE_MONGODB_H
#define PHONY_STORE_MONGODB_H

#include "lib/store/backend.h"
#include "lib/store/collections.h"

#include <mongoc/mongoc.h>

struct mongodb {
	mongoc_client_pool_t *pool;
	mongoc_client_t *client; /* the store thread's */
	char *database;
	bool prepared;
};

/* mongodb_connection.c: nothing is asked of the server yet. NULL with error: the URL is wrong. */
struct mongodb *mongodb_connect(const char *url, struct store_error *error);
void mongodb_disconnect(void *self);
/* The collection, on the store thread's client; destroy it after use. */
mongoc_collection_t *mongodb_collection(struct mongodb *m, const struct store_collection *c);

/* At the first contact: makes the indexes, and documents of the original findable. */
bool mongodb_prepare(struct mongodb *m);
/* Gives the documents without their key what stands in for it. False when that failed. */
bool mongodb_adopt(struct mongodb *m, const struct store_collection *c);

#endif
