#include "mcpd/features/server_info.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/version.h"
#include "mcpd/features/tasks.h"

#include <string.h>

#define MODERN_VERSION "2026-07-28"

static const char *const legacy_versions[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};

static const char instructions[] =
	"Phony makes phone calls and sends text messages. phony_create_call returns before the call is "
	"answered: "
	"follow it with phony_wait_for_call until isLive is false. When its answer has an operatorQuestion, "
	"the "
	"caller is on hold until phony_answer_operator answers. phony_inject_context tells the agent "
	"something "
	"in the middle of a call, phony_send_dtmf presses keys, phony_hangup_call ends it.";

json_t *discover_server_info(void)
{
	return json_build("{s:s, s:s, s:s}", "name", "phony", "title", "Phony", "version", PHONY_VERSION);
}

json_t *discover_versions(void)
{
	return json_build("[s]", MODERN_VERSION);
}

bool discover_is_modern(const char *version)
{
	return strcmp(version, MODERN_VERSION) == 0;
}

static json_t *capabilities(bool modern)
{
	json_t *c = json_build("{s:{}, s:{s:b}, s:{}, s:{}}", "tools", "resources", "subscribe", 1, "prompts",
			       "completions");
	if (modern)
		json_object_set_new(c, "extensions", json_build("{s:{}}", TASKS_EXTENSION));
	else
		json_object_set_new(c, "logging", json_object());
	return c;
}

void discover_modern(struct request *q)
{
	static const struct rpc_cache cache = {3600000, "public"};
	request_answer(q,
		       json_build("{s:o, s:o, s:s}", "supportedVersions", discover_versions(), "capabilities",
				  capabilities(true), "instructions", instructions),
		       &cache);
}

bool discover_is_legacy(const char *version)
{
	for (size_t i = 0; i < sizeof legacy_versions / sizeof *legacy_versions; i++)
		if (strcmp(version, legacy_versions[i]) == 0)
			return true;
	return false;
}

bool discover_has_batches(const char *version)
{
	return discover_is_legacy(version) && strcmp(version, "2025-06-18") < 0;
}

/* The version asked for if we have it, else our newest: the client decides whether it can live with it. */
void discover_legacy(struct request *q)
{
	const char *asked = "", *version = legacy_versions[0];
	struct json_reader r;
	json_read_open(&r, request_params(q));
	json_read_text(&r, "protocolVersion", JSON_NEEDED, 1, 64, &asked);
	if (!json_read_ok(&r)) {
		request_fail(q, RPC_INVALID_PARAMS, r.faults, NULL);
		return;
	}
	if (discover_is_legacy(asked))
		version = asked;
	request_answer(q,
		       json_build("{s:s, s:o, s:o, s:s}", "protocolVersion", version, "capabilities",
				  capabilities(false), "serverInfo", discover_server_info(), "instructions",
				  instructions),
		       NULL);
}

void discover_ping(struct request *q)
{
	request_answer(q, json_object(), NULL);
}
