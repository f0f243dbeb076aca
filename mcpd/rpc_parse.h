/*
 * Reading a message as it came. Clients write bytes that are not quite JSON: a
 * byte order mark, half of a surrogate pair, \u0000. RFC 8259 lets a reader pass
 * over the first (section 8.1) and leaves the others open (sections 8.2 and 9);
 * here they become U+FFFD, so that the message is served.
 */
#ifndef PHONY_MCPD_RPC_PARSE_H
#define PHONY_MCPD_RPC_PARSE_H

#include <jansson.h>
#include <stddef.h>

/*
 * The message; owned by the caller. NULL: fault says why it cannot be read, and
 * *id is the id that the error is to carry, if that can be read (owned by the
 * caller, or NULL).
 */
json_t *rpc_parse(const char *bytes, size_t len, char *fault, size_t size, json_t **id);

/*
 * The id of a message of which only the head and the tail were kept; owned by
 * the caller, or NULL. Clients write it first or last.
 */
json_t *rpc_find_id(const char *head, size_t head_len, const char *tail, size_t tail_len);

#endif
