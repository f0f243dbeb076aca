/* smsd's HTTP: who answers what. */
#ifndef PHONY_SMSD_API_ROUTES_H
#define PHONY_SMSD_API_ROUTES_H

#include "smsd/smsd.h"

/* The handler of smsd's http_server; arg is the struct smsd. */
void routes_handle(struct http_request *r, void *arg);

/* Answers Twilio's webhooks for messages; false when the path is none of theirs. */
bool routes_twilio(struct smsd *s, struct http_request *r);

#endif
