/*
 * GET /api/events: the news as server-sent events, for whoever watches. Each has
 * an id; who comes again with Last-Event-ID is told what it missed, or, when
 * that is not known any more, to look at everything anew ("reset").
 */
#ifndef PHONY_VOICED_API_SSE_H
#define PHONY_VOICED_API_SSE_H

#include "lib/http/server.h"
#include "voiced/voiced.h"

struct live;

struct live *live_new(struct voiced *v);
/* Ends the streams; before the HTTP server is freed. */
void live_free(struct live **l);

/* True: the request was for the stream, and is taken. */
bool live_serve(struct voiced *v, struct http_request *r);

#endif
