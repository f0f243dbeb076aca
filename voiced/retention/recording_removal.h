/*
 * Recordings that Twilio is to forget: of calls and voicemails that were deleted,
 * and those older than RETENTION_DAYS. Each is a document of the store until Twilio
 * has removed the recording, or says that it has none of this name: an outage, a
 * crash or another host's end forgets nothing. Whichever host finds one due takes it.
 */
#ifndef PHONY_VOICED_RETENTION_RECORDING_REMOVAL_H
#define PHONY_VOICED_RETENTION_RECORDING_REMOVAL_H

#include "voiced/voiced.h"

struct removals;
struct removals *removals_new(struct voiced *v);
void removals_free(struct removals **r);

/*
 * Has the recording removed. `of` and `key` name the call or the voicemail that it
 * belongs to, which is told (recordingRemovedAt) when it is there still. fn is called
 * once this is durable; it may be NULL.
 */
void removals_add(struct voiced *v, const char *recording_sid, enum store_kind of, const char *key,
		  store_fn *fn, void *arg);

/*
 * Twilio has made a recording of this call: it is noted in the call's document, and
 * with RETENTION_DAYS until when it is kept.
 */
void removals_recorded(struct voiced *v, const char *call_id, const char *recording_sid);

#endif
