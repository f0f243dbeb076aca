/*
 * What this process wrote to the database of calls and their words, and what it
 * read there of the live ones that it takes over, for a day, on local disk: so that
 * a call goes on as if nothing were, when the database goes away and another process
 * of the call ends meanwhile. It is only read while the database is away, and never
 * brought to it. Collections of settings (store_replicate) are there as a whole. What is deleted goes from
 * here, too, whichever host deleted it. Nothing here fails: what cannot be written (the disk is full) is kept
 * in memory until it can.
 */
#ifndef PHONY_STORE_SPOOL_MIRROR_H
#define PHONY_STORE_SPOOL_MIRROR_H

#include "lib/store/backend.h"

struct mirror;

/* path: of a file of SQLite, opened when it is needed, and made anew when it is ruined. */
struct mirror *mirror_new(const char *path);
void mirror_free(struct mirror **m);

/* A verb that has changed the database. */
enum mirror_verb { MIRROR_PUT, MIRROR_INSERT, MIRROR_UPDATE, MIRROR_REMOVE };
/* -> what the verb gives, or NULL. */
json_t *mirror_change(struct mirror *m, enum mirror_verb verb, const struct store_collection *c,
		      const json_t *args);

/*
 * What the database has, as it was just read. keep: live calls and their words, which
 * an earlier process may have written while this disk was full. What was merely looked
 * at is not kept; what was deleted (STORE_DELETIONS) goes.
 */
void mirror_learn(struct mirror *m, const struct store_collection *c, const json_t *documents, bool keep);

/* All of this collection is to be here; and is it, by now or by an earlier process? */
void mirror_replicate(struct mirror *m, const struct store_collection *c);
bool mirror_is_whole(struct mirror *m, const struct store_collection *c);
/* Makes it what the database has: all its documents. */
void mirror_replace(struct mirror *m, const struct store_collection *c, const json_t *documents);

/* As the verbs of a backend; NULL where nothing is mirrored. */
json_t *mirror_get(struct mirror *m, const struct store_collection *c, const json_t *args);
json_t *mirror_find(struct mirror *m, const struct store_collection *c, const json_t *args);

/* Before each batch: drops what is older than a day, now and then. And after it: what was written lasts. */
void mirror_tick(struct mirror *m);
void mirror_end(struct mirror *m);

#endif
