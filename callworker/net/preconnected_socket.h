/*
 * A connected socket for libwebsockets' client. Version 4.1 takes no descriptor for
 * a client's connection, it calls socket(2) and connect(2) itself, which a confined
 * worker may not do. preconnected_socket.c takes the place of these two functions in this
 * program; for everybody else they are the system calls.
 */
#ifndef PHONY_CALLWORKER_NET_PRECONNECTED_SOCKET_H
#define PHONY_CALLWORKER_NET_PRECONNECTED_SOCKET_H

/* The next stream socket that is made is this one, its connection on its way; it is taken over. */
void socket_give(int fd);
/* Nobody has asked for it: it is closed. */
void socket_take_back(void);

#endif
