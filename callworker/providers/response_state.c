#include "callworker/providers/response_state.h"

enum {
	ANSWER_MS = 5000,  /* from response.create to response.created */
	CALLER_MS = 15000, /* for one who speaks; then the end of it was lost */
	SERVER_MS = 3000,  /* from the end of the caller's turn to the server's response */
	RETRY_MS = 1000,
};

enum owed { KEEP, SET, CLEAR };

/* then: after the change, if a response is owed it is asked for (CREATE_OWED). */
enum act { NOTHING, CREATE, CANCEL, CREATE_OWED };

struct step {
	enum response_state next;
	enum owed owed;
	enum act act;
};

#define IDLE RESPONSE_IDLE
#define ASKED RESPONSE_ASKED
#define ACTIVE RESPONSE_ACTIVE
#define CALLER RESPONSE_CALLER
#define CALLER_ASKED RESPONSE_CALLER_ASKED
#define EXPECTED RESPONSE_EXPECTED
#define WAITING RESPONSE_WAITING

static const struct step table[RESPONSE_STATES][RESPONSE_EVENTS] =
	{
		[RESPONSE_IDLE] =
			{
				[RESPONSE_WANTED] = {ASKED, CLEAR, CREATE},
				[RESPONSE_CREATED] = {ACTIVE, CLEAR, NOTHING},
				[RESPONSE_DONE] = {IDLE, KEEP, NOTHING},
				[RESPONSE_FAILED] = {WAITING, SET, NOTHING},
				/* Of a request that another response seemed to have answered. */
				[RESPONSE_REFUSED] = {WAITING, SET, NOTHING},
				[RESPONSE_BUSY] = {WAITING, SET, NOTHING},
				[RESPONSE_SPEECH] = {CALLER, KEEP, NOTHING},
				[RESPONSE_SPEECH_END] = {EXPECTED, KEEP, NOTHING},
				[RESPONSE_TIMEOUT] = {IDLE, KEEP, NOTHING},
			},
		[RESPONSE_ASKED] =
			{
				[RESPONSE_WANTED] = {ASKED, SET, NOTHING},
				[RESPONSE_CREATED] = {ACTIVE, KEEP, NOTHING},
				[RESPONSE_DONE] = {ASKED, KEEP, NOTHING}, /* of one before */
				[RESPONSE_FAILED] = {WAITING, SET, NOTHING},
				[RESPONSE_REFUSED] = {WAITING, SET, NOTHING},
				[RESPONSE_BUSY] = {ACTIVE, SET, NOTHING},
				[RESPONSE_SPEECH] = {CALLER_ASKED, SET, NOTHING},
				[RESPONSE_SPEECH_END] = {ASKED, KEEP, NOTHING},
				[RESPONSE_TIMEOUT] = {WAITING, SET, NOTHING},
			},
		[RESPONSE_ACTIVE] =
			{
				[RESPONSE_WANTED] = {ACTIVE, SET, NOTHING},
				[RESPONSE_CREATED] = {ACTIVE, KEEP, NOTHING},
				[RESPONSE_DONE] = {IDLE, KEEP, CREATE_OWED},
				[RESPONSE_FAILED] = {WAITING, SET, NOTHING},
				[RESPONSE_REFUSED] = {ACTIVE, SET, NOTHING},
				[RESPONSE_BUSY] = {ACTIVE, SET, NOTHING},
				[RESPONSE_SPEECH] = {CALLER, KEEP, NOTHING},
				[RESPONSE_SPEECH_END] = {ACTIVE, KEEP, NOTHING},
				[RESPONSE_TIMEOUT] = {IDLE, KEEP, CREATE_OWED}, /* its end was lost */
			},
		[RESPONSE_CALLER] =
			{
				[RESPONSE_WANTED] = {CALLER, SET, NOTHING},
				[RESPONSE_CREATED] = {ACTIVE, CLEAR, NOTHING}, /* the server's: the end of the
										  turn was lost */
				[RESPONSE_DONE] = {CALLER, KEEP,
						   NOTHING}, /* of the one that was interrupted */
				[RESPONSE_FAILED] = {CALLER, KEEP, NOTHING},
				[RESPONSE_REFUSED] = {CALLER, SET, NOTHING},
				[RESPONSE_BUSY] = {CALLER, SET, NOTHING},
				[RESPONSE_SPEECH] = {CALLER, KEEP, NOTHING},
				/* The server's response knows of all that was told before. */
				[RESPONSE_SPEECH_END] = {EXPECTED, CLEAR, NOTHING},
				[RESPONSE_TIMEOUT] = {IDLE, KEEP, CREATE_OWED},
			},
		[RESPONSE_CALLER_ASKED] =
			{
				[RESPONSE_WANTED] = {CALLER_ASKED, SET, NOTHING},
				[RESPONSE_CREATED] = {CALLER, SET, CANCEL},
				[RESPONSE_DONE] = {CALLER_ASKED, KEEP, NOTHING},
				[RESPONSE_FAILED] = {CALLER, SET, NOTHING},
				[RESPONSE_REFUSED] = {CALLER, SET, NOTHING},
				[RESPONSE_BUSY] = {CALLER, SET, NOTHING},
				[RESPONSE_SPEECH] = {CALLER_ASKED, KEEP, NOTHING},
				[RESPONSE_SPEECH_END] = {EXPECTED, CLEAR, NOTHING},
				[RESPONSE_TIMEOUT] = {IDLE, KEEP, CREATE_OWED},
			},
		[RESPONSE_EXPECTED] =
			{
				/* It may have been told too late for the server's response. */
				[RESPONSE_WANTED] = {EXPECTED, SET, NOTHING},
				[RESPONSE_CREATED] = {ACTIVE, KEEP, NOTHING},
				[RESPONSE_DONE] = {EXPECTED, KEEP, NOTHING},
				[RESPONSE_FAILED] = {EXPECTED, KEEP, NOTHING},
				[RESPONSE_REFUSED] = {EXPECTED, KEEP, NOTHING},
				[RESPONSE_BUSY] = {ACTIVE, SET, NOTHING},
				[RESPONSE_SPEECH] = {CALLER, KEEP, NOTHING},
				[RESPONSE_SPEECH_END] = {EXPECTED, KEEP, NOTHING},
				[RESPONSE_TIMEOUT] = {ASKED, CLEAR, CREATE},
			},
		[RESPONSE_WAITING] =
			{
				[RESPONSE_WANTED] = {WAITING, SET, NOTHING},
				[RESPONSE_CREATED] = {ACTIVE, CLEAR, NOTHING},
				[RESPONSE_DONE] = {WAITING, KEEP, NOTHING},
				[RESPONSE_FAILED] = {WAITING, SET, NOTHING},
				[RESPONSE_REFUSED] = {WAITING, SET, NOTHING},
				[RESPONSE_BUSY] = {WAITING, SET, NOTHING},
				[RESPONSE_SPEECH] = {CALLER, SET, NOTHING},
				[RESPONSE_SPEECH_END] = {EXPECTED, CLEAR, NOTHING},
				[RESPONSE_TIMEOUT] = {ASKED, CLEAR, CREATE},
			},
};

enum response_action response_next(struct response_turn *turn, enum response_event event)
{
	const struct step *step = &table[turn->state][event];
	bool create = step->act == CREATE;
	turn->state = step->next;
	turn->owed = step->owed == KEEP ? turn->owed : step->owed == SET;
	if (step->act == CREATE_OWED && turn->owed) {
		*turn = (struct response_turn){RESPONSE_ASKED, false};
		create = true;
	}
	if (create)
		return RESPONSE_CREATE;
	return step->act == CANCEL ? RESPONSE_CANCEL : RESPONSE_NOTHING;
}

int response_patience_ms(enum response_state state)
{
	switch (state) {
	case RESPONSE_ASKED:
		return ANSWER_MS;
	case RESPONSE_CALLER:
	case RESPONSE_CALLER_ASKED:
		return CALLER_MS;
	case RESPONSE_EXPECTED:
		return SERVER_MS;
	case RESPONSE_WAITING:
		return RETRY_MS;
	default:
		return 0;
	}
}
