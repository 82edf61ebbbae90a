#include "fetch/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"

enum {
	REDIRECTS_MAX = 5,
	CONNECT_MS = 15 * 1000,
	SOONER_MS = 500, /* than the end that the caller sets, so that there is a word about it */
};

struct http {
	struct arena *arena;
	CURL *curl;
	const char *base; /* the URL, without a slash at the end; follows redirects */
	struct curl_slist *authorization;
	long long until_ms;
	char error[CURL_ERROR_SIZE];
};

struct sink {
	int file;
	size_t limit;
	struct str text;
	bool too_long;
};

static size_t on_data(char *data, size_t size, size_t n, void *context)
{
	struct sink *sink = context;
	size_t left = size * n;

	if (sink->file < 0) {
		sink->too_long = sink->text.n + left > sink->limit;
		if (sink->too_long)
			return 0;
		str_add_n(&sink->text, data, left);
		return size * n;
	}
	while (left) {
		ssize_t written = write(sink->file, data, left);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return 0;
		data += written;
		left -= (size_t)written;
	}
	return size * n;
}

/* ---- opening ---- */

static void set_blob(CURL *curl, CURLoption option, struct bytes bytes)
{
	struct curl_blob blob = { .data = mem_strdup(bytes.data ? bytes.data : ""), .len = bytes.size };

	if (bytes.data)
		curl_easy_setopt(curl, option, &blob);
}

/* What stands in a header must not be able to end it. */
static bool is_token(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static bool set_credentials(struct http *h, const struct request *r, const char **problem)
{
	struct bytes token = request_blob(r, "token"), password = request_blob(r, "password");
	const char *username = request_text(r, "username");

	if (token.data && !is_token(token.data)) {
		*problem = "the token has a character that cannot be in a header";
		return false;
	}
	if (token.data)
		h->authorization =
			curl_slist_append(NULL, arena_printf(h->arena, "Authorization: Bearer %s", token.data));
	if (password.data) {
		curl_easy_setopt(h->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		curl_easy_setopt(h->curl, CURLOPT_USERNAME, username ? username : "git");
		curl_easy_setopt(h->curl, CURLOPT_PASSWORD, password.data);
	}
	set_blob(h->curl, CURLOPT_SSLCERT_BLOB, request_blob(r, "cert"));
	set_blob(h->curl, CURLOPT_SSLKEY_BLOB, request_blob(r, "key"));
	set_blob(h->curl, CURLOPT_CAINFO_BLOB, request_blob(r, "ca"));
	return true;
}

struct http *http_open(const struct request *r, const char *url, const char **problem)
{
	struct http *h = arena_new(r->arena, struct http);
	const char *proxy = request_text(r, "proxy");
	size_t n = strlen(url);

	while (n && url[n - 1] == '/')
		n--;
	h->arena = r->arena;
	h->base = arena_strndup(r->arena, url, n);
	h->until_ms = clock_monotonic_ms() + node_get_int(r->words, "timeoutMs", 60000) - SOONER_MS;
	h->curl = curl_global_init(CURL_GLOBAL_DEFAULT) ? NULL : curl_easy_init();
	if (!h->curl) {
		*problem = "libcurl cannot be used";
		return NULL;
	}
	curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->error);
	curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	/* The empty string keeps the environment's out. */
	curl_easy_setopt(h->curl, CURLOPT_PROXY, proxy ? proxy : "");
	/* No least speed: a server may be silent for long while it puts a large pack together. */
	curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(h->curl, CURLOPT_USERAGENT, "git/2.39 (enmesh)");
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_data);
	return set_credentials(h, r, problem) ? h : NULL;
}

/* ---- exchanges ---- */

static char *part_of(const char *url, CURLUPart part)
{
	CURLU *parsed = curl_url();
	char *text = NULL;

	if (!curl_url_set(parsed, CURLUPART_URL, url, 0))
		curl_url_get(parsed, part, &text, CURLU_DEFAULT_PORT);
	curl_url_cleanup(parsed);
	return text;
}

static bool same_part(const char *a, const char *b, CURLUPart part)
{
	char *left = part_of(a, part), *right = part_of(b, part);
	bool same = left && right && !strcasecmp(left, right);

	curl_free(left);
	curl_free(right);
	return same;
}

static bool same_server(const char *a, const char *b)
{
	return same_part(a, b, CURLUPART_SCHEME) && same_part(a, b, CURLUPART_HOST) &&
	       same_part(a, b, CURLUPART_PORT);
}

/* Without what may be secret in it. */
static const char *server_of(const struct http *h, const char *url)
{
	char *scheme = part_of(url, CURLUPART_SCHEME), *host = part_of(url, CURLUPART_HOST),
	     *port = part_of(url, CURLUPART_PORT);
	const char *text =
		arena_printf(h->arena, "%s://%s:%s", scheme ? scheme : "?", host ? host : "?", port ? port : "?");

	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	return text;
}

/* The base of what an exchange was sent on to. */
static bool follow(struct http *h, const struct exchange *e, const char **problem)
{
	char *to = NULL;
	size_t n;

	curl_easy_getinfo(h->curl, CURLINFO_REDIRECT_URL, &to);
	if (!to) {
		*problem = "the server sends on to nowhere";
		return false;
	}
	if (!same_server(h->base, to)) {
		*problem = arena_printf(h->arena,
			"the server sends on to %s, where its credentials are not to go; name that address in the "
			"settings if it is right",
			server_of(h, to));
		return false;
	}
	n = strlen(to);
	if (!str_ends(to, e->suffix)) {
		*problem = "the server sends on to what is no repository";
		return false;
	}
	h->base = arena_strndup(h->arena, to, n - strlen(e->suffix));
	return true;
}

static bool refused(struct http *h, long status, const char **problem)
{
	const char *server = server_of(h, h->base);

	if (status == 401 || status == 407)
		*problem = arena_printf(
			h->arena, "%s does not take the credentials, or wants some (%ld)", server, status);
	else if (status == 403)
		*problem = arena_printf(h->arena, "%s does not let these credentials read it (403)", server);
	else if (status == 404)
		*problem = arena_printf(h->arena, "%s has no such repository, or hides it (404)", server);
	else
		*problem = arena_printf(h->arena, "%s answers with status %ld", server, status);
	return false;
}

static bool no_answer(
	struct http *h, const struct exchange *e, const struct sink *sink, CURLcode code, const char **problem)
{
	if (sink->too_long)
		*problem = arena_printf(h->arena, "the answer is longer than %zu bytes", e->limit);
	else
		*problem = arena_printf(h->arena, "%s: %s", server_of(h, h->base),
			*h->error ? h->error : curl_easy_strerror(code));
	return false;
}

static bool check_type(struct http *h, const struct exchange *e, const char **problem)
{
	char *type = NULL;

	if (!e->accept)
		return true;
	curl_easy_getinfo(h->curl, CURLINFO_CONTENT_TYPE, &type);
	if (type && !strcmp(type, e->accept))
		return true;
	*problem = arena_printf(h->arena, "%s answers with %s, which no git server does", server_of(h, h->base),
		type ? type : "something of no type");
	return false;
}

static struct curl_slist *headers_of(struct http *h, const struct exchange *e)
{
	struct curl_slist *list =
		curl_slist_append(NULL, arena_printf(h->arena, "Accept: %s", e->accept ? e->accept : "*/*"));

	list = curl_slist_append(list, "Expect:");
	if (e->content_type)
		list = curl_slist_append(list, arena_printf(h->arena, "Content-Type: %s", e->content_type));
	if (e->header)
		list = curl_slist_append(list, e->header);
	if (h->authorization)
		list = curl_slist_append(list, h->authorization->data);
	return list;
}

static CURLcode perform(struct http *h, const struct exchange *e, struct sink *sink)
{
	struct curl_slist *headers = headers_of(h, e);
	long long left = h->until_ms - clock_monotonic_ms();
	CURLcode code;

	*h->error = 0;
	curl_easy_setopt(h->curl, CURLOPT_URL, arena_printf(h->arena, "%s%s", h->base, e->suffix));
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)(left > 1 ? left : 1));
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, sink);
	if (e->content_type) {
		curl_easy_setopt(h->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, e->body.data);
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)e->body.size);
	} else {
		curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L);
	}
	code = curl_easy_perform(h->curl);
	curl_slist_free_all(headers);
	return code;
}

bool http_exchange(struct http *h, struct exchange *e, const char **problem)
{
	for (int redirects = 0;; redirects++) {
		struct sink sink = { .file = e->file, .limit = e->limit, .text = { .arena = h->arena } };
		CURLcode code = perform(h, e, &sink);
		long status = 0;

		curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
		e->status = (int)status;
		if (code)
			return no_answer(h, e, &sink, code, problem);
		if (status == 304)
			return true;
		if (status == 200) {
			struct curl_header *etag;

			if (curl_easy_header(h->curl, "ETag", 0, CURLH_HEADER, -1, &etag) == CURLHE_OK)
				e->etag = arena_strdup(h->arena, etag->value);
			e->answer = (struct bytes){ str_text(&sink.text), sink.text.n };
			return check_type(h, e, problem);
		}
		if (status < 300 || status > 308)
			return refused(h, status, problem);
		if (redirects == REDIRECTS_MAX) {
			*problem = arena_printf(h->arena, "the server sends on more than %d times", REDIRECTS_MAX);
			return false;
		}
		if (!follow(h, e, problem) || (e->file >= 0 && ftruncate(e->file, 0) < 0) ||
			(e->file >= 0 && lseek(e->file, 0, SEEK_SET) < 0))
			return false;
	}
}
