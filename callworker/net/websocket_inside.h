/* What the loop (event_loop.c), its sockets (websocket.c) and their replay (replay.c) share. */
#ifndef PHONY_CALLWORKER_NET_WEBSOCKET_INSIDE_H
#define PHONY_CALLWORKER_NET_WEBSOCKET_INSIDE_H

#include "callworker/net/websocket.h"
#include "callworker/process/flight_recorder.h"

#include <sys/queue.h>

enum { RECEIVE_CHUNK = 16 * 1024 };

struct ws_loop {
	struct lws_context *context; /* NULL: a replay, without any socket */
	struct lws_vhost *stream_vhost, *agent_vhost;
	bool stopping;
	struct flight *flight;         /* NULL: nothing is recorded */
	unsigned timers, sockets;      /* made so far: they are numbered, and known by that in the record */
	LIST_HEAD(, ws_timer) pending; /* of a replay */
	LIST_HEAD(, ws) imagined;
	struct ws_watch *watch;
	int voiced; /* of a replay: its end of the connection */
	void (*voiced_back)(void *arg, int fd);
	void *voiced_back_arg;
};

/* The callback of every protocol of ours: the streams', and that of watched descriptors. */
extern const struct lws_protocols ws_protocols[];
int ws_on_watch(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t len);

/* ---- a replay's side ---- */

/* A loop without sockets: what happens is what the following tell. */
struct ws_loop *ws_imagine(struct flight *flight);
/* False: no such timer waits. */
bool ws_imagine_timer(struct ws_loop *l, unsigned number);
/* A connection to voiced: our end of it. */
int ws_imagine_voiced(struct ws_loop *l);
/* voiced has written to its end. */
void ws_imagine_readable(struct ws_loop *l);
/* event: "open", "text" (of so many bytes, born then), "broken", "closed". False: no such socket. */
bool ws_imagine_event(struct ws_loop *l, const struct flight_socket *e);

#endif
