/* A record of a flight, as `callworker --replay` reads it. */
#include "tests/fuzz/quiet.h"

#include "callworker/replay.h"
#include "lib/base/panic.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[40];
	int fd = memfd_create("flight", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		panic("there is no file to be had");
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	replay_run(path);
	close(fd);
	return 0;
}
