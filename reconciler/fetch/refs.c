#include "fetch/refs.h"

#include <string.h>

#include "fetch/semver.h"

#define BRANCHES "refs/heads/"
#define TAGS "refs/tags/"

static const char *wanted_name(const struct wish *wish, struct arena *a)
{
	if (wish->branch)
		return arena_printf(a, BRANCHES "%s", wish->branch);
	if (wish->tag)
		return arena_printf(a, TAGS "%s", wish->tag);
	return wish->semver ? TAGS : "HEAD";
}

struct bytes refs_request(const struct wish *wish, struct arena *a)
{
	struct str out = { .arena = a };

	pkt_add(&out, "command=ls-refs\n");
	pkt_add(&out, "agent=enmesh\n");
	pkt_add(&out, "object-format=sha1");
	pkt_add_delimiter(&out);
	pkt_add(&out, "peel\n");
	pkt_add(&out, "symrefs\n");
	pkt_add(&out, arena_printf(a, "ref-prefix %s\n", wanted_name(wish, a)));
	pkt_add_flush(&out);
	return (struct bytes){ out.s, out.n };
}

static void take_ref(const struct ref *ref, struct choice *out)
{
	out->name = ref->target ? ref->target : ref->name;
	out->commit = ref->peeled ? ref->peeled : ref->id;
	out->tag = ref->peeled ? ref->id : NULL;
}

/* The highest version of all tags in the range. */
static bool choose_version(
	const struct refs *refs, const char *range, struct arena *a, struct choice *out, const char **problem)
{
	struct semver best = { 0 }, version;
	const struct ref *found = NULL;
	bool valid;

	/* Also where there is no version to be compared. */
	semver_in(&best, range, a, &valid);
	if (!valid) {
		*problem = arena_printf(a, "'%s' is no range of versions, such as '>=1.2 <2' or '^1.2'", range);
		return false;
	}
	vec_each (ref, &refs->list) {
		if (!str_starts(ref->name, TAGS) || !semver_read(ref->name + strlen(TAGS), a, &version))
			continue;
		if (semver_in(&version, range, a, &valid) && (!found || semver_order(&version, &best) > 0)) {
			best = version;
			found = ref;
		}
	}
	if (!found) {
		*problem = arena_printf(a, "no tag of the repository is a version in the range '%s'", range);
		return false;
	}
	take_ref(found, out);
	return true;
}

static bool lacks(const struct refs *refs, const struct wish *wish, struct arena *a, const char **problem)
{
	const char *prefix = wish->branch ? BRANCHES : TAGS, *name = wish->branch ? wish->branch : wish->tag,
		   *near;
	vec_of(const char *) names = { 0 };

	if (!name) {
		*problem = "the repository is empty: its HEAD is no commit";
		return false;
	}
	vec_each (ref, &refs->list)
		if (str_starts(ref->name, prefix))
			*vec_push(a, &names) = ref->name + strlen(prefix);
	near = str_nearest(name, names.items, names.n);
	*problem = arena_printf(a, "the repository has no %s '%s'%s%s%s", wish->branch ? "branch" : "tag", name,
		near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
	return false;
}

bool refs_choose(const struct refs *refs, const struct wish *wish, struct arena *a, struct choice *out,
	const char **problem)
{
	const char *name = wanted_name(wish, a);

	if (wish->semver)
		return choose_version(refs, wish->semver, a, out, problem);
	vec_each (ref, &refs->list) {
		if (strcmp(ref->name, name))
			continue;
		take_ref(ref, out);
		return true;
	}
	return lacks(refs, wish, a, problem);
}
