/* A media stream at the door: whose call it is, and whether it may come in. */
#ifndef PHONY_VOICED_FRONTEND_MEDIA_STREAMS_H
#define PHONY_VOICED_FRONTEND_MEDIA_STREAMS_H

#include "voiced/frontend/connection_route.h"
#include "voiced/voiced.h"

/* Gives the connection (fd, handed over) to a worker of its call, or refuses it. */
void streams_take(struct voiced *v, const struct route *route, int fd);

#endif
