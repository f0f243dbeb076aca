/* Filters of lists (lib/store/backend.h has the operators), and the page that is asked for. */
#ifndef PHONY_STORE_FILTER_H
#define PHONY_STORE_FILTER_H

#include "lib/base/json_read.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 200 };

/* Adds [field, =, value] unless value is NULL. */
void filter_equal(json_t *where, const char *field, const char *value);
/* Adds [field, op, time] unless ms is 0. */
void filter_time(json_t *where, const char *field, const char *op, int64_t ms);

/* Reads limit (1 to LIST_MAX) and cursor. */
void filter_read_page(struct json_reader *r, int64_t *limit, const char **cursor);

#endif
