/* voiced's HTTP: who answers what. */
#ifndef PHONY_VOICED_HTTP_ROUTES_H
#define PHONY_VOICED_HTTP_ROUTES_H

#include "voiced/voiced.h"

/* The handler of voiced's http_server; arg is the struct voiced. */
void routes_handle(struct http_request *r, void *arg);

/* Each answers the request and returns true when the path is its own. */
bool routes_twilio(struct voiced *v, struct http_request *r);
bool routes_api(struct voiced *v, struct http_request *r);
bool routes_system(struct voiced *v, struct http_request *r);

#endif
