/*
 * Who is at the other end of a local socket: what the kernel says (SO_PEERCRED,
 * unix(7); /proc), and from that the roles it may have. The role that a hello names
 * only chooses among these.
 *
 * Everybody who may connect runs as phony's user or as root: the sockets have mode
 * 0600. So does a call's worker, confined; it has a connection of its own and no
 * business on any socket of a name.
 */
#ifndef PHONY_DAEMON_PEER_IDENTITY_H
#define PHONY_DAEMON_PEER_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

struct identity {
	pid_t pid; /* 0: in a namespace that is not to be seen from here */
	uid_t uid;
};

/* Of a connection, who made it; of a socket pair, who made the pair. False with errno. */
bool identity_of(int fd, struct identity *who);

/* A call's worker, or a process that is confined further than we are. */
bool identity_is_confined(const struct identity *who);

/*
 * Of the roles `wanted` (bits of enum role), those that this process may have; 0: none,
 * and it is logged. supervisor: the user that the supervisor runs as; nobody else may
 * speak as one, except root.
 */
unsigned identity_roles(const struct identity *who, unsigned wanted, uid_t supervisor);

/* The same of whoever has connected to fd. */
unsigned identity_roles_of(int fd, unsigned wanted, uid_t supervisor);

#endif
