#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>

#include "base/defs.h"

static volatile sig_atomic_t caught;

static void on_signal(int signal)
{
	caught = signal;
}

/* A handler, for children would inherit it if the signal were ignored. */
static void on_pipe(int signal)
{
	(void)signal;
}

void signals_catch(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_pipe }, old;

	sigaction(SIGPIPE, &action, NULL);
	/* Not SA_RESTART: whoever waits in a call is to wake up. */
	action = (struct sigaction){ .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
	for (size_t i = 0; i < array_len(ends); i++)
		if (sigaction(ends[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(ends[i], &action, NULL);
}

bool signals_stopped(void)
{
	return caught != 0;
}

int signals_caught(void)
{
	return caught;
}
