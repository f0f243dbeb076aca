/*
 * One setting of lib/config/settings.h, as a row of a table: what its values may
 * be, and where it stands in struct config.
 */
#ifndef PHONY_SETTING_H
#define PHONY_SETTING_H

#include "lib/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

enum setting_kind {
	K_TEXT,
	K_PATH,
	K_SECRET,
	K_URL_HTTP,
	K_URL_WS,
	K_NUMBER,
	K_NUMBERS,
	K_PREFIXES,
	K_HOURS,
	K_SID,
	K_CHOICE,
	K_ADDRESS,
	K_BOOL,
	K_UINT
};

struct setting_rule {
	enum setting_kind kind;
	unsigned min, max; /* of K_UINT */
};

struct setting {
	struct setting_rule rule;
	size_t offset; /* in struct config */
	const char *name, *alias, *fallback, *help;
};

extern const struct setting setting_table[];
extern const size_t setting_count;
enum { SETTINGS_MAX = 64 };

/* By its name or its alias; NULL when there is none. */
const struct setting *setting_find(const char *name);

/* Why value does not fit, perhaps written to why; NULL when it does. */
const char *setting_check(const struct setting *s, const char *value, char *why, size_t size);

/*
 * "22:00-07:00" as minutes since midnight; "off" as equal ones. False when it is
 * neither.
 */
bool setting_read_hours(const char *value, int *from, int *to);

/* A line in faults: the setting's name, and why. */
void setting_fault(struct buffer *faults, const char *name, const char *why);

#endif
