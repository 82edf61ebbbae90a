/*
 * Requests through base/http, for test_http.py:
 *     http_client [ca=FILE] [ca_bytes=FILE] [cert=FILE] [key=FILE] [token=FILE] [limit=BYTES] [timeout=MS]
 * [insecure=1] [header=LINE] [body=TEXT] METHOD URL [METHOD URL]… One client does them all. Prints one line of
 * JSON each: what http_do returned.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/http.h"
#include "base/json.h"

struct args {
	struct http_config config;
	struct http_request request;
	const char *headers[2];
	const char *token_file;
	struct secret token;
};

static bool read_option(struct args *args, const char *arg, struct arena *a)
{
	size_t n = strcspn(arg, "=");
	const char *value = arg + n + 1, *name = arena_strndup(a, arg, n);

	if (arg[n] != '=' || strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", arg[0]))
		return false;
	if (!strcmp(name, "ca"))
		args->config.ca_file = value;
	else if (!strcmp(name, "ca_bytes") && file_read(AT_FDCWD, value, 1024 * 1024, a, &args->config.ca))
		exit(9);
	else if (!strcmp(name, "cert"))
		args->config.cert_file = value;
	else if (!strcmp(name, "key"))
		args->config.key_file = value;
	else if (!strcmp(name, "token"))
		args->token_file = value;
	else if (!strcmp(name, "limit"))
		args->request.limit = strtoul(value, NULL, 10);
	else if (!strcmp(name, "timeout"))
		args->config.timeout_ms = atoi(value);
	else if (!strcmp(name, "insecure"))
		args->config.insecure = true;
	else if (!strcmp(name, "header"))
		args->headers[0] = value;
	else if (!strcmp(name, "body"))
		args->request.body = (struct bytes){ value, strlen(value) };
	return true;
}

static void print(int r, const struct http_response *response, const char *problem, struct arena *a)
{
	struct node out = { .type = NODE_MAP };

	if (r) {
		node_put_text(a, &out, "error", strerrorname_np(-r));
		node_put_text(a, &out, "problem", problem);
	} else {
		node_put_int(a, &out, "status", response->status);
		node_put_int(a, &out, "retryAfter", response->retry_after_s);
		node_put_int(a, &out, "size", (int64_t)response->body.size);
		if (response->body.size < 4096)
			node_put_text(a, &out, "body", response->body.data);
	}
	puts(json_write(&out, JSON_ONE_LINE, a));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	scoped(arena_finish) struct arena arena = { 0 };
	scoped(http_free) struct http *http = NULL;
	struct args args = { .config = { .connect_timeout_ms = 2000, .timeout_ms = 5000 },
		.request.limit = 1 << 20 };
	const char *problem = NULL;
	unsigned mode = 0;
	int i = 1, r;

	while (i < argc && read_option(&args, argv[i], &arena))
		i++;
	if (args.token_file) {
		if (secret_read(args.token_file, &args.token, &mode))
			return 9;
		args.config.token = &args.token;
	}
	args.request.headers = args.headers;
	r = http_new(&args.config, &arena, &http, &problem);
	secret_finish(&args.token);
	if (r) {
		print(r, NULL, problem, &arena);
		return 1;
	}
	for (; i + 1 < argc; i += 2) {
		struct http_response response = { 0 };

		args.request.method = argv[i];
		args.request.url = argv[i + 1];
		r = http_do(http, &args.request, &arena, &response, &problem);
		print(r, &response, problem, &arena);
	}
	return 0;
}
