/*
 * The settings that may be changed while phony runs, as a person does in the web
 * pages: kept in STATE_DIR/settings.env, where they stand before the
 * environment and every other file. Only such are read there; none of them can
 * give more rights, or keep phony from starting.
 */
#ifndef PHONY_OVERRIDES_H
#define PHONY_OVERRIDES_H

#include "lib/config/config.h"

#include <jansson.h>

/* Replaces values[i] (of setting_table[i], from the heap) by what is kept in this directory. */
void overrides_read(const char *state_dir, char *values[]);

/*
 * Every setting -> [{name, value, default, help, kind, min?, max?, choices?,
 * changeable, changed}]. A secret has no value, but isSet. Owned by the caller.
 */
json_t *overrides_describe(const struct config *c);

/*
 * Keeps these: {NAME: a text, or null to go back to what is configured}. False
 * with one line in faults for each that is wrong; then nothing is changed.
 */
bool overrides_change(const struct config *c, const json_t *changes, struct buffer *faults);

#endif
