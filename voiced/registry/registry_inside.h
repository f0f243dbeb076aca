/* What the register (registry.c) and a call of it (call.c, call_document.c) share. */
#ifndef PHONY_VOICED_REGISTRY_REGISTRY_INSIDE_H
#define PHONY_VOICED_REGISTRY_REGISTRY_INSIDE_H

#include "lib/base/clock.h"
#include "lib/base/object.h"
#include "lib/loop/loop.h"
#include "voiced/registry/call_lifecycle.h"
#include "voiced/registry/registry.h"

#include <sys/queue.h>

#define CALLS_MAGIC 0x63616c73u
#define CALL_MAGIC 0x63616c6cu

/* The write of a call that is over. */
enum last_save {
	LAST_SAVE_NONE,
	LAST_SAVE_ASKED,
	LAST_SAVE_STALE,  /* asked, and the call has changed since */
	LAST_SAVE_FAILED, /* tried again soon */
};

struct call {
	unsigned magic;
	LIST_ENTRY(call) next;
	struct calls *calls;
	json_t *document; /* the contract's fields, and callId, secret, attempt */
	enum lifecycle_state state;
	enum call_status status; /* as Twilio told it */
	char *token;             /* id, then secret */
	bool failed, sid_is_guess;
	char *agent_text, *agent_address;
	unsigned agent_tries, false_starts;
	bool retiring;
	json_t *history;
	enum call_agent agent;
	struct worker *worker;
	struct timer check;      /* nothing was heard of it for a while */
	struct timer expect;     /* its end is expected: call_check_soon */
	struct timer overdue;    /* its duration is used up */
	struct timer save_again; /* its end could not be stored */
	struct mono_us created;
	int64_t last_note;
	enum last_save last_save;
};

struct calls {
	unsigned magic;
	struct event_base *base;
	struct store *store;
	const struct config *config;
	const char *host_id;
	LIST_HEAD(, call) all;
	calls_check_fn *check, *overdue;
	calls_over_fn *over, *change, *leave;
	void *check_arg, *overdue_arg, *over_arg, *change_arg, *leave_arg;
};

/* Something was heard of the call: the next question to Twilio can wait. */
void call_heard_of(struct call *call);
/* Its duration is limited from now on. */
void call_start_overdue(struct call *call);
/* Leaves the register, and is freed. */
void call_leave(struct call *call);
const char *call_status_name(enum call_status status);

#endif
