/* What the modules of voiced share: one of each, made in main.c. */
#ifndef PHONY_VOICED_H
#define PHONY_VOICED_H

#include "lib/base/clock.h"
#include "lib/daemon/daemon.h"
#include "lib/http/client.h"
#include "lib/http/server.h"
#include "lib/loop/loop.h"
#include "lib/store/store.h"
#include "lib/twilio/rest_api.h"
#include "voiced/registry/registry.h"

#include <sys/queue.h>

struct voiced {
	struct daemon *daemon;
	struct event_base *base;
	const struct config *config;
	char *host_id;
	struct store *store;
	struct http_client *http_out;
	struct http_server *http_in;
	struct twilio *twilio;
	struct calls *calls;
	struct resolver *resolver;
	struct workers *workers;
	struct door *door;
	struct handover *to_smsd, *to_mcpd;
	struct live *live;
	struct afterwards *afterwards;
	struct removals *removals;
	struct deletions *deletions;
	struct clients *clients;
	struct prompts *prompts;
	struct news *news;
	struct stats *stats;
	struct schedule *schedule;
	struct quota *quota;
	struct webhook_answers *answers;
	struct voicemails *voicemails;
	struct recordings *recordings;
	struct checkup *checkup;     /* NULL: nobody looks just now */
	LIST_HEAD(, taken) taken;    /* events on their way to the store: worker_events.c */
	LIST_HEAD(, errand) errands; /* pending.h */
	bool draining;
	struct timer drain_timer;   /* the time to drain is over */
	struct timer confirm_timer; /* Twilio has not confirmed the ends of calls in time */
	struct timer step_timer;    /* whether requests in work are answered */
	struct mono_us step_down_by;
};

#endif
