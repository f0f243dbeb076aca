#include "callworker/call/call.h"

#include "callworker/call/call_control.h"
#include "callworker/call/call_inside.h"
#include "callworker/process/crash_report.h"
#include "callworker/process/process_title.h"
#include "callworker/process/sandbox.h"
#include "lib/base/fd.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"

#include <stdio.h>
#include <string.h>

#define CALL_MAGIC 0x63616c6cu

enum { TITLE_EVERY_MS = 1000 };

/* ---- what is told to voiced ---- */

void call_tell(struct call *c, const char *type, json_t *data)
{
	control_event(c->control, type, data);
}

void call_tell_text(struct call *c, const char *type, const char *name, const char *text)
{
	call_tell(c, type, json_build("{s:s}", name, text));
}

static void show_title(void *arg)
{
	struct call *c = arg;
	int64_t age_s = (mono_now().us - c->born.us) / 1000000;
	title_set("callworker: %s %s %lld:%02d", c->a.call_sid, call_state_name(c->state),
		  (long long)(age_s / 60), (int)(age_s % 60));
	ws_timer_start(c->loop, &c->title_timer, TITLE_EVERY_MS, show_title, c);
}

/* ---- from voiced ---- */

/* What the process will need, while it may still get it; then the door is shut. */
static void on_prepare(void *arg, json_t *body)
{
	struct call *c = arg;
	bool confine = true, tls = false;
	const char *ca_file = "";
	struct sandbox_limits limits = {0};
	int landlock = 0;
	struct json_reader r;
	json_read_open(&r, body);
	json_read_bool(&r, "confine", JSON_NEEDED, &confine);
	json_read_bool(&r, "tls", JSON_NEEDED, &tls);
	json_read_text(&r, "caFile", JSON_NEEDED, 0, 4096, &ca_file);
	json_read_int(&r, "memoryMb", JSON_NEEDED, 1, INT32_MAX, &limits.memory_mb);
	json_read_int(&r, "cpuSeconds", JSON_NEEDED, 1, INT32_MAX, &limits.cpu_s);
	json_read_int(&r, "coreMb", JSON_NEEDED, 0, INT32_MAX, &limits.core_mb);
	json_read_close(&r, JSON_KNOWN_ONLY);
	if (!json_read_ok(&r) || c->prepared) {
		log_error("what is to be prepared is wrong: %s", c->prepared ? "it came twice" : r.faults);
		ws_loop_stop(c->loop);
		return;
	}
	c->prepared = true;
	if (tls)
		ws_prepare_tls(c->loop, ca_file);
	if (confine)
		landlock = sandbox_enter(&limits);
	control_cell(c->control, landlock);
}

static void on_assign(void *arg, json_t *body, int fd)
{
	struct call *c = arg;
	if (c->state != CALL_WAITING || !c->prepared) {
		log_error(c->prepared ? "a second call was assigned"
				      : "a call was assigned to an open process");
		fd_close(&fd);
		return;
	}
	if (!assignment_read(&c->a, body)) {
		fd_close(&fd);
		ws_loop_stop(c->loop);
		return;
	}
	enum log_severity severity = LOG_SEV_INFO;
	log_parse_severity(c->a.log_level, &severity);
	log_open("callworker", severity, strcmp(c->a.log_format, "json") == 0);
	log_set_call(c->a.call_sid);
	crash_set_call(c->a.call_sid);
	control_identify(c->control, c->a.call_id, c->a.attempt);
	call_event(c, EV_ASSIGNED);
	c->born = mono_now();
	call_make_stream(c, fd);
	call_make_agent(c);
	show_title(c);
}

static void on_record(void *arg, int fd)
{
	struct call *c = arg;
	fd_close(&c->recording);
	c->recording = fd;
}

static void on_agent(void *arg, json_t *body, int connection)
{
	struct call *c = arg;
	const char *url = NULL, *header = NULL;
	struct json_reader r;
	json_read_open(&r, body);
	json_read_text(&r, "url", JSON_NEEDED, 1, 8192, &url);
	json_read_text(&r, "header", JSON_OPTIONAL, 1, 1024, &header);
	json_read_close(&r, JSON_KNOWN_ONLY);
	if (c->agent_url != NULL || c->agent == NULL) {
		fd_close(&connection); /* a repeat */
		return;
	}
	if (!json_read_ok(&r)) {
		fd_close(&connection);
		call_fail(c, EV_AGENT_FAILED, "voiced told no agent to open");
		return;
	}
	fd_close(&c->agent_connection);
	free(c->agent_header);
	c->agent_url = xstrdup(url);
	c->agent_header = header ? xstrdup(header) : NULL;
	c->agent_connection = connection;
	call_open_agent(c);
}

static void on_no_agent(void *arg, json_t *body)
{
	struct call *c = arg;
	const char *error = "voiced told of no agent";
	struct json_reader r;
	json_read_open(&r, body);
	json_read_text(&r, "error", JSON_NEEDED, 1, 1024, &error);
	if (c->agent_url == NULL && c->agent != NULL)
		call_fail(c, EV_AGENT_FAILED, error);
}

static void on_all_stored(void *arg)
{
	call_look_stored(arg);
}

static void on_orphaned(void *arg)
{
	struct call *c = arg;
	ws_loop_stop(c->loop);
}

static bool on_needs_agent(void *arg)
{
	struct call *c = arg;
	return call_state_wants_agent(c->state) && c->agent_url == NULL;
}

static int on_stream_fd(void *arg)
{
	struct call *c = arg;
	return c->stream != NULL && c->state < CALL_OVER_REPORTING ? twilio_stream_fd(c->stream) : -1;
}

static const struct control_handler control_events = {
	on_prepare,      on_assign,     on_agent,    on_no_agent,    on_record,
	steering_answer, on_all_stored, on_orphaned, on_needs_agent, on_stream_fd,
};

struct call *call_new(struct ws_loop *loop, int control_fd)
{
	struct call *c;
	OBJ_ALLOC(c, CALL_MAGIC);
	c->loop = loop;
	c->recording = -1;
	c->agent_connection = -1;
	c->state = CALL_WAITING;
	c->leave_reason = "the call is over";
	c->control = control_new(loop, control_fd, &control_events, c);
	return c;
}

void call_free(struct call **cc)
{
	struct call *c = *cc;
	if (c == NULL)
		return;
	OBJ_CHECK(c, CALL_MAGIC);
	ws_timer_stop(c->loop, &c->title_timer);
	ws_timer_stop(c->loop, &c->deadline);
	ws_timer_stop(c->loop, &c->reported);
	recorder_free(&c->recorder);
	fd_close(&c->recording);
	fd_close(&c->agent_connection);
	silence_free(&c->silence);
	operator_free(&c->operator);
	pause_free(&c->pause);
	hold_free(&c->hold);
	agent_free(&c->agent);
	playout_free(&c->playout);
	tools_free(&c->tools);
	transcript_free(&c->transcript);
	twilio_stream_free(&c->stream);
	control_free(&c->control);
	json_decref(c->tool_list);
	free(c->agent_url);
	free(c->agent_header);
	free(c->transfer_to);
	free(c->transfer_reason);
	assignment_free(&c->a);
	OBJ_FREE(c);
	*cc = NULL;
}
