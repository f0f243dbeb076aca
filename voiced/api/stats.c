#include "voiced/api/stats.h"

#include "lib/base/buffer.h"
#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/store/result.h"
#include "voiced/api/call_commands.h"
#include "voiced/workers/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BOUNDS = 12, STATUSES = 5, CALLS_MAX = 20000 };

/* Cumulative buckets, as Prometheus has them. */
struct histogram {
	const char *name, *help;
	const double *bounds;
	unsigned long long counts[BOUNDS];
	unsigned long long total;
	double sum;
};

static const double seconds[BOUNDS] = {0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60};
static const double long_seconds[BOUNDS] = {5, 10, 20, 30, 60, 120, 180, 300, 600, 1200, 1800, 3600};
static const double short_seconds[BOUNDS] = {.0001, .00025, .0005, .001, .0025, .005,
					     .01,   .025,   .05,   .1,   .25,   .5};

static const char *const statuses[STATUSES] = {"completed", "busy", "no-answer", "failed", "canceled"};

struct stats {
	unsigned long long over[2][STATUSES]; /* outbound, inbound */
	unsigned long long interruptions, frames_in, agent_losses, worker_deaths;
	struct histogram response, first_audio, duration, answer, delay_up, delay_down, barge_in;
};

struct stats *stats_new(void)
{
	struct stats *s = xcalloc(1, sizeof *s);
	s->response = (struct histogram){"phony_response_seconds",
					 "From the end of a turn of the caller to the agent's answer.",
					 seconds,
					 {0},
					 0,
					 0};
	s->first_audio = (struct histogram){"phony_first_audio_seconds",
					    "From the start of a stream to the agent's first word.",
					    seconds,
					    {0},
					    0,
					    0};
	s->answer = (struct histogram){
		"phony_answer_seconds", "From placing a call to its first stream.", seconds, {0}, 0, 0};
	s->duration = (struct histogram){
		"phony_call_duration_seconds", "Duration of completed calls.", long_seconds, {0}, 0, 0};
	s->delay_up = (struct histogram){"phony_added_delay_to_agent_seconds",
					 "Median of a stream: audio in to audio out, towards the agent.",
					 short_seconds,
					 {0},
					 0,
					 0};
	s->delay_down = (struct histogram){"phony_added_delay_to_caller_seconds",
					   "Median of a stream: audio in to audio out, towards the caller.",
					   short_seconds,
					   {0},
					   0,
					   0};
	s->barge_in = (struct histogram){"phony_barge_in_seconds",
					 "Median of a stream: an interruption noticed to the buffer cleared.",
					 short_seconds,
					 {0},
					 0,
					 0};
	return s;
}

void stats_free(struct stats **s)
{
	free(*s);
	*s = NULL;
}

static void observe(struct histogram *h, double value)
{
	for (size_t i = 0; i < BOUNDS; i++)
		h->counts[i] += value <= h->bounds[i];
	h->total++;
	h->sum += value;
}

static double seconds_between(const struct call *call, const char *from, const char *to)
{
	struct wall_ms a = {0}, b = {0};
	wall_parse(call_text(call, from), &a);
	wall_parse(call_text(call, to), &b);
	return a.ms > 0 && b.ms >= a.ms ? (double)(b.ms - a.ms) / 1000 : -1;
}

void stats_over(struct voiced *v, const struct call *call)
{
	struct stats *s = v->stats;
	bool inbound = call_is_inbound(call);
	if (call_is_browser(call))
		return; /* nobody was telephoned */
	for (size_t i = 0; i < STATUSES; i++)
		s->over[inbound][i] += strcmp(call_text(call, "status"), statuses[i]) == 0;
	double answer = seconds_between(call, "startedAt", "streamedAt");
	if (answer >= 0 && !inbound)
		observe(&s->answer, answer);
	if (call_status(call) == CALL_COMPLETED)
		observe(&s->duration, (double)call_number(call, "duration"));
}

static double us_of(const json_t *data, const char *name, const char *which)
{
	json_t *value = json_object_get(json_object_get(data, name), which);
	return json_integer_value(json_object_get(json_object_get(data, name), "count")) > 0
		       ? json_number_value(value) / 1e6
		       : -1;
}

static void observe_median(struct histogram *h, const json_t *data, const char *name)
{
	double median = us_of(data, name, "p50");
	if (median >= 0)
		observe(h, median);
}

/* A call's own sums, for those of many: stored with what is stored next of it, at its end at the latest. */
static void add_up(struct call *call, const char *name, json_int_t value)
{
	json_t *known = call_value(call, "sums"), *sums = known ? json_copy(known) : json_object();
	json_object_set_new(sums, name,
			    json_integer(json_integer_value(json_object_get(sums, name)) + value));
	call_put(call, "sums", sums);
}

void stats_event(struct voiced *v, struct call *call, const char *type, const json_t *data)
{
	struct stats *s = v->stats;
	if (strcmp(type, "response") == 0) {
		json_int_t ms = json_integer_value(json_object_get(data, "ms"));
		observe(&s->response, (double)ms / 1000);
		add_up(call, "responses", 1);
		add_up(call, "responseMs", ms);
	} else if (strcmp(type, "agent-lost") == 0) {
		s->agent_losses++;
	} else if (strcmp(type, "worker-died") == 0) {
		s->worker_deaths++;
	} else if (strcmp(type, "stream-ended") == 0) {
		json_int_t first = json_integer_value(json_object_get(data, "firstAudioUs"));
		if (first > 0)
			observe(&s->first_audio, (double)first / 1e6);
		json_int_t interruptions = json_integer_value(json_object_get(data, "interruptions"));
		s->interruptions += (unsigned long long)interruptions;
		add_up(call, "interruptions", interruptions);
		call_save(call, NULL, NULL);
		s->frames_in +=
			(unsigned long long)json_integer_value(json_object_get(data, "framesFromCaller"));
		observe_median(&s->delay_up, data, "delayToAgentUs");
		observe_median(&s->delay_down, data, "delayToCallerUs");
		observe_median(&s->barge_in, data, "bargeInUs");
	}
}

/* ---- Prometheus ---- */

static void __attribute__((format(printf, 2, 3))) line(struct buffer *b, const char *fmt, ...)
{
	char text[300];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	buffer_append_text(b, text);
	buffer_append_text(b, "\n");
}

static void put_histogram(struct buffer *b, const struct histogram *h)
{
	line(b, "# HELP %s %s", h->name, h->help);
	line(b, "# TYPE %s histogram", h->name);
	for (size_t i = 0; i < BOUNDS; i++)
		line(b, "%s_bucket{le=\"%g\"} %llu", h->name, h->bounds[i], h->counts[i]);
	line(b, "%s_bucket{le=\"+Inf\"} %llu", h->name, h->total);
	line(b, "%s_sum %.6f", h->name, h->sum);
	line(b, "%s_count %llu", h->name, h->total);
}

static void put_value(struct buffer *b, const char *name, const char *type, const char *help,
		      unsigned long long value)
{
	line(b, "# HELP %s %s", name, help);
	line(b, "# TYPE %s %s", name, type);
	line(b, "%s %llu", name, value);
}

void stats_metrics(struct voiced *v, struct http_request *r)
{
	struct stats *s = v->stats;
	struct buffer b = {0};
	line(&b, "# HELP phony_calls_total Calls that are over.");
	line(&b, "# TYPE phony_calls_total counter");
	for (size_t d = 0; d < 2; d++)
		for (size_t i = 0; i < STATUSES; i++)
			line(&b, "phony_calls_total{direction=\"%s\",status=\"%s\"} %llu",
			     d ? "inbound" : "outbound", statuses[i], s->over[d][i]);
	line(&b, "# HELP phony_calls_live Calls that are live now.");
	line(&b, "# TYPE phony_calls_live gauge");
	line(&b, "phony_calls_live{direction=\"outbound\"} %u", calls_count(v->calls, "outbound"));
	line(&b, "phony_calls_live{direction=\"inbound\"} %u", calls_count(v->calls, "inbound"));
	put_value(&b, "phony_workers_idle", "gauge", "Callworkers that wait for a call.",
		  workers_idle(v->workers));
	put_value(&b, "phony_interruptions_total", "counter", "Times that a caller spoke over the agent.",
		  s->interruptions);
	put_value(&b, "phony_frames_from_callers_total", "counter",
		  "Media messages that came from the carrier.", s->frames_in);
	put_value(&b, "phony_agent_losses_total", "counter", "Connections to a voice provider that broke.",
		  s->agent_losses);
	put_value(&b, "phony_worker_deaths_total", "counter", "Callworkers that died with a call.",
		  s->worker_deaths);
	const struct histogram *all[] = {&s->answer,   &s->first_audio, &s->response, &s->duration,
					 &s->delay_up, &s->delay_down,  &s->barge_in};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		put_histogram(&b, all[i]);
	http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", (char *)b.data, b.len, NULL);
	buffer_free(&b);
}

/* ---- sums over a time ---- */

struct summing {
	struct reply reply;
	bool by_hour; /* a start was given, so that the hours are not without end */
};

static void count_in(json_t *object, const char *key)
{
	json_object_set_new(object, key, json_integer(json_integer_value(json_object_get(object, key)) + 1));
}

/* Adds a call to the entry of the hour in which it started: {calls, failed}. */
static void count_in_hour(json_t *hours, const json_t *call, bool failed)
{
	enum { HOUR_MS = 3600 * 1000 };
	struct wall_ms started;
	char hour[WALL_TEXT_SIZE];
	const char *text = json_string_value(json_object_get(call, "startedAt"));
	if (text == NULL || !wall_parse(text, &started))
		return;
	started.ms -= started.ms % HOUR_MS;
	wall_format(started, hour);
	if (json_object_get(hours, hour) == NULL)
		json_object_set_new(hours, hour, json_build("{s:i, s:i}", "calls", 0, "failed", 0));
	count_in(json_object_get(hours, hour), "calls");
	if (failed)
		count_in(json_object_get(hours, hour), "failed");
}

static void on_calls(void *arg, json_t *result, const char *error)
{
	struct summing *sums_asked = arg;
	size_t i;
	json_t *call, *counts = json_object(), *failures = json_object(), *hours = json_object();
	json_int_t calls = 0, answered = 0, talked = 0, inbound = 0, credits = 0;
	json_int_t responses = 0, response_ms = 0, interruptions = 0;
	if (answer_store_error(sums_asked->reply, error)) {
		json_decref(counts);
		json_decref(failures);
		json_decref(hours);
		free(sums_asked);
		return;
	}
	json_array_foreach (json_object_get(result, "documents"), i, call) {
		const char *status = json_string_value(json_object_get(call, "status"));
		const char *type = json_string_value(json_object_get(call, "callType"));
		json_t *streamed = json_object_get(call, "streamedAt");
		if (type != NULL && strcmp(type, "browser") == 0)
			continue;
		calls++;
		answered += streamed != NULL;
		inbound += type != NULL && strcmp(type, "inbound") == 0;
		talked += json_integer_value(json_object_get(call, "duration"));
		const json_t *sums = json_object_get(call, "sums"), *cost = json_object_get(call, "cost");
		responses += json_integer_value(json_object_get(sums, "responses"));
		response_ms += json_integer_value(json_object_get(sums, "responseMs"));
		interruptions += json_integer_value(json_object_get(sums, "interruptions"));
		credits += json_integer_value(json_object_get(cost, "amount"));
		status = status ? status : "unknown";
		count_in(counts, status);
		bool failed = strcmp(status, "failed") == 0;
		const char *reason = json_string_value(json_object_get(call, "errorMessage"));
		if (failed)
			count_in(failures, reason ? reason : "no reason is known");
		if (sums_asked->by_hour)
			count_in_hour(hours, call, failed);
	}
	if (!sums_asked->by_hour) {
		json_decref(hours);
		hours = NULL;
	}
	answer_success(sums_asked->reply, 200,
		       json_build("{s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o*}",
				  "calls", calls, "inbound", inbound, "outbound", calls - inbound, "answered",
				  answered, "answerRate", calls > 0 ? (double)answered / (double)calls : 0.0,
				  "totalSeconds", talked, "responses", responses, "responseAverageMs",
				  responses > 0 ? response_ms / responses : (json_int_t)0, "interruptions",
				  interruptions, "credits", credits, "byStatus", counts, "failures", failures,
				  "byHour", hours),
		       "%lld call(s)", (long long)calls);
	free(sums_asked);
}

void stats_tell(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	int64_t start_ms = 0, end_ms = 0;
	json_read_open(&r, args);
	json_read_time(&r, "startDate", JSON_OPTIONAL, &start_ms);
	json_read_until(&r, "endDate", JSON_OPTIONAL, &end_ms);
	if (answer_faults(reply, &r))
		return;
	json_t *where = json_array();
	filter_time(where, "startedAt", ">=", start_ms);
	filter_time(where, "startedAt", "<", end_ms);
	struct store_query query = {.where = where, .limit = CALLS_MAX};
	struct summing *sums = xcalloc(1, sizeof *sums);
	*sums = (struct summing){reply, start_ms > 0};
	store_find(v->store, STORE_CALLS, &query, on_calls, sums);
}
