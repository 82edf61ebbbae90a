#include "targets/objects/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/http.h"
#include "base/json.h"
#include "base/str.h"
#include "targets/objects/retry.h"

enum {
	CONNECT_MS = 3000,
	REQUEST_MS = 30000,
	REQUEST_LEAST_MS = 2000, /* however near the deadline is */
	ANSWER_MAX = 64 * 1024 * 1024,
	MESSAGE_MAX = 1000, /* bytes of a server's words */
};

struct server {
	char *url;     /* without a slash at the end */
	char *problem; /* of its last attempt; NULL: none */
};

struct api {
	struct http *http;
	struct server *servers;
	size_t n, at;
	long long deadline_ms;
	bool (*stopped)(void);
	bool down;
};

/* ---- opening ---- */

/* "HOST", "HOST:PORT". */
static bool is_host(const char *url, const char *host)
{
	size_t n = strlen(host);

	return !strncmp(url, host, n) && (!url[n] || url[n] == ':' || url[n] == '/');
}

/* http:// is for a proxy on this machine: anywhere else the token would be there for all to read. */
static bool is_safe(const char *url)
{
	const char *at;

	if (str_starts(url, "https://"))
		return true;
	if (!str_starts(url, "http://"))
		return false;
	at = url + strlen("http://");
	/* Not a name that begins like it, as 127.example.org does. */
	if (str_starts(at, "127."))
		return strchr(":/", at[strspn(at, "0123456789.")]) != NULL; /* the NUL at its end is found too */
	return is_host(at, "localhost") || is_host(at, "[::1]");
}

static bool read_token(const char *path, struct secret *out, struct diags *d)
{
	unsigned mode = 0;
	int r = secret_read(path, out, &mode);

	if (r == -EPERM && (mode & 077))
		return diag_failure(d,
			"the API server's token file %s has mode %04o: others than its owner can get at it; "
			"`chmod 600 %s`",
			path, mode, path);
	return !r || diag_failure(d, "the API server's token file %s: %s", path, strerror(-r));
}

static bool open_client(
	const struct host *h, const struct bytes *ca, struct arena *a, struct http **out, struct diags *d)
{
	scoped(secret_finish) struct secret token = { 0 };
	struct http_config config = {
		.ca_file = h->ca_file,
		.cert_file = h->cert_file,
		.key_file = h->key_file,
		.connect_timeout_ms = CONNECT_MS,
		.timeout_ms = REQUEST_MS,
	};
	const char *problem;

	if (!h->ca_file)
		config.ca = *ca;
	if (h->token_file && !read_token(h->token_file, &token, d))
		return false;
	if (h->token_file)
		config.token = &token;
	return !http_new(&config, a, out, &problem) ||
	       diag_failure(d, "the API server cannot be asked: %s", problem);
}

static void add_server(struct api *api, const char *url)
{
	char *copy = mem_strdup(url);
	size_t n = strlen(copy);

	while (n && copy[n - 1] == '/')
		copy[--n] = 0;
	api->servers[api->n++].url = copy;
}

bool api_open(const struct host *h, const struct texts *servers, const struct bytes *ca, struct arena *a,
	struct api **out, struct diags *d)
{
	scoped(api_close) struct api *api = mem_alloc(sizeof(*api));

	api->servers = mem_alloc(servers->list.n * sizeof(*api->servers));
	api->deadline_ms = h->deadline_ms;
	api->stopped = h->stopped;
	vec_each (url, &servers->list) {
		if (!is_safe(*url) && (h->token_file || h->key_file))
			return diag_failure(
				d, "%s would carry the API server's token in clear text; use https", *url);
		add_server(api, *url);
	}
	if (!open_client(h, ca, a, &api->http, d))
		return false;
	*out = take(api);
	return true;
}

void api_close(struct api **api)
{
	struct api *x = *api;

	if (!x)
		return;
	http_free(&x->http);
	for (size_t i = 0; i < x->n; i++) {
		free(x->servers[i].url);
		free(x->servers[i].problem);
	}
	free(x->servers);
	free(x);
	*api = NULL;
}

/* ---- time ---- */

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

bool api_wait(struct api *api, long long ms)
{
	long long until = now_ms() + ms;

	if (until > api->deadline_ms)
		return false;
	for (long long left = ms; left > 0; left = until - now_ms()) {
		const struct timespec pause = { left / 1000, left % 1000 * 1000000 };

		if (api->stopped && api->stopped())
			return false;
		nanosleep(&pause, NULL); /* a signal ends it early */
	}
	return !api->stopped || !api->stopped();
}

static int request_ms(const struct api *api)
{
	long long left = api->deadline_ms - now_ms();

	if (left < REQUEST_LEAST_MS)
		return REQUEST_LEAST_MS;
	return left < REQUEST_MS ? (int)left : REQUEST_MS;
}

/* ---- one attempt ---- */

/* Server's words, for a message of one line. */
static const char *one_line(const char *text, size_t n, struct arena *a)
{
	char *line = arena_strndup(a, text, n < MESSAGE_MAX ? n : MESSAGE_MAX);
	size_t end = strlen(line);

	while (end && strchr(" \n\r\t", line[end - 1]))
		line[--end] = 0;
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	return line;
}

static void read_answer(const struct http_response *response, struct arena *a, struct api_answer *out)
{
	const char *problem, *message;

	out->status = response->status;
	out->body = response->body.size ? json_read(response->body.data, response->body.size, a, &problem) : NULL;
	if (!node_is(out->body, NODE_MAP))
		out->body = NULL;
	message = node_get_text(out->body, "message");
	if (message)
		out->message = one_line(message, strlen(message), a);
	else if (response->body.size && !out->body)
		out->message = one_line(response->body.data, response->body.size, a);
	else
		out->message = arena_printf(a, "HTTP status %d", response->status);
}

/*
 * A body that does not fit its type (a misspelt field) comes back as 500, though it is the request's fault, and
 * asking again changes nothing.
 */
static bool is_final(const struct api_answer *answer)
{
	return answer->body && str_starts(answer->message, "failed to create typed patch object");
}

static void remember(struct server *server, const char *problem)
{
	free(server->problem);
	server->problem = mem_strdup(problem);
}

static void try_once(struct api *api, const struct http_request *request, struct arena *a, struct attempt *attempt,
	struct api_answer *out)
{
	struct server *server = &api->servers[api->at];
	struct http_request full = *request;
	struct http_response response = { 0 };
	const char *problem;

	*attempt = (struct attempt){ 0 };
	full.url = arena_printf(a, "%s%s", server->url, request->url);
	full.timeout_ms = request_ms(api);
	attempt->error = http_do(api->http, &full, a, &response, &problem);
	if (attempt->error) {
		remember(server, problem);
		return;
	}
	read_answer(&response, a, out);
	attempt->status = response.status;
	attempt->retry_after_s = response.retry_after_s;
	attempt->whole = out->body != NULL;
	attempt->final = is_final(out);
	remember(server, arena_printf(a, "%s: %s (%d)", server->url,
				 attempt->whole || attempt->status >= 300 ? out->message : "a half answer",
				 attempt->status));
}

/* ---- with repetition ---- */

/* False: this was the last round. */
static bool next_round(struct api *api, int *round, int retry_after_s, long long began)
{
	++*round;
	return *round < RETRY_ROUNDS && now_ms() - began < RETRY_BUDGET_MS &&
	       api_wait(api, retry_wait_ms(*round, retry_after_s));
}

static bool try_all(struct api *api, const struct http_request *r, struct arena *a, struct api_answer *out)
{
	long long began = now_ms();
	struct attempt attempt = { 0 };
	size_t tried = 0, lasting = 0;
	int round = 0;

	for (;;) {
		enum verdict verdict;

		try_once(api, r, a, &attempt, out);
		verdict = retry_verdict(&attempt);
		if (verdict == VERDICT_ANSWER)
			return true;
		if (verdict == VERDICT_GIVE_UP)
			return false;
		tried++;
		lasting += retry_is_lasting(attempt.error);
		api->at = (api->at + 1) % api->n;
		if (tried < api->n && verdict == VERDICT_NEXT)
			continue;
		if (lasting == tried || !next_round(api, &round, attempt.retry_after_s, began))
			break;
		tried = lasting = 0;
	}
	/* A server that goes on answering with an error has answered; half an answer is none. */
	return !attempt.error && attempt.status >= 300;
}

static bool request(struct api *api, const struct http_request *r, struct arena *a, struct api_answer *out)
{
	api->down = !try_all(api, r, a, out);
	return !api->down;
}

bool api_is_down(const struct api *api)
{
	return api->down;
}

const char *api_failure(const struct api *api, struct arena *a)
{
	struct str out = { .arena = a };

	for (size_t i = 0; i < api->n; i++)
		if (api->servers[i].problem)
			str_printf(&out, "%s%s", out.n ? "; " : "", api->servers[i].problem);
	return str_text(&out);
}

bool api_get(struct api *api, const char *path, struct arena *a, struct api_answer *out)
{
	const char *const headers[] = { "Accept: application/json", NULL };
	const struct http_request r = { .method = "GET", .url = path, .headers = headers, .limit = ANSWER_MAX };

	return request(api, &r, a, out);
}

static bool send(struct api *api, const char *method, const char *type, const char *path, const struct node *body,
	struct arena *a, struct api_answer *out)
{
	const char *const headers[] = { "Accept: application/json", type, NULL };
	const char *text = json_write(body, JSON_ONE_LINE, a);
	const struct http_request r = { .method = method,
		.url = path,
		.headers = headers,
		.body = { text, strlen(text) },
		.limit = ANSWER_MAX };

	return request(api, &r, a, out);
}

bool api_apply(struct api *api, const char *path, const struct node *body, struct arena *a, struct api_answer *out)
{
	return send(api, "PATCH", "Content-Type: application/apply-patch+yaml", path, body, a, out);
}

bool api_delete(
	struct api *api, const char *path, const struct node *body, struct arena *a, struct api_answer *out)
{
	return send(api, "DELETE", "Content-Type: application/json", path, body, a, out);
}

/* ---- paths ---- */

const char *api_encode(const char *text, struct arena *a)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	struct str out = { .arena = a };

	for (const char *c = text; *c; c++)
		if (strchr(plain, *c))
			str_add_n(&out, c, 1);
		else
			str_printf(&out, "%%%02X", (unsigned)(unsigned char)*c);
	return str_text(&out);
}

bool api_is_segment(const char *name)
{
	return *name && strcmp(name, ".") && strcmp(name, "..") && !strpbrk(name, "/%");
}

const char *api_version_path(const char *group, const char *version, struct arena *a)
{
	if (!*group)
		return arena_printf(a, "/api/%s", api_encode(version, a));
	return arena_printf(a, "/apis/%s/%s", api_encode(group, a), api_encode(version, a));
}

const char *api_path(const struct resource *r, const char *namespace, const char *name, struct arena *a)
{
	struct str out = { .arena = a };

	str_add(&out, api_version_path(r->group, r->version, a));
	if (r->namespaced && *namespace)
		str_printf(&out, "/namespaces/%s", api_encode(namespace, a));
	str_printf(&out, "/%s", api_encode(r->plural, a));
	if (name)
		str_printf(&out, "/%s", api_encode(name, a));
	return str_text(&out);
}
