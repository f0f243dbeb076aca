/*
 * Records of a kind that are kept, listed, changed and removed alike: contexts,
 * handlers of incoming calls, voicemails, barred numbers.
 */
#ifndef PHONY_VOICED_SHARED_CRUD_H
#define PHONY_VOICED_SHARED_CRUD_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

struct record_kind {
	enum store_kind store;
	const char *what;          /* "context": for messages */
	const char *plural;        /* the list's name in answers */
	const char *advice;        /* where the keys are found, for a 404 */
	const char *const *fields; /* shown, up to NULL */
};

/* where is stolen; cursor may be NULL. */
void records_list(struct voiced *v, const struct record_kind *k, json_t *where, int64_t limit,
		  const char *cursor, struct reply reply);
void records_get(struct voiced *v, const struct record_kind *k, const char *key, struct reply reply);
/* Refuses a key that is there. The document is stolen; its times are set here. */
void records_create(struct voiced *v, const struct record_kind *k, json_t *document, struct reply reply);
/* set is stolen. */
void records_update(struct voiced *v, const struct record_kind *k, const char *key, json_t *set,
		    struct reply reply);
void records_remove(struct voiced *v, const struct record_kind *k, const char *key, struct reply reply);
/* Removes all that fit; the filter is stolen and must not be empty. */
void records_remove_where(struct voiced *v, const struct record_kind *k, json_t *where, struct reply reply);

/* The document as a person sees it. Owned by the caller. */
json_t *record_public(const struct record_kind *k, const json_t *document);
/* The present time, as documents have it. */
json_t *record_now(void);

#endif
