/*
 * The one gate for everything that rings a phone or costs money: a call placed
 * now, one that is due or tried again, one in the browser, a transfer. The table
 * in call_checks.c says which checks an action has to pass; each refusal names its rule
 * and the remedy. The quota is taken before the gate opens, and given back by
 * gate_give_back when the action certainly did not happen.
 */
#ifndef PHONY_VOICED_GUARD_RAILS_CALL_CHECKS_H
#define PHONY_VOICED_GUARD_RAILS_CALL_CHECKS_H

#include "voiced/voiced.h"

enum gate_action {
	GATE_CALL,         /* a call to be placed now */
	GATE_SCHEDULE,     /* a call to be placed later: may it be kept? */
	GATE_DUE_CALL,     /* a scheduled call or a retry whose time has come */
	GATE_BROWSER_CALL, /* no number */
	GATE_TRANSFER,     /* a live call's other side is to be connected to a number */
	GATE_ACTIONS
};

enum gate_rule {
	GATE_OPEN,
	GATE_DRAINING,
	GATE_RANGES, /* emergency, premium, DENIED_PREFIXES, ALLOWED_PREFIXES */
	GATE_HOURS,  /* QUIET_HOURS */
	GATE_LIVE,   /* MAX_CONCURRENT_CALLS, MAX_CONCURRENT_OUTGOING_CALLS */
	GATE_TWICE,  /* the same number within seconds */
	GATE_BARRED, /* the do-not-call list */
	GATE_QUOTA,  /* MAX_CALLS_PER_HOUR, MAX_CALLS_PER_DAY */
	GATE_STOPPED,
	GATE_STORE /* it is not known whether the number is barred */
};

struct gate_request {
	enum gate_action action;
	const char *number;      /* copied; NULL for GATE_BROWSER_CALL */
	const struct call *call; /* in the register already, so that it counts itself; or NULL */
	int64_t at_ms;           /* when the phone will ring; 0: now */
	int64_t asked_ms;        /* when it was asked for; 0: now */
	bool at_any_hour;        /* ignoreQuietHours */
};

struct gate_verdict {
	enum gate_rule rule;
	int http_status;
	const char *code;
	char why[360];
	int64_t again_ms; /* when it may be tried again; 0: never */
};

typedef void gate_fn(void *arg, const struct gate_verdict *verdict);
/* fn is called once, perhaps at once. */
void gate_ask(struct voiced *v, const struct gate_request *request, gate_fn *fn, void *arg);
/* What the gate opened for certainly did not happen. number: as asked. */
void gate_give_back(struct voiced *v, const char *number);

#endif
