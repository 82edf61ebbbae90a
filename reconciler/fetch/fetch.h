/* The actions of enmesh-fetch: each answers the request and ends the program. */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H

#include "fetch/request.h"

/* Brings a commit from a server into the repository. */
void fetch_run(struct request *r);
/* Hands over the files of a commit. */
void read_run(struct request *r);

#endif
