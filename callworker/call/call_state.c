#include "callworker/call/call_state.h"

enum {
	CALLER_BYE_MS = 5000, /* the agent's time to answer the caller's goodbye, or to say more */
	BYE_HEARD_MS = 2000,  /* the caller's time to object to the agent's */
	CLOSED_MS = 800,      /* after the last words, before the line is cut */
	TRANSFERRING_MS = 15000,
	TRANSFERRED_MS = 60000, /* for voiced and the carrier, then the agent goes on */
	REPORTING_MS = 8000,    /* for the agent to report what came of the call */
	LEAVING_MS = 10000,     /* for the carrier to end the stream after a hang-up */
	GIVING_UP_MS = 3000,    /* for the failure to be stored before the stream is given up */
	OVER_MS = 600 * 1000,   /* for the last events to be taken by a voiced that is away */
};

/* clang-format off */

/* While there is a stream and nothing has ended the call yet. */
#define LINE                                                          \
	[EV_HANGUP] = {CALL_LEAVING_REPORTING, DO_HANG_UP},           \
	[EV_STREAM_BROKEN] = {CALL_GIVING_UP, DO_GIVE_UP},            \
	[EV_STREAM_ENDED] = {CALL_OVER_REPORTING, DO_FINISH_AND_ASK}, \
	[EV_STREAM_CUT] = {CALL_OVER, DO_FINISH}

/* What a person, or the agent, can wish for as long as there is a conversation, or its end can be taken back. */
#define WISHES                                                   \
	[EV_HOLD] = {CALL_HELD, DO_PAUSE},                       \
	[EV_QUESTION] = {CALL_ASKING, DO_PAUSE},                 \
	[EV_AGENT_QUESTION] = {CALL_ASKING, DO_PAUSE},           \
	[EV_TRANSFER] = {CALL_TRANSFERRING, DO_TRANSFER},        \
	[EV_AGENT_TRANSFER] = {CALL_TRANSFERRING, DO_TRANSFER},  \
	[EV_AGENT_END] = {CALL_CLOSING, DO_HEAR}

/* A goodbye is taken back: somebody has more to say. */
#define OBJECTS                                          \
	[EV_DIRECT] = {CALL_TALKING, DO_RESTORE},        \
	[EV_CALLER_VOICE] = {CALL_TALKING, DO_RESTORE},  \
	[EV_CALLER_SAID] = {CALL_TALKING, DO_RESTORE},   \
	[EV_AGENT_ASKED] = {CALL_TALKING, DO_RESTORE}

/* After a goodbye no other agent is asked for: what it said is the end. */
#define LAST_WORDS                                                  \
	[EV_AGENT_LOST] = {CALL_CLOSING, DO_CLOSE_AGENT_AND_HEAR},  \
	[EV_AGENT_DONE] = {CALL_CLOSING, DO_CLOSE_AGENT_AND_HEAR},  \
	[EV_AGENT_FAILED] = {CALL_CLOSING, DO_CLOSE_AGENT_AND_HEAR}

/* On hold; the agent is neither heard nor able to end the call. */
#define HELD(this)                                          \
	[EV_AGENT_READY] = {this, DO_NOTHING},              \
	[EV_AGENT_LOST] = {this, DO_ASK_AGENT},             \
	[EV_AGENT_DONE] = {this, DO_RETRY_AGENT},           \
	[EV_AGENT_FAILED] = {CALL_GIVING_UP, DO_GIVE_UP},   \
	[EV_TRANSFER] = {CALL_TRANSFERRING, DO_TRANSFER},   \
	[EV_DIRECT] = {this, DO_NOTHING}

#define REPORT_FAILS(next, action)          \
	[EV_TIME] = {next, action},         \
	[EV_AGENT_LOST] = {next, action},   \
	[EV_AGENT_DONE] = {next, action},   \
	[EV_AGENT_FAILED] = {next, action}

static const struct call_step table[CALL_STATES][CALL_EVENTS] = {
	[CALL_WAITING] = {
		[EV_ASSIGNED] = {CALL_STARTING, DO_NOTHING},
	},
	[CALL_STARTING] = {
		LINE,
		[EV_AGENT_READY] = {CALL_TALKING, DO_TALK},
		[EV_AGENT_LOST] = {CALL_STARTING, DO_ASK_AGENT},
		[EV_AGENT_DONE] = {CALL_GIVING_UP, DO_GIVE_UP},
		[EV_AGENT_FAILED] = {CALL_GIVING_UP, DO_GIVE_UP},
	},
	[CALL_TALKING] = {
		LINE, WISHES,
		[EV_AGENT_READY] = {CALL_TALKING, DO_TALK},
		[EV_AGENT_LOST] = {CALL_TALKING, DO_BRIDGE},
		[EV_AGENT_DONE] = {CALL_CLOSING, DO_HEAR},
		[EV_AGENT_FAILED] = {CALL_GIVING_UP, DO_GIVE_UP},
		[EV_AGENT_GOODBYE] = {CALL_AGENT_BYE, DO_HEAR},
		[EV_CALLER_GOODBYE] = {CALL_CALLER_BYE, DO_NOTHING},
		[EV_CALLER_SILENT] = {CALL_CLOSING, DO_HEAR},
		[EV_DIRECT] = {CALL_TALKING, DO_NOTHING},
	},
	[CALL_HELD] = {
		LINE, HELD(CALL_HELD),
		[EV_RESUME] = {CALL_TALKING, DO_RESUME},
		[EV_QUESTION] = {CALL_HELD_ASKING, DO_NOTHING},
		[EV_AGENT_QUESTION] = {CALL_HELD_ASKING, DO_NOTHING},
	},
	[CALL_ASKING] = {
		LINE, HELD(CALL_ASKING),
		[EV_ANSWER] = {CALL_TALKING, DO_RESUME},
		[EV_HOLD] = {CALL_HELD_ASKING, DO_NOTHING},
	},
	[CALL_HELD_ASKING] = {
		LINE, HELD(CALL_HELD_ASKING),
		[EV_ANSWER] = {CALL_HELD, DO_NOTHING},
	},
	[CALL_CALLER_BYE] = {
		LINE, WISHES, OBJECTS, LAST_WORDS,
		[EV_AGENT_SAID] = {CALL_ANSWERING, DO_HEAR},
		[EV_AGENT_SPOKE] = {CALL_ANSWERING, DO_HEAR},
		[EV_AGENT_GOODBYE] = {CALL_AGENT_BYE, DO_HEAR},
		[EV_AGENT_ACTED] = {CALL_CALLER_BYE, DO_WAIT_AGAIN},
		[EV_TIME] = {CALL_REPORTING, DO_ASK_OUTCOME},
	},
	[CALL_ANSWERING] = {
		LINE, WISHES, OBJECTS, LAST_WORDS,
		[EV_AGENT_SAID] = {CALL_ANSWERING, DO_HEAR},
		[EV_AGENT_SPOKE] = {CALL_ANSWERING, DO_HEAR},
		[EV_AGENT_GOODBYE] = {CALL_AGENT_BYE, DO_HEAR},
		[EV_HEARD] = {CALL_CALLER_BYE, DO_NOTHING},
	},
	[CALL_AGENT_BYE] = {
		LINE, WISHES, OBJECTS, LAST_WORDS,
		[EV_AGENT_SAID] = {CALL_TALKING, DO_RESTORE},
		[EV_AGENT_SPOKE] = {CALL_AGENT_BYE, DO_HEAR},
		[EV_HEARD] = {CALL_BYE_HEARD, DO_NOTHING},
	},
	[CALL_BYE_HEARD] = {
		LINE, WISHES, OBJECTS, LAST_WORDS,
		[EV_AGENT_SAID] = {CALL_TALKING, DO_RESTORE},
		[EV_AGENT_SPOKE] = {CALL_AGENT_BYE, DO_HEAR},
		[EV_TIME] = {CALL_REPORTING, DO_ASK_OUTCOME},
	},
	[CALL_CLOSING] = {
		LINE, WISHES,
		[EV_AGENT_LOST] = {CALL_CLOSING, DO_CLOSE_AGENT},
		[EV_AGENT_DONE] = {CALL_CLOSING, DO_CLOSE_AGENT},
		[EV_AGENT_SPOKE] = {CALL_CLOSING, DO_HEAR},
		[EV_DIRECT] = {CALL_TALKING, DO_RESTORE},
		[EV_HEARD] = {CALL_CLOSED, DO_NOTHING},
	},
	[CALL_CLOSED] = {
		LINE, WISHES,
		[EV_AGENT_LOST] = {CALL_CLOSED, DO_CLOSE_AGENT},
		[EV_AGENT_DONE] = {CALL_CLOSED, DO_CLOSE_AGENT},
		[EV_AGENT_SPOKE] = {CALL_CLOSING, DO_HEAR},
		[EV_DIRECT] = {CALL_TALKING, DO_RESTORE},
		[EV_TIME] = {CALL_REPORTING, DO_ASK_OUTCOME},
	},
	[CALL_TRANSFERRING] = {
		LINE,
		[EV_AGENT_LOST] = {CALL_TRANSFERRING, DO_CLOSE_AGENT},
		[EV_AGENT_DONE] = {CALL_TRANSFERRING, DO_CLOSE_AGENT},
		[EV_AGENT_SPOKE] = {CALL_TRANSFERRING, DO_HEAR},
		[EV_HEARD] = {CALL_TRANSFERRED, DO_SEND_TRANSFER},
		[EV_TIME] = {CALL_TRANSFERRED, DO_SEND_TRANSFER},
		[EV_DIRECT] = {CALL_TALKING, DO_RESTORE},
	},
	[CALL_TRANSFERRED] = {
		LINE,
		[EV_AGENT_LOST] = {CALL_TRANSFERRED, DO_CLOSE_AGENT},
		[EV_AGENT_DONE] = {CALL_TRANSFERRED, DO_CLOSE_AGENT},
		[EV_TIME] = {CALL_TALKING, DO_RECALL},
		[EV_DIRECT] = {CALL_TALKING, DO_RESTORE},
	},
	[CALL_REPORTING] = {
		REPORT_FAILS(CALL_LEAVING, DO_LEAVE_UNREPORTED),
		[EV_REPORTED] = {CALL_LEAVING, DO_LEAVE},
		[EV_HANGUP] = {CALL_LEAVING_REPORTING, DO_NOTHING},
		[EV_STREAM_BROKEN] = {CALL_LEAVING, DO_LEAVE_UNREPORTED},
		[EV_STREAM_ENDED] = {CALL_OVER_REPORTING, DO_FINISH_REPORTING},
		[EV_STREAM_CUT] = {CALL_OVER, DO_FINISH_LEAVING},
	},
	[CALL_LEAVING] = {
		[EV_HANGUP] = {CALL_LEAVING, DO_NOTHING},
		[EV_TIME] = {CALL_LEAVING, DO_CLOSE_STREAM},
		[EV_STREAM_BROKEN] = {CALL_LEAVING, DO_CLOSE_STREAM},
		[EV_STREAM_ENDED] = {CALL_OVER, DO_FINISH},
		[EV_STREAM_CUT] = {CALL_OVER, DO_FINISH},
	},
	[CALL_LEAVING_REPORTING] = {
		REPORT_FAILS(CALL_LEAVING, DO_CLOSE_UNREPORTED),
		[EV_REPORTED] = {CALL_LEAVING, DO_CLOSE_AGENT},
		[EV_HANGUP] = {CALL_LEAVING_REPORTING, DO_NOTHING},
		[EV_STREAM_BROKEN] = {CALL_LEAVING_REPORTING, DO_CLOSE_STREAM},
		[EV_STREAM_ENDED] = {CALL_OVER_REPORTING, DO_FINISH_REPORTING},
		[EV_STREAM_CUT] = {CALL_OVER_REPORTING, DO_FINISH_REPORTING},
	},
	[CALL_GIVING_UP] = {
		[EV_STORED] = {CALL_GIVING_UP, DO_CLOSE_STREAM},
		[EV_TIME] = {CALL_GIVING_UP, DO_CLOSE_STREAM},
		[EV_STREAM_BROKEN] = {CALL_GIVING_UP, DO_NOTHING},
		[EV_STREAM_ENDED] = {CALL_OVER, DO_FINISH},
		[EV_STREAM_CUT] = {CALL_OVER, DO_FINISH},
	},
	[CALL_OVER_REPORTING] = {
		REPORT_FAILS(CALL_OVER, DO_CLOSE_UNREPORTED),
		[EV_REPORTED] = {CALL_OVER, DO_CLOSE_AGENT},
	},
	[CALL_OVER] = {
		[EV_STORED] = {CALL_OVER, DO_STOP},
		[EV_TIME] = {CALL_OVER, DO_ABANDON},
	},
};
/* clang-format on */

static const struct {
	const char *name;
	int deadline_ms;
} states[CALL_STATES] = {
	[CALL_WAITING] = {"waiting", 0},
	[CALL_STARTING] = {"starting", 0},
	[CALL_TALKING] = {"live", 0},
	[CALL_HELD] = {"on hold", 0},
	[CALL_ASKING] = {"asking the operator", 0},
	[CALL_HELD_ASKING] = {"on hold, asking the operator", 0},
	[CALL_CALLER_BYE] = {"the caller said goodbye", CALLER_BYE_MS},
	[CALL_ANSWERING] = {"the agent answers a goodbye", 0},
	[CALL_AGENT_BYE] = {"the agent says goodbye", 0},
	[CALL_BYE_HEARD] = {"the agent said goodbye", BYE_HEARD_MS},
	[CALL_CLOSING] = {"closing", 0},
	[CALL_CLOSED] = {"closed", CLOSED_MS},
	[CALL_TRANSFERRING] = {"transferring", TRANSFERRING_MS},
	[CALL_TRANSFERRED] = {"transferred", TRANSFERRED_MS},
	[CALL_REPORTING] = {"reporting", REPORTING_MS},
	[CALL_LEAVING] = {"leaving", LEAVING_MS},
	[CALL_LEAVING_REPORTING] = {"leaving, reporting", REPORTING_MS},
	[CALL_GIVING_UP] = {"giving up", GIVING_UP_MS},
	[CALL_OVER_REPORTING] = {"over, reporting", REPORTING_MS},
	[CALL_OVER] = {"over", OVER_MS},
};

struct call_step call_step(enum call_state state, enum call_event event)
{
	return table[state][event];
}

int call_deadline_ms(enum call_state state)
{
	return states[state].deadline_ms;
}

const char *call_state_name(enum call_state state)
{
	return states[state].name;
}

bool call_state_wants_agent(enum call_state state)
{
	return state >= CALL_STARTING && state <= CALL_HELD_ASKING;
}

bool call_state_is_held(enum call_state state)
{
	return state >= CALL_HELD && state <= CALL_HELD_ASKING;
}

bool call_state_agent_hears(enum call_state state)
{
	return state == CALL_STARTING || state == CALL_TALKING ||
	       (state >= CALL_CALLER_BYE && state <= CALL_TRANSFERRING);
}

bool call_state_is_live(enum call_state state)
{
	return state >= CALL_TALKING && state <= CALL_TRANSFERRED;
}
