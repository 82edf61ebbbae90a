/*
 * Telling the service manager how it goes. Format: sd_notify(3), whose protocol is public and stable: a datagram
 * to the socket that $NOTIFY_SOCKET names.
 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

/* "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=…", lines. Without a service manager nothing happens. */
void notify(const char *state);

/* How often "WATCHDOG=1" must be sent, in milliseconds: half of what the manager waits. 0: it does not watch. */
long long notify_watchdog_ms(void);

#endif
