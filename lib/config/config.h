/*
 * Configuration from the environment and a KEY=value file. Precedence: what was
 * changed while phony ran (lib/config/overrides.h), the environment, then --config
 * FILE, or /etc/phony/phony.env without --config. No file is looked for in the
 * current folder: MCP clients start phony in folders that others have written.
 * Of two lines with a name the later counts. Everything that is wrong is reported at
 * once, by name.
 *
 * A daemon has its settings from phony (config_snapshot): all daemons have the same,
 * also when one is started again after the file has changed.
 */
#ifndef PHONY_CONFIG_H
#define PHONY_CONFIG_H

#include "lib/base/buffer.h"

#include <stdbool.h>

#define CONFIG_FILE "/etc/phony/phony.env"

struct config {
#define ABSOLUTE_PATH char *
#define TEXT char *
#define SECRET char *
#define URL_HTTP char *
#define URL_WS char *
#define NUMBER char *
#define NUMBERS char *
#define PREFIXES char *
#define HOURS char *
#define SID char *
#define CHOICE char *
#define ADDRESS char *
#define BOOL bool
#define UINT(min, max) unsigned
#define SETTING(kind, field, name, alias, fallback, help) kind field;
#include "lib/config/settings.h"
#undef SETTING
#undef TEXT
#undef ABSOLUTE_PATH
#undef SECRET
#undef URL_HTTP
#undef URL_WS
#undef NUMBER
#undef NUMBERS
#undef PREFIXES
#undef HOURS
#undef SID
#undef CHOICE
#undef BOOL
#undef ADDRESS
#undef UINT
	bool unread; /* its file could not be read: nobody knows what is set */
};

/*
 * Reads everything and fills in defaults; unset texts are "" and never NULL.
 * Faults (also a missing file) are appended to *faults, one a line, each with
 * the setting's name; the number of faults is returned. Secrets are hidden
 * from the log. Free with config_free, on faults too.
 */
unsigned config_load(struct config *c, const char *file, struct buffer *faults);

/*
 * These settings as a descriptor that can only be read, to be handed down as
 * DOOR_SETTINGS: config_load takes them from there. -1 with errno.
 */
int config_snapshot(const struct config *c);
/* The settings of such a descriptor; as config_load. */
unsigned config_load_snapshot(struct config *c, int fd, struct buffer *faults);

void config_free(struct config *c);

/*
 * Adds what placing calls needs and is not set: PUBLIC_URL, Twilio's account, token
 * and number. What is wrong, or stands in a file that cannot be read, is told already.
 */
unsigned config_require_telephony(const struct config *c, struct buffer *faults);

/* The setting without which a call that names no agent has no voice; NULL: it is set. */
const char *config_voice_missing(const struct config *c);

/*
 * What config_load passes over in the file (NULL: CONFIG_FILE), as "NAME (line 3), …",
 * appended: misspelt names, and what belongs to other programs. False: nothing.
 */
bool config_unknown(const char *file, struct buffer *out);

/*
 * API_TOKEN, or the one kept in STATE_DIR/api-token, made there (mode 0600) at
 * the first start. Sets c->api_token. False with errno when it cannot be kept.
 */
bool config_api_token(struct config *c);

/*
 * The name of this host among those that share a database: random, kept in
 * STATE_DIR/host-id. The caller frees. NULL with errno when it cannot be kept.
 */
char *config_host_id(const struct config *c);

/* STATE_DIR/name or RUN_DIR/name; the caller frees. */
char *config_state_path(const struct config *c, const char *name);
char *config_run_path(const struct config *c, const char *name);

/* Makes the directory and its parents, mode 0700. False with errno. */
bool config_make_dir(const char *path);

/* Whether a URL's host is loopback: 127.0.0.0/8, ::1 or localhost. */
bool url_is_loopback(const char *url);

#endif
