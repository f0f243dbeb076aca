/*
 * Finding members of a JSON text without parsing it: for the audio messages,
 * fifty a second each way. Only for keys that occur once, and for values that
 * need no unescaping; anything else says no, and the caller parses.
 */
#ifndef PHONY_CALLWORKER_NET_JSON_SCAN_H
#define PHONY_CALLWORKER_NET_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The text under the first "key": borrowed from json. False: not found, or escaped. */
bool json_scan_text(const char *json, size_t len, const char *key, const char **value, size_t *value_len);
/* Whether the first "key" has exactly this text. */
bool json_scan_is(const char *json, size_t len, const char *key, const char *text);
bool json_scan_int(const char *json, size_t len, const char *key, int64_t *value);

#endif
