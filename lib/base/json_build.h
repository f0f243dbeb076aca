/*
 * Builds JSON from a format, as jansson's json_pack does, but never fails:
 * no peer's bytes can make it return NULL. Texts pass through lib/base/text.h.
 *
 *	json_build("{s:s, s:i, s:[s, s]}", "name", name, "count", count, "tags", a, b)
 *
 *	{ } [ ]   object and array       s     const char *: a string (as a key: itself)
 *	n         null                   s#    const char *, int length
 *	b i I f   int as boolean, int, json_int_t, double
 *	o O       json_t *, whose reference is taken (o) or counted (O)
 *
 * A NULL for s, o or O becomes null; with * after it, it is left out, key and
 * all. (`?`, which says so in json_pack, is accepted and changes nothing.)
 * Blanks, commas and colons are passed over. A wrong format is a bug of the
 * caller's: it panics.
 */
#ifndef PHONY_BASE_JSON_BUILD_H
#define PHONY_BASE_JSON_BUILD_H

#include <jansson.h>

json_t *json_build(const char *fmt, ...);

#endif
