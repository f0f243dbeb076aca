/*
 * One call, from its assignment to its last event stored. The only file that
 * knows the stream, the provider, the playout and the control.
 */
#ifndef PHONY_CALLWORKER_CALL_H
#define PHONY_CALLWORKER_CALL_H

#include "callworker/net/websocket.h"

struct call;

/* control_fd: the connection to voiced, handed over. The loop is stopped when all is done. */
struct call *call_new(struct ws_loop *loop, int control_fd);
void call_free(struct call **c);

#endif
