#include "pass/revision.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/version.h"
#include "config/frozen.h"

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Whether the revision was read from what the settings now name. */
static bool is_of(const struct pass *p, const struct revision *r)
{
	return r->commit && !strcmp(r->source, git_name(p->remote.git, p->arena));
}

static const char *repository(const struct pass *p)
{
	return arena_printf(p->arena, "%s/source.git", p->host->state_dir);
}

/* Another build of this program may read documents otherwise. */
static const char *maker(struct arena *a)
{
	struct stat st;

	if (stat("/proc/self/exe", &st) < 0)
		return version_text;
	return arena_printf(a, "%s %llu %lld %lld.%09ld", version_text, (unsigned long long)st.st_ino,
		(long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

/* The documents of the last good revision, of which `tree` is, as they were read. */
static void remember(struct pass *p, const struct tree *tree)
{
	struct config *config = arena_new(p->arena, struct config);
	struct bytes frozen;

	if (!p->like && !revisions_documents(p->host->state_dir, &p->revision.stored, p->arena, &frozen) &&
		config_thaw(&frozen, maker(p->arena), tree, p->arena, config))
		p->like = config;
}

/* For a revision that is new: what of it did not change. */
static void remember_good(struct pass *p)
{
	const struct revision *good = &p->revision.stored.good;
	struct diags unheard = { .arena = p->arena };
	struct tree *tree = arena_new(p->arena, struct tree);
	struct bytes archive;

	if (!p->like && is_of(p, good) &&
		!revisions_archive(p->host->state_dir, &p->revision.stored, p->arena, &archive) &&
		source_unpack(
			&archive, p->source, good->commit, p->remote.git->path, NULL, p->arena, tree, &unheard))
		remember(p, tree);
}

static bool load_good(struct pass *p)
{
	const struct revision *good = &p->revision.stored.good;
	struct bytes archive;
	int error;

	if (!good->commit)
		return diag_failure(p->diags,
			"there is no last good revision in %s: no pass has had the source yet",
			p->host->state_dir);
	error = revisions_archive(p->host->state_dir, &p->revision.stored, p->arena, &archive);
	if (error)
		return diag_failure(p->diags, "the last good revision %s cannot be read from %s: %s", good->commit,
			p->host->state_dir, strerror(-error));
	p->revision.verified = good->verified;
	if (!source_unpack(
		    &archive, p->source, good->commit, p->remote.git->path, NULL, p->arena, &p->tree, p->diags))
		return false;
	remember(p, &p->tree);
	return true;
}

/* One that does not change needs no network. */
static bool is_there(const struct pass *p, struct git_revision *out)
{
	const struct revision *good = &p->revision.stored.good;

	*out = (struct git_revision){ .commit = good->commit, .unchanged = true };
	return p->remote.git->commit && is_of(p, good) && same(p->remote.git->commit, good->commit);
}

/* A bundle that did not change is what it was. */
static bool fill_in(const struct pass *p, struct git_revision *out)
{
	if (p->remote.git->bundle && out->unchanged) {
		out->commit = p->revision.stored.observed.commit;
		out->etag = p->revision.stored.observed.etag;
	}
	return true;
}

static bool fetch(struct pass *p, struct git_revision *out)
{
	const struct revision *seen = &p->revision.stored.observed;
	const char *directory = repository(p);
	bool known = is_of(p, seen) && access(directory, F_OK) == 0;
	const char *what = !known ? NULL : p->remote.git->bundle ? seen->etag : seen->commit;
	size_t first = p->diags->list.n;

	if (is_there(p, out))
		return true;
	if (git_fetch(p->remote.git, directory, what, false, p->arena, out, p->diags))
		return fill_in(p, out);
	p->revision.unreachable = p->diags->list.items[first].message;
	return false;
}

/* The repository is but a copy: a damaged one is fetched again. */
static bool read_files(struct pass *p, const struct git_revision *now, const char *ancestor)
{
	const char *directory = repository(p);
	struct git_files *files = &p->revision.files;
	struct diags first = { .arena = p->arena };
	struct git_revision again;

	if (git_read(p->remote.git, directory, now, ancestor, p->arena, files, &first))
		return true;
	if (!files->damaged) {
		diag_append(p->diags, &first);
		return false;
	}
	return git_fetch(p->remote.git, directory, NULL, true, p->arena, &again, p->diags) &&
	       git_read(p->remote.git, directory, now, ancestor, p->arena, files, p->diags);
}

static bool load_observed(struct pass *p, const struct git_revision *now, const char *policy)
{
	const struct revision *good = &p->revision.stored.good;
	const char *last = p->remote.git->bundle ? good->sequence : good->commit;
	const char *ancestor = is_of(p, good) && !p->remote.allow_rollback ? last : NULL;
	struct git_files *files = &p->revision.files;

	if (is_of(p, good) && same(good->commit, now->commit) && same(good->policy, policy))
		return load_good(p);
	if (!read_files(p, now, ancestor))
		return false;
	p->revision.observed.commit = files->commit;
	p->revision.observed.sequence = files->sequence;
	p->revision.verified = files->verified;
	p->revision.fresh = true;
	remember_good(p);
	return source_unpack(&files->archive, p->source, files->commit, p->remote.git->path, files->links,
		p->arena, &p->tree, p->diags);
}

bool revision_load(struct pass *p)
{
	struct revisions *stored = &p->revision.stored;
	const char *policy = NULL;
	struct git_revision now;
	int error = revisions_read(p->host->state_dir, p->arena, stored);

	if (error)
		return diag_failure(p->diags,
			"the revisions of the source cannot be read from %s: %s; name another --state-dir",
			p->host->state_dir, strerror(-error));
	if (p->remote.good_first && stored->good.commit)
		p->remote.offline = true;
	if (p->remote.offline || p->revision.use_good)
		return load_good(p);
	if (!git_policy(p->remote.git, p->arena, &policy, p->diags) || !fetch(p, &now))
		return false;
	p->revision.observed = (struct revision){
		.source = git_name(p->remote.git, p->arena),
		.commit = now.commit,
		.ref = now.ref,
		.tag = now.tag,
		.etag = now.etag,
		.policy = policy,
	};
	return load_observed(p, &now, policy);
}

/* ---- accepting ---- */

static bool keep(struct pass *p, bool good)
{
	struct revisions next = p->revision.stored;
	int error;

	if (p->dry_run)
		return true;
	if (p->revision.observed.commit)
		revisions_touch(p->host->state_dir);
	if (p->revision.observed.commit)
		next.observed = p->revision.observed;
	good &= p->revision.fresh;
	if (good) {
		next.good = next.observed;
		next.good.verified = p->revision.verified;
	}
	error = revisions_write(p->host->state_dir, &next, &p->revision.stored,
		good ? &p->revision.files.archive : NULL, p->arena);
	return !error || diag_failure(p->diags, "revision %s cannot be put into %s, so it is not used: %s",
				 p->revision.observed.commit, p->host->state_dir, strerror(-error));
}

/* It saves work, and nothing depends on it: what cannot be written is read again. */
static void keep_documents(struct pass *p)
{
	struct revisions now = p->revision.stored;
	struct bytes frozen;

	if (p->dry_run || p->remote.offline || !p->config->n_read)
		return;
	if (p->revision.fresh && !p->revision.use_good)
		now.good.commit = p->revision.observed.commit;
	frozen = config_freeze(p->config, maker(p->arena), p->arena);
	revisions_write_documents(p->host->state_dir, &now, &frozen, p->arena);
}

static bool load_and_check(struct pass *p)
{
	return pass_load(p) && pass_site(p, true);
}

static bool fall_back(struct pass *p)
{
	p->tree = (struct tree){ 0 };
	p->model = NULL;
	p->site = NULL;
	p->upgrade_needed = NULL;
	p->revision.use_good = true;
	diag_warning(p->diags, (struct pos){ 0 }, "the last good revision %s is used instead",
		p->revision.stored.good.commit);
	return load_and_check(p);
}

bool revision_accept(struct pass *p)
{
	struct diags *all = p->diags, attempt = { .arena = p->arena };
	bool ok;

	if (!p->remote.git)
		return load_and_check(p);
	p->diags = &attempt;
	ok = load_and_check(p);
	ok = keep(p, ok) && ok;
	if (ok)
		keep_documents(p);
	p->diags = all;
	if (!ok && !p->revision.unreachable && attempt.list.n)
		p->revision.refused = attempt.list.items[0].message;
	if (ok || p->remote.offline || !p->remote.last_good || !p->revision.stored.good.commit) {
		diag_append(all, &attempt);
		return ok;
	}
	diag_append_warnings(all, &attempt);
	return fall_back(p);
}
