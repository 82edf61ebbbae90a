"""The program as people and robots use it, as far as it changes nothing: test_cli.py ENMESH CHECK_JSON SCHEMA_DIR."""
import json
import os
import re
import shutil
import subprocess
import unittest

from cli_case import ENMESH, IS_ROOT, MESH, NODE, Case, clean_environment, main

COMMANDS = ["init", "validate", "render", "diff", "apply", "run", "trace", "verify", "status", "bundle", "import", "cleanup", "help"]

# Accounts that no machine has.
STRANGERS = """---
apiVersion: enmesh.io/v1alpha1
kind: MeshSidecar
metadata: {name: proxy}
spec: {user: no-such-proxy}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshCapture
metadata: {name: all}
spec: {}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshService
metadata: {name: web}
spec: {nodes: all, sidecar: proxy, capture: all, runAs: {user: no-such-user}, ports: [{name: http, port: 80}]}
"""

class Usage(Case):
    def refuse(self, *args, message):
        r = self.enmesh(*args, code=64)
        self.assertEqual(r.stdout, "")
        self.assertIn(message, r.stderr)
        self.assertTrue(r.stderr.startswith("enmesh: error: "))

    def test_every_command_has_help(self):
        overview = self.enmesh("--help").stdout
        self.assertEqual(overview, self.enmesh("help").stdout)
        for command in COMMANDS:
            self.assertRegex(overview, rf"\n  {command} ")
            text = self.enmesh(command, "--help").stdout
            self.assertTrue(text.startswith(f"Usage: enmesh {command} [OPTIONS]"))
            self.assertEqual(text, self.enmesh("help", command).stdout)
            self.assertIn("\nExit codes:\n", text)
        self.assertEqual(sorted(COMMANDS), sorted(re.findall(r"^  ([a-z]+) ", overview, re.M)))

    def test_version(self):
        self.assertRegex(self.enmesh("--version").stdout, r"^enmesh \d+\.\d+\.\d+\n$")

    def test_bad_usage_ends_with_64(self):
        self.refuse(message="no command was given")
        self.refuse("aply", message="unknown command 'aply', did you mean 'apply'?")
        self.refuse("frobnicate", message="unknown command 'frobnicate'; 'enmesh help' lists the commands")
        self.refuse("help", "frobnicate", message="unknown command 'frobnicate'")
        self.refuse("diff", "--nod", "x", message="unknown option '--nod', did you mean '--node'?")
        self.refuse("validate", "a", "b", message="'b' is one operand too many")
        self.refuse("init", message="init needs an operand: enmesh init [OPTIONS] DIR")
        self.refuse("status", "x", message="'x' is one operand too many")
        self.refuse("render", "mesh", "-o", "nfy", message="unknown FORMAT 'nfy', did you mean 'nft'?")
        self.refuse("apply", "mesh", "--timeout", "soon", message="expected a duration")
        self.refuse("diff", "mesh", "--target", "captur", message="unknown target 'captur', did you mean 'capture'?")
        self.refuse("diff", "mesh", "--api-cert-file", "/x", message="needs both")
        self.refuse("trace", "mesh", "--to", "10.0.0.7:443", message="give --from and --to")
        self.refuse("trace", "mesh", "--from", "user:", "--to", "10.0.0.7:443", message="'user:' is not uid:USER")
        self.refuse("trace", "mesh", "--from", "uid:1", "--to", "10.0.0.7", message="'10.0.0.7' is not ADDRESS:PORT")
        self.refuse("trace", "mesh", "--from", "10.0.0.9", "--to", "[::1]:80", message="are of two families")
        self.refuse("trace", "mesh", "--from", "10.0.0.9", "--to", "10.0.0.7:1", "--closed", "x", message="'x' is not a port")
        self.refuse("--frobnicate", message="unknown option '--frobnicate'")
        self.refuse("import", "linkerd", message="enmesh import istio [FILE…] [-- FLAGS]")
        self.refuse("import", "istio", "--", "--proxy-udi", "1", message="has no flag '--proxy-udi', did you mean '--proxy-uid'?")

    def test_options_may_come_before_the_command(self):
        self.mesh()
        self.assertEqual(self.enmesh("-q", "validate", "mesh").stdout, "")

    def test_no_source_is_a_usage_error(self):
        self.write("agent.yaml", "apiVersion: enmesh.io/v1alpha1\nkind: AgentConfig\nspec: {}\n")
        for command in "validate", "render", "diff", "apply":
            self.refuse(command, "--config", "agent.yaml", message="no source: give a directory")

    def test_output_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "w") as full:
            r = self.enmesh("help", code=1, stdout=full)
        self.assertIn("standard output cannot be written: No space left on device", r.stderr)


class Init(Case):
    def test_init_makes_a_mesh_that_validates_and_renders(self):
        said = self.enmesh("init", "new", "--node", NODE).stdout
        files = sorted(os.path.relpath(os.path.join(d, f), self.path("new"))
                       for d, _, names in os.walk(self.path("new")) for f in names)
        self.assertEqual(files, [".enmeshignore", "mesh.yaml", f"nodes/{NODE}.yaml", "services/hello.yaml"])
        for f in files:
            self.assertIn(f"wrote new/{f}\n", said)
        self.assertRegex(self.enmesh("validate", "--strict", "new").stdout, r"^Valid: mesh mesh, 1 node, 1 service")
        self.check("render", self.enmesh("render", "new", "--node", NODE, "-o", "json").stdout)
        self.assertIn(f"node: {NODE}\n", self.enmesh("render", "new", "--node", NODE).stdout)
        self.assertIn("table inet enmesh", self.enmesh("render", "new", "--node", NODE, "-o", "nft").stdout)

    def test_init_overwrites_nothing(self):
        self.write("new/services/hello.yaml", "mine")
        r = self.enmesh("init", "new", "--node", NODE, code=1)
        self.assertIn("new/services/hello.yaml is there already", r.stderr)
        self.assertEqual(os.listdir(self.path("new")), ["services"])
        with open(self.path("new/services/hello.yaml")) as f:
            self.assertEqual(f.read(), "mine")

    def test_init_goes_into_a_directory_with_other_files(self):
        self.write("new/README.md", "text")
        self.enmesh("init", "new", "--node", NODE)
        self.enmesh("validate", "new")

    def test_init_follows_no_link(self):
        os.mkdir(self.path("new"))
        os.mkdir(self.path("elsewhere"))
        os.symlink("../elsewhere", self.path("new/nodes"))
        self.enmesh("init", "new", "--node", NODE, code=1)
        self.assertEqual(os.listdir(self.path("elsewhere")), [])

    def test_init_needs_a_node_name(self):
        for name in "Upper", "a/b", "../x", "-x", "a b":
            self.assertIn("is no name of a node", self.enmesh("init", "new", f"--node={name}", code=64).stderr)
        self.assertFalse(os.path.exists(self.path("new")))


class Validate(Case):
    def test_valid_source(self):
        out = self.enmesh("validate", self.mesh()).stdout
        self.assertRegex(out, r"^Valid: mesh demo, 1 node \(sha256:[0-9a-f]{12}\)\n$")

    def test_mistakes_are_shown_with_their_places(self):
        self.mesh()
        self.write("mesh/bad.yaml", MESH.split("---\n")[1].replace("vm1", "vm2").replace("addresses", "adresses"))
        r = self.enmesh("validate", "mesh", code=1)
        self.assertRegex(r.stderr, r"(?m)^mesh/bad\.yaml:4:8: error: unknown field 'adresses', .*'addresses'")
        self.assertRegex(r.stdout, r"^Invalid: \d+ errors?\n$")

    def test_json(self):
        self.mesh()
        j = self.check("diagnostics", self.enmesh("validate", "mesh", "-o", "json").stdout)
        self.assertTrue(j["valid"])
        self.write("mesh/bad.yaml", "apiVersion: enmesh.io/v1alpha1\nkind: MeshNod\n")
        r = self.enmesh("validate", "mesh", "-o", "json", "--json-into", "copy.json", code=1)
        j = self.check("diagnostics", r.stdout)
        self.assertFalse(j["valid"])
        self.assertEqual(j["error_count"], len(j["diagnostics"]))
        self.assertEqual((j["diagnostics"][0]["file"], j["diagnostics"][0]["line"]), ("mesh/bad.yaml", 2))
        with open(self.path("copy.json")) as f:
            self.assertEqual(json.load(f), j)
        self.check("diagnostics", self.enmesh("validate", "nowhere", "-o", "json", code=1).stdout)

    def test_json_into_a_device_leaves_the_device(self):
        self.mesh()
        self.enmesh("validate", "mesh", "--json-into", "/dev/null")
        self.assertFalse(os.path.isfile("/dev/null"))

    def test_strict_makes_warnings_errors(self):
        self.write("mesh/mesh.yaml", MESH + """---
apiVersion: enmesh.io/v1alpha1
kind: MeshService
metadata: {name: web}
spec: {nodes: {matchLabels: {app: web}}}
""")
        self.assertIn("warning: ", self.enmesh("validate", "mesh").stderr)
        self.assertNotIn("warning: ", self.enmesh("validate", "mesh", "--strict", code=1).stderr)

    def test_a_file_that_the_source_lacks_is_found_for_every_node(self):
        self.write("mesh/mesh.yaml", MESH + """---
apiVersion: enmesh.io/v1alpha1
kind: MeshComponent
metadata: {name: etcd}
spec: {nodes: all, command: [etcd], files: [{path: /etc/x, source: conf/x.json}]}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshNode
metadata: {name: vm2}
spec: {addresses: [10.0.0.2]}
""")
        r = self.enmesh("validate", "mesh", code=1)
        self.assertEqual(r.stderr.count("the source has no file 'conf/x.json'"), 1)

    def test_at_most_a_hundred_are_shown(self):
        self.write("mesh/mesh.yaml", MESH + "".join(
            f"---\napiVersion: enmesh.io/v1alpha1\nkind: MeshNode\nmetadata: {{name: n{i}}}\nspec: {{}}\n" for i in range(150)))
        lines = self.enmesh("validate", "mesh", code=1).stderr.splitlines()
        self.assertEqual(len(lines), 101)
        self.assertEqual(lines[-1], "enmesh: 50 more are not shown")

    def test_settings_do_not_matter_where_a_source_is_given(self):
        self.mesh()
        self.write("agent.yaml", "broken: [")
        self.enmesh("validate", "mesh", "--config", "agent.yaml")
        self.enmesh("validate", "--config", "agent.yaml", code=1)

    def test_hostile_names_are_escaped(self):
        self.mesh()
        os.mkdir(self.path("mesh/\x1b[2J"))
        name = "mesh/\x1b[2J/a\nb\u202ec.yaml"
        self.write(name, "apiVersion: enmesh.io/v1alpha1\nkind: \"Mesh\\e[31mNode\\x9b\"\nmetadata: {name: x}\n")
        r = self.enmesh("validate", "mesh", code=1)
        self.assertNotRegex(r.stderr.replace("\n", ""), "[\x00-\x1f\x7f-\x9f\u202e]")
        self.assertEqual(len(r.stderr.splitlines()), 1, r.stderr)
        r = self.enmesh("validate", "no\x1b[2Jwhere", code=1)
        self.assertNotIn("\x1b", r.stderr)
        r = self.enmesh("frob\x1b[2J", code=64)
        self.assertNotIn("\x1b", r.stderr)


class Render(Case):
    def test_unknown_node_is_an_error(self):
        self.mesh()
        r = self.enmesh("render", "mesh", "--node", "vm2", code=1)
        self.assertIn("no MeshNode 'vm2', did you mean 'vm1'?", r.stderr)
        self.assertEqual(r.stdout, "")

    def test_first_part_of_a_host_name_is_suggested(self):
        self.mesh()
        self.assertIn("did you mean 'vm1'?",
                      self.enmesh("render", "mesh", "--node", "vm1.prod.eu.example.com", code=1).stderr)

    def test_names_that_the_machine_lacks_stay_names(self):
        self.write("mesh/mesh.yaml", MESH + STRANGERS)
        self.assertIn("no-such-user", self.enmesh("render", "mesh", "--node", NODE, "-o", "nft").stdout)
        r = self.enmesh("diff", "mesh", "--node", NODE, code=1)
        self.assertIn("this machine has no user 'no-such-user', which the source names", r.stderr)

    def test_trace_tells_users_apart_by_name_and_number(self):
        self.write("mesh/mesh.yaml", MESH + STRANGERS + """---
apiVersion: enmesh.io/v1alpha1
kind: MeshSidecar
metadata: {name: second}
spec: {user: no-such-second, ports: {outbound: 16001, inbound: 16006, tunnel: 16008, admin: 16000}}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshService
metadata: {name: root}
spec: {nodes: all, sidecar: second, capture: all, runAs: {user: root}, ports: [{name: http, port: 81}]}
""")
        for who, port in ("user:no-such-user", 15001), ("uid:0", 16001), ("user:root", 16001), ("uid:4711", 443), (
                "user:no-such-proxy", 443):
            j = self.check("trace", self.enmesh("trace", "mesh", "--node", NODE, "--from", who, "--to", "10.0.0.7:443",
                                                "-o", "json", "--json-into", "trace.json").stdout)
            self.assertEqual(j["traces"][0]["landing"]["port"], port, who)
            with open(self.path("trace.json")) as f:
                self.assertEqual(self.check("trace", f.read()), j)
        self.assertEqual(self.enmesh("trace", "mesh", "--node", NODE, "--from", "uid:0", "--to", "10.0.0.7:443", "-q").stdout, "")

    def test_target_narrows(self):
        self.mesh()
        j = json.loads(self.enmesh("render", "mesh", "--node", NODE, "-o", "json", "--target", "capture").stdout)
        self.assertEqual(list(j["targets"]), ["capture"])


class Import(Case):
    CLUSTER = "ISTIO_SERVICE='web.shop'\nISTIO_INBOUND_PORTS='*'\nISTIO_LOCAL_EXCLUDE_PORTS='22'\nCANONICAL_SERVICE='web'\n"

    def import_istio(self, *args, env=(), **kw):
        env = {k: v for k, v in clean_environment().items() if not k.startswith("ISTIO_")} | dict(env)
        return self.enmesh("import", "istio", *args, env=env, **kw)

    def test_files_environment_and_flags_become_a_mesh(self):
        self.write("cluster.env", self.CLUSTER)
        self.write("sidecar.env", "ISTIO_SERVICE_CIDR=10.0.0.0/8\nISTIO_OUTBOUND_PORTS=80\n")
        r = self.import_istio("cluster.env", "sidecar.env", "--node", "vm1", "--", "-x", "10.9.0.1/16",
                              env={"ISTIO_OUTBOUND_PORTS": "443"})
        self.assertEqual(r.stderr, "enmesh: warning: left out, for it has no meaning here (the documents say why): "
                                   "CANONICAL_SERVICE in cluster.env:4\n")
        self.write("mesh/istio.yaml", r.stdout)
        self.enmesh("validate", "mesh", "--strict")
        rules = self.enmesh("render", "mesh", "--node", "vm1", "-o", "nft").stdout
        for text in "10.0.0.0/8", "10.9.0.0/16", "443", "15006":
            self.assertIn(text, rules)
        self.assertNotIn(" 80 ", rules)

    def test_without_anything_it_is_what_istio_does_by_itself(self):
        r = self.import_istio()
        self.assertEqual(r.stderr, "")
        self.assertIn("    ports: []\n", r.stdout)
        self.assertIn("    cidrs: []\n", r.stdout)
        self.assertEqual(self.import_istio().stdout, r.stdout)

    def test_mistakes_are_shown_with_their_places(self):
        self.write("bad.env", "ISTIO_SERVICE=Web\nISTIO_INBOUND_PORTS=80,x_y\n")
        r = self.import_istio("bad.env", code=1)
        self.assertEqual(r.stdout, "")
        self.assertIn("bad.env:2:1: error: ISTIO_INBOUND_PORTS: expected a port", r.stderr)
        self.write("bad.env", "ISTIO_SERVICE=Web\nISTIO_META_NETWORK=a b\n")
        self.assertIn("bad.env:2:22: error: expected NAME=VALUE", self.import_istio("bad.env", code=1).stderr)
        self.write("bad.env", "\nISTIO_SERVICE=Web\n")
        self.assertIn("bad.env:2:1: error: ISTIO_SERVICE: expected a name of lower-case letters",
                      self.import_istio("bad.env", code=1).stderr)
        self.assertIn("none.env cannot be read: No such file", self.import_istio("none.env", code=1).stderr)
        self.assertIn("--node: expected a node name", self.import_istio("--node", "a: b", code=1).stderr)


class Settings(Case):
    AGENT = "apiVersion: enmesh.io/v1alpha1\nkind: AgentConfig\nspec: "

    def config(self, spec):
        return self.write("agent.yaml", self.AGENT + spec + "\n")

    def test_settings_name_source_and_node(self):
        self.mesh()
        self.config(f"{{node: vm1, source: {{path: {self.path('mesh')}}}}}")
        self.assertIn("node: vm1\n", self.enmesh("render", "--config", "agent.yaml").stdout)

    def test_flags_win(self):
        self.mesh()
        self.config(f"{{node: vm1, source: {{path: /nowhere}}, runDir: {self.path('a')}}}")
        self.enmesh("render", "mesh", "--config", "agent.yaml")
        self.enmesh("render", "mesh", "--config", "agent.yaml", "--node", "other", code=1)
        self.assertIn("b/status.json", self.enmesh("status", "--config", "agent.yaml", "--run-dir", "b", code=1).stderr)
        self.assertIn("a/status.json", self.enmesh("status", "--config", "agent.yaml", code=1).stderr)

    def test_mistakes_in_settings_are_errors(self):
        self.mesh()
        cases = {
            "{nod: x}": r"agent\.yaml:3:8: error: unknown field 'nod', .*'node'",
            "{timeout: soon}": r"agent\.yaml:3:.*: error: .*duration",
            "{apiServer: {certFile: /x}}": r"agent\.yaml:3:.*: error: .*keyFile",
            "{source: {path: relative}}": r"agent\.yaml:3:.*: error: .*absolute path",
        }
        for spec, message in cases.items():
            self.config(spec)
            for command in ["render", "mesh"], ["diff", "mesh"], ["apply", "mesh"], ["status"], ["cleanup"]:
                self.assertRegex(self.enmesh(*command, "--config", "agent.yaml", code=1).stderr, message)

    def test_other_files_are_no_settings(self):
        self.mesh()
        for name in "nowhere.yaml", "mesh":
            self.assertIn(f"the settings {name} ", self.enmesh("status", "--config", name, code=1).stderr)
        self.assertIn("error: ", self.enmesh("status", "--config", "mesh/mesh.yaml", code=1).stderr)
        self.write("empty.yaml", "")
        self.assertIn("expected one AgentConfig", self.enmesh("status", "--config", "empty.yaml", code=1).stderr)
        os.mkfifo(self.path("fifo"))
        self.assertIn("no regular file", self.enmesh("status", "--config", "fifo", code=1).stderr)


class Status(Case):
    def test_without_a_pass(self):
        r = self.enmesh("status", "--run-dir", "run", code=1)
        self.assertIn("no pass has run on this machine yet", r.stderr)

    def test_damaged_status(self):
        for text in "", "{", "[]", "7", "\x00":
            self.write("run/status.json", text)
            self.assertIn("is damaged", self.enmesh("status", "--run-dir", "run", code=1).stderr)

    def test_hostile_status_is_escaped(self):
        self.write("run/status.json", json.dumps({"node": "a\x1b[2Jb", "conditions": [{"type": "Ready\n"}, 3, None]}))
        self.assertNotIn("\x1b", self.enmesh("status", "--run-dir", "run", code=1).stdout)


@unittest.skipUnless(IS_ROOT, "needs root to become somebody else")
class Nobody(Case):
    NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]

    def setUp(self):
        super().setUp()
        self.prefix = self.NOBODY
        # The program must be where nobody may read it.
        shutil.copy(ENMESH, self.path("enmesh"))
        self.mesh()

    def enmesh(self, *args, code=0, **kw):
        r = subprocess.run([*self.prefix, self.path("enmesh"), *args], capture_output=True, text=True, cwd=self.dir,
                           timeout=60, env=clean_environment())
        self.assertEqual(r.returncode, code, r.stdout + r.stderr)
        return r

    def files(self):
        return sorted(os.path.join(d, f) for d, dirs, names in os.walk(self.dir) for f in names + dirs)

    def test_validate_and_render_need_no_rights(self):
        self.enmesh("validate", "mesh")
        self.enmesh("render", "mesh", "--node", NODE)

    def test_diff_says_what_is_unknown_and_ends_with_1(self):
        before = self.files()
        os.mkdir(self.path("state"), 0o700)
        r = self.enmesh("diff", "mesh", "--node", NODE, "--state-dir", "state", "--run-dir", "run", code=1)
        self.assertRegex(r.stdout, r"\nUnknown: capture.*\nPlan: 0 to add, 0 to change, 0 to remove\.\n$")
        self.assertIn("without CAP_NET_ADMIN", r.stderr)
        self.assertIn("cannot be read from state: Permission denied", r.stderr)
        os.rmdir(self.path("state"))
        j = json.loads(self.enmesh("diff", "mesh", "--node", NODE, "-o", "json", "--state-dir", "state", code=1).stdout)
        self.assertIn("capture", j["unknown"])
        self.assertTrue(j["errored"])
        self.assertEqual(self.files(), before)

    def test_apply_names_what_it_may_not_do(self):
        r = self.enmesh("apply", "mesh", "--node", NODE, "--run-dir", "run", "--state-dir", "state", code=1)
        self.assertIn("the lock run/lock cannot be taken: Permission denied", r.stderr)
        self.assertEqual(r.stdout, "")


if __name__ == "__main__":
    main()
