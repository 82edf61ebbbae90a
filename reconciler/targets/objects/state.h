/*
 * The state of the objects target. Desired: the objects that a node writes, in two ApplySets (KEP-3659): its own,
 * and, if it is the writer, those of the whole mesh. Live: the same objects with what the API server has and would
 * make of them, then those that are no longer wanted.
 */
#ifndef OBJECTS_STATE_H
#define OBJECTS_STATE_H

#include <stdbool.h>

#include "model/site.h"
#include "targets/target.h"

#define FIELD_MANAGER "enmesh"
#define ANNOTATION_FORCE "enmesh.io/force"
#define ANNOTATION_PRUNE "enmesh.io/prune"
#define LABEL_SET_ID "applyset.kubernetes.io/id"
#define LABEL_PART_OF "applyset.kubernetes.io/part-of"

struct object_id {
	const char *group, *kind;
	const char *namespace; /* "": none */
	const char *name;
};

/* Of a parent's inventory. */
struct member {
	struct object_id id;
	const char *uid; /* NULL: it was about to be created */
};

struct inventory {
	vec_of(struct member) members;
};

enum set_kind { SET_NODE, SET_MESH };

#define SET_NONE ((size_t)-1)

/* An ApplySet; its parent is a ConfigMap. */
struct applyset {
	enum set_kind kind;
	const char *namespace, *name; /* of the parent */
	const char *id;               /* what the members' label says */
	bool wanted;                  /* else it is to be dissolved */
	/* Live. */
	bool exists;
	const char *uid;
	const struct node *parent;  /* as the API server has it */
	struct inventory inventory; /* in the order of ids */
};

/* Where a kind is found in the API. */
struct resource {
	const char *group, *version, *kind, *plural;
	bool namespaced;
};

/* What is to become of an object. */
enum fate {
	FATE_KEEP,    /* it is as it should be, or somebody else's */
	FATE_APPLY,   /* it is missing, or differs */
	FATE_REFUSED, /* it can't be applied; an error says why */
	FATE_PRUNE,
};

struct object {
	struct object_id id;
	const char *api_version;
	size_t set; /* which of the state's sets it is in */
	/* What is applied; NULL: it is no longer wanted. */
	const struct node *body;
	const struct node *origin; /* the document that wants it */
	bool generated;            /* from a MeshService; else it is the document itself */
	bool force;                /* fields of other managers are taken over */
	bool if_missing;           /* one that is there already is left to its owner */
	const char *problem;       /* why it can't be applied, as far as the source alone shows */

	/* Live. */
	const struct resource *resource;   /* NULL: the kind comes with a definition of this source */
	const char *namespace;             /* where it is: that of the id, or the default */
	const char *uid;                   /* NULL: it is not there */
	size_t labelled;                   /* the set that its label names; SET_NONE: none of ours */
	const struct node *before, *after; /* normalized */
	enum fate fate;
	const char *key; /* of just this object and this wish (settled.h); NULL: it is not a member */
	bool conflicts;  /* refused for fields of other managers: `after` is what it would be by force */
};

struct settled;

struct state {
	bool cleanup; /* there is no site */
	const struct model *model;
	struct texts servers;
	struct bytes ca;
	bool prune, writes_mesh;
	vec_of(struct applyset) sets;
	vec_of(struct object) objects; /* desired: in the order of ids; live: the same, then the orphans */
	/* Live. */
	bool remembered;         /* there is a record of what this node wrote */
	struct settled *settled; /* what is known of the objects; grows while they are applied */
};

int object_compare(const struct object_id *a, const struct object_id *b);
/* "objects/networking.istio.io/WorkloadEntry/bookinfo/reviews.vm1"; what has no group is in "core". */
const char *object_address(const struct object_id *id, struct arena *a);
/* "WorkloadEntry bookinfo/reviews.vm1", for messages. */
const char *object_title(const struct object_id *id, struct arena *a);
bool object_is(const struct object_id *id, const char *group, const char *kind);
/* Kinds that take everything in them along when they are deleted: Namespace and CustomResourceDefinition. */
bool object_holds_others(const struct object_id *id);
/* Where a live object is: its id, with the namespace that the API server has it in. */
struct object_id object_place(const struct object *o);
struct object_id set_parent_id(const struct applyset *set);

/* Each is one step; see targets/target.h. */
const struct state *objects_desire(const struct site *site, struct arena *a);
const struct state *objects_observe(struct host *h, const struct state *want, struct arena *a, struct diags *d);
const struct state *objects_imagine(const struct state *was, const struct state *want, struct arena *a);
void objects_diff(const struct state *want, const struct state *live, struct applied *last, struct plan *plan);
bool objects_apply(struct host *h, struct change *changes, size_t n, struct arena *a, struct diags *d);

/* What a change of the plan is about. */
enum todo_kind { TODO_OBJECT, TODO_PARENT, TODO_RECORD };

struct todo {
	const struct state *want, *live;
	enum todo_kind kind;
	size_t index; /* of the object or set, in `live` */
};

#endif
