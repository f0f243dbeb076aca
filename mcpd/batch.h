/*
 * Several messages in one array, and their answers in one
 * (JSON-RPC 2.0, "Batch"; MCP 2025-03-26 asks a server to take them, later revisions have none).
 */
#ifndef PHONY_MCPD_BATCH_H
#define PHONY_MCPD_BATCH_H

#include "mcpd/rpc.h"

struct batch;

/* Held once, by who takes its messages one by one. message, the array, is borrowed. */
struct batch *batch_new(json_t *message);

/* A request of it will be answered later. */
void batch_hold(struct batch *b);

/* The answer to one of its messages; stolen. */
void batch_add(struct batch *b, json_t *answer);

/*
 * One hold less. With the last it is freed, and its answers are sent about the
 * array, NULL when there are none; send is NULL when the client has gone.
 */
void batch_release(struct batch **b, rpc_send_fn *send, void *arg);

#endif
