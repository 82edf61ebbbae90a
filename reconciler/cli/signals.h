/* Signals that ask for the end: a pass ends between two changes, and a second one of the same kind ends it at
 * once. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <stdbool.h>

/* Catches SIGINT, SIGTERM and SIGHUP (unless they are ignored); a closed pipe is an error of write(2), not the
 * end. */
void signals_catch(void);
bool signals_stopped(void);
/* The number of the signal; 0: none came. */
int signals_caught(void);

/* From now on SIGHUP does not ask for the end, but for a pass. */
void signals_catch_hangup(void);
bool signals_hung_up(void);
void signals_forget_hangup(void);

#endif
