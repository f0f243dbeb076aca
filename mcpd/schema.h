/* The part of JSON Schema that our tools' arguments use, checked. */
#ifndef PHONY_SCHEMA_H
#define PHONY_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Whether args fits the schema: type, required, enum, pattern, lengths, ranges,
 * additionalProperties. Every fault is told, by name, in a sentence for the model.
 */
bool schema_check(json_t *schema, json_t *args, char *faults, size_t size);

#endif
