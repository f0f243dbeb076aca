/* The version of phony, as etc/debian/changelog has it. */
#ifndef PHONY_BASE_VERSION_H
#define PHONY_BASE_VERSION_H

#define PHONY_VERSION "1.0.0"

#endif
