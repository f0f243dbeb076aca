#include "lib/base/model_shutdown.h"

#include "lib/base/text.h"

#include <string.h>

#define DAY_MS (24 * 60 * 60 * 1000LL)

enum { SOON_DAYS = 90 };

static const struct {
	const char *model, *date, *successor;
} shutdowns[] = {
	{"gpt-realtime", "2027-01-20", "gpt-realtime-2.1"},
	{"gpt-realtime-2025-08-28", "2027-01-20", "gpt-realtime-2.1"},
	{"gpt-realtime-mini", "2027-01-20", "gpt-realtime-2.1-mini"},
	{"gpt-realtime-mini-2025-12-15", "2027-01-20", "gpt-realtime-2.1-mini"},
	{"gpt-audio-mini", "2027-01-20", "gpt-realtime-2.1-mini"},
	{"gpt-audio-mini-2025-12-15", "2027-01-20", "gpt-realtime-2.1-mini"},
	{"whisper-1", "2027-02-26", "gpt-transcribe"},
	{"gpt-4o-transcribe", "2027-02-26", "gpt-transcribe"},
	{"gpt-4o-transcribe-diarize", "2027-02-26", "gpt-transcribe"},
	{"gpt-4o-mini-transcribe", "2027-02-26", "gpt-transcribe"},
	{"gpt-4o-mini-transcribe-2025-12-15", "2027-02-26", "gpt-transcribe"},
};

static int find(const char *model)
{
	for (size_t i = 0; i < sizeof shutdowns / sizeof *shutdowns; i++)
		if (strcmp(shutdowns[i].model, model) == 0)
			return (int)i;
	return -1;
}

const char *model_shutdown_date(const char *model)
{
	int i = find(model);
	return i < 0 ? NULL : shutdowns[i].date;
}

const char *model_successor(const char *model)
{
	int i = find(model);
	return i < 0 ? NULL : shutdowns[i].successor;
}

enum model_end model_shutdown_check(const char *setting, const char *model, const char *date,
				    struct wall_ms now, char *words, size_t size)
{
	struct wall_ms end;
	const char *successor = model_successor(model);
	words[0] = '\0';
	if (date == NULL || !wall_parse(date, &end) || end.ms - now.ms > SOON_DAYS * DAY_MS)
		return MODEL_LASTS;
	bool ended = now.ms >= end.ms;
	text_printf(words, size, "the model %.*s %s on %.*s; set %s to %s.", TEXT_CUT(model, 64),
		    ended ? "was shut down" : "is shut down", TEXT_CUT(date, 10), setting,
		    successor ? successor : "one that lasts");
	return ended ? MODEL_ENDED : MODEL_ENDS_SOON;
}
