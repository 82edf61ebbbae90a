/*
 * A node for tests of the processes target: a cgroup, a state directory, a directory for files and a network
 * namespace of the test's own, and passes of that one target over a mesh given as text. What a test starts ends
 * with it, whatever happens.
 */
#ifndef TESTS_LIVE_PROCESS_BENCH_H
#define TESTS_LIVE_PROCESS_BENCH_H

#include "targets/target.h"

struct bench {
	struct arena arena; /* for the whole test */
	const char *dir;    /* for the files that a mesh names, and the source */
	const char *state_dir, *cgroup;
	struct host host;
	struct applied last;
	int timeout_ms;
};

/*
 * Runs `tests` in a child and removes all traces afterwards; the result is main's. 77 without the right to make
 * cgroups and network namespaces.
 */
int bench_main(int (*tests)(void));

void bench_init(struct bench *b); /* a new, empty node */
void bench_finish(struct bench *b);
const char *bench_path(struct bench *b, const char *name); /* DIR/NAME */
void bench_write(struct bench *b, const char *name, const char *text);
const char *bench_read(struct bench *b, const char *name); /* NULL: it is not there */

/* One pass. */
struct round {
	struct arena arena;
	struct diags diags;
	const struct site *site;
	const struct state *want, *live;
	struct plan plan;
	bool applied; /* what apply said */
};

/*
 * The components of a mesh, as YAML: each begins with "- name: …", then the fields of its spec, indented by two;
 * "@" stands for the bench's directory. NULL: nothing is wanted.
 */
void round_plan(struct bench *b, const char *components, struct round *r);
/* As round_plan, of a whole source: documents for MeshNode "node". */
void round_plan_mesh(struct bench *b, const char *documents, struct round *r);
void round_apply(struct bench *b, struct round *r);
enum await round_await(struct bench *b, struct round *r);
/* As a pass does it that has changed nothing. */
enum await round_await_in_sync(struct bench *b, struct round *r);
void round_finish(struct round *r);

/* Plan and apply, with the results asserted: everything is done, and the plan after it is empty. */
void bench_converge(struct bench *b, const char *components);
void round_expect_message(struct round *r, const char *part);
/* All diagnostics, one a line. */
const char *round_messages(struct round *r);
/* "add processes/component-a new; change …", in the order of the plan. */
const char *round_changes(struct round *r);

/* The main process of a component, or of "sidecar-NAMESPACE.NAME"; 0: it does not run. */
pid_t bench_pid(struct bench *b, const char *component);
/* How many processes are in its groups, and how many groups there are. */
size_t bench_count(struct bench *b, const char *component, size_t *groups);
/* Waits for the end of a process, whoever's child it is. */
void bench_wait_gone(pid_t pid);
/* Waits until it is there. */
void bench_wait_file(struct bench *b, const char *name);

#endif
