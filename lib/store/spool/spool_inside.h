/*
 * What the parts of the spool share: spool.c writes and reads, and takes over when
 * the database goes away; spool_journal.c notes what that misses; spool_probe.c asks
 * whether it is back; spool_replay.c brings to it what it missed; spool_replica.c has a
 * copy of what must be known without it.
 */
#ifndef PHONY_STORE_SPOOL_SPOOL_INSIDE_H
#define PHONY_STORE_SPOOL_SPOOL_INSIDE_H

#include "lib/base/clock.h"
#include "lib/store/backend.h"
#include "lib/store/spool/mirror.h"

#include <pthread.h>
#include <stdatomic.h>

struct spool {
	struct store_backend *db, *local;
	struct mirror *mirror;
	bool away, begun;  /* begun: a transaction of local */
	size_t pending;    /* entries of the journal */
	bool uncounted;    /* a batch was not kept on local disk: pending is to be read there again */
	unsigned replicas; /* collections that are to be at hand as a whole, a bit each */
	struct mono_us copied;
	long long seq;
	unsigned refusals; /* of the oldest entry */
	json_t *brought;   /* entries that the database has, though local disk may not have forgotten them */
	/* Asks the database whether it is back. */
	pthread_t prober;
	pthread_mutex_t mutex;
	pthread_cond_t wake, answered;
	bool probing, stopping, first; /* first: at once */
	atomic_bool back;
};

/* An entry laid aside has a seq that begins so: behind every number. */
#define SPOOL_ASIDE "aside-"
#define SPOOL_JOURNAL (&store_collections[STORE_JOURNAL])

/* A local document, or NULL. */
json_t *spool_local(struct spool *s, const struct store_collection *c, const char *field, const char *value,
		    struct store_error *error);
/* The first write of a batch to local disk begins it; false: it is full. */
bool spool_begin_local(struct spool *s, struct store_error *error);
/* A verb that changes the database, and then the mirror. */
json_t *spool_change(struct spool *s, enum mirror_verb verb, const struct store_collection *c,
		     const json_t *args, struct store_error *error);
/* Whether the database has everything: it is asked itself. */
bool spool_is_direct(const struct spool *s);

/* Whether a verb of the database failed because it is away: the spool takes over. */
bool spool_lost(struct spool *s, struct store_error *error);
void spool_go_away(struct spool *s, const char *why);
void spool_probe_start(struct spool *s);
void spool_probe_stop(struct spool *s);
/* Whether the database answers by now; if not, it is asked on. */
bool spool_first_contact(struct spool *s);

/* Copies a collection; and all that are to be at hand, when that was too long ago. */
void spool_copy(struct spool *s, const struct store_collection *c);
void spool_copy_when_due(struct spool *s);

/* Appends an entry; steals it. */
void spool_note(struct spool *s, const struct store_collection *c, const char *key, json_t *entry,
		struct store_error *error);
/*
 * The entry that carries a local document, or NULL. Updates of a document that is
 * not at hand have its name as their target, too, but carry none.
 */
json_t *spool_entry_of(struct spool *s, const struct store_collection *c, const char *key,
		       struct store_error *error);
/*
 * A document that changes is to be brought again, even if it was laid aside: then as
 * the newest. Steals set.
 */
void spool_change_entry(struct spool *s, const json_t *entry, json_t *set, struct store_error *error);
/* A local document is another now, by an update's args: so is its entry. */
void spool_entry_changed(struct spool *s, const struct store_collection *c, const char *old_key,
			 const char *key, const json_t *args, struct store_error *error);
/* Whether an entry was laid aside. */
bool spool_is_aside(const json_t *entry);

/* Brings a part of what waits to the database. */
void spool_replay(struct spool *s);
/*
 * Reads from local disk how many entries the journal has, and its highest number;
 * uncounted stays set if that fails.
 */
void spool_count_pending(struct spool *s);
/* What an earlier process left. */
void spool_read_journal(struct spool *s, struct store_error *error);

#endif
