/* Shared by the fuzzers. */
#ifndef PHONY_FUZZ_H
#define PHONY_FUZZ_H

#include "callworker/net/websocket.h"

#include <stddef.h>
#include <stdint.h>

/* The handler that the last ws_adopt or ws_connect was given. */
extern const struct ws_handler *fuzz_ws_handler;
extern void *fuzz_ws_arg;

/* The daemons answer what mcpd asked them until now. */
void fuzz_backend_answer(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
