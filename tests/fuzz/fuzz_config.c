/* A file of settings: lines, quotes, every kind of value. */
#include "tests/fuzz/fuzz.h"

#include "lib/config/config.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	struct config config;
	struct buffer faults = {0};
	int fd = memfd_create("settings", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (config_load(&config, path, &faults) == 0)
		config_require_telephony(&config, &faults);
	config_free(&config);
	buffer_free(&faults);
	close(fd);
	return 0;
}
