#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/str.h"
#include "cli/import.h"
#include "config/scalar.h"
#include "report/escape.h"

enum { IDS_MAX = 64, INTERFACE_MAX = 15 };

bool import_given(const struct import *im, enum import_key key)
{
	return im->values[key].text && *im->values[key].text;
}

bool import_error(struct import *im, enum import_key key, const char *format, ...)
{
	const struct import_value *v = &im->values[key];
	const char *message;
	va_list args;

	va_start(args, format);
	message = arena_vprintf(im->arena, format, args);
	va_end(args);
	return v->pos.file ? diag_error(im->diags, v->pos, "%s: %s", v->name, message)
			   : diag_failure(im->diags, "%s: %s", v->name, message);
}

/* The words of Go's strconv.ParseBool. */
static int boolean_of(const char *s)
{
	static const char *const words[2][6] = { { "0", "f", "F", "false", "FALSE", "False" },
		{ "1", "t", "T", "true", "TRUE", "True" } };

	for (int value = 0; value < 2; value++)
		for (size_t i = 0; i < array_len(words[value]); i++)
			if (!strcmp(s, words[value][i]))
				return value;
	return -1;
}

bool import_check_switches(struct import *im)
{
	bool ok = true;

	for (const struct import_name *it = import_names; it->key != IMPORT_KEYS; it++) {
		const struct import_value *v = &im->values[it->key];

		if (it->key != IMPORT_NOTHING && it->is_switch && v->text && boolean_of(v->text) < 0)
			ok = import_error(im, it->key, "expected true or false, found '%s'", v->text);
	}
	return ok;
}

bool import_switch(const struct import *im, enum import_key key)
{
	return im->values[key].text && boolean_of(im->values[key].text) == 1;
}

/* Digits without a leading zero, which C would take for an octal number. */
static bool read_number(const char *s, size_t n, long long min, long long max, long long *out)
{
	long long number = 0;

	if (!n || n > 10 || (s[0] == '0' && n > 1))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
		number = 10 * number + (s[i] - '0');
	}
	if (number < min || number > max)
		return false;
	*out = number;
	return true;
}

bool import_number(struct import *im, enum import_key key, long long min, long long max, long long *out)
{
	const char *text = im->values[key].text;

	return !import_given(im, key) || read_number(text, strlen(text), min, max, out) ||
	       import_error(im, key, "expected a number from %lld to %lld, found '%s'", min, max, text);
}

/* What JSON may hold as it is and YAML may not has the same escapes in both. */
const char *import_json(const struct node *n, struct arena *a)
{
	return escape(json_write(n, JSON_ONE_LINE, a), a);
}

const char *import_scalar(const char *s, struct arena *a)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-";
	struct node n = { 0 };

	if (isalnum((unsigned char)s[0]) && !s[strspn(s, plain)] && !scalar_needs_quotes(s))
		return s;
	node_set_text(a, &n, s);
	return import_json(&n, a);
}

/* ---- lists ---- */

struct listing {
	struct import *im;
	enum import_key key;
	struct str text;
	vec_of(const char *) seen;
	bool holds_22, may_hold_22;
};

/* Says one item as YAML has it. NULL: an error was added. */
typedef const char *read_item(struct listing *l, const char *item);

static bool was_seen(const struct listing *l, const char *item)
{
	vec_each (other, &l->seen)
		if (!strcmp(*other, item))
			return true;
	return false;
}

/* Items between commas; empty ones count for nothing, as with Istio, and blanks around them neither. */
static bool read_list(struct import *im, enum import_key key, read_item *read, struct import_list *out)
{
	struct listing l = { .im = im, .key = key, .text = { .arena = im->arena } };
	const char *s = im->values[key].text ? im->values[key].text : "";
	bool ok = true;

	while (*s) {
		size_t n = strcspn(s, ",");
		const char *start = s, *item;

		s += n + (s[n] == ',');
		while (n && isspace((unsigned char)*start))
			start++, n--;
		while (n && isspace((unsigned char)start[n - 1]))
			n--;
		if (!n)
			continue;
		item = read(&l, arena_strndup(im->arena, start, n));
		ok &= item != NULL;
		if (!item || was_seen(&l, item))
			continue;
		str_printf(&l.text, "%s%s", l.seen.n ? ", " : "", item);
		*vec_push(im->arena, &l.seen) = item;
	}
	*out = (struct import_list){ .n = l.seen.n,
		.text = arena_printf(im->arena, "[%s]", str_text(&l.text)),
		.holds_22 = l.holds_22,
		.may_hold_22 = l.holds_22 || l.may_hold_22 };
	return ok;
}

static const char *bad_item(struct listing *l, const char *expected, const char *item)
{
	import_error(l->im, l->key, "expected %s, found '%s'", expected, item);
	return NULL;
}

static bool is_port_name(const char *s)
{
	size_t n = strlen(s);

	if (!isalpha((unsigned char)s[0]) || n > 32)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-')
			return false;
	return true;
}

/* As iptables has them: 80, 8000:8100, http. */
static const char *read_port(struct listing *l, const char *item)
{
	const char *colon = strchr(item, ':');
	long long first = 1, last = 65535;

	if (is_port_name(item)) {
		l->may_hold_22 = true;
		return import_scalar(item, l->im->arena);
	}
	if (!colon) {
		if (!read_number(item, strlen(item), 1, 65535, &first))
			return bad_item(l, "a port, a range such as 8000:8100, or a name of /etc/services", item);
		l->holds_22 |= first == 22;
		return item;
	}
	if ((colon != item && !read_number(item, (size_t)(colon - item), 1, 65535, &first)) ||
		(colon[1] && !read_number(colon + 1, strlen(colon + 1), 1, 65535, &last)) || first > last)
		return bad_item(l, "a range of ports such as 8000:8100", item);
	l->holds_22 |= first <= 22 && last >= 22;
	return first == last ? arena_printf(l->im->arena, "%lld", first)
			     : arena_printf(l->im->arena, "%lld-%lld", first, last);
}

bool import_ports(struct import *im, enum import_key key, struct import_list *out)
{
	return read_list(im, key, read_port, out);
}

/* False: it is none. Bits beyond the prefix are cleared, as iptables does. */
static bool read_range(
	const char *text, struct arena *a, unsigned char address[16], int *family, long long *prefix)
{
	const char *slash = strchr(text, '/');
	const char *host = slash ? arena_strndup(a, text, (size_t)(slash - text)) : text;
	long long bits;

	*family = strchr(host, ':') ? AF_INET6 : AF_INET;
	bits = *prefix = *family == AF_INET ? 32 : 128;
	if (inet_pton(*family, host, address) != 1 ||
		(slash && !read_number(slash + 1, strlen(slash + 1), 0, bits, prefix)))
		return false;
	for (long long bit = *prefix; bit < bits; bit++)
		address[bit / 8] &= (unsigned char)~(0x80U >> bit % 8);
	return true;
}

static const char *read_cidr_item(struct listing *l, const char *item)
{
	unsigned char address[16];
	char shown[INET6_ADDRSTRLEN];
	long long prefix;
	int family;

	if (!read_range(item, l->im->arena, address, &family, &prefix))
		return bad_item(l, "an address range such as 10.0.0.0/8", item);
	inet_ntop(family, address, shown, sizeof(shown));
	return import_scalar(arena_printf(l->im->arena, "%s/%lld", shown, prefix), l->im->arena);
}

bool import_cidrs(struct import *im, enum import_key key, struct import_list *out)
{
	return read_list(im, key, read_cidr_item, out);
}

bool import_loopback(struct import *im, const char **out)
{
	const char *text = im->values[IMPORT_LOOPBACK].text;
	unsigned char address[16];
	char shown[INET6_ADDRSTRLEN];
	long long prefix;
	int family;

	if (!import_given(im, IMPORT_LOOPBACK))
		return true;
	if (!read_range(text, im->arena, address, &family, &prefix) || family != AF_INET || address[0] != 127 ||
		prefix < 8)
		return import_error(
			im, IMPORT_LOOPBACK, "expected a range of IPv4 loopback addresses, found '%s'", text);
	inet_ntop(family, address, shown, sizeof(shown));
	*out = arena_printf(im->arena, "%s/%lld", shown, prefix);
	return true;
}

static bool is_account_name(const char *s)
{
	size_t n = strlen(s);

	if ((!isalpha((unsigned char)s[0]) && s[0] != '_') || n > 32)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("_.-", s[i]) && !(s[i] == '$' && !s[i + 1]))
			return false;
	return true;
}

static const char *read_id(struct listing *l, const char *item)
{
	long long number;

	if (read_number(item, strlen(item), 0, 4294967294, &number))
		return item;
	return is_account_name(item) ? import_scalar(item, l->im->arena)
				     : bad_item(l, "the name of a user or group, or a number", item);
}

bool import_ids(struct import *im, enum import_key key, struct import_list *out)
{
	bool ok = read_list(im, key, read_id, out);

	return out->n <= IDS_MAX
		       ? ok
		       : import_error(im, key, "at most %d can be told apart, found %zu", IDS_MAX, out->n);
}

static const char *read_interface(struct listing *l, const char *item)
{
	size_t n = strlen(item);

	if (item[n - 1] == '+') {
		import_error(l->im, l->key,
			"'%s' stands for every interface that begins so; enmesh has no such sign: name each of "
			"them",
			item);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (!isgraph((unsigned char)item[i]) || strchr("/:*\"\\", item[i]))
			return bad_item(l, "the name of an interface", item);
	if (n > INTERFACE_MAX || !strcmp(item, ".") || !strcmp(item, ".."))
		return bad_item(l, "the name of an interface", item);
	return import_scalar(item, l->im->arena);
}

bool import_interfaces(struct import *im, enum import_key key, struct import_list *out)
{
	bool ok = read_list(im, key, read_interface, out);

	return out->n <= IDS_MAX ? ok
				 : import_error(im, key, "at most %d can be named, found %zu", IDS_MAX, out->n);
}
