#include "targets/objects/refusal.h"

#include <string.h>

#include "base/str.h"
#include "targets/objects/shape.h"

static const struct node *causes(const struct api_answer *answer)
{
	return node_path(answer->body, "details", "causes", NULL);
}

static bool cause_is(const struct node *cause, const char *reason)
{
	const char *is = node_get_text(cause, "reason");

	return is && !strcmp(is, reason);
}

bool refusal_is_conflict(const struct api_answer *answer)
{
	return answer->status == 409 && cause_is(node_first(causes(answer)), "FieldManagerConflict");
}

const char *refusal_missing_namespace(const struct api_answer *answer)
{
	const struct node *details = node_get(answer->body, "details");
	const char *kind = node_get_text(details, "kind");

	if (answer->status != 404 || !kind || strcmp(kind, "namespaces") != 0)
		return NULL;
	return node_get_text(details, "name");
}

/* ---- places ---- */

/*
 * Where a field stands. What enmesh makes itself has no place of its own: the service that it comes from is shown.
 * Names are shown where they stand, for the server objects to them as often as to values.
 */
static struct pos field_pos(const struct object *o, const char *field, struct arena *a)
{
	const struct node *at;

	if (!o)
		return (struct pos){ 0 };
	if (o->generated || !field)
		return node_pos(node_path(o->origin, "metadata", "name", NULL));
	at = shape_locate(o->origin, field, a);
	if (at == o->origin)
		return node_pos(node_path(o->origin, "metadata", "name", NULL));
	return at->key ? node_key_pos(at) : node_pos(at);
}

static const char *title(const struct object *o, struct arena *a)
{
	return o ? object_title(&o->id, a) : "an object";
}

/* ---- conflicts ---- */

/* The server's words are `conflict with "kubectl-edit" using networking.istio.io/v1`. */
static const char *manager_of(const char *message, struct arena *a)
{
	const char *open = strchr(message, '"'), *close = open ? strchr(open + 1, '"') : NULL;

	return close ? arena_strndup(a, open + 1, (size_t)(close - open - 1)) : message;
}

static void add_conflict(const struct node *cause, const struct object *o, struct diags *d)
{
	const char *field = node_get_text(cause, "field"), *message = node_get_text(cause, "message");
	bool generated = o && o->generated;

	diag_error(d, field_pos(o, field, d->arena),
		"%s: the field %s belongs to '%s', who set it last; %stake it over with the annotation "
		"`" ANNOTATION_FORCE ": enabled` on the %s",
		title(o, d->arena), field ? field : "?", message ? manager_of(message, d->arena) : "somebody else",
		generated ? "" : "leave it to them, or ", generated ? "MeshService" : "object");
}

/* ---- fields ---- */

/*
 * "failed to create typed patch object (NS/NAME; …): .spec.foo: field not declared in schema", or, if there are
 * several, "…: errors:\n  .spec.foo: …\n  .spec.bar: …"; the answer's line has blanks for the breaks.
 */
static bool add_typed(const struct api_answer *answer, const struct object *o, struct diags *d)
{
	const char *at = strstr(answer->message, "): ");
	bool any = false;

	if (!o || !at || !str_starts(answer->message, "failed to create typed patch object"))
		return false;
	at += 3;
	if (str_starts(at, "errors:"))
		at += strlen("errors:");
	while (*at) {
		const char *next, *colon;
		size_t n;

		at += strspn(at, " ");
		next = strstr(at, "  .");
		colon = strstr(at, ": ");
		if (*at != '.' || !colon)
			break;
		n = next ? (size_t)(next - at) : strlen(at);
		while (at[n - 1] == ' ')
			n--;
		diag_error(d, field_pos(o, arena_strndup(d->arena, at, (size_t)(colon - at)), d->arena),
			"%s: %.*s", title(o, d->arena), (int)n, at);
		any = true;
		at = next ? next : "";
	}
	return any;
}

/* 422: one cause for each field. */
static bool add_invalid(const struct api_answer *answer, const struct object *o, struct diags *d)
{
	bool any = false;

	if (answer->status != 422)
		return false;
	node_each (it, causes(answer)) {
		const char *field = node_get_text(it, "field"), *message = node_get_text(it, "message");

		if (!message)
			continue;
		diag_error(d, field_pos(o, field, d->arena), "%s: %s%s%s", title(o, d->arena), field ? field : "",
			field ? ": " : "", message);
		any = true;
	}
	return any;
}

/* ---- rights ---- */

static const char *resource_text(const struct asked *asked, struct arena *a)
{
	const struct resource *r = asked->resource;

	if (!r)
		return "the API's discovery documents";
	return arena_printf(a, "%s%s%s", r->plural, *r->group ? "." : "", r->group);
}

/* RBAC's words are: … is forbidden: User "u" cannot patch resource "r" in API group "g" … */
static bool lacks_right(const struct api_answer *answer)
{
	return answer->status == 403 && strstr(answer->message, " cannot ") &&
	       (strstr(answer->message, " resource ") || strstr(answer->message, " path "));
}

static bool add_right(
	const struct api_answer *answer, const struct asked *asked, const struct object *o, struct diags *d)
{
	const char *where = asked->resource && asked->resource->namespaced
				    ? *asked->namespace
					      ? arena_printf(d->arena, " in namespace '%s'", asked->namespace)
					      : " in all namespaces"
				    : "";

	return diag_error(d, field_pos(o, NULL, d->arena), "this node lacks the right to %s %s%s: %s (403)",
		asked->verb, resource_text(asked, d->arena), where, answer->message);
}

bool refusal_add(
	const struct api_answer *answer, const struct asked *asked, const struct object *o, struct diags *d)
{
	if (answer->status == 401)
		return diag_failure(d,
			"the API server does not accept this node's credentials: %s (401); is the token or client "
			"certificate the "
			"right one, and still valid?",
			answer->message);
	if (lacks_right(answer))
		return add_right(answer, asked, o, d);
	if (refusal_is_conflict(answer)) {
		node_each (it, causes(answer))
			add_conflict(it, o, d);
		return false;
	}
	if (add_typed(answer, o, d) || add_invalid(answer, o, d))
		return false;
	if (o)
		return diag_error(d, field_pos(o, NULL, d->arena), "%s: the API server refuses to %s it: %s (%d)",
			title(o, d->arena), asked->verb, answer->message, answer->status);
	return diag_failure(d, "the API server refuses to %s %s%s%s: %s (%d)", asked->verb,
		resource_text(asked, d->arena), asked->name ? " " : "", asked->name ? asked->name : "",
		answer->message, answer->status);
}
