/* What is known of the voice provider's models and their announced ends. */
#ifndef PHONY_VOICED_PROVIDER_MODELS_H
#define PHONY_VOICED_PROVIDER_MODELS_H

#include "lib/base/model_shutdown.h"
#include "lib/config/config.h"

#include <jansson.h>

/* Logs a warning for a configured model that ends within 90 days, an error for one that has ended. */
void models_log(const struct config *config);

/*
 * The same for `phony doctor`, of the model of OPENAI_MODEL (0) or of
 * OPENAI_TRANSCRIPTION_MODEL (1). list: what GET /v1/models answered, whose
 * shutdown_date goes before the built-in one; NULL if it is not known.
 */
enum model_end models_check(const struct config *config, unsigned which, json_t *list, char *words,
			    size_t size);

#endif
