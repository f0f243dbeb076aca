/*
 * The callworkers: a few kept ready, one for each stream, their ends told in
 * words. A worker that outlived an earlier voiced is taken back.
 */
#ifndef PHONY_VOICED_WORKERS_POOL_H
#define PHONY_VOICED_WORKERS_POOL_H

#include "proto/peer.h"
#include "voiced/voiced.h"

struct workers;
struct worker;

/* NULL: RUN_DIR cannot be used; logged. */
struct workers *workers_new(struct voiced *v);
/* Connects to the workers that an earlier voiced has left, and gives them their calls. */
void workers_rejoin(struct workers *w);
/* Workers with a call go on without us; the idle ones end. */
void workers_free(struct workers **w);

/* Gives the call's stream (fd, handed over) to a worker. */
void workers_serve(struct workers *w, struct call *call, int fd);

/* The supervisor reaped a worker of an earlier voiced. status: as of waitpid(2). */
void workers_orphan_ended(struct workers *w, pid_t pid, int status);

/* Tells the call's worker what became of the agent, if both are there. */
void worker_tell_agent(struct call *call);
/* Asks the call's worker; refused with not_live when it has none. body is stolen. */
void worker_ask(struct call *call, enum message type, json_t *body, peer_answer_fn *fn, void *arg);

/*
 * The call goes on with another worker: the one that it has, if any, says and
 * hears nothing more and tells its last events; then the call is settled.
 */
void worker_retire(struct call *call);
/* Whether the call's worker, if there is one, serves this attempt. */
bool worker_serves(const struct call *call, int64_t attempt);

/*
 * The event seq of the worker with this process id is stored; of those that came, all up
 * to limit are. It is told what it need not keep, though another may serve the call by now.
 */
void workers_acknowledge(struct workers *w, pid_t pid, int64_t seq, int64_t limit);

unsigned workers_idle(const struct workers *w);
/* Workers that serve a call, or still have something to tell of one. */
unsigned workers_busy(const struct workers *w);
/* [{pid, callSid, state}] */
json_t *workers_list(const struct workers *w);

#endif
