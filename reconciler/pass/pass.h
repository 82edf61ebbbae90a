/*
 * One pass: what a node should have, what it has, the difference, and, unless it is a dry run, the way from one to
 * the other. Everything lives in the caller's arena. Prints nothing.
 */
#ifndef PASS_PASS_H
#define PASS_PASS_H

#include <time.h>

#include "source/git.h"
#include "store/revision.h"
#include "targets/target.h"

enum outcome {
	OUTCOME_NONE,      /* the pass has not ended */
	OUTCOME_IN_SYNC,   /* nothing differed (and what should be ready is) */
	OUTCOME_DIFFERENT, /* a dry run found differences */
	OUTCOME_CONVERGED, /* changes were made, and all is ready */
	OUTCOME_NOT_READY, /* all was applied, but something did not become ready in time */
	OUTCOME_FAILED,    /* the source was refused, or a target could not be read or changed */
	OUTCOME_STOPPED,   /* somebody asked for the end; what was not done is RESULT_SKIPPED */
};

/* What the pass knows of one target. */
struct part {
	const struct target *target;
	const struct state *want, *live; /* live NULL: unknown */
	bool planned;                    /* live was read and compared */
	bool flawed;                     /* single things of it could not be */
	bool failed;                     /* a change failed, or was held back */
	bool awaited;
	enum await readiness; /* if awaited */
	bool recorded;        /* what it wants is what the node now has */
	struct diags trouble; /* why it is unknown, or flawed */
	const char *problem;  /* the first error of all, or NULL */
};

struct pass {
	/* What the caller asks for. */
	struct arena *arena;
	struct diags *diags;
	struct host *host;
	const char *source; /* a directory, or an address; of no use with `cleanup` */
	/*
	 * Of a directory, not what is there but what was in this revision of the repository that it lies in; "":
	 * where HEAD left its upstream branch. NULL: what is there.
	 */
	const char *at;
	const struct config *like; /* of another revision, to share what is the same; may be NULL */
	struct remote {
		const struct git_spec *git; /* NULL: the source is a directory */
		const char *user;           /* as whom enmesh-fetch runs on this machine; NULL: nobody said */
		bool offline;               /* nothing is fetched: the last good revision is what counts */
		bool good_first;            /* the same, if there is one */
		bool last_good;             /* where the source cannot be had, or is refused, so it is, too */
		long long
			stale_after_ms; /* so long after the source was last heard, what is known of it is stale */
		bool allow_rollback;    /* a revision need not descend from the last good one */
	} remote;
	const char *node;
	/* Those that take part, in the order of targets_all; NULL ends them. */
	const struct target *const *targets;
	bool partial;         /* they are not all */
	bool cleanup;         /* nothing is wanted */
	bool dry_run;         /* nothing is written */
	bool wait;            /* for what is wanted to become ready */
	long long timeout_ms; /* of waiting; counted from the beginning, and again from the first change on */
	/* Called when changes from number `first` on are planned and not yet carried out; may be NULL. */
	void (*planned)(void *context, const struct pass *p, size_t first);
	void *context;

	/* What came of it. */
	struct timespec started; /* CLOCK_REALTIME */
	long long took_us;
	struct tree tree; /* revision NULL: it could not be read */
	struct {
		struct revision observed; /* what the source is at; commit NULL: that was not heard */
		const char *unreachable;  /* why it was not; NULL: it was, or nobody asked */
		const char *refused;      /* why the observed one is not used; NULL: it is */
		const char *verified;     /* who signed what is used */
		struct revisions stored;  /* before the pass */
		struct git_files files;   /* of a revision that is not in the store yet */
		bool fresh;               /* `files` is there */
		bool use_good;            /* the last good revision was fallen back to */
	} revision;                       /* of a remote source */
	const struct config *config;      /* its documents */
	const struct model *model;        /* NULL: the source was refused */
	const char
		*upgrade_needed; /* which version the source requires, if this one is too old or new; else NULL */
	struct site *site;
	bool accepted; /* the source was: it is valid, and names this node (always, with `cleanup`) */
	struct plan plan;
	vec_of(struct part) parts; /* as `targets` */
	struct applied last;       /* what the pass before wanted */
	bool cut;                  /* it was stopped before it had done everything */
	enum outcome outcome;
};

/* The whole diagram of DESIGN section 1, once: load, site, observe, diff, apply, record. */
enum outcome pass_run(struct pass *p);

/* Its beginnings, for commands that go no further. False: an error was added. Effect: reads. */
/* From source to model. */
bool pass_load(struct pass *p);
/* From model to site. `needed`: every account must exist on this machine. */
bool pass_site(struct pass *p, bool needed);

/*
 * The site of any node of the model, in an arena of the caller's, without what must be looked up. NULL: an error
 * was added.
 */
struct site *pass_make_site(struct pass *p, const char *node, struct arena *a);

/* "InSync", "Converged", "Drifted" or "Failed": the word for a pass, everywhere. */
const char *outcome_word(enum outcome outcome);

#endif
