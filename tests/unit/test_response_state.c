/* Who may speak in an OpenAI session: every state and every event, with a response owed and without. */
#include "callworker/providers/response_state.h"
#include "tests/unit/unit.h"

/* next state, then whether a further one is owed afterwards, then the action */
#define I RESPONSE_IDLE
#define A RESPONSE_ASKED
#define X RESPONSE_ACTIVE
#define C RESPONSE_CALLER
#define D RESPONSE_CALLER_ASKED
#define E RESPONSE_EXPECTED
#define W RESPONSE_WAITING

struct expected {
	enum response_state next;
	bool owed;
	char action; /* '.' nothing, 'c' create, 'x' cancel */
};

/* wanted, created, done, failed, refused, busy, speech, speech end, timeout */
static const struct expected without[RESPONSE_STATES][RESPONSE_EVENTS] = {
	[I] = {{A, 0, 'c'}, {X, 0, '.'}, {I, 0, '.'}, {W, 1, '.'}, {W, 1, '.'}, {W, 1, '.'}, {C, 0, '.'}, {E, 0, '.'}, {I, 0, '.'}},
	[A] = {{A, 1, '.'}, {X, 0, '.'}, {A, 0, '.'}, {W, 1, '.'}, {W, 1, '.'}, {X, 1, '.'}, {D, 1, '.'}, {A, 0, '.'}, {W, 1, '.'}},
	[X] = {{X, 1, '.'}, {X, 0, '.'}, {I, 0, '.'}, {W, 1, '.'}, {X, 1, '.'}, {X, 1, '.'}, {C, 0, '.'}, {X, 0, '.'}, {I, 0, '.'}},
	[C] = {{C, 1, '.'}, {X, 0, '.'}, {C, 0, '.'}, {C, 0, '.'}, {C, 1, '.'}, {C, 1, '.'}, {C, 0, '.'}, {E, 0, '.'}, {I, 0, '.'}},
	[D] = {{D, 1, '.'}, {C, 1, 'x'}, {D, 0, '.'}, {C, 1, '.'}, {C, 1, '.'}, {C, 1, '.'}, {D, 0, '.'}, {E, 0, '.'}, {I, 0, '.'}},
	[E] = {{E, 1, '.'}, {X, 0, '.'}, {E, 0, '.'}, {E, 0, '.'}, {E, 0, '.'}, {X, 1, '.'}, {C, 0, '.'}, {E, 0, '.'}, {A, 0, 'c'}},
	[W] = {{W, 1, '.'}, {X, 0, '.'}, {W, 0, '.'}, {W, 1, '.'}, {W, 1, '.'}, {W, 1, '.'}, {C, 1, '.'}, {E, 0, '.'}, {A, 0, 'c'}},
};
static const struct expected with[RESPONSE_STATES][RESPONSE_EVENTS] = {
	[I] = {{A, 0, 'c'}, {X, 0, '.'}, {I, 1, '.'}, {W, 1, '.'}, {W, 1, '.'}, {W, 1, '.'}, {C, 1, '.'}, {E, 1, '.'}, {I, 1, '.'}},
	[A] = {{A, 1, '.'}, {X, 1, '.'}, {A, 1, '.'}, {W, 1, '.'}, {W, 1, '.'}, {X, 1, '.'}, {D, 1, '.'}, {A, 1, '.'}, {W, 1, '.'}},
	[X] = {{X, 1, '.'}, {X, 1, '.'}, {A, 0, 'c'}, {W, 1, '.'}, {X, 1, '.'}, {X, 1, '.'}, {C, 1, '.'}, {X, 1, '.'}, {A, 0, 'c'}},
	[C] = {{C, 1, '.'}, {X, 0, '.'}, {C, 1, '.'}, {C, 1, '.'}, {C, 1, '.'}, {C, 1, '.'}, {C, 1, '.'}, {E, 0, '.'}, {A, 0, 'c'}},
	[D] = {{D, 1, '.'}, {C, 1, 'x'}, {D, 1, '.'}, {C, 1, '.'}, {C, 1, '.'}, {C, 1, '.'}, {D, 1, '.'}, {E, 0, '.'}, {A, 0, 'c'}},
	[E] = {{E, 1, '.'}, {X, 1, '.'}, {E, 1, '.'}, {E, 1, '.'}, {E, 1, '.'}, {X, 1, '.'}, {C, 1, '.'}, {E, 1, '.'}, {A, 0, 'c'}},
	[W] = {{W, 1, '.'}, {X, 0, '.'}, {W, 1, '.'}, {W, 1, '.'}, {W, 1, '.'}, {W, 1, '.'}, {C, 1, '.'}, {E, 0, '.'}, {A, 0, 'c'}},
};

static void check(enum response_state state, enum response_event event, bool owed, struct expected expected)
{
	struct response_turn turn = {state, owed};
	enum response_action action = response_next(&turn, event);
	if (turn.state != expected.next || turn.owed != expected.owed || ".cx"[action] != expected.action)
		fail_msg("state %d, event %d, owed %d: %d %d %c", state, event, owed, turn.state, turn.owed,
			 ".cx"[action]);
}

static void test_every_pair(void **state)
{
	(void)state;
	for (int s = 0; s < RESPONSE_STATES; s++)
		for (int e = 0; e < RESPONSE_EVENTS; e++) {
			check(s, e, false, without[s][e]);
			check(s, e, true, with[s][e]);
		}
}

/* The agent asks for a response only when nobody else has the word. */
static void test_never_over_the_caller(void **state)
{
	(void)state;
	for (int s = 0; s < RESPONSE_STATES; s++)
		for (int e = 0; e < RESPONSE_TIMEOUT; e++)
			for (int owed = 0; owed < 2; owed++) {
				struct response_turn turn = {s, owed};
				bool creates = response_next(&turn, e) == RESPONSE_CREATE;
				assert_false(creates && (s == C || s == D));
				assert_true(!creates || turn.state == A);
			}
}

/* Whatever is lost on the way: what is owed is asked for, when time passes and the present response ends. */
static void test_never_mute(void **state)
{
	(void)state;
	for (int s = 0; s < RESPONSE_STATES; s++)
		for (int e = 0; e < RESPONSE_EVENTS; e++) {
			struct response_turn turn = {s, true};
			bool created = response_next(&turn, e) == RESPONSE_CREATE;
			bool answered = turn.state == X || !turn.owed;
			for (int i = 0; i < 3 && !created && !answered && turn.state != I; i++) {
				assert_true(response_patience_ms(turn.state) > 0);
				created = response_next(&turn, RESPONSE_TIMEOUT) == RESPONSE_CREATE;
			}
			assert_true(created || answered || (s == I && turn.state == I));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair),
		cmocka_unit_test(test_never_over_the_caller),
		cmocka_unit_test(test_never_mute),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
