/*
 * Calls are deleted: the document, its turns and events, its recording and flight
 * records on this disk, and Twilio's recording (voiced/retention/recording_removal.h). Of hosts
 * that share a database each has files of its own: a note in the store, of a call's
 * id alone, tells the others to remove theirs. It is kept for a month, and also tells
 * what comes late (Twilio's word of a recording, a write that was spooled) that there
 * is no such call any more.
 */
#ifndef PHONY_VOICED_RETENTION_CALL_DELETION_H
#define PHONY_VOICED_RETENTION_CALL_DELETION_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

/* phony_delete_call, phony_delete_calls. Live and scheduled calls are not deleted. */
void deletion_of_call(struct voiced *v, json_t *args, struct reply reply);
void deletion_of_calls(struct voiced *v, json_t *args, struct reply reply);

/* Notes that a document is deleted; fn may be NULL. */
void deletion_note(struct voiced *v, enum store_kind kind, const char *key, store_fn *fn, void *arg);
/* Whether it was: result is the note, or null. */
void deletion_look_up(struct voiced *v, enum store_kind kind, const char *key, store_fn *fn, void *arg);

/* Looks for what other hosts have deleted. */
struct deletions;
struct deletions *deletions_new(struct voiced *v);
void deletions_free(struct deletions **d);

#endif
