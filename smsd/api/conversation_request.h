/* A question about one conversation that takes several steps. */
#ifndef PHONY_SMSD_API_CONVERSATION_REQUEST_H
#define PHONY_SMSD_API_CONVERSATION_REQUEST_H

#include "lib/base/json_read.h"
#include "lib/base/reply.h"
#include "smsd/messages/send_request.h"

struct talk {
	struct smsd *smsd;
	struct reply reply;
	json_t *args; /* kept: what was read points into it */
	char *id;
	json_t *document;
	const char *said;
	int http_status;
	void (*next)(struct talk *t);
	int64_t limit;
	const char *cursor, *number, *name;
	/* of a message to all */
	struct wish wish;
	char *body;
	json_t *results;
	size_t left, failed;
};

struct talk *talk_new(struct smsd *s, json_t *args, struct reply reply, const char *id);
void talk_free(struct talk *t);
/* Opens the reader and reads conversationId; "" after a fault. */
const char *talk_read_id(struct json_reader *r, json_t *args);
/* Goes on with next once the document is there; else answers. */
void talk_look_up(struct talk *t, const char *said, void (*next)(struct talk *t));
/* Answers with the conversation as it is, and frees. */
void talk_answer(struct talk *t);

#endif
