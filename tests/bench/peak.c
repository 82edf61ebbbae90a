/*
 * peak COMMAND...: runs it without its output and prints its peak memory in KiB. A process's peak begins with that
 * of the process that starts it, so this one is small.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;
	pid_t pid = fork();

	if (pid == 0 && argc > 1) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 1);
		dup2(null, 2);
		execv(argv[1], argv + 1);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &usage) != pid || status)
		return 1;
	printf("%ld\n", usage.ru_maxrss);
	return 0;
}
