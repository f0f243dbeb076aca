#include "lib/store/filter.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/store/store.h"

void filter_equal(json_t *where, const char *field, const char *value)
{
	if (value != NULL)
		json_array_append_new(where, json_build("[s, s, s]", field, "=", value));
}

void filter_time(json_t *where, const char *field, const char *op, int64_t ms)
{
	char text[WALL_TEXT_SIZE];
	wall_format((struct wall_ms){ms}, text);
	if (ms != 0)
		json_array_append_new(where, json_build("[s, s, s]", field, op, text));
}

void filter_read_page(struct json_reader *r, int64_t *limit, const char **cursor)
{
	json_read_int(r, "limit", JSON_OPTIONAL, 1, LIST_MAX, limit);
	json_read_text(r, "cursor", JSON_OPTIONAL, 1, 200, cursor);
	if (*cursor != NULL && !store_cursor_valid(*cursor))
		json_read_fault(r, "cursor is not one that a list has given");
}
