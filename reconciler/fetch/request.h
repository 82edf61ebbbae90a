/*
 * What enmesh-fetch is asked, and what it answers: the other side of source/worker.h. One request in a process.
 * Memory is released with the process; errors end it, since it does nothing else.
 */
#ifndef FETCH_REQUEST_H
#define FETCH_REQUEST_H

#include "base/file.h"
#include "base/node.h"

struct request {
	struct arena *arena;
	const char *repository; /* directory */
	const struct node *words;
	struct bytes rest; /* the blobs, one after the other */
	struct node *answer;
};

/* Reads standard input. */
void request_read(struct request *r);
/* The word of that name, or NULL. */
const char *request_text(const struct request *r, const char *name);
/* The blob of that name; data NULL: there is none. A NUL follows. */
struct bytes request_blob(const struct request *r, const char *name);

/* Writes the answer, and ends the program. */
_Noreturn void request_answer(const struct request *r);
/* Answers with an error, which continues "it cannot be fetched: …", and ends the program. */
_Noreturn void request_fail(const struct request *r, const char *format, ...) printf_like(2, 3);

#endif
