/* A site with one process, made by hand, for the pure parts of the processes target. */
#ifndef TESTS_UNIT_TARGETS_PROCESSES_CASE_H
#define TESTS_UNIT_TARGETS_PROCESSES_CASE_H

#include <string.h>

#include "targets/processes/state.h"

struct made {
	struct arena arena;
	struct process process;
	struct site site;
};

static inline void made_arg(struct made *m, const char *arg)
{
	*vec_push(&m->arena, &m->process.argv.list) = arg;
}

static inline void made_env(struct made *m, const char *key, const char *value)
{
	*vec_push(&m->arena, &m->process.env.list) = (struct label){ key, value };
}

static inline void made_group(struct made *m, uint32_t number)
{
	*vec_push(&m->arena, &m->process.groups) = (struct account){ .number = number };
}

static inline struct site_file *made_file(struct made *m, const char *path, const char *content)
{
	static const struct node anywhere;
	struct site_file *f = vec_push(&m->arena, &m->process.files);

	*f = (struct site_file){
		.path = path,
		.content = { content, strlen(content) },
		.mode = 0644,
		.user = { .number = 1337 },
		.group = { .number = 1337, .node = &anywhere },
		.restart_on_change = true,
	};
	return f;
}

/* etcd, as user 1337, with one variable and one file. */
static inline void made_init(struct made *m)
{
	memset(m, 0, sizeof(*m));
	m->process.name = "component-etcd";
	m->process.title = "component etcd";
	m->process.user.number = 1337;
	m->process.directory = "/";
	m->process.stop_ms = 10000;
	made_arg(m, "etcd");
	made_arg(m, "--name=a");
	made_env(m, "B", "2");
	made_file(m, "/etc/etcd.conf", "one\n");
}

static inline const struct state *made_desire(struct made *m)
{
	if (!m->site.processes.n)
		*vec_push(&m->arena, &m->site.processes) = &m->process;
	return processes_desire(&m->site, &m->arena);
}

#endif
