/* The last words of a process that crashes: where it was, in lines of the log that carry its call's SID. */
#ifndef PHONY_CALLWORKER_PROCESS_CRASH_REPORT_H
#define PHONY_CALLWORKER_PROCESS_CRASH_REPORT_H

/* From now on; before the process is confined. The signal then ends it, as it would have. */
void crash_watch(void);
void crash_set_call(const char *call_sid);

#endif
