/* Questions of another process, kept until their answers are there. */
#ifndef PHONY_DAEMON_PENDING_REQUEST_H
#define PHONY_DAEMON_PENDING_REQUEST_H

#include "lib/base/reply.h"
#include "proto/peer.h"

#include <sys/queue.h>

struct question;
/* Those of one peer. Zero-initialise. */
LIST_HEAD(questions, question);

/* Takes a question from p: the reply answers it, or nobody once the peer has gone. */
struct reply question_take(struct questions *all, struct peer *p, const struct frame *f);
/* The peer has gone. */
void questions_forget(struct questions *all);

#endif
