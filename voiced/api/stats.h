/* The numbers of all calls: for Prometheus since the start, and summed over a time from the store. */
#ifndef PHONY_VOICED_API_STATS_H
#define PHONY_VOICED_API_STATS_H

#include "lib/base/reply.h"
#include "lib/http/server.h"
#include "voiced/voiced.h"

struct stats;
struct stats *stats_new(void);
void stats_free(struct stats **s);

/* Something of a call that is counted: its end, an event of its worker. */
void stats_over(struct voiced *v, const struct call *call);
void stats_event(struct voiced *v, struct call *call, const char *type, const json_t *data);

/* GET /metrics, in Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats). */
void stats_metrics(struct voiced *v, struct http_request *r);
/* `phony stats`: {calls, answered, …} of calls since startDate. */
void stats_tell(struct voiced *v, json_t *args, struct reply reply);

#endif
