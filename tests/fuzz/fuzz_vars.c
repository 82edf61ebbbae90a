/* Variables in a text: what is put in is not looked at again. */
#include "fuzz.h"

#include <string.h>

#include "model/vars.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = { 0 };
	struct diags d = { .arena = &a }, checked = { .arena = &a };
	struct mesh mesh = { .name = "m", .id = "i", .trust_domain = "t" };
	struct mesh_node node = { .name = "${node.name}" };
	struct mesh_service service = { .name = "s", .namespace = "n", .service_account = "a" };
	struct mesh_sidecar sidecar = { .name = "x" };
	struct scope scope = { &mesh, &node, &service, &sidecar, NULL };
	struct process_spec spec = { 0 };
	const char *text = arena_strndup(&a, (const char *)data, size), *out;
	struct node place = { .type = NODE_STRING, .string = text };
	bool ok;

	*vec_push(&a, &node.addresses.list) = "10.0.0.1";
	*vec_push(&a, &mesh.discovery.list) = "[fd00::1]:15012";
	ok = vars_check(text, &(struct vars_place){ &mesh, true, &place }, &spec, &a, &checked);
	promise(ok == !checked.errors);
	out = vars_expand(text, &scope, (struct pos){ 0 }, &a, &d);
	promise(!out == (d.errors > 0));
	promise(!out || ok); /* what can be put in was found right before */
	promise(!out || strlen(out) <= strlen(text) * 16 + 1);
	arena_finish(&a);
	return 0;
}
