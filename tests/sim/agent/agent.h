/* The simulated ElevenLabs: its HTTP and WebSocket port, and the conversations. */
#ifndef SIM_AGENT_H
#define SIM_AGENT_H

#include "tests/sim/common/ws.h"

#include <event2/event.h>
#include <jansson.h>

/* A conversation with the agent that this scenario entry describes; owns itself. */
struct conversation;
/* The upgrade was read: bev is handed over. id: the agent's. */
void conversation_start(struct event_base *base, struct bufferevent *bev, const char *key, const char *id,
			json_t *agent);
/* All that is going on is cut short. */
void conversations_end(void);

#endif
