/* Frames of the processes' protocol, and a peer that gets them. */
#include "tests/fuzz/fuzz.h"

#include "proto/peer.h"

#include <sys/socket.h>
#include <unistd.h>

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	(void)arg;
	if (fd >= 0)
		close(fd);
	if (message_asks(f->type))
		peer_reply(p, f, json_object());
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	(void)why;
	(void)arg;
}

static const struct peer_handler handler = {NULL, on_message, on_gone, NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];
	struct buffer bytes = {0};
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		return 0;
	struct peer *p = peer_new(pair[1], ROLE_VOICED, ROLE_MCPD | ROLE_CALLWORKER, &handler, NULL);
	/* The first byte says whether a good hello comes first. */
	if (size > 0 && (data[0] & 1)) {
		struct frame hello = {MSG_HELLO, 0, 0,
				      json_pack("{s:i,s:s,s:i}", "version", PROTO_VERSION, "role",
						data[0] & 2 ? "mcpd" : "callworker", "pid", 1)};
		frame_encode(&bytes, &hello);
		json_decref(hello.body);
	}
	if (size > 1)
		buffer_append(&bytes, data + 1, size - 1);
	if (send(pair[0], bytes.data, bytes.len, MSG_DONTWAIT) >= 0)
		peer_readable(p);
	peer_free(&p);
	close(pair[0]);
	buffer_free(&bytes);
	return 0;
}
