/*
 * Who may speak next in an OpenAI Realtime session whose server detects turns:
 * one response at a time, none while the caller speaks, and never none at all.
 *
 *	IDLE            no response, nobody speaks
 *	ASKED           response.create was sent, response.created has not come
 *	ACTIVE          a response is under way
 *	CALLER          the caller speaks; the server answers at the end of the turn
 *	CALLER_ASKED    the caller began to speak while a response.create was on its way
 *	EXPECTED        the caller's turn is over; the server's own response is due
 *	WAITING         a response failed or was refused; another is asked for in a moment
 *
 * Beside the state there is one bit: whether a further response is owed, for an
 * instruction or a tool's output that the present one does not know of. The table
 * is in response_state.c and drawn in docs/openai-realtime.md. Pure.
 */
#ifndef PHONY_CALLWORKER_PROVIDERS_RESPONSE_STATE_H
#define PHONY_CALLWORKER_PROVIDERS_RESPONSE_STATE_H

#include <stdbool.h>

enum response_state {
	RESPONSE_IDLE,
	RESPONSE_ASKED,
	RESPONSE_ACTIVE,
	RESPONSE_CALLER,
	RESPONSE_CALLER_ASKED,
	RESPONSE_EXPECTED,
	RESPONSE_WAITING,
	RESPONSE_STATES,
};

enum response_event {
	RESPONSE_WANTED,     /* the agent is to speak: an instruction, a tool's output */
	RESPONSE_CREATED,    /* response.created */
	RESPONSE_DONE,       /* response.done of the present response: completed, cancelled, incomplete */
	RESPONSE_FAILED,     /* response.done: failed, but worth another try */
	RESPONSE_REFUSED,    /* an error instead of response.created */
	RESPONSE_BUSY,       /* the error that another response is active */
	RESPONSE_SPEECH,     /* speech_started */
	RESPONSE_SPEECH_END, /* speech_stopped, or its audio was committed */
	RESPONSE_TIMEOUT,    /* response_patience_ms have passed */
	RESPONSE_EVENTS,
};

enum response_action {
	RESPONSE_NOTHING,
	RESPONSE_CREATE, /* send response.create */
	RESPONSE_CANCEL, /* send response.cancel: it would speak over the caller */
};

struct response_turn {
	enum response_state state;
	bool owed;
};

/* What is to be done; *turn is what holds afterwards. */
enum response_action response_next(struct response_turn *turn, enum response_event event);

/* How long a state may last until RESPONSE_TIMEOUT; 0: as long as it likes. */
int response_patience_ms(enum response_state state);

#endif
