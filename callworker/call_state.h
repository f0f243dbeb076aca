/*
 * What the three files of a call share: call.c (its parts, and what they say to
 * each other), steering.c (what voiced asks for) and ending.c (how it ends).
 */
#ifndef PHONY_CALL_STATE_H
#define PHONY_CALL_STATE_H

#include "callworker/agent.h"
#include "callworker/assignment.h"
#include "callworker/control.h"
#include "callworker/farewell.h"
#include "callworker/figures.h"
#include "callworker/hold.h"
#include "callworker/levels.h"
#include "callworker/operator.h"
#include "callworker/pause.h"
#include "callworker/playout.h"
#include "callworker/recorder.h"
#include "callworker/silence.h"
#include "callworker/tools.h"
#include "callworker/transcript.h"
#include "callworker/twilio_stream.h"

#include <jansson.h>
#include <stdbool.h>

enum call_state { WAITING, STARTING, LIVE, LEAVING, OVER };

struct call {
	unsigned magic;
	struct ws_loop *loop;
	struct control *control;
	enum call_state state;
	struct assignment a;

	struct twilio_stream *stream;
	struct playout *playout;
	struct agent *agent;
	struct farewell *farewell;
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
	char *agent_url, *agent_header;
	int agent_connection; /* to its host, until the agent is opened; else -1 */
	bool giving_up;       /* the stream is closed once the reason is stored */
	bool transferring, asked_outcome, outcome_known;
	const char *leave_reason;
	char *transfer_to, *transfer_reason;
	struct ws_timer title_timer, patience, outcome_timer;
	struct mono_us born;
};

/* Tells voiced an event; data is stolen. */
void call_tell(struct call *c, const char *type, json_t *data);
/* One whose data is one text. */
void call_tell_text(struct call *c, const char *type, const char *name, const char *text);
/* What is not heard yet never will be. */
void call_clear_playout(struct call *c);
/* Nor will what the agent goes on saying. */
void call_interrupt(struct call *c);
/* Hands the person to this number, once what the agent said has been heard. arg: the call. */
void call_transfer(void *arg, const char *number, const char *reason);

#endif
