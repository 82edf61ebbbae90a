#include "fetch/semver.h"

#include <ctype.h>
#include <string.h>

static bool is_wildcard(char c)
{
	return c == 'x' || c == 'X' || c == '*';
}

/* Identifiers of letters, digits and hyphens, with dots between them. */
static const char *identifiers_end(const char *s)
{
	while (isalnum((unsigned char)*s) || *s == '-' || *s == '.')
		s++;
	return s;
}

static bool read_number(const char **s, uint64_t *out)
{
	const char *start = *s;

	for (*out = 0; isdigit((unsigned char)**s); (*s)++) {
		if (*out > UINT32_MAX)
			return false;
		*out = *out * 10 + (uint64_t)(**s - '0');
	}
	/* "01" is no number of a version. */
	return *s > start && (*start != '0' || *s == start + 1);
}

/* One to three numbers, fewer or wildcards in a range. */
static bool read_partial(const char *s, const char *end, struct arena *a, struct semver *out)
{
	*out = (struct semver){ 0 };
	s += *s == 'v' || *s == 'V';
	for (; out->n < 3 && s < end && !is_wildcard(*s); out->n++) {
		if (!read_number(&s, &out->numbers[out->n]))
			return false;
		if (*s != '.' || s >= end) {
			out->n++;
			break;
		}
		s++;
		if (out->n == 2)
			return false;
	}
	while (s < end && (is_wildcard(*s) || (*s == '.' && is_wildcard(s[1]))))
		s++;
	if (s < end && *s == '-' && out->n == 3) {
		const char *stop = identifiers_end(s + 1);

		out->pre_release = arena_strndup(a, s + 1, (size_t)(stop - s - 1));
		s = stop;
		if (!*out->pre_release)
			return false;
	}
	if (s < end && *s == '+')
		s = identifiers_end(s + 1);
	return s == end;
}

bool semver_read(const char *text, struct arena *a, struct semver *out)
{
	return *text && read_partial(text, text + strlen(text), a, out) && out->n == 3;
}

/* Numbers by size and before words, words by their letters; fewer identifiers come first. */
static int pre_release_order(const char *a, const char *b)
{
	while (*a && *b) {
		size_t n = strcspn(a, "."), m = strcspn(b, ".");
		bool numeric = strspn(a, "0123456789") >= n, other = strspn(b, "0123456789") >= m;
		int order;

		if (numeric != other)
			return numeric ? -1 : 1;
		order = numeric && n != m ? (n > m) - (n < m) : strncmp(a, b, n < m ? n : m);
		if (!order)
			order = (n > m) - (n < m);
		if (order)
			return order;
		a += n + (a[n] == '.');
		b += m + (b[m] == '.');
	}
	return (*a != 0) - (*b != 0);
}

int semver_order(const struct semver *left, const struct semver *right)
{
	for (int i = 0; i < 3; i++)
		if (left->numbers[i] != right->numbers[i])
			return left->numbers[i] > right->numbers[i] ? 1 : -1;
	if (!left->pre_release || !right->pre_release)
		return !left->pre_release - !right->pre_release;
	return pre_release_order(left->pre_release, right->pre_release);
}

/* Whether the first `n` numbers are equal. */
static bool same(const struct semver *a, const struct semver *b, int n)
{
	return !memcmp(a->numbers, b->numbers, (size_t)n * sizeof(*a->numbers));
}

/* How many numbers a "^" keeps: up to the first that is not 0. */
static int caret(const struct semver *v)
{
	int n = 1;

	while (n < v->n && !v->numbers[n - 1])
		n++;
	return v->n ? n : 0;
}

static bool compare(const char *op, size_t n, const struct semver *version, const struct semver *bound)
{
	bool equal = same(version, bound, bound->n) && (bound->n < 3 || !semver_order(version, bound));
	bool more = !same(version, bound, bound->n) || bound->n == 3 ? semver_order(version, bound) > 0 : false;

	if (!n || !strncmp(op, "=", n))
		return equal;
	if (n == 2 && !strncmp(op, "!=", n))
		return !equal;
	if (n == 1 && *op == '>')
		return more;
	if (n == 1 && *op == '<')
		return !more && !equal;
	if (n == 2 && *op == '>')
		return more || equal;
	if (n == 2 && *op == '<')
		return !more || equal;
	return (more || equal) && same(version, bound, *op == '^' ? caret(bound) : bound->n < 2 ? bound->n : 2);
}

/* All comparisons of one alternative, which ends at `end`. */
static bool in_all(const struct semver *version, const char *s, const char *end, struct arena *a, bool *valid)
{
	bool inside = true, pre_release = !version->pre_release, any = false;

	while (s < end) {
		size_t op = strspn(s, "=!<>~^");
		const char *word = s + op + strspn(s + op, " ");
		size_t n = strcspn(word, " ,|");
		struct semver bound;

		if (*s == ' ' || *s == ',') {
			s++;
			continue;
		}
		if (op > 2 || (op == 2 && s[1] != '=') || (op == 2 && strchr("=~^", *s)) ||
			(op == 1 && *s == '!') || !n || !read_partial(word, word + n, a, &bound)) {
			*valid = false;
			return false;
		}
		any = true;
		pre_release |= bound.pre_release != NULL;
		inside &= compare(s, op, version, &bound);
		s = word + n;
	}
	*valid &= any;
	return inside && pre_release;
}

bool semver_in(const struct semver *version, const char *range, struct arena *a, bool *valid)
{
	bool inside = false;

	*valid = true;
	for (;;) {
		const char *end = strstr(range, "||");

		inside |= in_all(version, range, end ? end : range + strlen(range), a, valid);
		if (!end)
			return inside && *valid;
		range = end + 2;
	}
}
