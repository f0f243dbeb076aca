/* Descriptors: flags, inheritance by name, passing over Unix-domain sockets. */
#ifndef PHONY_BASE_FD_H
#define PHONY_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

bool fd_set_nonblock(int fd, bool on);
bool fd_set_cloexec(int fd, bool on);

/* Closes *fd unless it is -1 and leaves -1 behind. */
void fd_close(int *fd);

/*
 * A descriptor handed down under this name by the LISTEN_FDS convention
 * (sd_listen_fds(3): descriptors from 3 on, LISTEN_FDNAMES split by ':'). Those of
 * another process, by LISTEN_PID, are not ours; without LISTEN_PID, which a parent
 * cannot know when it spawns, they are.
 * Returns -1 when there is none. Close-on-exec is set.
 */
int fd_inherited(const char *name);

/* sendmsg with at most one descriptor (-1: none). Returns as send(2). */
ssize_t fd_send(int socket, const void *bytes, size_t len, int fd);

/* recvmsg; *fd gets a passed descriptor or -1, close-on-exec. Returns as recv(2). */
ssize_t fd_receive(int socket, void *bytes, size_t size, int *fd);

/* Unix-domain stream sockets by path, non-blocking. -1 with errno on failure. */
int fd_unix_listen(const char *path, unsigned mode);
int fd_unix_connect(const char *path);

#endif
