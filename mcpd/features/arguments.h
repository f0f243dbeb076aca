/*
 * A tool's arguments as clients really send them. Some send null for every
 * optional argument, and members of their own beside the tool's (n8n: sessionId,
 * toolCallId); some write lists, objects, numbers and booleans into a text.
 */
#ifndef PHONY_MCPD_FEATURES_ARGUMENTS_H
#define PHONY_MCPD_FEATURES_ARGUMENTS_H

#include <jansson.h>
#include <stddef.h>

/*
 * The arguments (an object, or NULL; borrowed) as the tool's inputSchema means
 * them, to be checked against it: null is absent; a text where an object with
 * one required member stands in a list is that member; a text where the schema
 * has another type is the JSON that it says, if that is of the type; what the tool does not
 * have is left out, and named in ignored ("" if there is nothing). Owned by the
 * caller.
 */
json_t *arguments_read(const json_t *schema, const json_t *given, char *ignored, size_t size);

#endif
