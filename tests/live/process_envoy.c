/* A real Envoy as sidecar: started, ready, found again, restarted for a new bootstrap, drained and stopped. */
#include "process_bench.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/http.h"
#include "base/str.h"

static const char *envoy;
static struct bench bench;

#define SIDECAR(name, port)                                                                                       \
	"---\n"                                                                                                   \
	"apiVersion: enmesh.io/v1alpha1\n"                                                                        \
	"kind: MeshService\n"                                                                                     \
	"metadata: {name: " name ", namespace: shop}\n"                                                           \
	"spec: {nodes: all, sidecar: " name "}\n"                                                                 \
	"---\n"                                                                                                   \
	"apiVersion: enmesh.io/v1alpha1\n"                                                                        \
	"kind: MeshSidecar\n"                                                                                     \
	"metadata: {name: " name "}\n"                                                                            \
	"spec:\n"                                                                                                 \
	"  profile: envoy\n"                                                                                      \
	"  command: [ENVOY]\n"                                                                                    \
	"  args: [-c, 'DIR/etc/${service.name}.json', --concurrency, \"1\", --disable-hot-restart]\n"             \
	"  ports: {admin: 1" port ", outbound: 2" port ", inbound: 3" port ", tunnel: 4" port "}\n"               \
	"  files:\n"                                                                                              \
	"    - path: 'DIR/etc/${service.name}.json'\n"                                                            \
	"      template: true\n"                                                                                  \
	"      text: |\n"                                                                                         \
	"        {\"admin\": {\"address\": {\"socket_address\": {\"address\": \"127.0.0.1\", \"port_value\":\n"   \
	"            ${sidecar.ports.admin}}}},\n"                                                                \
	"         \"static_resources\": {\"listeners\": [{\"name\": \"hello\",\n"                                 \
	"          \"address\": {\"socket_address\": {\"address\": \"127.0.0.1\", \"port_value\": " port "}},\n"  \
	"          \"filter_chains\": [{\"filters\": [{\"name\": \"http\", \"typed_config\": {\n"                 \
	"            \"@type\": "                                                                                 \
	"\"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3."                      \
	"HttpConnectionManager\",\n"                                                                              \
	"            \"stat_prefix\": \"hello\",\n"                                                               \
	"            \"access_log\": [{\"name\": \"log\", \"typed_config\": {\"path\": \"/dev/stdout\", "         \
	"\"@type\":\n"                                                                                            \
	"              \"type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog\"}}],\n"       \
	"            \"http_filters\": [{\"name\": \"router\", \"typed_config\": {\"@type\":\n"                   \
	"              \"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router\"}}],\n"              \
	"            \"route_config\": {\"virtual_hosts\": [{\"name\": \"all\", \"domains\": [\"*\"], "           \
	"\"routes\": [{\n"                                                                                        \
	"              \"match\": {\"prefix\": \"/\"}, \"direct_response\": {\"status\": 200, \"body\": {\n"      \
	"                \"inline_string\": \"ANSWER\"}}}]}]}}}]}]}]}}\n"                                         \
	"  drain: {httpPost: {path: \"/drain_listeners?graceful\", port: admin}, seconds: 1}\n"

static const char head[] = "{apiVersion: enmesh.io/v1alpha1, kind: Mesh, metadata: {name: test}, spec: {}}\n"
			   "---\n"
			   "{apiVersion: enmesh.io/v1alpha1, kind: MeshNode, metadata: {name: node}, spec: "
			   "{addresses: [127.0.0.1]}}\n";

static const char *replace(const char *text, const char *word, const char *by)
{
	struct str out = { .arena = &bench.arena };

	for (const char *at; (at = strstr(text, word)); text = at + strlen(word)) {
		str_add_n(&out, text, (size_t)(at - text));
		str_add(&out, by);
	}
	str_add(&out, text);
	return str_text(&out);
}

static const char *mesh(const char *answer)
{
	const char *text = arena_printf(&bench.arena, "%s%s", head, SIDECAR("one", "8101") SIDECAR("two", "8102"));

	text = replace(text, "ENVOY", envoy);
	text = replace(text, "DIR", bench.dir);
	return replace(text, "ANSWER", answer);
}

static void converge(const char *documents)
{
	struct round r;

	round_plan_mesh(&bench, documents, &r);
	assert_non_null(r.live);
	round_apply(&bench, &r);
	if (!r.applied || (documents && round_await(&bench, &r) != AWAIT_READY))
		fail_msg("%s", round_messages(&r));
	assert_int_equal(r.diags.list.n, 0); /* draining went well, too */
	round_finish(&r);
	round_plan_mesh(&bench, documents, &r);
	assert_string_equal(round_changes(&r), "");
	if (documents)
		assert_int_equal(round_await(&bench, &r), AWAIT_READY);
	round_finish(&r);
}

static const char *ask(const char *url)
{
	const struct http_config config = { .connect_timeout_ms = 2000, .timeout_ms = 2000 };
	const struct http_request request = { .method = "GET", .url = url, .limit = 4096 };
	scoped(http_free) struct http *http = NULL;
	struct http_response response = { 0 };
	const char *problem;

	assert_int_equal(http_new(&config, &bench.arena, &http, &problem), 0);
	return http_do(http, &request, &bench.arena, &response, &problem) ? NULL : response.body.data;
}

/* To a place that the user of the sidecar may pass, other than the home of root. */
static void bring_in_envoy(void)
{
	const char *here = bench_path(&bench, "envoy");

	bench_write(&bench, "envoy", "");
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount(envoy, here, NULL, MS_BIND, NULL), 0);
	envoy = here;
}

static void test_an_envoy_as_sidecar(void **state)
{
	long long start;

	(void)state;
	bench_init(&bench);
	bring_in_envoy();
	converge(mesh("hello"));
	assert_string_equal(ask("http://127.0.0.1:8101/"), "hello");
	assert_string_equal(ask("http://127.0.0.1:8102/"), "hello");
	converge(mesh("hello again"));
	assert_string_equal(ask("http://127.0.0.1:8101/"), "hello again");
	/* Both at the same time: their draining takes a second each. */
	start = clock_monotonic_ms();
	converge(NULL);
	assert_in_range(clock_monotonic_ms() - start, 1000, 1900);
	assert_null(ask("http://127.0.0.1:8101/"));
	assert_int_equal(umount(envoy), 0);
	unlink(envoy);
	assert_int_equal(rmdir(bench.dir), 0);
	assert_int_equal(rmdir(bench.state_dir), 0);
	bench_finish(&bench);
}

static int tests(void)
{
	const struct CMUnitTest all[] = { cmocka_unit_test(test_an_envoy_as_sidecar) };

	return cmocka_run_group_tests(all, NULL, NULL);
}

static const char *find_envoy(struct arena *a)
{
	const char *parts = getenv("PARTS_DIR"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (parts)
		return arena_printf(a, "%s/bin/envoy", parts);
	if (cache)
		return arena_printf(a, "%s/enmesh-parts/bin/envoy", cache);
	return arena_printf(a, "%s/.cache/enmesh-parts/bin/envoy", home ? home : "");
}

int main(void)
{
	struct arena a = { 0 };
	int r;

	envoy = find_envoy(&a);
	if (access(envoy, X_OK) < 0) {
		fprintf(stderr, "skipped: there is no %s (tests/parts/get envoy brings it)\n", envoy);
		return 77;
	}
	r = bench_main(tests);
	arena_finish(&a);
	return r;
}
