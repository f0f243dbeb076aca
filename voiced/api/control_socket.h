/*
 * Whoever connects to RUN_DIR/voiced.sock: mcpd, for its clients, and
 * callworkers that outlived an earlier voiced.
 */
#ifndef PHONY_VOICED_API_CONTROL_SOCKET_H
#define PHONY_VOICED_API_CONTROL_SOCKET_H

#include "voiced/voiced.h"

struct clients;

struct clients *clients_open(struct voiced *v, int listener);
void clients_close(struct clients **c);
/* MCP clients attached now. */
unsigned clients_count(const struct clients *c);

#endif
