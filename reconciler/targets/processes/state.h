/* The state of the processes target: what should be, and what is. Known to this folder only. */
#ifndef TARGETS_PROCESSES_STATE_H
#define TARGETS_PROCESSES_STATE_H

#include "base/file.h"
#include "targets/processes/cgroup.h"
#include "targets/processes/owned.h"
#include "targets/target.h"

/* A user or group. Where the machine lacks the name, it is not known which. */
struct owner {
	const char *name; /* NULL: none was given */
	bool known;
	uint32_t number;
};

struct file {
	const char *path;
	struct bytes content; /* data NULL: larger than any of ours, not read */
	const char *digest;   /* of the content */
	uint32_t mode;
	struct owner user, group;

	/* Wanted ones. */
	const struct process *process;
	const struct node *node;
	bool restart_on_change;

	/* Live ones. */
	bool missing; /* ours, but not there */
	bool ours;    /* enmesh made it */
	bool blocked; /* something is in the way of the wanted one, and an error has said what */
};

/* What nothing wanted needs any more. */
struct leftover {
	enum leftover_kind {
		LEFTOVER_DIRECTORY, /* that enmesh made, and that is empty or gone */
		LEFTOVER_LOG,       /* of a process that does not run */
	} kind;
	const char *name; /* path of the directory; name of the process */
};

struct unit {
	const char *name;

	/* Wanted ones. */
	const struct process *process;
	struct owner user, group;
	vec_of(struct owner) groups;
	vec_of(size_t) files;    /* indexes in the state's */
	const char *digest;      /* of the spec: what differs in it needs another process */
	const char *group_name;  /* begins it */
	const struct node *spec; /* for people, and for stopping the process when the source has changed */
	const char *record;      /* spec as JSON */

	/* Live ones. */
	vec_of(struct group) live;
};

struct state {
	vec_of(struct file) files; /* in the order of paths */
	vec_of(struct unit) units; /* in the order of names */
	vec_of(struct leftover) leftovers;
};

/* NULL: there is none. */
const struct file *state_file(const struct state *s, const char *path);
const struct unit *state_unit(const struct state *s, const char *name);

/* The group in which just what is wanted runs; NULL: it does not. `live` may be NULL. */
const struct group *unit_current(const struct unit *live, const struct unit *wanted);

/* Whether some wanted file is below the directory. */
bool state_needs(const struct state *want, const char *directory);
/* Content, mode and owner are alike. */
bool file_same(const struct file *a, const struct file *b);

/* What a change does; its `data`. */
enum work_kind { WORK_WRITE, WORK_REMOVE, WORK_REMOVE_LEFTOVER, WORK_START, WORK_RECORD, WORK_STOP };

struct work {
	enum work_kind kind;
	const struct state *want, *live;
	const struct file *file; /* the wanted one of WORK_WRITE, the live one of WORK_REMOVE */
	const struct leftover *leftover;
	const struct unit *unit;      /* NULL in WORK_STOP */
	const struct unit *live_unit; /* NULL: nothing runs */
};

/* The steps; target.h says what each does. */
const struct state *processes_desire(const struct site *site, struct arena *a);
const struct state *processes_observe(struct host *h, const struct state *want, struct arena *a, struct diags *d);
const struct state *processes_imagine(const struct state *was, const struct state *want, struct arena *a);
void processes_diff(const struct state *want, const struct state *live, struct applied *last, struct plan *plan);
bool processes_apply(struct host *h, struct change *changes, size_t n, struct arena *a, struct diags *d);
void processes_record(const struct state *want, struct applied *out);
enum await processes_await(
	struct host *h, const struct state *want, const struct state *live, struct arena *a, struct diags *d);
const struct node *processes_describe(const struct state *want, struct arena *a);

/* For people. */
const struct node *print_file(const struct file *f, struct arena *a);
const struct node *print_spec(const struct unit *u, const struct state *want, struct arena *a);
const struct node *print_live(const struct unit *live, const struct group *group, struct arena *a);

#endif
