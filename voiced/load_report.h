/* What voiced tells the supervisor of its load, and when it has drained. */
#ifndef PHONY_VOICED_LOAD_REPORT_H
#define PHONY_VOICED_LOAD_REPORT_H

#include "voiced/voiced.h"

/* Something may have changed: clients, live calls. Ends voiced once it has drained. */
void load_tell(struct voiced *v);

#endif
