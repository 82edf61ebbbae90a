#include "fetch/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"

enum {
	REDIRECTS_MAX = 5,
	CONNECT_MS = 15 * 1000,
	SOONER_MS = 500,              /* than the end that the caller sets, so that there is a word about it */
	PASSED_OVER_MAX = 256 * 1024, /* bytes of what is no answer of git: pages about errors and redirects */
	HTTP_OK = 200,
};

struct http {
	struct arena *arena;
	CURL *curl;
	const char *base; /* the URL, without a slash at the end; follows redirects */
	struct curl_slist *authorization;
	bool has_certificate;
	long long until_ms;
	char error[CURL_ERROR_SIZE];
	char *text; /* of the last answer that was kept in memory */
	size_t room;
};

/* Where an answer goes, which its first byte decides. */
struct sink {
	struct http *http;
	const struct exchange *exchange;
	size_t n;
	bool judged, wanted, too_long;
	int error;
};

/* What may follow the type, such as a character set, says nothing of it. */
static bool has_type(struct http *h, const char *wanted)
{
	size_t n = wanted ? strlen(wanted) : 0;
	char *type = NULL;

	if (!wanted)
		return true;
	curl_easy_getinfo(h->curl, CURLINFO_CONTENT_TYPE, &type);
	return type && !strncasecmp(type, wanted, n) && strchr("; \t", type[n]);
}

static void judge(struct sink *sink)
{
	long status = 0;

	curl_easy_getinfo(sink->http->curl, CURLINFO_RESPONSE_CODE, &status);
	sink->wanted = status == HTTP_OK && has_type(sink->http, sink->exchange->accept);
	sink->judged = true;
}

static void keep_text(struct http *h, size_t at, const char *data, size_t n)
{
	if (h->room - at <= n) {
		h->room = (at + n + 1) * 2;
		h->text = mem_realloc(h->text, h->room);
	}
	memcpy(h->text + at, data, n);
	h->text[at + n] = 0;
}

static bool keep_in_file(struct sink *sink, const char *data, size_t n)
{
	while (n) {
		ssize_t written = write(sink->exchange->file, data, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			sink->error = errno;
			return false;
		}
		data += written;
		n -= (size_t)written;
	}
	return true;
}

static size_t on_data(char *data, size_t size, size_t n, void *context)
{
	struct sink *sink = context;
	size_t at = sink->n;

	n *= size;
	sink->n += n;
	if (!sink->judged)
		judge(sink);
	if (!sink->wanted)
		return sink->n > PASSED_OVER_MAX ? 0 : n;
	sink->too_long = sink->n > sink->exchange->limit;
	if (sink->too_long)
		return 0;
	if (sink->exchange->file >= 0)
		return keep_in_file(sink, data, n) ? n : 0;
	keep_text(sink->http, at, data, n);
	return n;
}

/* ---- opening ---- */

/* The bytes stay where they are for the life of the process. */
static void set_blob(CURL *curl, CURLoption option, struct bytes bytes)
{
	struct curl_blob blob = {
		.data = (void *)(uintptr_t)bytes.data, .len = bytes.size, .flags = CURL_BLOB_NOCOPY
	};

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

static void set_certificates(struct http *h, const struct request *r)
{
	struct bytes cert = request_blob(r, "cert"), ca = request_blob(r, "ca");

	h->has_certificate = cert.data != NULL;
	set_blob(h->curl, CURLOPT_SSLCERT_BLOB, cert);
	set_blob(h->curl, CURLOPT_SSLKEY_BLOB, request_blob(r, "key"));
	set_blob(h->curl, CURLOPT_CAINFO_BLOB, ca);
	/* That authority instead of the system's, which would otherwise be found in their directory, too. */
	if (ca.data)
		curl_easy_setopt(h->curl, CURLOPT_CAPATH, NULL);
}

static bool set_credentials(struct http *h, const struct request *r, const char **problem)
{
	struct bytes token = request_blob(r, "token"), password = request_blob(r, "password");
	const char *username = request_text(r, "username");

	if ((token.data || password.data) && str_starts(h->base, "http:")) {
		*problem = "with http:// anyone on the way could read the credentials; use https://";
		return false;
	}
	if (token.data && (!is_token(token.data) || strlen(token.data) != token.size)) {
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
	set_certificates(h, r);
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
	/* That of a redirect: the settings refuse it before. */
	curl_easy_setopt(h->curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
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
	else if (status == 400 && str_starts(h->base, "https:"))
		*problem = arena_printf(h->arena, "%s answers with status 400; it may %s", server,
			h->has_certificate ? "not take the client certificate, which may have expired"
					   : "want a client certificate (source.certFile)");
	else
		*problem = arena_printf(h->arena, "%s answers with status %ld", server, status);
	return false;
}

/* What libcurl says of certificates, and what to do about it. */
static const char *hint(const char *error)
{
	static const struct {
		const char *words, *hint;
	} hints[] = {
		{ "issuer certificate",
			" (source.caFile names the authority of a server that has one of its own)" },
		{ "self-signed", " (source.caFile names the authority of a server that has one of its own)" },
		{ "not yet valid", " (is this machine's clock right?)" },
		{ "has expired", " (if it has not, this machine's clock is wrong)" },
	};

	for (size_t i = 0; i < array_len(hints); i++)
		if (strstr(error, hints[i].words))
			return hints[i].hint;
	return "";
}

static bool no_answer(
	struct http *h, const struct exchange *e, const struct sink *sink, CURLcode code, const char **problem)
{
	const char *server = server_of(h, h->base), *error = *h->error ? h->error : curl_easy_strerror(code);

	if (sink->too_long)
		*problem = arena_printf(h->arena, "%s: the answer is longer than the %zu bytes that enmesh takes",
			server, e->limit);
	else if (sink->error)
		*problem = arena_printf(h->arena, "its answer cannot be kept: %s", strerror(sink->error));
	else
		*problem = arena_printf(h->arena, "%s: %s%s", server, error, hint(error));
	return false;
}

static bool check_type(struct http *h, const struct exchange *e, const char **problem)
{
	char *type = NULL;

	if (has_type(h, e->accept))
		return true;
	curl_easy_getinfo(h->curl, CURLINFO_CONTENT_TYPE, &type);
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

static bool rewind_file(const struct exchange *e, const char **problem)
{
	if (e->file < 0 || (ftruncate(e->file, 0) == 0 && lseek(e->file, 0, SEEK_SET) == 0))
		return true;
	*problem = "its answer cannot be kept";
	return false;
}

bool http_exchange(struct http *h, struct exchange *e, const char **problem)
{
	for (int redirects = 0;; redirects++) {
		struct sink sink = { .http = h, .exchange = e };
		CURLcode code = perform(h, e, &sink);
		long status = 0;

		curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
		e->status = (int)status;
		/* What is no answer of git need not be heard to its end. */
		if (code && !(code == CURLE_WRITE_ERROR && sink.judged && !sink.wanted))
			return no_answer(h, e, &sink, code, problem);
		if (status == 304)
			return true;
		if (status == HTTP_OK) {
			struct curl_header *etag;

			if (curl_easy_header(h->curl, "ETag", 0, CURLH_HEADER, -1, &etag) == CURLHE_OK)
				e->etag = arena_strdup(h->arena, etag->value);
			e->answer = (struct bytes){ sink.n && e->file < 0 ? h->text : "", sink.n };
			return check_type(h, e, problem);
		}
		if (status < 300 || status > 308)
			return refused(h, status, problem);
		if (redirects == REDIRECTS_MAX) {
			*problem = arena_printf(
				h->arena, "%s sends on more than %d times", server_of(h, h->base), REDIRECTS_MAX);
			return false;
		}
		if (!follow(h, e, problem) || !rewind_file(e, problem))
			return false;
	}
}
