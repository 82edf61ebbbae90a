/*
 * Two targets for tests of the driver: "alpha" (without readiness) and "beta" (with it). What they want and have
 * are small lists in memory; what the driver does to them is written into a log. They define targets_all.
 */
#ifndef TESTS_FAKE_TARGET_H
#define TESTS_FAKE_TARGET_H

#include "pass/pass.h"

enum { FAKE_ITEMS = 8 };

struct fake_item {
	const char *address, *value;
	enum phase phase; /* in which it is made or changed */
};

struct fake {
	struct fake_item want[FAKE_ITEMS], live[FAKE_ITEMS]; /* an address of NULL ends them */
	int unreadable;                                      /* how many times observe fails */
	const char *broken;                                  /* the change of this address fails */
	bool flawed;                                         /* observe adds an error beside the state */
	bool silent;                                         /* without a message */
	enum await readiness;
	int observed, applied, awaited, remembered;
	bool awaited_fresh; /* nothing was changed since it was observed */
	void (*before_apply)(void);
};

extern struct fake alpha, beta;
/* "observe alpha", "apply alpha/a alpha/b" …, each with a newline. */
extern char fake_log[4096];

void fake_reset(void);

/* A directory of its own with a source of one node, "vm", in "mesh"; removed by fake_finish. */
struct fake_pass {
	char dir[64];
	char source[128], state[128], run[128];
	struct arena arena;
	struct diags diags;
	struct host host;
	struct pass pass;
};

void fake_start(struct fake_pass *f);
/* For a further pass: the results of the last one go, the directory stays. */
void fake_again(struct fake_pass *f);
void fake_finish(struct fake_pass *f);
/* Writes a file below the directory. */
void fake_write(const struct fake_pass *f, const char *name, const char *text);
bool fake_has_error(const struct fake_pass *f, const char *part);

#endif
