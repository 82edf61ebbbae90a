/*
 * connections server PORT: takes connections, one after the other, until the client resets them.
 * connections NETNS UID ADDRESS PORT N: opens N connections from that network namespace as that user, one after
 * the other; prints the median of their times, from connect() to close(), in nanoseconds.
 *
 * Connections are reset, so that none waits for its time and no port is used up.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static void reset(int fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int serve(const char *port)
{
	const struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (const struct sockaddr *)&any, sizeof(any)) < 0 || listen(listener, 4096) < 0)
		die("listen");
	puts("ready");
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		char byte;

		if (fd < 0)
			continue;
		if (read(fd, &byte, 1) > 0)
			puts("data");
		close(fd);
	}
}

static int by_value(const void *left, const void *right)
{
	const int64_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static int connect_all(const char *netns, const char *user, const char *address, const char *port, size_t n)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int64_t *times = calloc(n, sizeof(*times));
	int fd = open(netns, O_RDONLY | O_CLOEXEC);
	uid_t uid = (uid_t)atoi(user);

	if (!times || fd < 0 || setns(fd, CLONE_NEWNET) < 0 || setresuid(uid, uid, uid) < 0)
		die(netns);
	inet_pton(AF_INET, address, &to.sin_addr);
	for (size_t i = 0; i < n; i++) {
		int64_t start = now_ns();

		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
			die("connect");
		reset(fd);
		times[i] = now_ns() - start;
	}
	qsort(times, n, sizeof(*times), by_value);
	printf("%lld\n", (long long)times[n / 2]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3)
		return serve(argv[2]);
	if (argc == 6)
		return connect_all(argv[1], argv[2], argv[3], argv[4], (size_t)atoi(argv[5]));
	fputs("usage: connections server PORT | connections NETNS UID ADDRESS PORT N\n", stderr);
	return 2;
}
