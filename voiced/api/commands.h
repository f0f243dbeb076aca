/*
 * What a person can ask of calls, over HTTP or MCP: the same verbs, arguments
 * and answers. Arguments are checked here; answers are as the contract has them.
 */
#ifndef PHONY_VOICED_API_COMMANDS_H
#define PHONY_VOICED_API_COMMANDS_H

#include "lib/base/reply.h"
#include "proto/messages.h"
#include "voiced/voiced.h"

/* Runs the verb of an MCP message (MSG_CREATE_CALL … MSG_SYSTEM_STATUS). args is borrowed. */
void verb_run(struct voiced *v, enum message verb, json_t *args, struct reply reply);

#endif
