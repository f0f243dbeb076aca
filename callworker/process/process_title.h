/* The process's name as ps shows it: "callworker: CA… live 1:05". */
#ifndef PHONY_CALLWORKER_PROCESS_PROCESS_TITLE_H
#define PHONY_CALLWORKER_PROCESS_PROCESS_TITLE_H

/* Remembers where the title's space is; call first in main. */
void title_init(int argc, char **argv);
void title_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
