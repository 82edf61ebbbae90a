#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>

#include "base/defs.h"

static volatile sig_atomic_t caught, hung_up;
static bool hangup_is_kept;

static void on_signal(int signal)
{
	caught = signal;
}

static void on_hangup(int signal)
{
	(void)signal;
	hung_up = 1;
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
		if (sigaction(ends[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN &&
			!(ends[i] == SIGHUP && hangup_is_kept))
			sigaction(ends[i], &action, NULL);
}

void signals_catch_hangup(void)
{
	const struct sigaction action = { .sa_handler = on_hangup };

	sigaction(SIGHUP, &action, NULL);
	hangup_is_kept = true;
}

bool signals_hung_up(void)
{
	return hung_up != 0;
}

void signals_forget_hangup(void)
{
	hung_up = 0;
}

bool signals_stopped(void)
{
	return caught != 0;
}

int signals_caught(void)
{
	return caught;
}
