#include <string.h>

#include "base/json.h"
#include "targets/processes/state.h"

/* Longer content is shown by its digest. */
enum { SHOWN_MAX = 16 * 1024, READABLE_BY_ALL = 0004 };

static const char *print_digest(const char *digest, struct arena *a)
{
	return arena_printf(a, "sha256:%s", digest);
}

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Length of the UTF-8 character at s; 0 for what is none, and for control characters that text does not have. */
static size_t text_character(const unsigned char *s, size_t n)
{
	if (s[0] < 0x20 && s[0] != '\n' && s[0] != '\t')
		return 0;
	if (s[0] < 0x80)
		return s[0] == 0x7f ? 0 : 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf && n >= 2 && is_continuation(s[1]))
		return s[0] == 0xc2 && s[1] < 0xa0 ? 0 : 2;
	if ((s[0] & 0xf0) == 0xe0 && n >= 3 && is_continuation(s[1]) && is_continuation(s[2]))
		return (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) ? 0 : 3;
	if (s[0] >= 0xf0 && s[0] <= 0xf4 && n >= 4 && is_continuation(s[1]) && is_continuation(s[2]) &&
		is_continuation(s[3]))
		return (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90) ? 0 : 4;
	return 0;
}

static bool is_text(const struct bytes *content)
{
	size_t step;

	for (size_t i = 0; i < content->size; i += step) {
		step = text_character((const unsigned char *)content->data + i, content->size - i);
		if (!step)
			return false;
	}
	return true;
}

/*
 * The text itself, so that a change is seen line by line; unless the file is not meant for everybody's eyes, or is
 * no text or a long one: then its digest and size.
 */
static const char *print_content(const struct file *f, struct arena *a)
{
	if (!f->content.data)
		return arena_printf(a, "more than %d bytes", SOURCE_FILE_MAX);
	if ((f->mode & READABLE_BY_ALL) && f->content.size <= SHOWN_MAX && is_text(&f->content))
		return f->content.data;
	return arena_printf(a, "%s (%zu bytes)", print_digest(f->digest, a), f->content.size);
}

/* A number, "1337 (istio-proxy)", or a name that this machine lacks. */
static void set_owner(struct arena *a, struct node *n, const struct owner *o)
{
	if (o->known && o->name)
		node_set_text(a, n, arena_printf(a, "%u (%s)", o->number, o->name));
	else if (o->known)
		node_set_int(n, o->number);
	else
		node_set_text(a, n, o->name ? o->name : "that of the user");
}

const struct node *print_file(const struct file *f, struct arena *a)
{
	struct node *map = arena_new(a, struct node);

	map->type = NODE_MAP;
	if (f->missing) {
		node_put_text(a, map, "file", "missing: enmesh made it, and somebody removed it");
		return map;
	}
	node_put_text(a, map, "mode", arena_printf(a, "%04o", f->mode));
	set_owner(a, node_put(a, map, "user"), &f->user);
	set_owner(a, node_put(a, map, "group"), &f->group);
	node_put_text(a, map, "content", print_content(f, a));
	return map;
}

static void put_texts(struct arena *a, struct node *map, const char *key, const struct texts *texts)
{
	struct node *list;

	if (!texts->list.n)
		return;
	list = node_put_list(a, map, key);
	vec_each (text, &texts->list)
		node_add_text(a, list, *text);
}

static void put_drain(struct arena *a, struct node *map, const struct drain *drain)
{
	struct node *out, *post;

	if (!drain->post && !drain->command.list.n && !drain->wait_ms)
		return;
	out = node_put_map(a, map, "drain");
	if (drain->post) {
		post = node_put_map(a, out, "httpPost");
		node_put_text(a, post, "host", drain->host);
		node_put_int(a, post, "port", drain->port);
		node_put_text(a, post, "path", drain->path);
	}
	put_texts(a, out, "command", &drain->command);
	node_put_int(a, out, "seconds", drain->wait_ms / 1000);
}

/* stop.c reads it back. */
const struct node *print_spec(const struct unit *u, const struct state *want, struct arena *a)
{
	const struct process *p = u->process;
	struct node *map = arena_new(a, struct node), *inner;

	map->type = NODE_MAP;
	put_texts(a, map, "command", &p->argv);
	if (p->env.list.n) {
		inner = node_put_map(a, map, "env");
		vec_each (e, &p->env.list)
			node_put_text(a, inner, e->key, e->value);
	}
	set_owner(a, node_put(a, map, "user"), &u->user);
	set_owner(a, node_put(a, map, "group"), &u->group);
	if (u->groups.n) {
		inner = node_put_list(a, map, "groups");
		vec_each (g, &u->groups)
			set_owner(a, node_add(a, inner), g);
	}
	node_put_text(a, map, "workingDirectory", p->directory);
	if (p->netns)
		node_put_text(a, map, "networkNamespace", p->netns);
	inner = NULL;
	vec_each (i, &u->files) {
		const struct file *f = &want->files.items[*i];

		if (!f->restart_on_change)
			continue;
		inner = inner ? inner : node_put_map(a, map, "files");
		node_put_text(a, inner, f->path, print_digest(f->digest, a));
	}
	put_drain(a, map, &p->drain);
	node_put_int(a, map, "stopSeconds", p->stop_ms / 1000);
	return map;
}

const struct node *print_live(const struct unit *live, const struct group *group, struct arena *a)
{
	struct node *map = arena_new(a, struct node);
	const char *problem;
	const struct node *spec =
		group && group->record ? json_read(group->record, strlen(group->record), a, &problem) : NULL;

	map->type = NODE_MAP;
	if (node_is(spec, NODE_MAP))
		*map = *spec;
	else if (group)
		node_put_text(a, map, "spec", group->name);
	if (group && group->ending)
		node_put_text(a, map, "process", "was being stopped by a pass that did not come to its end");
	else if (!group || !group->runs)
		node_put_text(a, map, "process",
			group && group->populated ? "has ended, and left others behind" : "does not run");
	if (live->live.n > 1)
		node_put_int(a, map, "instances", (int64_t)live->live.n);
	return map;
}

/* ---- render ---- */

static void put_readiness(struct arena *a, struct node *map, const struct probe *probe)
{
	if (probe->kind == PROBE_TCP)
		node_put_text(a, map, "readiness", arena_printf(a, "tcp://%s:%u", probe->host, probe->port));
	if (probe->kind == PROBE_HTTP)
		node_put_text(a, map, "readiness",
			arena_printf(a, "%s://%s:%u%s", probe->https ? "https" : "http", probe->host, probe->port,
				probe->path));
}

const struct node *processes_describe(const struct state *want, struct arena *a)
{
	struct node *root = arena_new(a, struct node), *files, *processes;

	root->type = NODE_MAP;
	files = node_put_map(a, root, "files");
	vec_each (f, &want->files)
		node_put_node(a, files, f->path, print_file(f, a));
	processes = node_put_map(a, root, "processes");
	vec_each (u, &want->units) {
		struct node *spec = node_put_map(a, processes, u->name);

		node_each (it, u->spec)
			node_put_node(a, spec, it->key, it);
		put_readiness(a, spec, &u->process->readiness);
		put_texts(a, spec, "after", &u->process->after);
	}
	return root;
}
