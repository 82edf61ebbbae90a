/*
 * capture_load RATE SECONDS HOST PORT...: opens RATE connections a second, in turn to the ports, and reads what
 * answers: the first word is the port of the listener that was reached. Prints "opened", then how many were
 * answered by which port, "error NAME N" for what was not, and the rate that was reached. Each connection is reset
 * at its end, so that no port of ours is held in TIME_WAIT.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FLYING_MAX = 20000, ANSWERS_MAX = 65536, PORTS_MAX = 16 };

static unsigned long answers[ANSWERS_MAX], errors[256], opened, flying;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(int error)
{
	errors[error & 255]++;
}

static void open_one(int epoll, const struct sockaddr_in *to)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	opened++;
	if (fd < 0) {
		fail(errno);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS) {
		fail(errno);
		close(fd);
		return;
	}
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	flying++;
}

static void finish_one(int fd)
{
	char text[64];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
	long port;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fail(n < 0 ? errno : ENODATA);
	} else {
		text[n] = '\0';
		port = strtol(text, NULL, 10);
		answers[port & (ANSWERS_MAX - 1)]++;
	}
	close(fd);
	flying--;
}

static void finish_ready(int epoll, int wait_ms)
{
	struct epoll_event events[256];
	int n = epoll_wait(epoll, events, 256, wait_ms);

	for (int i = 0; i < n; i++)
		finish_one(events[i].data.fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to[PORTS_MAX] = { 0 };
	int epoll = epoll_create1(EPOLL_CLOEXEC), ports = argc - 4;
	double rate, seconds, begin, end;

	if (ports < 1 || ports > PORTS_MAX || epoll < 0) {
		fprintf(stderr, "usage: capture_load RATE SECONDS HOST PORT...\n");
		return 64;
	}
	for (int i = 0; i < ports; i++) {
		to[i] = (struct sockaddr_in){ .sin_family = AF_INET,
			.sin_port = htons((uint16_t)atoi(argv[4 + i])) };
		if (inet_pton(AF_INET, argv[3], &to[i].sin_addr) != 1)
			return 64;
	}
	rate = atof(argv[1]);
	seconds = atof(argv[2]);
	printf("opened\n");
	fflush(stdout);
	begin = now();
	/* SECONDS 0: until standard input ends. */
	for (;;) {
		struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
		double passed = now() - begin;

		if (seconds > 0 ? passed >= seconds : poll(&input, 1, 0) > 0)
			break;
		while ((double)opened < rate * passed && flying < FLYING_MAX)
			open_one(epoll, &to[opened % (unsigned long)ports]);
		finish_ready(epoll, 1);
	}
	end = now();
	while (flying && now() - end < 10)
		finish_ready(epoll, 10);
	for (size_t i = 0; i < ANSWERS_MAX; i++)
		if (answers[i])
			printf("port %zu %lu\n", i, answers[i]);
	for (int i = 0; i < 256; i++)
		if (errors[i])
			printf("error %s %lu\n", strerrorname_np(i), errors[i]);
	if (flying)
		printf("error unanswered %lu\n", flying);
	printf("rate %.0f\n", (double)opened / (end - begin));
	return 0;
}
