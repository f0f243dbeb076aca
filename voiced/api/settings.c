#include "voiced/api/settings.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/config/overrides.h"
#include "lib/store/result.h"

void settings_list(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	json_read_open(&r, args);
	if (!answer_faults(reply, &r))
		answer_success(reply, 200, json_build("{s:o}", "settings", overrides_describe(v->config)),
			       "The settings");
}

void settings_change(struct voiced *v, json_t *args, struct reply reply)
{
	struct buffer faults = {0};
	if (json_object_size(args) == 0) {
		answer_error(reply, 400, "invalid",
			     "Name at least one setting, as {\"LOG_LEVEL\": \"debug\"}.");
		return;
	}
	bool changed = overrides_change(v->config, args, &faults);
	buffer_append(&faults, "", 1);
	if (!changed) {
		answer_error(reply, 400, "invalid", "%s", (char *)faults.data);
	} else {
		bool supervised = v->daemon->supervisor != NULL;
		log_info("settings were changed%s", supervised ? ": new daemons take over" : "");
		answer_success(reply, 200, json_build("{s:b}", "inForce", supervised),
			       supervised ? "Kept; in force in a moment, and live calls go on"
					  : "Kept; in force when phony is started again");
		if (supervised)
			peer_tell(link_peer(v->daemon->supervisor), MSG_RELOAD, json_object(), -1);
	}
	buffer_free(&faults);
}
