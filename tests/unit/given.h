/*
 * What unit tests start from: a source given as text, read as far as the test needs. All of it lives in one arena,
 * which given_setup makes and given_teardown releases.
 */
#ifndef GIVEN_H
#define GIVEN_H

/* cmocka's header wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/diag.h"
#include "base/str.h"
#include "config/config.h"
#include "config/yaml.h"
#include "model/mesh.h"
#include "sanitized.h"

static struct arena arena;
static struct diags diags;

static inline int given_setup(void **state)
{
	(void)state;
	diags = (struct diags){ .arena = &arena };
	return 0;
}

static inline int given_teardown(void **state)
{
	(void)state;
	arena_finish(&arena);
	return 0;
}

#define given_test(function) cmocka_unit_test_setup_teardown(function, given_setup, given_teardown)

static inline struct bytes given_bytes(const char *text)
{
	return (struct bytes){ text, strlen(text) };
}

/* A number below n: the same ones in every run (xorshift64*). */
static inline unsigned given_any(unsigned n)
{
	static uint64_t x = 88172645463325252;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	return (unsigned)((x * 0x2545f4914f6cdd1d >> 32) % n);
}

/* CPU time since `start`, as on a bare machine: valgrind and sanitizers are slower. */
static inline double given_seconds(clock_t start)
{
	const char *preloaded = getenv("LD_PRELOAD");
	double slower = preloaded && strstr(preloaded, "vgpreload") ? 40 : SANITIZED ? 5 : 1;

	return (double)(clock() - start) / CLOCKS_PER_SEC / slower;
}

/* One YAML document, which must be readable. */
static inline const struct node *given_node(const char *text)
{
	struct yaml_documents documents = { 0 };
	struct bytes bytes = given_bytes(text);

	assert_true(yaml_read("given.yaml", &bytes, &arena, &documents, &diags));
	assert_int_equal(documents.list.n, 1);
	return documents.list.items[0];
}

/* A source of the one file mesh.yaml. */
static inline struct tree *given_tree(const char *text)
{
	struct tree *tree = arena_new(&arena, struct tree);
	struct source_file *file = arena_new(&arena, struct source_file);

	*file = (struct source_file){ "mesh.yaml", "mesh.yaml", true, given_bytes(text), true };
	*tree = (struct tree){ "given", "sha256:0", file, 1 };
	return tree;
}

/* NULL: the diagnostics say why. */
static inline const struct model *given_model(const char *text)
{
	struct config *config = arena_new(&arena, struct config);

	config_read(given_tree(text), &arena, config, &diags);
	return config->requires ? NULL : model_load(config, &arena, &diags);
}

/* All diagnostics, sorted, each with a newline. */
static inline const char *given_diags(void)
{
	struct str all = { .arena = &arena };

	diag_sort(&diags);
	vec_each (it, &diags.list)
		str_printf(&all, "%s\n", diag_line(it, &arena));
	return str_text(&all);
}

/* A valid Mesh and a node n1 with the label app: web, to which a test adds its own documents. */
#define GIVEN_MESH                                                                                                \
	"apiVersion: enmesh.io/v1alpha1\n"                                                                        \
	"kind: Mesh\n"                                                                                            \
	"metadata: {name: demo}\n"                                                                                \
	"spec: {controlPlane: {discovery: {addresses: ['pilot:15010']}}}\n"
#define GIVEN_NODE                                                                                                \
	"---\n"                                                                                                   \
	"apiVersion: enmesh.io/v1alpha1\n"                                                                        \
	"kind: MeshNode\n"                                                                                        \
	"metadata: {name: n1, labels: {app: web}}\n"                                                              \
	"spec: {addresses: [10.0.0.1]}\n"
#define GIVEN_SIDECAR                                                                                             \
	"---\n"                                                                                                   \
	"apiVersion: enmesh.io/v1alpha1\n"                                                                        \
	"kind: MeshSidecar\n"                                                                                     \
	"metadata: {name: envoy}\n"                                                                               \
	"spec: {profile: envoy}\n"
#define GIVEN_CAPTURE                                                                                             \
	"---\n"                                                                                                   \
	"apiVersion: enmesh.io/v1alpha1\n"                                                                        \
	"kind: MeshCapture\n"                                                                                     \
	"metadata: {name: default}\n"                                                                             \
	"spec: {}\n"
#define GIVEN_DOCUMENT(kind, name)                                                                                \
	"---\napiVersion: enmesh.io/v1alpha1\nkind: " kind "\nmetadata: {name: " name "}\n"

#endif
