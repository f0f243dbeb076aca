/*
 * Connections that belong to smsd or mcpd, passed on with their requests
 * unread. While the other daemon cannot be reached the connection is answered
 * 503 here; once it was sent it is never written on again. The same connection
 * carries voiced's own questions.
 */
#ifndef PHONY_VOICED_FRONTEND_HANDOFF_H
#define PHONY_VOICED_FRONTEND_HANDOFF_H

#include "proto/peer.h"

#include <event2/event.h>

struct handover;

/* socket: the other daemon's path, connected when first needed. */
struct handover *handover_new(struct event_base *base, unsigned role, const char *socket);
void handover_free(struct handover **h);

/* Asks the other daemon; args is stolen, fn is called exactly once, from the loop. */
void handover_ask(struct handover *h, enum message type, json_t *args, peer_answer_fn *fn, void *arg);

/* Takes over fd. */
void handover_pass(struct handover *h, int fd);

/* What the daemon tells unasked; the item is borrowed. One at a time; fn NULL: nobody. */
typedef void handover_news_fn(void *arg, json_t *item);
void handover_on_news(struct handover *h, handover_news_fn *fn, void *arg);
/* Stays connected, so that it is heard; {kind: "messages"} after a gap: look again. */
void handover_keep(struct handover *h, bool keep);

#endif
