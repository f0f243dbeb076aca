#include "voiced/registry/call_lifecycle.h"

#include "lib/base/panic.h"

#define STAYS(state)                                    \
	{                                               \
		LIFECYCLE_##state, LIFECYCLE_DO_NOTHING \
	}
#define GOES(state, action)                              \
	{                                                \
		LIFECYCLE_##state, LIFECYCLE_DO_##action \
	}

/* A row is a state, a column an event; an event that comes late or twice changes nothing. */
static const struct lifecycle_step steps[LIFECYCLE_STATES][LIFECYCLE_EVENTS] =
	{
		[LIFECYCLE_ASKED] =
			{
				[LIFECYCLE_SENT] = GOES(PLACING, NOTHING),
				[LIFECYCLE_DOUBTED] = STAYS(ASKED),
				[LIFECYCLE_NAMED] =
					GOES(RINGING, NOTHING), /* an incoming call, or one in the browser */
				[LIFECYCLE_NOT_PLACED] = GOES(OVER, FAIL),
				[LIFECYCLE_ANSWERED] = GOES(TALKING, NOTHING),
				[LIFECYCLE_HANG_UP] = GOES(DROPPED, NOTHING), /* it is not sent then */
				[LIFECYCLE_TOLD_OVER] = GOES(OVER, CLOSE),
			},
		[LIFECYCLE_PLACING] =
			{
				[LIFECYCLE_SENT] = STAYS(PLACING),
				[LIFECYCLE_DOUBTED] = GOES(DOUBTFUL, LOOK),
				[LIFECYCLE_NAMED] = GOES(RINGING, NOTHING),
				[LIFECYCLE_NOT_PLACED] = GOES(OVER, FAIL),
				[LIFECYCLE_ANSWERED] = GOES(TALKING, NOTHING),
				[LIFECYCLE_HANG_UP] = GOES(DROPPED, NOTHING),
				[LIFECYCLE_TOLD_OVER] = GOES(OVER, CLOSE),
			},
		[LIFECYCLE_DOUBTFUL] =
			{
				[LIFECYCLE_SENT] = STAYS(DOUBTFUL), /* never sent twice */
				[LIFECYCLE_DOUBTED] = GOES(DOUBTFUL, LOOK),
				[LIFECYCLE_NAMED] = GOES(RINGING, NOTHING),
				[LIFECYCLE_NOT_PLACED] = GOES(OVER, FAIL),
				[LIFECYCLE_ANSWERED] = GOES(TALKING, NOTHING),
				[LIFECYCLE_HANG_UP] = GOES(DROPPED, NOTHING),
				[LIFECYCLE_TOLD_OVER] = GOES(OVER, CLOSE),
			},
		[LIFECYCLE_RINGING] =
			{
				[LIFECYCLE_SENT] = STAYS(RINGING),
				[LIFECYCLE_DOUBTED] =
					STAYS(RINGING), /* a callback was quicker than the answer */
				[LIFECYCLE_NAMED] = STAYS(RINGING),
				[LIFECYCLE_NOT_PLACED] = STAYS(RINGING), /* it has a SID: Twilio has it */
				[LIFECYCLE_ANSWERED] = GOES(TALKING, NOTHING),
				[LIFECYCLE_HANG_UP] = GOES(ENDING, END),
				[LIFECYCLE_TOLD_OVER] = GOES(OVER, CLOSE),
			},
		[LIFECYCLE_TALKING] =
			{
				[LIFECYCLE_SENT] = STAYS(TALKING),
				[LIFECYCLE_DOUBTED] = STAYS(TALKING),
				[LIFECYCLE_NAMED] = STAYS(TALKING),
				[LIFECYCLE_NOT_PLACED] = STAYS(TALKING),
				[LIFECYCLE_ANSWERED] = STAYS(TALKING),
				[LIFECYCLE_HANG_UP] = GOES(ENDING, END),
				[LIFECYCLE_TOLD_OVER] = GOES(OVER, CLOSE),
			},
		[LIFECYCLE_DROPPED] =
			{
				[LIFECYCLE_SENT] = STAYS(DROPPED),
				[LIFECYCLE_DOUBTED] = GOES(DROPPED, LOOK), /* it may ring all the same */
				[LIFECYCLE_NAMED] = GOES(ENDING, END),
				[LIFECYCLE_NOT_PLACED] = GOES(OVER, FAIL),
				[LIFECYCLE_ANSWERED] = STAYS(DROPPED), /* its SID comes with it */
				[LIFECYCLE_HANG_UP] = STAYS(DROPPED),
				[LIFECYCLE_TOLD_OVER] = GOES(OVER, CLOSE),
			},
		[LIFECYCLE_ENDING] =
			{
				[LIFECYCLE_SENT] = STAYS(ENDING),
				[LIFECYCLE_DOUBTED] = STAYS(ENDING),
				[LIFECYCLE_NAMED] = STAYS(ENDING),
				[LIFECYCLE_NOT_PLACED] = STAYS(ENDING),
				[LIFECYCLE_ANSWERED] = STAYS(ENDING),
				[LIFECYCLE_HANG_UP] =
					GOES(ENDING, END), /* the first request may have failed */
				[LIFECYCLE_TOLD_OVER] = GOES(OVER, CLOSE),
			},
		[LIFECYCLE_OVER] =
			{
				[LIFECYCLE_SENT] = STAYS(OVER),
				[LIFECYCLE_DOUBTED] = STAYS(OVER),
				[LIFECYCLE_NAMED] = STAYS(OVER),
				[LIFECYCLE_NOT_PLACED] = STAYS(OVER),
				[LIFECYCLE_ANSWERED] = STAYS(OVER),
				[LIFECYCLE_HANG_UP] = STAYS(OVER),
				[LIFECYCLE_TOLD_OVER] = STAYS(OVER),
			},
};

struct lifecycle_step lifecycle_step(enum lifecycle_state state, enum lifecycle_event event)
{
	if (state < LIFECYCLE_STATES && event < LIFECYCLE_EVENTS)
		return steps[state][event];
	panic("no such state or event of a call: %d, %d", (int)state, (int)event);
}

enum lifecycle_state lifecycle_restored(bool over, bool ending, bool has_sid, bool answered)
{
	if (over)
		return LIFECYCLE_OVER;
	if (ending)
		return has_sid ? LIFECYCLE_ENDING : LIFECYCLE_DROPPED;
	if (!has_sid)
		return LIFECYCLE_DOUBTFUL; /* whether its request went out is not known */
	return answered ? LIFECYCLE_TALKING : LIFECYCLE_RINGING;
}

bool lifecycle_is_ending(enum lifecycle_state state)
{
	return state == LIFECYCLE_DROPPED || state == LIFECYCLE_ENDING;
}
