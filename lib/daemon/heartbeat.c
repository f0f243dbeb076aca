#include "lib/daemon/heartbeat.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <stdio.h>

enum { PARTS = 4 /* questions in the time of the limit */ };

static int64_t now_ms(void)
{
	return mono_now().us / 1000;
}

/* Stopped at a breakpoint, or slow under strace: not ours to end. */
static bool is_traced(pid_t pid)
{
	char path[64], line[256];
	int tracer = 0;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "TracerPid: %d", &tracer) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return tracer != 0;
}

static void on_answer(void *arg, json_t *reply, const struct peer_error *error)
{
	(void)reply;
	struct heartbeat *h = arg;
	h->pending = false;
	if (error == NULL)
		h->answered_ms = now_ms();
}

static void look(void *arg)
{
	struct heartbeat *h = arg;
	int64_t now = now_ms(), every = h->limit_ms / PARTS;
	/* We were stopped ourselves: what was answered meanwhile has still to be read. */
	if (now - h->looked_ms > 2 * every)
		h->answered_ms = now;
	h->looked_ms = now;
	timer_start(&h->timer, h->base, (int)every, look, h);
	if (now - h->answered_ms >= h->limit_ms) {
		h->answered_ms = now;
		if (is_traced(h->pid))
			log_warn("process %d does not answer, and is held by a debugger: it is left alone",
				 (int)h->pid);
		else
			h->silent(h->arg); /* may stop us */
		return;
	}
	if (h->pending || *h->link == NULL)
		return;
	h->pending = true;
	peer_ask(link_peer(*h->link), h->question, json_object(), (int)h->limit_ms, on_answer, h);
}

void heartbeat_start(struct heartbeat *h, struct event_base *base, struct link *const *link, pid_t pid,
		     enum message question, unsigned limit_s, heartbeat_silent_fn *silent, void *arg)
{
	heartbeat_stop(h);
	if (limit_s == 0)
		return;
	h->base = base;
	h->link = link;
	h->pid = pid;
	h->question = question;
	h->limit_ms = (int64_t)limit_s * 1000;
	h->looked_ms = h->answered_ms = now_ms();
	h->silent = silent;
	h->arg = arg;
	timer_start(&h->timer, base, (int)(h->limit_ms / PARTS), look, h);
}

void heartbeat_stop(struct heartbeat *h)
{
	timer_stop(&h->timer);
}
