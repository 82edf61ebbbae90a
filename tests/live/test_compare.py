"""`enmesh diff SOURCE --from REV`: test_compare.py ENMESH CHECK_JSON SCHEMA_DIR. Needs git, and no rights."""
import json
import os
import random
import re
import shutil
import subprocess
import sys

from cli_case import MESH, Case, clean_environment, main

SERVER = "{controlPlane: {apiServer: {urls: ['https://10.0.0.9:6443']}}, objects: {writers: {names: [vm4]}}}"
CAPTURE = """---
apiVersion: enmesh.io/v1alpha1
kind: MeshCapture
metadata: {name: default}
spec: {%s}
"""
SIDECAR = """---
apiVersion: enmesh.io/v1alpha1
kind: MeshSidecar
metadata: {name: proxy}
spec:
  proxyUsers: [1337]
  command: [/usr/bin/proxy, --node, "${node.name}", %s]
  user: nobody
  files: [{path: "/etc/proxy/${service.name}.conf", source: proxy.conf, user: no-such-user, group: no-such-group}]
"""
NODE = """---
apiVersion: enmesh.io/v1alpha1
kind: MeshNode
metadata: {name: %s, labels: {app: %s}}
spec: {addresses: [%s]}
"""
SERVICE = """---
apiVersion: enmesh.io/v1alpha1
kind: MeshService
metadata: {name: %s, namespace: shop}
spec:
  nodes: {matchLabels: {app: %s}}
  ports: [{name: http, port: %d}]
  runAs: {user: %s}
  sidecar: proxy
  capture: default
"""
OBJECT = """---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: shop}
spec: {hosts: [%s]}
"""


class Compare(Case):
    def setUp(self):
        super().setUp()
        self.git("init", "-q", "-b", "main", self.path("repo"), cwd=self.dir)
        self.write("repo/mesh/proxy.conf", "one\n")
        self.mesh()

    def git(self, *args, cwd=None):
        names = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *names, *args], cwd=cwd or self.path("repo"), check=True, capture_output=True,
                              text=True, env={**clean_environment(), "GIT_CONFIG_GLOBAL": "/dev/null"}).stdout.strip()

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def mesh(self, capture="", argument="x", port=9080, user="reviews", nodes=("vm1", "vm2", "vm3", "vm4"), host="a.example.com",
             commit=True):
        text = MESH.split("---")[0].replace("{}", SERVER) + CAPTURE % capture + SIDECAR % argument + OBJECT % host
        text += "".join(NODE % (n, {"vm1": "web", "vm2": "web", "vm3": "db"}.get(n, n), f"10.0.0.{n[2:]}") for n in nodes)
        text += SERVICE % ("reviews", "web", port, user) + SERVICE % ("store", "db", 5432, "store")
        self.write("repo/mesh/mesh.yaml", text)
        if commit:
            self.git("add", "-A")
            self.git("commit", "-qm", "x", "--allow-empty")

    def diff(self, *args, code=2, **kw):
        return self.enmesh("diff", "repo/mesh", *args, code=code, **kw)

    def groups(self, *args, code=2):
        return {tuple(g["nodes"]): g for g in
                self.check("comparison", self.diff(*args, "-o", "json", code=code).stdout)["groups"]}

    def test_equal_revisions_differ_in_nothing(self):
        r = self.diff("--from", "HEAD", code=0)
        self.assertIn("4 nodes compared\nNo changes. No node is affected.\n", r.stdout)
        self.assertEqual(self.groups("--from", "HEAD", code=0), {})

    def test_nodes_with_the_same_changes_are_one_entry(self):
        self.mesh(port=9081)
        groups = self.groups("--from", "HEAD~1")
        self.assertEqual(list(groups), [("vm1", "vm2"), ("vm4",)])
        addresses = {c["address"]: c for c in groups["vm1", "vm2"]["changes"]}
        self.assertIn("capture/inet/enmesh/map/port-policy", addresses)
        self.assertEqual(addresses["capture/inet/enmesh/map/port-policy"]["cause"], "changed")
        r = self.diff("--from", "HEAD~1")
        self.assertIn("2 nodes: vm1, vm2; shown for vm1:", r.stdout)
        self.assertIn("-             9080 : goto in-default".replace(" ", ""), r.stdout.replace(" ", ""))
        self.assertTrue(re.search(r"^Plan: \d+ to add, \d+ to change, \d+ to remove\.$", r.stdout, re.M))

    def test_processes_and_files_are_compared_and_unknown_names_stay_names(self):
        self.mesh(argument="y")
        self.write("repo/mesh/proxy.conf", "two\n")
        groups = self.groups("--from", "HEAD~1")
        self.assertEqual(sorted(groups), [("vm1", "vm2"), ("vm3",)])
        changes = {c["address"]: c for c in groups["vm1", "vm2"]["changes"]}
        self.assertEqual(changes["processes/sidecar-shop.reviews"]["cost"], "restart")
        self.assertEqual(changes["processes/file/etc/proxy/reviews.conf"]["after"]["user"], "no-such-user")

    def test_a_file_alone_is_a_difference(self):
        self.write("repo/mesh/proxy.conf", "two\n")
        self.assertEqual({a for g in self.groups("--from", "HEAD").values() for c in g["changes"] for a in [c["address"]]},
                         {"processes/file/etc/proxy/reviews.conf", "processes/file/etc/proxy/store.conf",
                          "processes/sidecar-shop.reviews", "processes/sidecar-shop.store"})

    def test_objects_are_compared_without_a_server(self):
        self.mesh(host="b.example.com", commit=False)
        groups = self.groups("--from", "HEAD", "--target", "objects")
        self.assertEqual(list(groups), [("vm4",)])
        self.assertEqual([(c["address"], c["actions"]) for c in groups["vm4",]["changes"]],
                         [("objects/networking.istio.io/ServiceEntry/shop/outside", ["update"])])

    def test_nodes_come_and_go(self):
        self.mesh(nodes=("vm1", "vm2", "vm4", "vm5"))
        self.write("repo/mesh/new.yaml", SERVICE % ("extra", "vm5", 81, 1))
        groups = self.groups("--from", "HEAD~1")
        self.assertEqual(groups["vm3",]["presence"], "gone")
        self.assertEqual(groups["vm3",]["changes"], [])
        self.assertEqual(groups["vm5",]["presence"], "new")
        self.assertTrue(groups["vm5",]["changes"])
        r = self.diff("--from", "HEAD~1", "--node", "vm3")
        self.assertIn("Node vm3 is no longer in the source: nothing changes there until", r.stdout)
        self.diff("--from", "HEAD~1", "--node", "vm9", code=1)

    def test_the_default_is_the_merge_base_with_the_upstream_branch(self):
        r = self.diff("--to", "HEAD", code=1)
        self.assertIn("upstream branch", r.stderr)
        self.git("checkout", "-qb", "topic", "--track", "main")
        base = self.git("rev-parse", "HEAD")
        self.mesh(port=9081)
        self.git("checkout", "-q", "main")
        self.mesh(port=9082)
        self.git("checkout", "-q", "topic")
        for args in (("--to", "HEAD"), ("--from", "merge-base")):
            r = self.diff(*args)
            self.assertIn(base, r.stdout)
            self.assertNotIn("9082", r.stdout)

    def test_mistakes_are_told(self):
        for args, words in ((("--from", "nope"), "no such revision"), (("--from", "HEAD:mesh"), "no commit")):
            self.assertIn(words, self.diff(*args, code=1).stderr)
        self.write("repo/mesh/mesh.yaml", "nonsense: [")
        self.assertIn("mesh.yaml:2", self.diff("--from", "HEAD", code=1).stderr)
        self.git("commit", "-qam", "broken")
        self.mesh()
        r = self.diff("--from", "HEAD~1", code=1)
        self.assertIn("is not valid itself", r.stderr)
        self.assertIn("mesh/mesh.yaml:2", r.stderr)
        self.assertTrue(self.check("comparison", self.diff("--from", "HEAD~1", "-o", "json", code=1).stdout)["errored"])
        shutil.rmtree(self.path("repo/.git"))
        self.assertIn("cannot be read", self.diff("--from", "HEAD", code=1).stderr)
        r = self.enmesh("diff", "https://h/r.git", "--from", "HEAD", code=64)
        self.assertIn("clone", r.stderr)

    def test_markdown_folds_each_group_and_stays_in_a_comment(self):
        self.mesh(port=9081)
        text = self.diff("--from", "HEAD~1", "-o", "markdown").stdout
        self.assertIn("<details><summary>2 nodes: vm1, vm2; shown for vm1</summary>", text)
        self.mesh()
        for n in range(10, 200):
            self.write(f"repo/mesh/n{n}.yaml", SERVICE % (f"s{n}", f"x{n}", 1000 + n, n) + NODE % (f"w{n}", f"x{n}", f"10.1.0.{n}"))
        text = self.diff("--from", "HEAD~1", "-o", "markdown").stdout
        self.assertLess(len(text), 60 * 1024)
        cut = int(re.search(r"The rest was cut: the changes of (\d+) more nodes", text)[1])
        self.assertGreater(cut, 100)
        self.assertLess(cut, 190)

    def test_a_document_in_the_place_of_a_generated_object_is_seen_on_the_node_that_made_it(self):
        entry = OBJECT.replace("ServiceEntry", "WorkloadEntry").replace("outside", "store.vm3") % ""
        self.write("repo/mesh/entry.yaml", entry)
        address = "objects/networking.istio.io/WorkloadEntry/shop/store.vm3"
        for args in ((), ("--node", "vm3")):
            groups = self.groups("--from", "HEAD", *args)
            self.assertEqual([(c["address"], c["actions"]) for c in groups["vm3",]["changes"]], [(address, ["delete"])])
        self.assertEqual(list(groups), [("vm3",)])

    def test_the_objects_of_the_mesh_stay_whoever_writes_them(self):
        text = self.read("repo/mesh/mesh.yaml")
        self.write("repo/mesh/mesh.yaml", text.replace("names: [vm4]", "names: [vm1]"))
        self.assertEqual(self.groups("--from", "HEAD", code=0), {})
        moved = text.replace("names: [vm4]", "names: [vm1]").replace("a.example.com", "b.example.com")
        self.write("repo/mesh/mesh.yaml", moved)
        outside = [("objects/networking.istio.io/ServiceEntry/shop/outside", ["update"])]
        groups = self.groups("--from", "HEAD")
        self.assertEqual(list(groups), [("vm1",)])
        self.assertEqual([(c["address"], c["actions"]) for c in groups["vm1",]["changes"]], outside)
        self.write("repo/mesh/mesh.yaml", text.replace("vm4", "vm5").replace("a.example.com", "b.example.com"))
        groups = self.groups("--from", "HEAD")
        self.assertEqual([(n, g["presence"]) for n, g in groups.items()], [(("vm4",), "gone"), (("vm5",), "new")])
        self.assertEqual([(c["address"], c["actions"]) for c in groups["vm5",]["changes"]], outside)

    def test_what_pruning_leaves_is_not_shown_to_go(self):
        text = self.read("repo/mesh/mesh.yaml")
        entry = OBJECT.replace("outside", "more") % "c.example.com"
        kept = entry.replace("namespace: shop", "namespace: shop, annotations: {enmesh.io/prune: disabled}")
        for document, policy, refused, code in ((entry, "", "", 2), (kept, "", "", 0), (entry, "prune: false, ", "", 0),
                                                (entry, "", "labels: 1, ", 0)):
            outside = OBJECT.replace("metadata: {", "metadata: {" + refused) % "a.example.com"
            mesh = text.replace("writers:", policy + "writers:").replace(OBJECT % "a.example.com", outside)
            self.write("repo/mesh/mesh.yaml", mesh)
            self.write("repo/mesh/more.yaml", document)
            self.git("add", "-A")
            self.git("commit", "-qm", "x")
            os.unlink(self.path("repo/mesh/more.yaml"))
            self.diff("--from", "HEAD", code=code)

    def test_a_node_is_left_out_only_if_it_is_rendered_the_same(self):
        """Whatever it depends on: what is skipped because its documents are the same must be the same."""
        seed = int(os.environ.get("SEED", random.randrange(10 ** 6)))
        rng = random.Random(seed)

        def write():
            self.mesh(capture=rng.choice(["", "mode: tproxy"]), argument=rng.choice("xxy"), port=rng.choice([80, 80, 81]),
                      user=rng.choice(["1001", "1001", "reviews"]), host=rng.choice("aaab") + ".example.com",
                      nodes=("vm1", "vm2", "vm3", "vm4"), commit=False)
            self.write("repo/mesh/proxy.conf", rng.choice(["one", "one", "two"]))
            names = ["store.vm3", "reviews.vm1", "reviews.vm2", "other"]
            self.write("repo/mesh/entries.yaml", CAPTURE.replace("default", "unused") % "" + "".join(
                OBJECT.replace("ServiceEntry", "WorkloadEntry").replace("outside", n) % "" for n in names if rng.random() < 0.2))
            self.git("add", "-A")
            self.git("commit", "-qm", "x", "--allow-empty")
            nodes = ("vm1", "vm2", "vm3", "vm4")
            return {n: json.loads(self.enmesh("render", "repo/mesh", "--node", n, "-o", "json").stdout)["targets"] for n in nodes}

        before = write()
        for _ in range(12):
            after = write()
            different = {n for n in after if after[n] != before[n]}
            groups = self.groups("--from", "HEAD~1", code=2 if different else 0)
            self.assertEqual({n for g in groups for n in g}, different, f"SEED={seed}")
            before = after

    def test_without_a_right_and_without_a_home(self):
        self.mesh(port=9081)
        os.chmod(self.path("repo"), 0o755)
        prefix = self.somebody()
        self.diff("--from", "HEAD~1", prefix=prefix, env={"PATH": os.environ["PATH"]})

    def test_what_is_shown_is_what_happens(self):
        """From rules as `render` has them for one revision, the changes lead to those of the other."""
        seed = int(os.environ.get("SEED", random.randrange(10 ** 6)))
        rng = random.Random(seed)
        choices = ["", "mode: tproxy", "outbound: {excludePorts: [123]}", "outbound: {excludeCidrs: [10.1.0.0/16, 10.2.0.0/16]}",
                   "inbound: {ports: all}", "families: [ipv4], uncapturedFamily: refuse", "dropInvalid: true", "excludeInterfaces: [docker0]"]
        for _ in range(12):
            self.mesh(capture=rng.choice(choices), user=rng.choice(["1001", "1002"]), port=rng.choice([80, 81]))
            before = self.enmesh("render", "repo/mesh", "--node", "vm1", "-o", "nft").stdout
            self.mesh(capture=rng.choice(choices), user=rng.choice(["1001", "1002"]), port=rng.choice([80, 81]))
            after = self.enmesh("render", "repo/mesh", "--node", "vm1", "-o", "nft").stdout
            same = before == after
            groups = self.groups("--from", "HEAD~1", "--target", "capture", "--node", "vm1", code=0 if same else 2)
            added, removed = set(), set()
            for change in groups.get(("vm1",), {"changes": []})["changes"]:
                if "/rule[" in change["address"]:
                    added |= {change["after"]} if change["after"] else set()
                    removed |= {change["before"]} if change["before"] else set()
            rules = [{line.strip() for line in text.splitlines()} for text in (before, after)]
            self.assertLessEqual(added, rules[1], f"SEED={seed}")
            self.assertLessEqual(removed, rules[0], f"SEED={seed}")


if __name__ == "__main__":
    if not shutil.which("git"):
        print("skipped: needs git")
        sys.exit(77)
    main()
