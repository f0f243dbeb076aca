/*
 * The register of calls: every call that is not over, and the only writer of
 * their documents. A call is known by its id (ours), by its callSid (Twilio's,
 * once it has one) and by its token (the secret in its URLs).
 */
#ifndef PHONY_VOICED_REGISTRY_H
#define PHONY_VOICED_REGISTRY_H

#include "lib/config/config.h"
#include "lib/store/store.h"
#include "voiced/registry/call_lifecycle.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

struct calls;
struct call;
struct worker;

enum call_status {
	CALL_INITIATED,
	CALL_RINGING,
	CALL_IN_PROGRESS,
	CALL_COMPLETED, /* this and the rest are final */
	CALL_BUSY,
	CALL_NO_ANSWER,
	CALL_FAILED,
	CALL_CANCELED,
};

/* Told when a call has become final, before it leaves the register. */
typedef void calls_over_fn(struct call *call, void *arg);
/* Told each `check_after_s` seconds in which nothing was heard of a call. */
typedef void calls_check_fn(struct call *call, void *arg);

enum { CALL_ID_LEN = 12 }; /* how much of a token names the call; the rest is secret */

/* host_id must outlive the register. */
struct calls *calls_new(struct event_base *base, struct store *store, const struct config *config,
			const char *host_id);
void calls_free(struct calls **c);
void calls_on_check(struct calls *c, calls_check_fn *fn, void *arg);
/* The duration of a call is used up. */
void calls_on_overdue(struct calls *c, calls_check_fn *fn, void *arg);
void calls_on_over(struct calls *c, calls_over_fn *fn, void *arg);
/* A call leaves the register: whoever holds it lets go. fn may be NULL. */
void calls_on_leave(struct calls *c, calls_over_fn *fn, void *arg);
/* Told when a call's state has changed. */
void calls_on_change(struct calls *c, calls_over_fn *fn, void *arg);

/* Puts a call from the store into the register: live ones of an earlier voiced or another host. */
struct call *calls_restore(struct calls *c, const json_t *document);
/* The same of one that was not placed yet. */
struct call *calls_admit(struct calls *c, const json_t *document);

/* Another host has it now: it leaves the register, and nothing is written. */
void calls_forget(struct call *call);

struct call_request {
	const char *call_type; /* "outbound", "inbound" or "browser" */
	const char *from_number, *to_number;
	const char *provider, *voice, *agent_id, *voice_id; /* "" when not given */
	const char *system_instructions, *call_instructions;
	const json_t *more; /* further members of the document, or NULL; copied */
};
/* The members that every call has: its id, its secret, this host, the time. Owned by the caller. */
json_t *calls_new_document(const struct calls *c);
/* The document of a call that is not in the register yet. Owned by the caller. */
json_t *calls_make_document(const struct calls *c, const struct call_request *r);
/* A new call, not stored yet; its token is made here. */
struct call *calls_create(struct calls *c, const struct call_request *r);

struct call *calls_by_sid(struct calls *c, const char *sid);
/* By either name that a person may know: Twilio's callSid, or the PC… of our own (requestId). */
struct call *calls_by_name(struct calls *c, const char *name);
struct call *calls_by_id(struct calls *c, const char *id);
/* Compares the secret part in constant time. NULL when the token is no live call's. */
struct call *calls_by_token(struct calls *c, const char *token);
/* Live calls of a call type; NULL: all. */
unsigned calls_count(const struct calls *c, const char *call_type);
/* Calls fn for each call; it may end calls. */
void calls_each(struct calls *c, void (*fn)(struct call *call, void *arg), void *arg);
/* Those of them that need a worker: all but voicemails and messages that are told. */
unsigned calls_count_served(const struct calls *c, const char *call_type);
/* Seconds since another call to this number, one that is not over, was placed; or -1. except may be NULL. */
double calls_seconds_since(const struct calls *c, const char *to_number, const struct call *except);

/* Writes the document; fn (may be NULL) when it is durable, or with the error: then it is written again soon.
 */
void call_save(struct call *call, store_fn *fn, void *arg);
/* Whether its last write failed, and the next is still to come. */
bool call_is_unsaved(const struct call *call);

const char *call_id(const struct call *call);
const char *call_sid(const struct call *call); /* "" before Twilio named it */
const char *call_token(const struct call *call);
/* A text of the document; "" when it is not there. */
const char *call_text(const struct call *call, const char *field);
/* A member of the document, borrowed; NULL when it is not there. */
json_t *call_value(const struct call *call, const char *field);
/* Since its first stream began; 0 when none has. */
int64_t call_age_ms(const struct call *call);
int64_t call_number(const struct call *call, const char *field);
/* Sets a member (stolen); NULL removes it. call_save stores it. */
void call_put(struct call *call, const char *field, json_t *value);
/* Whether the person called us; and whether a page of ours is their phone (voiced/calls/browser_call.h). */
bool call_is_inbound(const struct call *call);
bool call_is_browser(const struct call *call);
/* Whether this host has the call; and from now on it has. */
bool call_is_ours(const struct call *call);
void call_take(struct call *call);
enum call_status call_status(const struct call *call);
/* Whether nobody was asked to place it yet. */
bool call_is_asked(const struct call *call);
/* Applies an event to the call's state; the caller carries out what is returned. */
enum lifecycle_action call_event(struct call *call, enum lifecycle_event event);
/* What call_event would return. */
enum lifecycle_action call_would(const struct call *call, enum lifecycle_event event);
bool call_is_over(const struct call *call);
/* The document as a person sees it, with isLive; owned by the caller. */
json_t *call_public(const struct call *call);
json_t *call_document_public(const json_t *document);

/* Twilio is asked about the call in ms, unless it is over before. */
void call_check_soon(struct call *call, int ms);

/*
 * Twilio tells the call's SID (certain), or it is the best guess; false when it has
 * another one already that was certain. LIFECYCLE_NAMED: see ending_name.
 */
bool call_set_sid(struct call *call, const char *sid, bool certain, enum lifecycle_action *action);
/* Moves forward only. True when something changed. A failure turns completed into failed. */
bool call_set_status(struct call *call, enum call_status status);
bool call_parse_status(const char *text, enum call_status *out);
/* Sets errorMessage; final: the call cannot end as completed any more. */
void call_set_error(struct call *call, const char *message, bool final);
bool call_has_failed(const struct call *call);
/* The call is to be ended by us, for this reason (kept: the first one): LIFECYCLE_HANG_UP. */
enum lifecycle_action call_set_ending(struct call *call, const char *reason);
/* Whether it is, or was when it ended. */
bool call_is_ending(const struct call *call);
void call_set_duration(struct call *call, long seconds);

/* Which stream of the call is being served: 0, then 1 more for each redirect. */
int64_t call_attempt(const struct call *call);
void call_set_attempt(struct call *call, int64_t attempt);
enum { CALL_BREAKS_MAX = 3 }; /* of streams that had begun */
/* This attempt's stream has begun: true unless it was known. And how many have. */
bool call_count_stream(struct call *call, int64_t attempt);
bool call_has_streamed(const struct call *call, int64_t attempt);
int64_t call_streams(const struct call *call);
/* The stream broke too often: the call has failed, and of what, if that is known. */
void call_give_up_streams(struct call *call);
/* A worker of the call has ended before its stream began; how many have in a row. */
unsigned call_count_false_start(struct call *call);
/* What was said before the stream broke, for the agent of the next: the newest of these turns. */
void call_set_history(struct call *call, const json_t *turns);
json_t *call_history(const struct call *call); /* an array, borrowed */

/* The agent of the present attempt: asked for, then a URL or an error. */
enum call_agent { AGENT_NONE, AGENT_ASKED, AGENT_READY, AGENT_REFUSED };
enum call_agent call_agent(const struct call *call);
void call_set_agent(struct call *call, enum call_agent agent, const char *url_or_error);
const char *call_agent_text(const struct call *call);
/* How often one was asked for. */
unsigned call_agent_tries(const struct call *call);
/* Where a ready agent's host is, as numbers; "" when its URL has numbers. */
void call_set_agent_address(struct call *call, const char *address);
const char *call_agent_address(const struct call *call);

/* A worker that is still to tell its last events. */
void call_set_retiring(struct call *call, bool retiring);
bool call_is_retiring(const struct call *call);

struct worker *call_worker(const struct call *call);
void call_set_worker(struct call *call, struct worker *worker);

/* Stores an event that voiced itself has to tell of the call. data is stolen. */
void call_note(struct call *call, const char *type, json_t *data);

#endif
