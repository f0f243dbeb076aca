/*
 * Models whose shutdown their vendor has announced. Source: the npm package
 * openai 7.59.0, resources/realtime/realtime.d.ts (RealtimeSessionCreateRequest,
 * AudioTranscription), which refers to developers.openai.com/api/docs/deprecations.
 */
#ifndef PHONY_BASE_MODEL_SHUTDOWN_H
#define PHONY_BASE_MODEL_SHUTDOWN_H

#include "lib/base/clock.h"

#include <stdbool.h>
#include <stddef.h>

enum model_end { MODEL_LASTS, MODEL_ENDS_SOON, MODEL_ENDED };

/* The announced date, YYYY-MM-DD, and the setting's value to use instead; NULL: none is known. */
const char *model_shutdown_date(const char *model);
const char *model_successor(const char *model);

/*
 * Whether a model ends within 90 days of `now`, or has ended. date: YYYY-MM-DD; NULL
 * or "" for none. words: a sentence about it and the remedy, "" when it lasts.
 */
enum model_end model_shutdown_check(const char *setting, const char *model, const char *date,
				    struct wall_ms now, char *words, size_t size);

#endif
