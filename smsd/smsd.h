/* What the modules of smsd share: one of each, made in main.c. */
#ifndef PHONY_SMSD_H
#define PHONY_SMSD_H

#include "lib/daemon/daemon.h"
#include "lib/daemon/handoff_receiver.h"
#include "lib/http/client.h"
#include "lib/http/server.h"
#include "lib/loop/loop.h"
#include "lib/store/store.h"
#include "lib/twilio/rest_api.h"

struct smsd {
	struct daemon *daemon;
	struct event_base *base;
	const struct config *config;
	char *host_id;
	char *default_sender; /* where no fromNumber is given */
	struct store *store;
	struct http_client *http_out;
	struct http_server *http_in;
	struct twilio *twilio;
	struct outbox *outbox;
	struct unheard *unheard;
	struct bulks *bulks;
	struct adopt *adopt;
	struct timer drain, patience;
};

#endif
