/*
 * Who does not want to be written to, for each pair of numbers: what the
 * carrier told (OptOutType), one of its words alone in a message, or Twilio's
 * refusal (21610).
 */
#ifndef PHONY_SMSD_MESSAGES_OPTOUTS_H
#define PHONY_SMSD_MESSAGES_OPTOUTS_H

#include "smsd/smsd.h"

/* "STOP", "START", or NULL: what an incoming message means. type: its OptOutType, or "". */
const char *optout_meaning(const char *type, const char *body);

/* Records that `theirs` wants nothing more from `ours` (or, start, that it does again). */
void optout_record(struct smsd *s, const char *ours, const char *theirs, bool start, store_fn *fn, void *arg);

/* Looks: the result is the record, or null while they may be written to. */
void optout_look(struct smsd *s, const char *ours, const char *theirs, store_fn *fn, void *arg);

/* Whether a record that optout_look gave forbids to write. */
bool optout_forbids(const json_t *record);

#define OPTOUT_ADVICE "This person has opted out (STOP): they must text START before they can be written to."

#endif
