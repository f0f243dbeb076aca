#include "lib/daemon/pending_request.h"

#include "lib/base/panic.h"

#include <stdlib.h>

struct question {
	LIST_ENTRY(question) next;
	struct peer *peer;  /* NULL: it has gone away meanwhile */
	struct frame frame; /* without its body */
};

static void end(struct question *q)
{
	if (q->peer != NULL)
		LIST_REMOVE(q, next);
	free(q);
}

static void on_done(void *arg, int http_status, json_t *body)
{
	(void)http_status;
	struct question *q = arg;
	if (q->peer != NULL && json_dumpb(body, NULL, 0, JSON_COMPACT) > FRAME_PAYLOAD_MAX) {
		struct peer_error error = {"too_large", "The answer is too large: ask for less with limit.",
					   413};
		peer_refuse(q->peer, &q->frame, &error);
		json_decref(body);
	} else if (q->peer != NULL) {
		peer_reply(q->peer, &q->frame, body);
	} else {
		json_decref(body);
	}
	end(q);
}

static void on_fail(void *arg, int http_status, const char *code, const char *message)
{
	struct question *q = arg;
	struct peer_error error = {code, message, http_status};
	if (q->peer != NULL)
		peer_refuse(q->peer, &q->frame, &error);
	end(q);
}

struct reply question_take(struct questions *all, struct peer *p, const struct frame *f)
{
	struct question *q = xcalloc(1, sizeof *q);
	q->peer = p;
	q->frame = *f;
	q->frame.body = NULL;
	LIST_INSERT_HEAD(all, q, next);
	return (struct reply){on_done, on_fail, q};
}

void questions_forget(struct questions *all)
{
	struct question *q;
	while ((q = LIST_FIRST(all)) != NULL) {
		LIST_REMOVE(q, next);
		q->peer = NULL;
	}
}
