/*
 * JSON Schema, the part that arguments of tools and outcomes of calls use:
 * type (one or several), required, properties, additionalProperties, items, enum,
 * const, pattern (lib/base/pattern.h), lengths in characters, ranges, counts. Other
 * keywords are passed over, and so is a pattern that takes too long.
 */
#ifndef PHONY_BASE_SCHEMA_H
#define PHONY_BASE_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Whether value fits the schema. Every fault is told, by the path of its field,
 * in a sentence for whoever has to mend it.
 */
bool schema_check(const json_t *schema, const json_t *value, char *faults, size_t size);

/* Whether the schema itself is one of an object that can be checked: else why not. */
bool schema_valid(const json_t *schema, char *why, size_t size);

#endif
