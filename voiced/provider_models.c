#include "voiced/provider_models.h"

#include "lib/base/json_read.h"
#include "lib/base/log.h"

#include <string.h>

/* The date that the vendor's own list tells; NULL if it tells none. Points into the list. */
static const char *listed_date(json_t *list, const char *model)
{
	json_t *data = NULL, *entry;
	struct json_reader r;
	size_t i;
	json_read_open(&r, list);
	json_read_any(&r, "data", JSON_OPTIONAL, &data);
	json_array_foreach (data, i, entry) {
		const char *id = "", *date = NULL;
		json_read_open(&r, entry);
		json_read_text(&r, "id", JSON_OPTIONAL, 0, 200, &id);
		json_read_text(&r, "shutdown_date", JSON_OPTIONAL, 1, 40, &date);
		if (strcmp(id, model) == 0)
			return date;
	}
	return NULL;
}

enum model_end models_check(const struct config *config, unsigned which, json_t *list, char *words,
			    size_t size)
{
	const char *model = which == 0 ? config->openai_model : config->openai_transcription_model;
	const char *setting = which == 0 ? "OPENAI_MODEL" : "OPENAI_TRANSCRIPTION_MODEL";
	const char *date = list != NULL ? listed_date(list, model) : NULL;
	return model_shutdown_check(setting, model, date ? date : model_shutdown_date(model), wall_now(),
				    words, size);
}

void models_log(const struct config *config)
{
	char words[300];
	for (unsigned which = 0; config->openai_api_key[0] != '\0' && which < 2; which++) {
		enum model_end end = models_check(config, which, NULL, words, sizeof words);
		if (end == MODEL_ENDED)
			log_error("%s", words);
		else if (end == MODEL_ENDS_SOON)
			log_warn("%s", words);
	}
}
