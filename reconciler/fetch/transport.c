#include "fetch/transport.h"

#include <fcntl.h>
#include <git2/sys/transport.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

#define TYPE(what) "application/x-git-upload-pack-" what

/* Bytes of a pack, which is also the limit of files here (sandbox.c): so there is a word about it. */
enum { PACK_MAX = 1024 * 1024 * 1024 };

/* One request and its answer: what is written is sent when the first of the answer is read. */
struct stream {
	git_smart_subtransport_stream base;
	git_smart_service_t service;
	char *body;
	size_t size, room;
	int file; /* the answer; -1: there is none yet */
};

/* libgit2 gives its callbacks nothing of ours in all places; there is one server in a process. */
static struct {
	struct http *http;
	const char *directory;
} server;

static int fail(const char *problem)
{
	git_error_set_str(GIT_ERROR_HTTP, problem);
	return -1;
}

static int stream_write(git_smart_subtransport_stream *base, const char *data, size_t size)
{
	struct stream *s = (struct stream *)base;

	if (s->room - s->size < size) {
		s->room = (s->size + size) * 2;
		s->body = mem_realloc(s->body, s->room);
	}
	memcpy(s->body + s->size, data, size);
	s->size += size;
	return 0;
}

static int send_request(struct stream *s)
{
	bool listing = s->service == GIT_SERVICE_UPLOADPACK_LS;
	struct exchange e = {
		.suffix = listing ? "/info/refs?service=git-upload-pack" : "/git-upload-pack",
		.content_type = listing ? NULL : TYPE("request"),
		.accept = listing ? TYPE("advertisement") : TYPE("result"),
		.body = { s->body, s->size },
		.limit = listing ? HTTP_LIST_MAX : PACK_MAX,
		.file = open(server.directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600),
	};
	const char *problem = "an answer cannot be kept";

	if (e.file < 0)
		return fail(problem);
	if (!http_exchange(server.http, &e, &problem) || lseek(e.file, 0, SEEK_SET) < 0) {
		close_fd(&e.file);
		return fail(problem);
	}
	s->file = e.file;
	return 0;
}

static int stream_read(git_smart_subtransport_stream *base, char *buffer, size_t size, size_t *got)
{
	struct stream *s = (struct stream *)base;
	ssize_t n;

	if (s->file < 0 && send_request(s) < 0)
		return -1;
	n = read(s->file, buffer, size);
	if (n < 0)
		return fail("an answer cannot be read back");
	*got = (size_t)n;
	return 0;
}

static void stream_free(git_smart_subtransport_stream *base)
{
	struct stream *s = (struct stream *)base;

	close_fd(&s->file);
	free(s->body);
	free(s);
}

static int act(git_smart_subtransport_stream **out, git_smart_subtransport *subtransport, const char *url,
	git_smart_service_t service)
{
	struct stream *s;

	(void)url;
	if (service != GIT_SERVICE_UPLOADPACK_LS && service != GIT_SERVICE_UPLOADPACK)
		return fail("enmesh only fetches");
	s = mem_alloc(sizeof(*s));
	*s = (struct stream){
		.base = { subtransport, stream_read, stream_write, stream_free }, .service = service, .file = -1
	};
	*out = &s->base;
	return 0;
}

static int close_nothing(git_smart_subtransport *subtransport)
{
	(void)subtransport;
	return 0;
}

static void free_subtransport(git_smart_subtransport *subtransport)
{
	free(subtransport);
}

static int new_subtransport(git_smart_subtransport **out, git_transport *owner, void *param)
{
	git_smart_subtransport *s = mem_alloc(sizeof(*s));

	(void)owner;
	(void)param;
	*s = (git_smart_subtransport){ act, close_nothing, free_subtransport };
	*out = s;
	return 0;
}

static int new_transport(git_transport **out, git_remote *owner, void *param)
{
	static git_smart_subtransport_definition definition = { new_subtransport, 1, NULL };

	(void)param;
	return git_transport_smart(out, owner, &definition);
}

void transport_use(struct http *h, const char *directory)
{
	server.http = h;
	server.directory = directory;
	git_transport_register("http", new_transport, NULL);
	git_transport_register("https", new_transport, NULL);
}
