/* JSON as BSON and back, and filters as MongoDB has them. */
#ifndef PHONY_STORE_MONGODB_BSON_H
#define PHONY_STORE_MONGODB_BSON_H

#include "lib/store/collections.h"

#include <bson/bson.h>

/* Values are values: what looks like an operator or extended JSON is a text in BSON, too. */
void bson_add(bson_t *to, const char *name, const json_t *value);
/* The members of an object, or of an array under their numbers. */
void bson_add_members(bson_t *to, const json_t *value);
/* A document's members and, where the searched text is among them, its words. */
void bson_add_document(bson_t *to, const struct store_collection *c, const json_t *document);
/* {field: {op: value}} */
void bson_add_operator(bson_t *to, const char *field, const char *op, const json_t *value);
/* {$and: […]} of the conditions and `more` (may be NULL); nothing for none. */
void bson_filter(bson_t *filter, const json_t *where, const bson_t *more);

/* Owned by the caller. */
json_t *bson_to_json(const bson_iter_t *at);
json_t *bson_members_to_json(bson_iter_t *in, bool array);
/* A document as the store shows it: without _id, __v and words. */
json_t *bson_to_document(const struct store_collection *c, const bson_t *bson);

#endif
