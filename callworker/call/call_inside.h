/*
 * What the files of a call share: call.c (its life and what voiced sends),
 * call_actions.c (what the table of callworker/call/call_state.h says is done),
 * call_agent.c and call_stream.c (what comes from the agent and the carrier),
 * call_control.c (what a person asks for).
 */
#ifndef PHONY_CALLWORKER_CALL_CALL_INSIDE_H
#define PHONY_CALLWORKER_CALL_CALL_INSIDE_H

#include "callworker/audio/levels.h"
#include "callworker/audio/playout.h"
#include "callworker/audio/recorder.h"
#include "callworker/call/call_state.h"
#include "callworker/control/assignment.h"
#include "callworker/control/metrics.h"
#include "callworker/control/voiced_link.h"
#include "callworker/conversation/agent.h"
#include "callworker/conversation/hold.h"
#include "callworker/conversation/operator_question.h"
#include "callworker/conversation/pause.h"
#include "callworker/conversation/silence.h"
#include "callworker/conversation/tools.h"
#include "callworker/conversation/transcript.h"
#include "callworker/net/twilio_stream.h"

#include <jansson.h>
#include <stdbool.h>

struct call {
	unsigned magic;
	struct ws_loop *loop;
	struct control *control;
	enum call_state state;    /* changed by call_event only */
	struct ws_timer deadline; /* the state's */
	struct assignment a;

	struct twilio_stream *stream;
	struct playout *playout;
	struct agent *agent;
	struct tools *tools;
	struct transcript *transcript;
	struct hold *hold;
	struct pause *pause;
	struct operator_line *operator;
	struct silence *silence;
	struct recorder *recorder; /* NULL: not recorded */
	int recording;             /* the file of one that has not begun; -1 */
	json_t *tool_list;
	struct figures figures;
	struct levels levels;

	bool prepared; /* confined, if that was wished */
	bool started;  /* the stream */
	bool caller_spoke;
	bool outcome_known;
	char *agent_url, *agent_header;
	int agent_connection; /* to its host, until the agent is opened; else -1 */
	/* What the actions need beside the state; set before the event that leads to them. */
	const char *directive;    /* DO_PAUSE, DO_RESUME: what the agent is told; NULL: nothing */
	const char *leave_reason; /* DO_LEAVE; a constant */
	const char *failure;      /* DO_GIVE_UP: the event that is told; a constant */
	char why[512];            /* DO_GIVE_UP, DO_ASK_AGENT */
	const char *stream_fault; /* DO_FINISH…; NULL: it ended cleanly */
	bool stream_cut;
	char *transfer_to, *transfer_reason;
	struct ws_timer title_timer, reported;
	struct mono_us born;
};

/*
 * Something has happened: the state changes and what follows is done, as the
 * table says. False: it is not accepted in this state, and nothing was done.
 */
bool call_event(struct call *c, enum call_event event);

/* Tells voiced an event; data is stolen. */
void call_tell(struct call *c, const char *type, json_t *data);
/* One whose data is one text. */
void call_tell_text(struct call *c, const char *type, const char *name, const char *text);

/* The caller is speaking, or has pressed a key. */
void call_caller_spoke(struct call *c);
/* Tells the response time of a turn that was answered, if there is one. */
void call_tell_response(struct call *c);
/* The call cannot go on, or not with this agent: event is EV_AGENT_FAILED or EV_STREAM_BROKEN. */
void call_fail(struct call *c, enum call_event event, const char *why);
/* Tells EV_STORED once all events are stored; at the end, once the caller's last words are among them. */
void call_look_stored(struct call *c);
/* Opens the agent's connection once the stream and an address are there. */
void call_open_agent(struct call *c);
/* Whether the agent still has to tell what came of the call. */
bool call_owes_outcome(const struct call *c);
/* Hands the caller to this number, once what the agent said has been heard. Why it cannot be, or NULL. */
const char *call_transfer(struct call *c, enum call_event event, const char *number, const char *reason);

/* The parts on the agent's side, and on the carrier's; fd: the stream's connection. */
void call_make_stream(struct call *c, int fd);
void call_make_agent(struct call *c);

#endif
