/*
 * The states of a call in its worker, and what each event does in each of them:
 * one pure table, so that it can be read and tested as a whole. callworker/
 * call_actions.c carries out what it says; docs/call-states.md has the diagram.
 */
#ifndef PHONY_CALLWORKER_CALL_CALL_STATE_H
#define PHONY_CALLWORKER_CALL_CALL_STATE_H

#include <stdbool.h>

enum call_state {
	CALL_NONE,     /* as the next state of a step: the event is not accepted here */
	CALL_WAITING,  /* no call was assigned yet */
	CALL_STARTING, /* the agent is not there for the first time yet */
	CALL_TALKING,
	CALL_HELD,         /* by a person; neither side hears the other */
	CALL_ASKING,       /* on hold until a question to the operator is answered */
	CALL_HELD_ASKING,  /* both */
	CALL_CALLER_BYE,   /* the caller has said goodbye: the agent may answer */
	CALL_ANSWERING,    /* the agent does; its words may not be known yet */
	CALL_AGENT_BYE,    /* the agent has said goodbye, which is being heard */
	CALL_BYE_HEARD,    /* a moment to object */
	CALL_CLOSING,      /* the end is decided; the last words are being heard */
	CALL_CLOSED,       /* they were heard */
	CALL_TRANSFERRING, /* once what was said is heard */
	CALL_TRANSFERRED,  /* voiced was told; the carrier will end the stream */
	CALL_REPORTING,    /* unheard, the agent reports the outcome; then the call is left */
	CALL_LEAVING,      /* the carrier is expected to end the stream */
	CALL_LEAVING_REPORTING,
	CALL_GIVING_UP, /* cannot go on: once the reason is stored, the stream is given back */
	CALL_OVER_REPORTING,
	CALL_OVER, /* the stream is gone, and so is the agent: the last events are being stored */
	CALL_STATES
};

enum call_event {
	EV_ASSIGNED,
	EV_AGENT_READY,  /* the agent can be spoken with, for the first time or again */
	EV_AGENT_LOST,   /* its connection broke, or fell silent: another may go on */
	EV_AGENT_DONE,   /* it has ended the conversation */
	EV_AGENT_FAILED, /* there will be no agent any more */
	EV_AGENT_SPOKE,  /* its audio, or digits, went out to the caller */
	EV_AGENT_SAID,   /* an utterance that is no goodbye and no question */
	EV_AGENT_ASKED,
	EV_AGENT_GOODBYE, /* one that is, after the caller has spoken */
	EV_AGENT_ACTED,   /* it has called a tool: it is about to say something */
	EV_AGENT_END,     /* it ends the call */
	EV_AGENT_TRANSFER,
	EV_AGENT_QUESTION, /* to the operator */
	EV_CALLER_VOICE,   /* the caller is speaking, or has pressed a key */
	EV_CALLER_SAID,
	EV_CALLER_GOODBYE,
	EV_CALLER_SILENT, /* nobody seems to be there */
	EV_HOLD,          /* this and those below up to the hang-up: a person, through voiced */
	EV_RESUME,
	EV_QUESTION,
	EV_ANSWER, /* to the open question, or that there is none in time */
	EV_TRANSFER,
	EV_DIRECT,        /* the agent is told what to do next */
	EV_HANGUP,        /* voiced is ending the call */
	EV_HEARD,         /* the caller has heard what had been sent when DO_HEAR was done */
	EV_TIME,          /* the state's deadline */
	EV_REPORTED,      /* the outcome is known, or not asked for */
	EV_STREAM_BROKEN, /* the carrier broke the protocol */
	EV_STREAM_ENDED,
	EV_STREAM_CUT, /* by a fault, or because no media came: the carrier may open another */
	EV_STORED,     /* every event so far */
	CALL_EVENTS
};

enum call_action {
	DO_NOTHING,
	DO_WAIT_AGAIN, /* the state's deadline begins anew */
	DO_TALK,       /* the agent is there */
	DO_RECALL,     /* the agent: the transfer came to nothing */
	DO_RESTORE,    /* the conversation goes on after all */
	DO_ASK_AGENT,  /* for a new connection */
	DO_BRIDGE,     /* that, with a tone for the caller meanwhile */
	DO_RETRY_AGENT,
	DO_CLOSE_AGENT,
	DO_HEAR, /* EV_HEARD is wanted for what has been sent so far */
	DO_CLOSE_AGENT_AND_HEAR,
	DO_PAUSE,
	DO_RESUME,
	DO_TRANSFER,
	DO_SEND_TRANSFER,
	DO_ASK_OUTCOME,
	DO_LEAVE,            /* voiced is asked to end the call */
	DO_LEAVE_UNREPORTED, /* and told that there is no outcome */
	DO_HANG_UP,          /* voiced is ending the call; the outcome is asked for */
	DO_CLOSE_UNREPORTED, /* the agent */
	DO_GIVE_UP,
	DO_CLOSE_STREAM,
	DO_FINISH,           /* the stream's end is told; the agent is closed */
	DO_FINISH_LEAVING,   /* that, after voiced was asked to end the call */
	DO_FINISH_REPORTING, /* the stream's end is told; the agent is reporting */
	DO_FINISH_AND_ASK,   /* the stream's end is told; the outcome is asked for */
	DO_STOP,             /* the process may end */
	DO_ABANDON,          /* it ends though something was never stored */
	CALL_ACTIONS
};

struct call_step {
	enum call_state next;
	enum call_action action;
};

/* next is CALL_NONE for an event that is not accepted in this state. */
struct call_step call_step(enum call_state state, enum call_event event);

/* When EV_TIME is due after the state was entered, in ms; 0: never. */
int call_deadline_ms(enum call_state state);

/* There is a conversation: an agent that is lost is asked for again. */
bool call_state_wants_agent(enum call_state state);
/* What the caller says is for the agent. */
bool call_state_agent_hears(enum call_state state);
/* The caller hears music, not the agent. */
bool call_state_is_held(enum call_state state);
/* There is a conversation, or its end can still be taken back. */
bool call_state_is_live(enum call_state state);

/* For people: "live". */
const char *call_state_name(enum call_state state);

#endif
