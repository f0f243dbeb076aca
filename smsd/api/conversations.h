/* Talks: between two numbers, or of a group. Messages carry their conversationId. */
#ifndef PHONY_SMSD_API_CONVERSATIONS_H
#define PHONY_SMSD_API_CONVERSATIONS_H

#include "smsd/smsd.h"

/* A group's conversationId begins so. */
#define GROUP_PREFIX "conv_group_"

/* The message's conversation has something new; a talk between two is begun by it. */
void conversation_touch(struct smsd *s, const json_t *message, store_fn *fn, void *arg);

/* The same for a message that was there already: a talk that is there stays as it is. */
void conversation_ensure(struct smsd *s, const json_t *message, store_fn *fn, void *arg);

/*
 * Where a message from `from` to `to` belongs: the talk, of two or of a group,
 * in which both were last active. The result has {documents: […]}, at most one.
 */
void conversation_of(struct smsd *s, const char *from, const char *to, store_fn *fn, void *arg);

#endif
