/*
 * The files of a source as documents: known kinds, valid against their schemas, with profiles and defaults put in.
 * Pure.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/diag.h"
#include "source/source.h"

#define CONFIG_API_VERSION "enmesh.io/v1alpha1"

enum { CONFIG_DOCUMENTS_MAX = 200000 };

enum kind {
	KIND_MESH,
	KIND_NODE,
	KIND_SERVICE,
	KIND_SIDECAR,
	KIND_COMPONENT,
	KIND_CAPTURE,
	KIND_AGENT_CONFIG,
	KIND_OBJECT, /* of another API group, for the API server */
};

const char *kind_name(enum kind kind); /* "MeshService" */

struct document {
	enum kind kind;
	const char *name;        /* metadata.name */
	const char *namespace;   /* metadata.namespace; NULL if it has none */
	const struct node *root; /* complete: as written, then its profile's fields, then the schema's defaults */
	const struct node *spec; /* of our kinds */
	bool broken; /* its content was refused; its name is known, so references to it are no second error */
};

/* What a file has brought. */
struct config_file {
	const struct source_file *file;
	size_t first, n; /* of the documents */
	bool whole;      /* nothing of it could not be read or named */
};

struct config {
	vec_of(struct document) documents; /* in the order of files and places */
	vec_of(struct config_file) files;
	size_t n_read; /* of the files, those that were not shared with another config */
	const struct tree *tree;
	vec_of(const struct source_file *) unread; /* files with something that could not be read or named */
	const char *requires; /* the condition of Mesh.spec.requires that this version does not meet; NULL: none */
};

/*
 * Adds every mistake of every file. False: there was one. `out` holds whatever can be named, so that the checks of
 * the model can go on. A source that requires another version gets this one error, and no document is looked at:
 * what is wrong for this version may be right for that one.
 */
bool config_read(const struct tree *tree, struct arena *a, struct config *out, struct diags *d);
/*
 * As above, of another revision than `like`, whose arena must outlive this one: what a file holds that both have,
 * with the same path and content, is shared and not read again. Its places are those in `like`.
 */
bool config_read_like(
	const struct tree *tree, const struct config *like, struct arena *a, struct config *out, struct diags *d);

/* Whether a file that could not be read in whole has the word: then that something is missing is no mistake of its
 * own. */
bool config_may_hold(const struct config *config, const char *name);

/* Reads one AgentConfig; `shown` is how messages call the file. NULL: an error was added. */
const struct node *config_read_agent(
	const char *shown, const struct bytes *text, struct arena *a, struct diags *d);

#endif
