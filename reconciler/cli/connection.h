/* The connections that --from, --to and --protocol ask about. */
#ifndef CLI_CONNECTION_H
#define CLI_CONNECTION_H

#include "cli/command.h"
#include "model/connection.h"

struct connections {
	vec_of(struct connection) list;
};

/*
 * One for each --to. Not CODE_OK: an error was added. Effect: looks up accounts and cgroups of this machine; one
 * that it lacks stays a name.
 */
enum code connections_read(struct session *s, struct connections *out);

/* Addresses that --address names are the machine's, too; on ports that --closed names nobody waits. */
enum code connections_network(struct session *s, struct network *out);

#endif
