/*
 * Following along: resources that a client subscribes to, the progress of a call
 * that it waits for, log messages of the older era. Fed by voiced's news.
 */
#ifndef PHONY_MCPD_FEATURES_NOTIFICATIONS_H
#define PHONY_MCPD_FEATURES_NOTIFICATIONS_H

#include "mcpd/request.h"

struct follow;

struct follow *follow_new(struct rpc *rpc, struct mcpd *mcpd);
void follow_free(struct follow **f);

/* resources/subscribe, resources/unsubscribe, logging/setLevel: the older era. */
void follow_subscribe(struct request *q);
void follow_unsubscribe(struct request *q);
void follow_set_level(struct request *q);
/* subscriptions/listen: the current one. The request stays open. */
void follow_listen(struct request *q);
/* That request has ended. */
void follow_unlisten(struct follow *f, const json_t *id);

/* A waiting tool call wants to hear of this call's progress; token is borrowed, id the request's. */
void follow_progress(struct request *q, const char *call_sid, const json_t *token);
void follow_progress_end(struct follow *f, const json_t *id);

/* Something happened; borrowed. */
void follow_news(struct follow *f, const json_t *item);

#endif
