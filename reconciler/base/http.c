#include "base/http.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/str.h"

enum { CERTIFICATES_MAX = 1024 * 1024, HEADERS_MAX = 16 };

/* What is used of libcurl; filled once. */
static struct curl_functions {
	CURLcode (*global_init)(long);
	CURL *(*easy_init)(void);
	void (*easy_reset)(CURL *);
	void (*easy_cleanup)(CURL *);
	CURLcode (*easy_setopt)(CURL *, CURLoption, ...);
	CURLcode (*easy_perform)(CURL *);
	CURLcode (*easy_getinfo)(CURL *, CURLINFO, ...);
	const char *(*easy_strerror)(CURLcode);
} fn;

struct http {
	CURL *curl;
	char *ca, *cert; /* copies; PEM */
	struct secret key;
	char *authorization; /* the header; NULL: none */
	bool insecure;
	int connect_timeout_ms, timeout_ms;
	char error[CURL_ERROR_SIZE];
};

/* ---- the library ---- */

static bool resolve(void *library, const char *name, void *to)
{
	void *symbol = dlsym(library, name);

	/* ISO C has no conversion from object to function pointers; POSIX says that they have one representation.
	 */
	memcpy(to, &symbol, sizeof(symbol));
	return symbol != NULL;
}

static int load(const char **problem)
{
	struct curl_functions loaded;
	void *library;

	if (fn.easy_init)
		return 0;
	*problem = "libcurl.so.4 is not installed, or too old";
	library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return -ENOSYS;
	if (!resolve(library, "curl_global_init", &loaded.global_init) ||
		!resolve(library, "curl_easy_init", &loaded.easy_init) ||
		!resolve(library, "curl_easy_reset", &loaded.easy_reset) ||
		!resolve(library, "curl_easy_cleanup", &loaded.easy_cleanup) ||
		!resolve(library, "curl_easy_setopt", &loaded.easy_setopt) ||
		!resolve(library, "curl_easy_perform", &loaded.easy_perform) ||
		!resolve(library, "curl_easy_getinfo", &loaded.easy_getinfo) ||
		!resolve(library, "curl_easy_strerror", &loaded.easy_strerror) ||
		loaded.global_init(CURL_GLOBAL_DEFAULT)) {
		dlclose(library);
		return -ENOSYS;
	}
	fn = loaded; /* for the life of the process: OpenSSL does not like to be unloaded */
	return 0;
}

/* ---- a client ---- */

static int no_pem(const char *what, const char *path, struct arena *a, const char **problem)
{
	*problem = arena_printf(a, "%s%s%s holds nothing in PEM format", what, path ? " " : "", path ? path : "");
	return -EINVAL;
}

static int unreadable(const char *what, const char *path, int r, struct arena *a, const char **problem)
{
	*problem = arena_printf(a, "%s %s: %s", what, path, strerror(-r));
	return -EINVAL;
}

static int read_pem(const char *what, const char *path, struct arena *a, char **out, const char **problem)
{
	struct bytes text;
	int r = file_read(AT_FDCWD, path, CERTIFICATES_MAX, a, &text);

	if (r)
		return unreadable(what, path, r, a, problem);
	if (!strstr(text.data, "-----BEGIN "))
		return no_pem(what, path, a, problem);
	*out = mem_strdup(text.data);
	return 0;
}

static int read_ca(struct http *h, const struct http_config *c, struct arena *a, const char **problem)
{
	if (!c->ca.size && c->ca_file)
		return read_pem("the CA file", c->ca_file, a, &h->ca, problem);
	if (!c->ca.size)
		return 0;
	h->ca = mem_alloc(c->ca.size + 1);
	memcpy(h->ca, c->ca.data, c->ca.size);
	return strstr(h->ca, "-----BEGIN ") ? 0 : no_pem("the CA", NULL, a, problem);
}

static int read_client_certificate(
	struct http *h, const struct http_config *c, struct arena *a, const char **problem)
{
	unsigned mode = 0;
	int r;

	if (!c->cert_file || !c->key_file)
		return 0;
	r = read_pem("the client certificate", c->cert_file, a, &h->cert, problem);
	if (r)
		return r;
	r = secret_read(c->key_file, &h->key, &mode);
	if (r == -EPERM && (mode & 077)) {
		*problem = arena_printf(a,
			"the key %s has mode %04o: others than its owner can get at it (chmod 600)", c->key_file,
			mode);
		return -EINVAL;
	}
	if (r)
		return unreadable("the key", c->key_file, r, a, problem);
	return strstr(h->key.data_, "-----BEGIN ") ? 0 : no_pem("the key", c->key_file, a, problem);
}

/* What stands in a header must not be able to end it. */
static int set_token(struct http *h, const struct secret *token, const char **problem)
{
	static const char prefix[] = "Authorization: Bearer ";
	size_t n;

	if (!token)
		return 0;
	n = strlen(token->data_);
	for (const char *c = token->data_; *c; c++)
		if (*c <= ' ' || *c > '~') {
			*problem = "the token holds a character that no token has";
			return -EINVAL;
		}
	if (!n) {
		*problem = "the token is empty";
		return -EINVAL;
	}
	h->authorization = mem_alloc(sizeof(prefix) + n);
	memcpy(h->authorization, prefix, sizeof(prefix) - 1);
	memcpy(h->authorization + sizeof(prefix) - 1, token->data_, n);
	return 0;
}

int http_new(const struct http_config *config, struct arena *a, struct http **out, const char **problem)
{
	scoped(http_free) struct http *h = NULL;
	int r = load(problem);

	if (r)
		return r;
	h = mem_alloc(sizeof(*h));
	h->insecure = config->insecure;
	h->connect_timeout_ms = config->connect_timeout_ms;
	h->timeout_ms = config->timeout_ms;
	r = read_ca(h, config, a, problem);
	if (!r)
		r = read_client_certificate(h, config, a, problem);
	if (!r)
		r = set_token(h, config->token, problem);
	if (r)
		return r;
	h->curl = fn.easy_init();
	if (!h->curl)
		mem_exhausted();
	*out = take(h);
	return 0;
}

/*
 * Without signals (CURLOPT_NOSIGNAL) libcurl leaves SIGPIPE to the program, and OpenSSL may write to a connection
 * that the server has closed.
 */
static struct sigaction ignore_sigpipe(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction before;

	sigaction(SIGPIPE, &ignore, &before);
	return before;
}

void http_free(struct http **http)
{
	struct http *h = *http;

	if (!h)
		return;
	if (h->curl) {
		struct sigaction before = ignore_sigpipe();

		fn.easy_cleanup(h->curl);
		sigaction(SIGPIPE, &before, NULL);
	}
	if (h->authorization)
		explicit_bzero(h->authorization, strlen(h->authorization));
	free(h->authorization);
	secret_finish(&h->key);
	free(h->ca);
	free(h->cert);
	free(h);
	*http = NULL;
}

/* ---- one exchange ---- */

struct exchange {
	struct str body;
	size_t limit;
	bool too_big;
};

static size_t on_body(char *data, size_t size, size_t n, void *context)
{
	struct exchange *x = context;

	size *= n;
	if (size > x->limit - x->body.n) {
		x->too_big = true;
		return 0;
	}
	str_add_n(&x->body, data, size);
	return size;
}

/* The rules let marked connections go. Setting the mark is a right that a render or diff on a laptop lacks. */
static int on_socket(void *context, curl_socket_t fd, curlsocktype purpose)
{
	const int mark = HTTP_MARK;

	(void)context;
	(void)purpose;
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 && errno != EPERM)
		return CURL_SOCKOPT_ERROR;
	return CURL_SOCKOPT_OK;
}

static bool set_blob(CURL *curl, CURLoption option, char *data, size_t size)
{
	struct curl_blob blob = { data, size, CURL_BLOB_NOCOPY };

	return !fn.easy_setopt(curl, option, &blob);
}

static bool set_trust(struct http *h)
{
	CURL *c = h->curl;
	bool ok = !fn.easy_setopt(c, CURLOPT_SSL_VERIFYPEER, h->insecure ? 0L : 1L) &&
		  !fn.easy_setopt(c, CURLOPT_SSL_VERIFYHOST, h->insecure ? 0L : 2L) &&
		  !fn.easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);

	/* Only these certificates, not the system's as well. */
	if (h->ca)
		ok = ok && !fn.easy_setopt(c, CURLOPT_CAINFO, NULL) && !fn.easy_setopt(c, CURLOPT_CAPATH, NULL) &&
		     set_blob(c, CURLOPT_CAINFO_BLOB, h->ca, strlen(h->ca));
	/* An empty pass phrase: otherwise OpenSSL asks for that of an encrypted key on the terminal. */
	if (h->cert)
		ok = ok && set_blob(c, CURLOPT_SSLCERT_BLOB, h->cert, strlen(h->cert)) &&
		     set_blob(c, CURLOPT_SSLKEY_BLOB, h->key.data_, strlen(h->key.data_)) &&
		     !fn.easy_setopt(c, CURLOPT_KEYPASSWD, "");
	return ok;
}

static bool set_client(struct http *h, struct exchange *x)
{
	CURL *c = h->curl;

	return !fn.easy_setopt(c, CURLOPT_ERRORBUFFER, h->error) && !fn.easy_setopt(c, CURLOPT_NOSIGNAL, 1L) &&
	       !fn.easy_setopt(c, CURLOPT_NOPROXY, "*") && !fn.easy_setopt(c, CURLOPT_PROXY, "") &&
	       !fn.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) &&
	       !fn.easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
	       !fn.easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)h->connect_timeout_ms) &&
	       !fn.easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)h->timeout_ms) &&
	       !fn.easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, on_socket) &&
	       !fn.easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) && !fn.easy_setopt(c, CURLOPT_WRITEDATA, x) &&
	       set_trust(h);
}

/* The path goes out as it is written: libcurl would take "/../" out of it. */
static bool set_request(struct http *h, const struct http_request *r)
{
	static const char *const bodiless[] = { "GET", "HEAD", "DELETE" };
	CURL *c = h->curl;
	bool body = r->body.size > 0, ok = true;

	for (size_t i = 0; !body && i <= array_len(bodiless); i++) {
		if (i == array_len(bodiless))
			body = true; /* the server expects a Content-Length, be it 0 */
		else if (!strcmp(r->method, bodiless[i]))
			break;
	}
	if (!strcmp(r->method, "HEAD"))
		ok = !fn.easy_setopt(c, CURLOPT_NOBODY, 1L);
	if (body)
		ok = !fn.easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.size) &&
		     !fn.easy_setopt(c, CURLOPT_POSTFIELDS, r->body.size ? r->body.data : "");
	return ok && !fn.easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method) &&
	       !fn.easy_setopt(c, CURLOPT_PATH_AS_IS, 1L) && !fn.easy_setopt(c, CURLOPT_URL, r->url) &&
	       (!r->timeout_ms || !fn.easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms));
}

/* Links the headers of client and request; false: there are too many, or one would end early. */
static bool set_headers(struct http *h, const struct http_request *r, struct curl_slist *list, struct arena *a)
{
	static char no_expect[] = "Expect:"; /* or libcurl waits a second for "100 Continue" */
	size_t n = 0;

	list[n++].data = no_expect;
	if (h->authorization)
		list[n++].data = h->authorization;
	for (const char *const *it = r->headers; it && *it; it++) {
		if (n == HEADERS_MAX || strpbrk(*it, "\r\n"))
			return false;
		list[n++].data = arena_strdup(a, *it);
	}
	for (size_t i = 0; i + 1 < n; i++)
		list[i].next = &list[i + 1];
	return !fn.easy_setopt(h->curl, CURLOPT_HTTPHEADER, list);
}

static int error_of(CURL *curl, CURLcode code)
{
	long os = 0;

	if (code == CURLE_COULDNT_CONNECT || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR)
		fn.easy_getinfo(curl, CURLINFO_OS_ERRNO, &os);
	if (os == EPIPE) /* the server closed while we wrote */
		return -ECONNRESET;
	if (os > 0 && os < 4096)
		return (int)-os;
	if (code == CURLE_COULDNT_CONNECT)
		return -ECONNREFUSED;
	if (code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_GOT_NOTHING ||
		code == CURLE_PARTIAL_FILE)
		return -ECONNRESET;
	if (code == CURLE_COULDNT_RESOLVE_HOST)
		return -EHOSTUNREACH;
	if (code == CURLE_OPERATION_TIMEDOUT)
		return -ETIMEDOUT;
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		return -EKEYREJECTED;
	if (code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_URL_MALFORMAT)
		return -EINVAL;
	return -EPROTO;
}

/* "SERVER: what went wrong", in printable characters: a part of it may come from the other side. */
static const char *problem_text(const struct http *h, const char *url, CURLcode code, struct arena *a)
{
	const char *host = strstr(url, "://"), *why = *h->error ? h->error : fn.easy_strerror(code);
	char *text;

	host = host ? host + 3 : url;
	/* libcurl's text is "Couldn't connect", for whatever reason. */
	if (code == CURLE_COULDNT_CONNECT)
		why = strerror(-error_of(h->curl, code));
	text = arena_printf(a, "%.*s: %s", (int)strcspn(host, "/?#"), host, why);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return text;
}

static void read_answer(CURL *curl, const struct exchange *x, struct http_response *out)
{
	curl_off_t wait = 0;
	long status = 0;

	fn.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	fn.easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait);
	out->status = (int)status;
	out->body = (struct bytes){ str_text(&x->body), x->body.n };
	out->retry_after_s = wait > 0 && wait < INT_MAX ? (int)wait : 0;
}

/* Other schemes that libcurl knows (file, ftp …) are none of ours. */
static bool is_http(const char *url)
{
	return str_starts(url, "http://") || str_starts(url, "https://");
}

int http_do(struct http *http, const struct http_request *request, struct arena *a, struct http_response *out,
	const char **problem)
{
	struct exchange x = { .body = { .arena = a }, .limit = request->limit };
	struct curl_slist headers[HEADERS_MAX] = { 0 };
	struct sigaction before;
	CURLcode code;

	fn.easy_reset(http->curl); /* keeps connections */
	*http->error = 0;
	if (!is_http(request->url) || !set_client(http, &x) || !set_request(http, request) ||
		!set_headers(http, request, headers, a)) {
		*problem = "libcurl does not take this request";
		return -EINVAL;
	}
	before = ignore_sigpipe();
	code = fn.easy_perform(http->curl);
	sigaction(SIGPIPE, &before, NULL);
	fn.easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL); /* it is on this stack */
	if (code == CURLE_OUT_OF_MEMORY)
		mem_exhausted();
	if (x.too_big) {
		*problem = arena_printf(a, "the answer is larger than %zu bytes", request->limit);
		return -EFBIG;
	}
	if (code) {
		*problem = problem_text(http, request->url, code, a);
		return error_of(http->curl, code);
	}
	read_answer(http->curl, &x, out);
	return 0;
}
