#include "config/schema.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static bool is_ip(const char *s)
{
	unsigned char address[16];

	return inet_pton(AF_INET, s, address) == 1 || inet_pton(AF_INET6, s, address) == 1;
}

static bool is_number(const char *s, long max)
{
	size_t digits = strspn(s, "0123456789");

	return digits && digits <= 5 && !s[digits] && (s[0] != '0' || digits == 1) && atol(s) <= max;
}

static bool is_cidr(const char *s)
{
	const char *slash = strchr(s, '/');
	char address[64];
	size_t n = slash ? (size_t)(slash - s) : strlen(s);

	if (n >= sizeof(address))
		return false;
	memcpy(address, s, n);
	address[n] = 0;
	return is_ip(address) && (!slash || is_number(slash + 1, strchr(address, ':') ? 128 : 32));
}

static bool is_host(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("-._", s[i]))
			return false;
	return n && n < 254 && s[0] != '-' && s[0] != '.';
}

static bool is_plain_host(const char *s)
{
	return is_ip(s) || is_host(s, strlen(s));
}

static bool is_host_port(const char *s)
{
	const char *colon = strrchr(s, ':');
	char address[64];
	size_t n;

	if (!colon || !is_number(colon + 1, 65535) || !strcmp(colon + 1, "0"))
		return false;
	n = (size_t)(colon - s);
	if (s[0] != '[')
		return is_host(s, n);
	if (n < 3 || n - 2 >= sizeof(address) || s[n - 1] != ']')
		return false;
	memcpy(address, s + 1, n - 2);
	address[n - 2] = 0;
	return is_ip(address) && strchr(address, ':');
}

/* http(s)://HOST[:PORT][/]: what a path could be added to. */
static bool is_http_url(const char *s)
{
	size_t scheme = str_starts(s, "https://") ? 8 : str_starts(s, "http://") ? 7 : 0, n = strlen(s);
	char host[300];

	n -= s[n ? n - 1 : 0] == '/';
	if (!scheme || n <= scheme || n - scheme >= sizeof(host) - 2)
		return false;
	memcpy(host, s + scheme, n - scheme);
	host[n - scheme] = 0;
	if (host[0] == '[' && host[n - scheme - 1] == ']')
		return is_host_port(strcat(host, ":1"));
	return strchr(host, ':') ? is_host_port(host) : is_plain_host(host);
}

static bool has_dot_part(const char *s)
{
	while (*s) {
		size_t n = strcspn(s, "/");

		if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
			return true;
		s += n;
		s += strspn(s, "/");
	}
	return false;
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if (iscntrl((unsigned char)*s))
			return true;
	return false;
}

static bool is_absolute_path(const char *s)
{
	return s[0] == '/' && strlen(s) < 4096 && !has_dot_part(s) && !has_control(s);
}

static bool is_relative_path(const char *s)
{
	return s[0] && s[0] != '/' && strlen(s) < 4096 && !has_dot_part(s) && !has_control(s);
}

/* What the kernel's dev_valid_name() takes, without nft's wildcard. */
static bool is_interface(const char *s)
{
	size_t n = strlen(s);

	if (!n || n > 15 || !strcmp(s, ".") || !strcmp(s, ".."))
		return false;
	for (; *s; s++)
		if (!isgraph((unsigned char)*s) || strchr("/:*\"\\", *s))
			return false;
	return true;
}

static bool is_duration(const char *s)
{
	long long ms;

	return str_duration(s, &ms);
}

const struct schema_format schema_formats[] = {
	{ "ip", is_ip },
	{ "cidr", is_cidr },
	{ "host", is_plain_host },
	{ "host-port", is_host_port },
	{ "http-url", is_http_url },
	{ "absolute-path", is_absolute_path },
	{ "relative-path", is_relative_path },
	{ "interface", is_interface },
	{ "go-duration", is_duration },
	{ 0 },
};
