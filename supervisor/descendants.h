/* The processes whose parent we are: daemons, and callworkers that outlived their voiced. */
#ifndef PHONY_SUPERVISOR_DESCENDANTS_H
#define PHONY_SUPERVISOR_DESCENDANTS_H

/* Signals each of them; how many there were. */
unsigned descendants_signal(int number);

/* Kills them, and whatever becomes ours by that, and reaps them all. */
void descendants_kill(void);

#endif
