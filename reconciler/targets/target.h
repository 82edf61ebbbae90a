/*
 * A target: one kind of thing that a node has (capture rules, processes, objects). The driver knows targets only
 * through this shape, so a further target is a new folder.
 */
#ifndef TARGETS_TARGET_H
#define TARGETS_TARGET_H

#include "base/diag.h"
#include "model/connection.h"
#include "plan/plan.h"
#include "store/applied.h"

/* Where and with what rights effects happen. Tests hand in another one. Strings belong to the caller. */
struct host {
	const char *state_dir; /* kept across boots */
	const char *run_dir;   /* gone after a boot */
	const char *cgroup;    /* cgroup v2 directory for our processes' groups; NULL: "enmesh" in the root of the
				  mount */
	/* Credentials for the API server; paths or NULL. */
	const char *token_file, *cert_file, *key_file, *ca_file;
	long long deadline_ms; /* CLOCK_MONOTONIC: when waiting for readiness ends */
	bool holds;        /* the process stays: what a target can hold against others between passes, it does */
	bool no_prune;     /* nothing is deleted from the API server */
	bool prune_all;    /* the brake on mass deletion is off: `--allow-mass-prune` */
	bool cleanup_mesh; /* `cleanup` removes the objects of the whole mesh, too: `--mesh-objects` */
	/* Whether somebody asked for the end (SIGINT, SIGTERM): checked between changes and while waiting. */
	bool (*stopped)(void);
	/* Called before and after each change; may be NULL. `result` is RESULT_NONE before. */
	void (*progress)(void *context, const struct change *c);
	void *context;
};

/*
 * Desired and live state have one form per target, normalized alike; each target defines its own. What `want` of
 * no site (NULL) is: nothing, as `cleanup` has it.
 */
struct state;

enum await { AWAIT_READY, AWAIT_NOT_READY, AWAIT_FAILED };

struct target {
	const char *name; /* the word in --target, in reports and in metrics */

	/* Pure: what the node should have. `site` NULL: nothing. */
	const struct state *(*desire)(const struct site *site, struct arena *a);

	/*
	 * Effect, read only: what it has. `want` says where to look. NULL: it could not be read, and an error was
	 * added. Errors beside a state are about single things, which diff() leaves out or apply() fails; the
	 * others can still be applied.
	 */
	const struct state *(*observe)(struct host *h, const struct state *want, struct arena *a, struct diags *d);

	/*
	 * Pure: what a node has that was made as `was` wants it, as observe() for `want` would find it; both are
	 * desired states.
	 */
	const struct state *(*imagine)(const struct state *was, const struct state *want, struct arena *a);

	/* Pure: adds the changes that turn `live` into `want`; none if they agree. `last` tells drift from change.
	 */
	void (*diff)(const struct state *want, const struct state *live, struct applied *last, struct plan *plan);

	/*
	 * Effect: carries out changes that its own diff made, in their order, all or nothing where the kernel
	 * allows. Sets the `result` of each. False: not all were done, and an error was added.
	 */
	bool (*apply)(struct host *h, struct change *changes, size_t n, struct arena *a, struct diags *d);

	/* Pure: a digest for each address that is wanted, for the next pass's diff. */
	void (*record)(const struct state *want, struct applied *out);

	/*
	 * Effect, read only: waits until what is wanted works, at most until the host's deadline. NULL: there is
	 * nothing to wait for. `live` is what observe found, if nothing has been changed since; else NULL. Adds
	 * one error for whatever is not ready.
	 */
	enum await (*await)(struct host *h, const struct state *want, const struct state *live, struct arena *a,
		struct diags *d);

	/*
	 * Effect: keeps in the state directory what a pass has learnt about the live state, if that saves the next
	 * one work. NULL: nothing. A dry run does without. Nothing depends on it: what fails is a warning.
	 */
	void (*remember)(struct host *h, const struct state *live, struct arena *a, struct diags *d);

	/*
	 * Effect, read only: waits until somebody else has changed something beside what the passes of this
	 * process looked at (true), until `until_ms` (CLOCK_MONOTONIC), or until `stopped`. NULL: it can't tell.
	 */
	bool (*watch)(long long until_ms, bool (*stopped)(void));

	/* Pure: the state for people and robots, as `render` shows it. */
	const struct node *(*describe)(const struct state *want, struct arena *a);

	/*
	 * Pure: what becomes of a connection in a state, desired or live, and why: an item of "traces" in
	 * schemas/trace.schema.json. `netns`: path of the network namespace; NULL: the node's own. NULL: what the
	 * target has decides nothing about connections.
	 */
	const struct node *(*trace)(const struct state *state, const char *netns, const struct connection *c,
		const struct network *n, struct arena *a);

	/*
	 * Effect, read only: adds to `out` the addresses and listeners of this machine, and finds by which
	 * interface and with which source each of the connections goes. False: they could not be read, and an
	 * error was added. NULL with trace.
	 */
	bool (*survey)(const char *netns, struct connection *c, size_t n, struct arena *a, struct network *out,
		struct diags *d);

	/*
	 * Effect: proves with real connections that the live state does what is wanted: a list of items of
	 * "trials" in schemas/verify.schema.json. Nothing is left of them. NULL: they could not be opened, and an
	 * error was added. NULL with trace.
	 */
	const struct node *(*verify)(const struct site *site, const struct state *want, const struct state *live,
		struct arena *a, struct diags *d);
};

extern const struct target target_capture, target_processes, target_objects;

/* The targets, in the order in which reports list them; NULL ends it. Defined in pass/. */
extern const struct target *const targets_all[];

#endif
