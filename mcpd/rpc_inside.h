/* What rpc.c and request.c share: a client, and what it asks. */
#ifndef PHONY_MCPD_RPC_INSIDE_H
#define PHONY_MCPD_RPC_INSIDE_H

#include "mcpd/batch.h"
#include "mcpd/request.h"
#include "mcpd/rpc.h"

#include <sys/queue.h>

#define REQUEST_MAGIC 0x72657175u

struct request {
	unsigned magic;
	LIST_ENTRY(request) next;
	struct rpc *rpc;
	struct batch *batch; /* that it came in, or NULL */
	json_t *id, *params;
	bool modern, listening;
	json_int_t asked; /* the client, by this number; 0: nothing */
	bool not_asked;   /* the client answered with an error */
	request_asked_fn *asked_fn;
	void *asked_arg;
	SLIST_HEAD(, kept) kept;    /* what its handler allocated */
	LIST_HEAD(, query) queries; /* what the daemons have not answered yet */
};

struct rpc {
	unsigned magic;
	LIST_ENTRY(rpc) next;
	struct mcpd *mcpd;
	struct follow *follow;
	bool elicits, batches; /* told by initialize */
	bool closing;          /* the client has gone: nothing more is sent */
	struct batch *batch;   /* the one that is being taken, or NULL */
	json_int_t questions;
	rpc_send_fn *send;
	void *arg;
	LIST_HEAD(, request) requests;
};

/* Answers one of its messages, in the batch that it came in, if it came in one; answer is stolen. */
void rpc_send_answer(struct rpc *r, struct batch *batch, const json_t *id, json_t *answer);
/*
 * The same with an error; data is stolen, or NULL. Without an id that clients
 * can read (a text or a number) it has no id member: they refuse a null one.
 */
void rpc_send_error(struct rpc *r, struct batch *batch, json_t *id, int code, const char *message,
		    json_t *data);

/* In its client's list, until it ends. id and params (or NULL) are borrowed. */
struct request *request_new(struct rpc *r, json_t *id, json_t *params);
/* Ends a request that was answered, or whose client has gone, with all that it keeps. */
void request_free(struct request *q);
/* Ends a request that gets no answer, and tells the transport so. */
void request_cancel(struct request *q);
/* The client has answered what the request asked it; result is NULL for an error. */
void request_end_question(struct request *q, const json_t *result);
/* Whether the client's capabilities let us put a form before its person. */
bool request_has_forms(const json_t *capabilities);

#endif
