#include "model/read.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct account read_account(const struct node *n)
{
	int64_t number = 0;

	if (!n)
		return (struct account){ 0 };
	node_int(n, &number);
	return (struct account){ node_text(n), (uint32_t)number, n };
}

void read_texts(const struct node *list, struct arena *a, struct texts *out)
{
	node_each (it, list)
		*vec_push(a, &out->list) = it->string;
}

void read_labels(const struct node *map, struct arena *a, struct labels *out)
{
	node_each (it, map)
		*vec_push(a, &out->list) = (struct label){ it->key, it->string };
}

const char *labels_get(const struct labels *labels, const char *key)
{
	vec_each (l, &labels->list)
		if (!strcmp(l->key, key))
			return l->value;
	return NULL;
}

void read_accounts(const struct node *list, struct arena *a, struct accounts *out)
{
	node_each (it, list)
		*vec_push(a, &out->list) = read_account(it);
}

static bool read_port_range(const struct node *n, struct port_range *out, struct diags *d)
{
	const char *dash = node_text(n) ? strchr(n->string, '-') : NULL;
	unsigned long first, last;

	out->node = n;
	if (!node_text(n)) {
		int64_t port = 0;

		node_int(n, &port);
		out->first = out->last = (uint16_t)port;
		return true;
	}
	if (!isdigit((unsigned char)n->string[0])) {
		out->name = n->string;
		return true;
	}
	first = strtoul(n->string, NULL, 10);
	last = strtoul(dash + 1, NULL, 10);
	if (first > last || last > UINT16_MAX)
		return diag_error(d, node_pos(n),
			"expected a range of ports from 1 to 65535, the lower one first, found \"%s\"", n->string);
	out->first = (uint16_t)first;
	out->last = (uint16_t)last;
	return true;
}

bool read_ports(const struct node *list, struct arena *a, struct ports *out, struct diags *d)
{
	bool ok = true;

	node_each (it, list)
		ok &= read_port_range(it, vec_push(a, &out->list), d);
	return ok;
}

const char *cidr_text(const struct cidr *c, struct arena *a)
{
	char address[INET6_ADDRSTRLEN];

	inet_ntop(c->family, c->address, address, sizeof(address));
	if (c->prefix == (c->family == AF_INET ? 32 : 128))
		return arena_strdup(a, address);
	return arena_printf(a, "%s/%u", address, c->prefix);
}

static bool clear_host_bits(struct cidr *c)
{
	bool were_set = false;

	for (unsigned bit = c->prefix; bit < (c->family == AF_INET ? 32U : 128U); bit++) {
		unsigned char mask = (unsigned char)(0x80U >> bit % 8);

		were_set |= c->address[bit / 8] & mask;
		c->address[bit / 8] &= (unsigned char)~mask;
	}
	return were_set;
}

bool read_cidr(const struct node *n, struct arena *a, struct cidr *out, struct diags *d)
{
	const char *slash = strchr(n->string, '/');
	char *address = arena_strndup(a, n->string, slash ? (size_t)(slash - n->string) : n->n);

	out->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	inet_pton(out->family, address, out->address);
	out->prefix = (uint8_t)(slash ? atoi(slash + 1) : out->family == AF_INET ? 32 : 128);
	if (clear_host_bits(out))
		return diag_error(d, node_pos(n),
			"%s has bits set beyond its prefix; write %s, or %s for the address alone", n->string,
			cidr_text(out, a), address);
	return true;
}

bool read_cidrs(const struct node *list, struct arena *a, struct cidrs *out, struct diags *d)
{
	bool ok = true;

	node_each (it, list)
		ok &= read_cidr(it, a, vec_push(a, &out->list), d);
	return ok;
}

static bool read_condition(const struct node *n, struct arena *a, struct condition *out, struct diags *d)
{
	static const char *const operators[] = {
		[OP_IN] = "In", [OP_NOT_IN] = "NotIn", [OP_EXISTS] = "Exists", [OP_MISSING] = "DoesNotExist"
	};
	const char *word = node_get_text(n, "operator");
	const struct node *values = node_get(n, "values");

	out->key = node_get_text(n, "key");
	while (strcmp(operators[out->operator], word))
		out->operator++;
	read_texts(values, a, &out->values);
	if (out->operator<= OP_NOT_IN && !out->values.list.n)
		return diag_error(d, node_pos(n), "the operator %s needs values", word);
	if (out->operator> OP_NOT_IN && out->values.list.n)
		return diag_error(d, node_pos(values), "the operator %s takes no values", word);
	return true;
}

bool read_selector(const struct node *n, struct arena *a, struct selector *out, struct diags *d)
{
	bool ok = true;

	out->node = n;
	out->all = node_is(n, NODE_STRING);
	read_texts(node_get(n, "names"), a, &out->names);
	read_labels(node_get(n, "matchLabels"), a, &out->labels);
	node_each (it, node_get(n, "matchExpressions"))
		ok &= read_condition(it, a, vec_push(a, &out->conditions), d);
	return ok;
}
