#include "config/scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static bool all_in(const char *s, const char *set)
{
	return *s && !s[strspn(s, set)];
}

static bool is_decimal(const char *s)
{
	return all_in(s + (*s == '-' || *s == '+'), "0123456789");
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_real(const char *s)
{
	size_t before, after = 0;

	s += *s == '-' || *s == '+';
	before = strspn(s, "0123456789");
	s += before;
	if (*s == '.') {
		s++;
		after = strspn(s, "0123456789");
		s += after;
	}
	if (!before && !after)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		return all_in(s, "0123456789");
	}
	return !*s;
}

static bool is_word(const char *s, const char *lower, const char *title, const char *upper)
{
	return !strcmp(s, lower) || !strcmp(s, title) || !strcmp(s, upper);
}

static const char *read_integer(const char *digits, int base, struct node *n, struct arena *a)
{
	const char *sign = digits + (*digits == '-' || *digits == '+');
	long long value;

	if (base == 10 && sign[0] == '0' && sign[1])
		return arena_printf(a,
			"the integer %s begins with 0, which YAML 1.1 and 1.2 read differently; write it without "
			"0, or in "
			"quotes if it is a string",
			digits);
	errno = 0;
	value = strtoll(digits, NULL, base);
	if (errno == ERANGE)
		return "the integer is too large; write it in quotes if it is a string";
	node_set_int(n, value);
	return NULL;
}

static const char *read_real(const char *s, struct node *n)
{
	double value = strtod(s, NULL);

	if (!isfinite(value))
		return "the number is too large; write it in quotes if it is a string";
	n->type = NODE_REAL;
	n->real = value;
	return NULL;
}

const char *scalar_read(const char *s, struct node *n, struct arena *a)
{
	const char *unsigned_ = s + (*s == '-' || *s == '+');

	/* Nothing but a string begins otherwise: that saves most of the comparisons. */
	if (*s && !strchr("~nNtTfF.+-0123456789", *s)) {
		node_set_text(a, n, s);
		return NULL;
	}
	n->type = NODE_NULL;
	if (!*s || !strcmp(s, "~") || is_word(s, "null", "Null", "NULL"))
		return NULL;
	if (is_word(s, "true", "True", "TRUE") || is_word(s, "false", "False", "FALSE")) {
		node_set_bool(n, *s == 't' || *s == 'T');
		return NULL;
	}
	if (is_decimal(s))
		return read_integer(s, 10, n, a);
	if (str_starts(s, "0x") && all_in(s + 2, "0123456789abcdefABCDEF"))
		return read_integer(s + 2, 16, n, a);
	if (str_starts(s, "0o") && all_in(s + 2, "01234567"))
		return read_integer(s + 2, 8, n, a);
	if (is_real(s))
		return read_real(s, n);
	if (is_word(unsigned_, ".inf", ".Inf", ".INF") || is_word(s, ".nan", ".NaN", ".NAN"))
		return "JSON has no such number; write it in quotes if it is a string";
	node_set_text(a, n, s);
	return NULL;
}

bool scalar_needs_quotes(const char *s)
{
	/* Booleans and other words of YAML 1.1. */
	static const char *const words[] = { "y", "n", "yes", "no", "on", "off", "=", "<<" };
	struct arena a = { 0 };
	struct node n = { 0 };
	bool other = scalar_read(s, &n, &a) || n.type != NODE_STRING;

	arena_finish(&a);
	for (size_t i = 0; i < array_len(words); i++)
		other |= !strcasecmp(s, words[i]);
	/* Its numbers: 1_000, 0b1, 12:30:00, 1,000; and its dates. */
	return other || (s[strspn(s, "+-")] && strchr("0123456789.", s[strspn(s, "+-")]) &&
				!s[strspn(s, "0123456789abcdefxABCDEFoTtZz_.,:+- ")]);
}
