/* GET and PUT /api/settings: what is configured, and what may be changed while phony runs. */
#ifndef PHONY_VOICED_API_SETTINGS_H
#define PHONY_VOICED_API_SETTINGS_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

/* -> {settings: as overrides_describe has them} */
void settings_list(struct voiced *v, json_t *args, struct reply reply);
/* {NAME: a text, or null} -> the same. New daemons with them take over; calls go on. */
void settings_change(struct voiced *v, json_t *args, struct reply reply);

#endif
