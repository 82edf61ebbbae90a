#!/usr/bin/env python3
"""The objects target against a real API server: test_objects.py OBJECTS_DRIVER"""

import http.server
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from control_plane import ControlPlane, is_write, own_network  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402
from lab import part, wait_for  # noqa: E402

DRIVER = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else None
WRAPPER = os.environ.get("DRIVER_WRAPPER", "").split()  # such as "valgrind -q --error-exitcode=99"
LABEL = "applyset.kubernetes.io/part-of"
ISTIO = "networking.istio.io/v1"
FIELD_MANAGER = "enmesh"
TOKENS = [("node-token", "node-1", ""), ("nobody-token", "nobody", ""), ("canary-token", "canary", "system:masters")]


class Result:
    def __init__(self, run):
        assert run.returncode in (0, 1), f"exit code {run.returncode}: {run.stdout}{run.stderr}"
        data = json.loads(run.stdout)
        self.text, self.ok, self.diags, self.changes = run.stdout, data["ok"], data["diags"], data["changes"]

    @property
    def short(self):
        return sorted(f"{c['action']} {c['address'][8:]}" for c in self.changes)

    def change(self, part):
        return next(c for c in self.changes if part in c["address"])

    @property
    def errors(self):
        return [d for d in self.diags if "error:" in d]


class Mesh:
    """A source directory, and the state directory of the node that reads it."""

    def __init__(self, test, urls=None, prune=None, writers=None, ns=None):
        self.test = test
        self.directory = tempfile.mkdtemp(dir=test.tmp, prefix="source-")
        self.state = tempfile.mkdtemp(dir=test.tmp, prefix="state-")
        self.ns = ns or test.ns
        spec = {"controlPlane": {"apiServer": {"urls": urls or [test.cp.url]}}, "objects": {"namespace": self.ns}}
        if prune is not None:
            spec["objects"]["prune"] = prune
        if writers:
            spec["objects"]["writers"] = writers
        self.spec, self.name = spec, self.ns
        self.write_mesh()

    def state_of(self, node):
        return self.state if node == "vm1" else f"{self.state}-{node}"

    def write_mesh(self):
        self.put("mesh", {"apiVersion": "enmesh.io/v1alpha1", "kind": "Mesh", "metadata": {"name": self.name},
                          "spec": self.spec})

    def allow(self, *groups):
        self.spec["objects"]["allow"] = [{"group": group} for group in ("networking.istio.io", "", *groups)]
        self.write_mesh()

    def put(self, name, *documents):
        text = documents[0] if isinstance(documents[0], str) else "\n---\n".join(json.dumps(d) for d in documents)
        with open(os.path.join(self.directory, name + ".yaml"), "w") as f:
            f.write(text + "\n")

    def drop(self, name):
        os.unlink(os.path.join(self.directory, name + ".yaml"))

    def node(self, name, **spec):
        self.put("node-" + name, {"apiVersion": "enmesh.io/v1alpha1", "kind": "MeshNode", "metadata": {"name": name},
                                  "spec": {"addresses": ["10.0.0.1"], **spec}})

    def service(self, name, nodes="all", labels=None, annotations=None, **spec):
        metadata = {"name": name, "namespace": self.ns}
        if labels:
            metadata["labels"] = labels
        if annotations:
            metadata["annotations"] = annotations
        self.put("service-" + name, {
            "apiVersion": "enmesh.io/v1alpha1", "kind": "MeshService", "metadata": metadata,
            "spec": {"nodes": nodes, "ports": [{"name": "http", "port": 9080, "protocol": "HTTP"}], **spec}})

    def one_file(self):
        """The whole source in one file, for valgrind (see objects_driver.c)."""
        path = os.path.join(self.test.tmp, "source.yaml")
        with open(path, "w") as out:
            for name in sorted(os.listdir(self.directory)) if os.path.isdir(self.directory) else ():
                if name.endswith(".yaml"):
                    with open(os.path.join(self.directory, name)) as f:
                        out.write(f.read() + "\n---\n")
        return path

    def run(self, command, node="vm1", token="admin", ca=True, env=None, timeout=120, **options):
        args = [f"node={node}", f"state={self.state_of(node)}"]
        if token:
            args.append(f"token={token if '/' in token else self.test.cp.token_file(token)}")
        if ca:
            args.append(f"ca={self.test.cp.ca_file if ca is True else ca}")
        args += [f"{k}={v}" for k, v in options.items()]
        run = subprocess.run([*WRAPPER, DRIVER, command, self.one_file() if WRAPPER else self.directory, *args], capture_output=True,
                             text=True, timeout=timeout * (10 if WRAPPER else 1), env={**os.environ, **(env or {})})
        for secret, _, _ in TOKENS:
            assert secret not in run.stdout + run.stderr
        if run.stderr:
            raise AssertionError(run.stderr)
        return Result(run)

    def apply(self, **options):
        result = self.run("apply", **options)
        if not result.ok:
            raise AssertionError("\n".join(result.diags))
        return result

    def plan(self, **options):
        return self.run("plan", **options)


def entry(name, ns, address="10.1.1.1", **metadata):
    return {"apiVersion": ISTIO, "kind": "WorkloadEntry", "metadata": {"name": name, "namespace": ns, **metadata},
            "spec": {"address": address}}


class ObjectsTest(unittest.TestCase):
    counter = 0

    @classmethod
    def setUpClass(cls):
        cls.tmp = tempfile.mkdtemp(prefix="enmesh-objects-")
        cls.addClassCleanup(shutil.rmtree, cls.tmp, ignore_errors=True)
        cls.cp = ControlPlane(os.path.join(cls.tmp, "cp"), crds=True, tokens=TOKENS)
        cls.cp.start()
        cls.addClassCleanup(cls.cp.stop)

    def run(self, result=None):
        began = time.monotonic()
        super().run(result)
        if time.monotonic() - began > 10:
            print(f"({self._testMethodName}: {time.monotonic() - began:.1f} s)", file=sys.stderr)

    def setUp(self):
        ObjectsTest.counter += 1
        self.ns = f"t{ObjectsTest.counter}"
        self.cp.kubectl("create", "namespace", self.ns)

    def simple(self, **options):
        mesh = Mesh(self, **options)
        mesh.node("vm1")
        mesh.service("reviews", labels={"version": "v1"})
        return mesh

    def get(self, kind, name, ns=None):
        return self.cp.get(kind, name, "-n", ns or self.ns)

    def replace(self, kind, name, path, value, manager="kubectl-edit"):
        patch = json.dumps([{"op": "replace", "path": path, "value": value}])
        self.cp.kubectl("patch", kind, name, "-n", self.ns, "--type=json", "-p", patch, "--field-manager", manager)

    def assertInSync(self, mesh, **options):
        mark = self.cp.audit_mark()
        result = mesh.run("apply", **options)
        self.assertEqual((result.changes, result.diags, result.ok), ([], [], True))
        self.assertEqual([e["requestURI"] for e in self.requests_since(mark) if is_write(e)], [])

    def requests_since(self, mark):
        """Without those that the API server makes of itself."""
        return [e for e in self.cp.audit_since(mark) if not e["user"]["username"].startswith("system:apiserver")]

    def assertSays(self, result, *texts):
        said = "\n".join(result.diags)
        for text in texts:
            self.assertIn(text, said)

    # ---- converging ----

    def test_first_pass_makes_everything_and_the_second_nothing(self):
        mesh = self.simple()
        mesh.put("route", {"apiVersion": ISTIO, "kind": "VirtualService",
                           "metadata": {"name": "reviews", "namespace": self.ns},
                           "spec": {"hosts": ["reviews"], "http": [{"route": [{"destination": {"host": "reviews"}}]}]}})
        planned = mesh.plan()
        done = mesh.apply()
        self.assertEqual(done.short, sorted([
            f"add core/ConfigMap/{self.ns}/enmesh-node-vm1", f"add core/ConfigMap/{self.ns}/enmesh-mesh-{self.ns}",
            f"add core/ServiceAccount/{self.ns}/reviews", f"add networking.istio.io/ServiceEntry/{self.ns}/reviews",
            f"add networking.istio.io/VirtualService/{self.ns}/reviews",
            f"add networking.istio.io/WorkloadEntry/{self.ns}/reviews.vm1"]))
        self.assertEqual({c["result"] for c in done.changes}, {"done"})
        self.assertEqual({c["cause"] for c in done.changes}, {"new"})
        strip = [{k: v for k, v in c.items() if k != "result"} for c in done.changes]
        self.assertEqual([{k: v for k, v in c.items() if k != "result"} for c in planned.changes], strip)
        spec = self.get("workloadentry", "reviews.vm1")["spec"]
        self.assertEqual(spec, {"address": "10.0.0.1", "ports": {"http": 9080}, "serviceAccount": "reviews",
                                "labels": {"app": "reviews", "version": "v1"}})
        self.assertInSync(mesh)

    def test_a_pass_in_sync_makes_few_requests(self):
        mesh = self.simple(writers={"names": ["vm1"]})
        mesh.node("vm2")
        mesh.apply()
        mesh.apply(node="vm2")
        for node, limit in (("vm1", 7), ("vm2", 3)):
            mark = self.cp.audit_mark()
            mesh.apply(node=node)
            requests = self.cp.audit_since(mark, "admin")
            print(f"\nin sync on {node}: {len(requests)} requests", file=sys.stderr)
            self.assertLessEqual(len(requests), limit)

    # ---- what is known from the pass before ----

    def tried(self, mesh, command="apply", ok=True, **options):
        """A pass: its result, and the names of the objects of which the API server was asked what it would make."""
        mark = self.cp.audit_mark()
        result = mesh.run(command, **options)
        self.assertEqual(result.ok, ok, result.diags)
        return result, sorted(e["objectRef"]["name"] for e in self.requests_since(mark) if "dryRun" in e["requestURI"])

    def known(self, mesh):
        """The record, and what shows whether it was written."""
        path = os.path.join(mesh.state, "objects-settled.json")
        with open(path) as f:
            return json.load(f), os.stat(path).st_ino

    def assertNothingTried(self, mesh):
        before = self.known(mesh)
        result, tried = self.tried(mesh)
        self.assertEqual((result.changes, result.diags, tried), ([], [], []))
        self.assertEqual(self.known(mesh), before)

    def test_what_was_applied_is_not_tried_again(self):
        mesh = self.simple()
        mesh.put("secret", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": self.ns},
                            "stringData": {"key": "canary-no-hex"}})
        mesh.put("old", {**entry("old", self.ns), "apiVersion": "networking.istio.io/v1alpha3"})
        mesh.allow()
        mesh.apply()
        self.tried(mesh)  # the old version was not the listed one
        self.assertNothingTried(mesh)
        with open(os.path.join(mesh.state, "objects-settled.json")) as f:
            text = f.read()
        self.assertNotIn("canary-no-hex", text)
        self.assertEqual(len(json.loads(text)["objects"]), 5)
        self.assertEqual(os.stat(os.path.join(mesh.state, "objects-settled.json")).st_mode & 0o7777, 0o600)

    def test_only_what_differs_is_tried(self):
        mesh = self.simple()
        mesh.put("mine", entry("mine", self.ns))
        mesh.apply()
        self.cp.kubectl("delete", "workloadentry", "mine", "-n", self.ns)
        result, tried = self.tried(mesh, "plan")
        self.assertEqual([(c["action"], c["cause"]) for c in result.changes], [("add", "drift")])
        self.assertEqual(tried, ["mine"])
        mesh.apply()
        self.assertNothingTried(mesh)
        self.cp.kubectl("patch", "workloadentry", "reviews.vm1", "-n", self.ns, "--type=json", "-p",
                        '[{"op": "remove", "path": "/spec/serviceAccount"}]')
        result, tried = self.tried(mesh)
        self.assertEqual([(c["action"], c["cause"]) for c in result.changes], [("change", "drift")])
        self.assertEqual(tried, ["reviews.vm1"])
        self.assertEqual(self.get("workloadentry", "reviews.vm1")["spec"]["serviceAccount"], "reviews")
        self.assertNothingTried(mesh)
        mesh.put("mine", entry("mine", self.ns, address="10.1.1.2"))
        result, tried = self.tried(mesh)
        self.assertEqual([(c["action"], c["cause"]) for c in result.changes], [("change", "changed")])
        self.assertEqual(tried, ["mine"])
        self.assertNothingTried(mesh)

    def test_a_conflict_is_seen_at_once_and_until_it_is_solved(self):
        mesh = self.simple()
        mesh.apply()
        self.replace("workloadentry", "reviews.vm1", "/spec/address", "10.9.9.9")
        for _ in range(2):
            result, tried = self.tried(mesh, ok=False)
            self.assertEqual(tried, ["reviews.vm1", "reviews.vm1"])  # and once more by force, to show what it would be
            self.assertSays(result, ".spec.address", "kubectl-edit")
        mesh.service("reviews", labels={"version": "v1"}, annotations={"enmesh.io/force": "enabled"})
        mesh.apply()
        self.assertNothingTried(mesh)

    def test_a_field_that_others_set_too_is_tried_once(self):
        mesh = self.simple()
        mesh.apply()
        body = {**entry("reviews.vm1", self.ns), "spec": {"address": "10.0.0.1"}}
        self.cp.kubectl("apply", "--server-side", "--field-manager", "other", "-f", "-", stdin=body)
        self.assertEqual(self.tried(mesh)[1], ["reviews.vm1"])
        self.assertNothingTried(mesh)
        self.cp.kubectl("annotate", "workloadentry", "reviews.vm1", "-n", self.ns, "who=somebody")
        self.assertEqual(self.tried(mesh)[1], ["reviews.vm1"])
        self.assertNothingTried(mesh)

    def test_a_status_that_changes_all_the_time_costs_nothing(self):
        mesh = self.simple()
        mesh.apply()
        before = self.get("workloadentry", "reviews.vm1")["metadata"]["resourceVersion"]
        for i in range(2):
            self.cp.kubectl("patch", "workloadentry", "reviews.vm1", "-n", self.ns, "--type=merge", "--subresource=status",
                            "-p", json.dumps({"status": {"observedGeneration": str(i)}}))
            now = self.get("workloadentry", "reviews.vm1")["metadata"]["resourceVersion"]
            self.assertNotEqual(before, now)
            before = now
            self.assertNothingTried(mesh)

    def test_a_dry_run_uses_what_is_known_and_keeps_nothing(self):
        mesh = self.simple()
        mesh.apply()
        self.assertEqual(self.tried(mesh, "plan")[1], [])
        os.unlink(os.path.join(mesh.state, "objects-settled.json"))
        self.assertEqual(len(self.tried(mesh, "plan")[1]), 3)
        self.assertNotIn("objects-settled.json", os.listdir(mesh.state))

    def test_a_record_that_is_lost_damaged_or_old_means_that_all_is_tried(self):
        mesh = self.simple()
        mesh.apply()
        path = os.path.join(mesh.state, "objects-settled.json")
        known = self.known(mesh)[0]

        def written(**fields):
            with open(path, "w") as f:
                json.dump({**known, **fields}, f)

        def at(hours):
            return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + hours * 3600))

        def damaged(text):
            with open(path, "w") as f:
                f.write(text)

        written(since=at(-23))
        self.assertNothingTried(mesh)
        for spoil in (lambda: os.unlink(path), lambda: damaged(""), lambda: damaged('{"since":'), lambda: damaged("[]"),
                      lambda: written(since=at(-25)), lambda: written(since=at(1)), lambda: written(since="?"),
                      lambda: written(objects=[]),
                      lambda: written(objects={k: "0" * 64 for k in known["objects"]})):
            spoil()
            result, tried = self.tried(mesh)
            self.assertEqual((result.changes, result.diags), ([], []))
            self.assertEqual(tried, ["reviews", "reviews", "reviews.vm1"])
            self.assertEqual(self.known(mesh)[0]["objects"], known["objects"])
            self.assertNothingTried(mesh)

    def test_what_is_known_of_one_server_is_not_believed_of_another(self):
        mesh = self.simple()
        mesh.apply()
        mesh.spec["controlPlane"]["apiServer"]["urls"] = [self.proxy().url]
        mesh.write_mesh()
        self.assertEqual(len(self.tried(mesh)[1]), 3)
        self.assertNothingTried(mesh)

    def test_an_object_made_anew_is_tried(self):
        mesh = self.simple()
        mesh.apply()
        body = self.get("workloadentry", "reviews.vm1")
        self.cp.kubectl("delete", "workloadentry", "reviews.vm1", "-n", self.ns)
        metadata = {k: body["metadata"][k] for k in ("name", "namespace", "labels")}
        self.cp.kubectl("apply", "--server-side", "--field-manager", FIELD_MANAGER, "-f", "-",
                        stdin={**body, "metadata": metadata})
        self.assertEqual(self.tried(mesh)[1], ["reviews.vm1"])

    def test_a_record_that_cannot_be_written_is_a_warning(self):
        mesh = self.simple()
        mesh.apply()
        path = os.path.join(mesh.state, "objects-settled.json")
        os.unlink(path)
        os.mkdir(path)
        result, _ = self.tried(mesh)
        self.assertSays(result, "warning: ", "objects-settled.json cannot be written")
        os.rmdir(path)
        self.tried(mesh)
        self.assertNothingTried(mesh)

    def test_a_parent_is_an_applyset_that_others_can_read(self):
        mesh = self.simple()
        mesh.apply()
        parent = self.get("configmap", f"enmesh-mesh-{self.ns}")
        set_id = parent["metadata"]["labels"]["applyset.kubernetes.io/id"]
        self.assertRegex(set_id, "^applyset-[A-Za-z0-9_-]{43}-v1$")
        annotations = parent["metadata"]["annotations"]
        self.assertEqual(annotations["applyset.kubernetes.io/contains-group-kinds"],
                         "ServiceAccount,ServiceEntry.networking.istio.io")
        self.assertRegex(annotations["applyset.kubernetes.io/tooling"], "^enmesh/v")
        entry = self.get("serviceentry", "reviews")
        self.assertEqual(entry["metadata"]["labels"][LABEL], set_id)
        self.assertEqual(parent["data"]["ServiceEntry.networking.istio.io"],
                         f"{self.ns}/reviews {entry['metadata']['uid']}\n")

    def test_kubectl_accepts_the_parent_as_an_applyset_and_refuses_it_as_anothers(self):
        mesh = self.simple()
        mesh.apply()
        path = os.path.join(self.tmp, "one.yaml")
        with open(path, "w") as f:
            json.dump({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x"}}, f)
        env = {**os.environ, "KUBECTL_APPLYSET": "true"}
        run = subprocess.run([part("kubectl"), "--kubeconfig", self.cp.kubeconfig, "apply", "-f", path,
                              "-n", self.ns, "--prune", f"--applyset=configmaps/enmesh-mesh-{self.ns}"],
                             capture_output=True, text=True, env=env)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("tooling", run.stderr)
        self.assertIn("enmesh", run.stderr)

    def test_a_change_in_the_source_is_told_from_drift(self):
        mesh = self.simple()
        mesh.apply()
        mesh.node("vm1", addresses=["10.0.0.9"])
        result = mesh.apply()
        self.assertEqual([(c["action"], c["cause"]) for c in result.changes], [("change", "changed")])
        self.assertEqual(self.get("workloadentry", "reviews.vm1")["spec"]["address"], "10.0.0.9")
        self.cp.kubectl("delete", "workloadentry", "reviews.vm1", "-n", self.ns)
        result = mesh.apply()
        self.assertEqual([(c["action"], c["cause"]) for c in result.changes], [("add", "drift")])
        self.assertInSync(mesh)

    def test_a_field_of_another_manager_is_a_named_conflict_until_it_is_forced(self):
        mesh = self.simple()
        mesh.apply()
        self.replace("workloadentry", "reviews.vm1", "/spec/address", "10.9.9.9")
        planned, result = mesh.plan(), mesh.run("apply")
        for r in planned, result:
            self.assertFalse(r.ok)
            self.assertEqual([(c["action"], c["cause"]) for c in r.changes], [("change", "drift")])
            self.assertEqual(r.changes[0]["before"]["spec"]["address"], "10.9.9.9")
            self.assertEqual(r.changes[0]["after"]["spec"]["address"], "10.0.0.1")
            self.assertEqual(len(r.errors), 1)
            self.assertSays(r, "service-reviews.yaml:1:", ".spec.address", "kubectl-edit", "enmesh.io/force")
        self.assertEqual(result.changes[0]["result"], "failed")
        self.assertEqual(self.get("workloadentry", "reviews.vm1")["spec"]["address"], "10.9.9.9")
        mesh.service("reviews", labels={"version": "v1"}, annotations={"enmesh.io/force": "enabled"})
        mesh.apply()
        self.assertEqual(self.get("workloadentry", "reviews.vm1")["spec"]["address"], "10.0.0.1")
        self.assertInSync(mesh)

    def test_a_conflict_in_a_document_is_shown_at_the_field(self):
        mesh = self.simple()
        text = ("apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata:\n  name: mine\n"
                f"  namespace: {self.ns}\nspec:\n  address: 10.1.1.1\n  weight: 7\n")
        mesh.put("mine", text)
        mesh.apply()
        self.replace("workloadentry", "mine", "/spec/weight", 9, manager="another-tool")
        result = mesh.run("apply")
        self.assertSays(result, "mine.yaml:8:3: error:", "another-tool")
        mesh.put("mine", text.replace("metadata:\n", 'metadata:\n  annotations: {enmesh.io/force: "enabled"}\n'))
        mesh.apply()
        self.assertEqual(self.get("workloadentry", "mine")["spec"]["weight"], 7)

    def test_one_conflict_does_not_keep_the_others_back(self):
        mesh = self.simple()
        mesh.apply()
        self.replace("workloadentry", "reviews.vm1", "/spec/address", "10.9.9.9")
        mesh.service("ratings", ports=[{"name": "http", "port": 9081}])
        result = mesh.run("apply")
        self.assertFalse(result.ok)
        self.assertIsNotNone(self.get("workloadentry", "ratings.vm1"))

    def test_fields_of_others_are_left_alone(self):
        mesh = self.simple()
        mesh.apply()
        self.cp.kubectl("annotate", "workloadentry", "reviews.vm1", "-n", self.ns, "who=somebody")
        self.cp.kubectl("label", "workloadentry", "reviews.vm1", "-n", self.ns, "team=red")
        self.cp.kubectl("patch", "workloadentry", "reviews.vm1", "-n", self.ns, "--type=merge", "-p",
                        '{"spec":{"weight":5}}')
        self.assertInSync(mesh)
        mesh.node("vm1", addresses=["10.0.0.7"])
        mesh.apply()
        now = self.get("workloadentry", "reviews.vm1")
        self.assertEqual((now["spec"]["weight"], now["metadata"]["labels"]["team"],
                          now["metadata"]["annotations"]["who"]), (5, "red", "somebody"))

    def test_what_the_source_takes_back_is_taken_back(self):
        mesh = self.simple()
        mesh.put("mine", {**entry("mine", self.ns), "spec": {"address": "10.1.1.1", "weight": 3}})
        mesh.apply()
        mesh.put("mine", entry("mine", self.ns))
        mesh.apply()
        self.assertEqual(self.get("workloadentry", "mine")["spec"], {"address": "10.1.1.1"})
        self.assertInSync(mesh)

    def test_a_service_account_that_was_there_is_used_and_left(self):
        mesh = self.simple()
        mesh.service("reviews", serviceAccount="before")
        self.cp.kubectl("create", "serviceaccount", "before", "-n", self.ns)
        before = self.get("serviceaccount", "before")
        mesh.apply()
        self.assertInSync(mesh)
        self.assertTrue(mesh.run("cleanup", mesh=1).ok)
        self.assertEqual(self.get("serviceaccount", "before"), before)

    def test_a_document_takes_the_place_of_a_generated_object(self):
        mesh = self.simple()
        mesh.put("mine", {"apiVersion": "networking.istio.io/v1beta1", "kind": "ServiceEntry",
                          "metadata": {"name": "reviews", "namespace": self.ns},
                          "spec": {"hosts": ["mine.example"], "ports": [{"number": 1, "name": "a", "protocol": "TCP"}],
                                   "resolution": "DNS"}})
        mesh.apply()
        self.assertEqual(self.get("serviceentry", "reviews")["spec"]["hosts"], ["mine.example"])
        self.assertInSync(mesh)

    def test_another_version_of_a_kind_is_compared_in_that_version(self):
        mesh = self.simple()
        mesh.put("old", {"apiVersion": "networking.istio.io/v1alpha3", "kind": "WorkloadEntry",
                         "metadata": {"name": "old", "namespace": self.ns}, "spec": {"address": "10.1.1.1"}})
        mesh.apply()
        self.assertInSync(mesh)

    def test_an_object_without_namespace_goes_to_default(self):
        name = f"d-{self.ns}"
        mesh = self.simple()
        mesh.put("mine", {"apiVersion": ISTIO, "kind": "WorkloadEntry", "metadata": {"name": name},
                          "spec": {"address": "10.1.1.1"}})
        mesh.apply()
        self.assertIsNotNone(self.get("workloadentry", name, "default"))
        self.assertInSync(mesh)
        mesh.drop("mine")
        self.assertEqual(mesh.apply().short, [f"remove networking.istio.io/WorkloadEntry/default/{name}"])

    def test_secrets_are_shown_as_digests(self):
        mesh = self.simple()
        mesh.put("secret", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": self.ns},
                            "stringData": {"key": "canary-4711"}})
        mesh.allow()
        result = mesh.apply()
        canary = "Y2FuYXJ5LTQ3MTE="
        self.assertNotIn("canary-4711", result.text)
        self.assertNotIn(canary, result.text)
        self.assertRegex(result.change("Secret")["after"]["data"]["key"], "^sha256:")
        self.assertInSync(mesh)
        mesh.put("secret", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": self.ns},
                            "stringData": {"key": "canary-4712"}})
        change = mesh.apply().change("Secret")
        self.assertNotEqual(change["before"]["data"], change["after"]["data"])

    def test_no_api_server_means_nothing_is_asked(self):
        mesh = self.simple()
        mesh.spec["controlPlane"] = {}
        mesh.write_mesh()
        mark = self.cp.audit_mark()
        self.assertEqual(mesh.apply(token=None, ca=False).changes, [])
        self.assertEqual(self.requests_since(mark), [])
        self.assertEqual(os.listdir(mesh.state), ["applied.json"])

    # ---- what can't be applied ----

    def test_an_unknown_field_is_an_error_at_its_place(self):
        mesh = self.simple()
        mesh.put("mine", "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata:\n  name: mine\n"
                         f"  namespace: {self.ns}\n  nmae: x\nspec:\n  address: 10.1.1.1\n  wieght: 1\n")
        result = mesh.run("apply")
        self.assertEqual(len(result.errors), 2)
        self.assertSays(result, "mine.yaml:6:3: error:", ".metadata.nmae: field not declared", "mine.yaml:9:3: error:",
                        ".spec.wieght")
        self.assertIsNone(self.get("workloadentry", "mine"))
        self.assertIsNotNone(self.get("workloadentry", "reviews.vm1"))

    def test_an_invalid_value_is_an_error_at_its_place(self):
        mesh = self.simple()
        mesh.put("mine", "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata:\n  name: mine\n"
                         f"  namespace: {self.ns}\nspec:\n  hosts: [a.b]\n  ports:\n  - {{name: a, number: 70000}}\n")
        result = mesh.run("apply")
        self.assertEqual(len(result.errors), 1)
        self.assertSays(result, "mine.yaml:9:15: error:", "spec.ports[0].number")

    def test_an_object_that_became_invalid_is_not_taken_for_an_orphan(self):
        mesh = self.simple()
        mesh.put("mine", entry("mine", self.ns))
        mesh.apply()
        for metadata in ({"labels": {LABEL: "x"}}, {"labels": []}):
            mesh.put("mine", entry("mine", self.ns, **metadata))
            result = mesh.run("apply")
            self.assertFalse(result.ok)
            self.assertEqual(result.changes, [])
        mesh.put("mine", {**entry("mine", self.ns), "spec": {"adress": 1}})
        self.assertEqual(mesh.run("apply").changes, [])
        self.assertIsNotNone(self.get("workloadentry", "mine"))
        mesh.drop("mine")
        self.assertEqual([c["action"] for c in mesh.apply().changes], ["remove"])

    def test_a_missing_namespace_is_named_once(self):
        mesh = self.simple()
        mesh.put("mine", entry("a", "nowhere"), entry("b", "nowhere"))
        result = mesh.run("apply")
        self.assertEqual(len(result.errors), 1)
        self.assertSays(result, "mine.yaml:1:", "namespace 'nowhere' does not exist", "Namespace document")

    def test_a_missing_namespace_for_the_inventory_is_named(self):
        mesh = self.simple(ns=self.ns + "-absent")
        result = mesh.run("apply")
        self.assertEqual(len(result.errors), 1)
        self.assertSays(result, "mesh.yaml:1:", "Mesh.spec.objects.namespace", "does not exist")

    def test_a_namespace_that_the_writer_makes_is_told_to_the_other_nodes(self):
        mesh = Mesh(self, writers={"names": ["vm1"]}, ns=self.ns + "-new")
        mesh.node("vm1")
        mesh.node("vm2")
        mesh.service("reviews")
        mesh.put("ns", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": mesh.ns}})
        self.assertSays(mesh.run("apply", node="vm2"), "does not exist yet", "ns.yaml:1:1", "node 'vm1'")
        done = mesh.apply()
        self.assertEqual(done.changes[0]["address"], f"objects/core/Namespace/{mesh.ns}")
        self.assertEqual(mesh.apply(node="vm2").short,
                         sorted([f"add core/ConfigMap/{mesh.ns}/enmesh-node-vm2",
                                 f"add networking.istio.io/WorkloadEntry/{mesh.ns}/reviews.vm2"]))
        self.assertInSync(mesh)

    def test_a_namespace_is_never_deleted(self):
        name = self.ns + "-kept"
        mesh = self.simple()
        mesh.put("ns", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        mesh.apply()
        mesh.drop("ns")
        result = mesh.apply()
        self.assertEqual(result.changes, [])
        self.assertSays(result, f"warning: Namespace {name} is no longer wanted, and stays")
        self.cp.kubectl("label", "namespace", name, LABEL + "-")
        result = mesh.apply()
        self.assertEqual((result.short, result.diags), ([f"change core/ConfigMap/{self.ns}/enmesh-mesh-{self.ns}"], []))
        self.assertInSync(mesh)

    def crd(self, plural, kind, group, **schema):
        return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{group}"},
                "spec": {"group": group, "scope": "Namespaced",
                         "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": kind + "List"},
                         "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                             "type": "object", "properties": {"spec": {"type": "object", **schema}}}}}]}}

    def widget(self, group, name="one", **spec):
        return {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": name, "namespace": self.ns},
                "spec": spec}

    def test_a_definition_and_its_objects_come_in_one_revision(self):
        group, size = f"{self.ns}.example.com", {"size": {"type": "integer", "default": 3}}
        mesh = self.simple()
        mesh.allow(group, "apiextensions.k8s.io")
        mesh.put("widgets", self.widget(group), self.crd("widgets", "Widget", group, properties=size))
        done = mesh.apply()
        order = [c["address"].split("/")[2] for c in done.changes]
        self.assertLess(order.index("CustomResourceDefinition"), order.index("Widget"))
        self.assertEqual(self.get(f"widgets.{group}", "one")["spec"], {"size": 3})
        self.assertInSync(mesh)
        mesh.drop("widgets")
        result = mesh.apply()
        self.assertEqual(result.short, [f"remove {group}/Widget/{self.ns}/one"])
        self.assertSays(result, "CustomResourceDefinition", "and stays")

    def test_a_definition_that_is_not_established_is_awaited_until_the_deadline(self):
        group = f"{self.ns}.example.com"
        mesh = self.simple()
        mesh.allow(group, "apiextensions.k8s.io")
        first = self.crd("widgets", "Widget", group)
        self.cp.kubectl("apply", "-f", "-", stdin=first)
        second = self.crd("gadgets", "Widget", group)  # the kind's name is taken
        second["spec"]["versions"][0]["name"] = "v2"
        mesh.put("gadgets", second, {**self.widget(group), "apiVersion": group + "/v2"})
        began = time.monotonic()
        result = mesh.run("apply", deadline=3000)
        self.assertFalse(result.ok)
        self.assertLess(time.monotonic() - began, 10)
        self.assertSays(result, "gadgets.yaml:3:", "still not served", "already in use")
        self.assertIsNotNone(self.get("workloadentry", "reviews.vm1"))

    def test_a_kind_that_nobody_defines_is_named_once(self):
        mesh = self.simple()
        mesh.allow("absent.example.com")
        mesh.put("widgets", self.widget("absent.example.com"), self.widget("absent.example.com", "two"))
        result = mesh.run("apply")
        self.assertEqual(len(result.errors), 1)
        self.assertSays(result, "widgets.yaml:1:", "no kind Widget in absent.example.com/v1")

    def test_one_object_in_two_documents_is_an_error_at_both(self):
        mesh = self.simple()
        mesh.put("mine", entry("mine", self.ns),
                 {**entry("mine", self.ns), "apiVersion": "networking.istio.io/v1beta1"})
        result = mesh.run("apply")
        self.assertEqual(len(result.errors), 1)
        self.assertSays(result, "mine.yaml:3:", "mine.yaml:1:", "twice")
        self.assertIsNone(self.get("workloadentry", "mine"))

    def test_an_immutable_field_is_an_error_with_the_servers_words(self):
        mesh = self.simple()
        mesh.allow()
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": self.ns},
                  "immutable": True, "data": {"a": "1"}}
        mesh.put("config", config)
        mesh.apply()
        mesh.put("config", {**config, "data": {"a": "2"}})
        result = mesh.run("apply")
        self.assertSays(result, "config.yaml:1:", "immutable")

    def test_a_namespace_that_is_being_deleted_is_an_error(self):
        name = self.ns + "-going"
        self.cp.kubectl("create", "namespace", name)
        self.cp.kubectl("delete", "namespace", name, "--wait=false")
        mesh = self.simple()
        mesh.put("mine", entry("mine", name))
        self.assertSays(mesh.run("apply"), "mine.yaml:1:", "being terminated")

    def test_a_list_map_without_its_key_is_an_error(self):
        mesh = self.simple()
        mesh.put("svc", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": self.ns},
                         "spec": {"ports": [{"name": "a"}]}})
        self.assertSays(mesh.run("apply"), "svc.yaml:1:", "port")

    def test_names_cannot_change_the_path(self):
        for name in ("../../../secrets/x", "..", ".", "a%2fb", "a/b", "x?dryRun=None", "x#y", "a b", "\u00e9"):
            with self.subTest(name=name):
                mesh = self.simple()
                mesh.put("mine", entry(name, self.ns))
                mark = self.cp.audit_mark()
                result = mesh.run("apply")
                self.assertEqual(len(result.errors), 1, result.diags)
                self.assertSays(result, "mine.yaml:1:")
                for e in self.cp.audit_since(mark, "admin"):
                    self.assertTrue(e["requestURI"].startswith((
                        "/api/v1", f"/apis/networking.istio.io/v1/namespaces/{self.ns}/", "/apis/networking.istio.io/v1")))
                    self.assertNotIn("secrets", e.get("objectRef", {}).get("resource", ""))

    # ---- pruning ----

    def entries(self, mesh, n):
        for i in range(20):
            if i < n:
                mesh.put(f"e{i}", entry(f"e{i}", self.ns))
            elif os.path.exists(os.path.join(mesh.directory, f"e{i}.yaml")):
                mesh.drop(f"e{i}")

    def alone(self, **options):
        mesh = Mesh(self, **options)
        mesh.node("vm1")
        return mesh

    def count(self):
        found = self.cp.get("workloadentries", "-n", self.ns)
        return len(found["items"]) if found else 0

    def test_what_the_source_no_longer_has_is_deleted(self):
        mesh = self.simple()
        mesh.put("mine", entry("mine", self.ns))
        mesh.apply()
        mesh.drop("mine")
        result = mesh.apply()
        self.assertEqual([(c["action"], c["cause"]) for c in result.changes], [("remove", "orphan")])
        self.assertIsNone(self.get("workloadentry", "mine"))
        self.assertInSync(mesh)

    def test_a_service_that_leaves_the_node_takes_its_entry_along(self):
        mesh = self.simple()
        mesh.node("vm2")
        mesh.spec["objects"]["writers"] = {"names": ["vm1"]}
        mesh.write_mesh()
        mesh.apply()
        mesh.service("reviews", nodes={"names": ["vm2"]})
        self.assertEqual(mesh.apply().short, [f"remove core/ConfigMap/{self.ns}/enmesh-node-vm1",
                                              f"remove networking.istio.io/WorkloadEntry/{self.ns}/reviews.vm1"])
        self.assertInSync(mesh)

    def test_the_brake(self):
        for all_of_them, left, brakes in ((10, 5, False), (10, 4, True), (10, 0, True), (100, 0, None), (3, 0, False),
                                          (4, 0, True), (19, 10, False), (19, 9, True)):
            if brakes is None:
                continue
            with self.subTest(of=all_of_them, left=left):
                self.setUp()
                mesh = self.alone()
                self.entries(mesh, all_of_them)
                mesh.apply()
                self.entries(mesh, left)
                result = mesh.run("apply")
                self.assertEqual(result.ok, not brakes, result.diags)
                self.assertEqual(self.count(), all_of_them if brakes else left)
                if not brakes:
                    continue
                self.assertSays(result, f"{all_of_them - left} of the {all_of_them} objects", "--allow-mass-prune",
                                f"WorkloadEntry {self.ns}/e{all_of_them - 1}")
                mesh.put("more", entry("more", self.ns))
                self.assertFalse(mesh.run("apply").ok)  # what is wanted is still applied
                self.assertIsNotNone(self.get("workloadentry", "more"))
                self.assertTrue(mesh.run("apply", prune_all=1).ok)
                self.assertEqual(self.count(), left + 1)

    def test_pruning_can_be_switched_off(self):
        for options, switch in (({"prune": False}, {}), ({}, {"no_prune": 1})):
            with self.subTest(**options, **switch):
                self.setUp()
                mesh = self.alone(**options)
                self.entries(mesh, 3)
                mesh.apply(**switch)
                self.entries(mesh, 2)
                result = mesh.apply(**switch)
                self.assertEqual(result.changes, [])
                self.assertSays(result, f"warning: 1 objects of enmesh-mesh-{self.ns}", "pruning is off")
                self.assertEqual(self.count(), 3)

    def test_an_annotation_keeps_an_object(self):
        mesh = self.alone()
        mesh.put("mine", entry("mine", self.ns, annotations={"enmesh.io/prune": "disabled"}))
        mesh.apply()
        mesh.drop("mine")
        result = mesh.apply()
        self.assertEqual(result.changes, [])
        self.assertSays(result, "WorkloadEntry", "stays", "enmesh.io/prune")
        self.cp.kubectl("annotate", "workloadentry", "mine", "-n", self.ns, "enmesh.io/prune-", "--overwrite")
        self.assertEqual(len(mesh.apply().changes), 2)
        self.assertIsNone(self.get("workloadentry", "mine"))

    def test_an_owner_keeps_an_object(self):
        mesh = self.alone()
        self.entries(mesh, 2)
        mesh.apply()
        owner = self.get("configmap", f"enmesh-mesh-{self.ns}")["metadata"]["uid"]
        self.cp.kubectl("patch", "workloadentry", "e1", "-n", self.ns, "--type=merge", "-p", json.dumps({
            "metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": owner}]}}))
        self.entries(mesh, 1)
        result = mesh.apply()
        self.assertEqual(result.changes, [])
        self.assertSays(result, "ownerReferences")

    def test_a_copied_label_does_not_make_an_object_ours(self):
        mesh = self.simple()
        mesh.apply()
        label = self.get("workloadentry", "reviews.vm1")["metadata"]["labels"][LABEL]
        self.cp.kubectl("apply", "-f", "-", stdin=entry("foreign", self.ns, labels={LABEL: label}))
        before = self.get("workloadentry", "foreign")
        result = mesh.apply()
        self.assertEqual(result.changes, [])
        self.assertSays(result, "warning: WorkloadEntry", "did not make it")
        self.assertEqual(self.get("workloadentry", "foreign"), before)
        mesh.run("cleanup", mesh=1)
        self.assertEqual(self.get("workloadentry", "foreign"), before)

    def test_an_object_made_anew_by_others_is_not_deleted(self):
        mesh = self.simple()
        mesh.put("mine", entry("mine", self.ns))
        mesh.apply()
        again = self.get("workloadentry", "mine")
        self.cp.kubectl("delete", "workloadentry", "mine", "-n", self.ns)
        metadata = {k: again["metadata"][k] for k in ("name", "namespace", "labels")}
        self.cp.kubectl("create", "-f", "-", stdin={**again, "metadata": metadata})
        mesh.drop("mine")
        result = mesh.apply()
        self.assertSays(result, "did not make it")
        self.assertIsNotNone(self.get("workloadentry", "mine"))

    def test_a_lost_inventory_is_written_anew_and_deletes_nothing(self):
        mesh = self.simple()
        mesh.put("mine", entry("mine", self.ns))
        mesh.apply()
        parent = f"enmesh-mesh-{self.ns}"
        before = self.get("configmap", parent)["data"]
        self.cp.kubectl("delete", "configmap", parent, "-n", self.ns)
        self.assertEqual(mesh.apply().short, [f"add core/ConfigMap/{self.ns}/{parent}"])
        self.assertEqual(self.get("configmap", parent)["data"], before)
        self.cp.kubectl("patch", "configmap", parent, "-n", self.ns, "--type=merge", "-p",
                        '{"data":{"ServiceEntry.networking.istio.io":"rubbish\\n/ \\n x y z\\n","other":"a b\\n"}}')
        mesh.apply()
        self.assertEqual(self.get("configmap", parent)["data"]["ServiceEntry.networking.istio.io"],
                         before["ServiceEntry.networking.istio.io"])
        self.cp.kubectl("delete", "configmap", parent, "-n", self.ns)
        mesh.drop("mine")
        result = mesh.apply()
        self.assertSays(result, "did not make it")
        self.assertIsNotNone(self.get("workloadentry", "mine"))

    def test_a_parent_of_another_tool_is_not_touched(self):
        mesh = self.simple()
        parent = {"apiVersion": "v1", "kind": "ConfigMap",
                  "metadata": {"name": "enmesh-node-vm1", "namespace": self.ns, "annotations": {
                      "applyset.kubernetes.io/tooling": "kubectl/v1.37"}}}
        self.cp.kubectl("create", "-f", "-", stdin=parent)
        self.assertSays(mesh.run("apply"), "belongs to another tool, kubectl/v1.37")

    def test_an_object_of_another_applyset_is_refused(self):
        mesh = self.simple()
        mesh.apply()
        other = Mesh(self)
        other.name = other.name + "-other"
        other.write_mesh()
        other.node("vm9")
        other.put("mine", entry("reviews.vm1", self.ns))
        result = other.run("apply", node="vm9")
        self.assertSays(result, "mine.yaml:1:", "another ApplySet", "enmesh.io/force")
        self.assertInSync(mesh)

    def test_moving_the_inventories_keeps_the_objects(self):
        mesh = self.simple()
        mesh.apply()
        uid = self.get("serviceentry", "reviews")["metadata"]["uid"]
        mesh.spec["objects"]["namespace"] = "default"
        mesh.name = mesh.ns + "-renamed"
        mesh.write_mesh()
        mesh.apply()
        self.assertEqual(self.get("serviceentry", "reviews")["metadata"]["uid"], uid)
        self.assertIsNone(self.get("configmap", f"enmesh-mesh-{self.ns}"))
        self.assertIsNotNone(self.get("configmap", f"enmesh-mesh-{mesh.name}", "default"))
        self.assertInSync(mesh)
        mesh.service("ratings", ports=[{"name": "http", "port": 9081}])
        mesh.apply()
        self.assertTrue(mesh.run("cleanup", mesh=1).ok)
        self.assertIsNone(self.get("configmap", f"enmesh-mesh-{mesh.name}", "default"))

    def test_the_writer_can_be_another_node_tomorrow(self):
        mesh = self.simple(writers={"names": ["vm1"]})
        mesh.node("vm2")
        mesh.apply()
        mesh.spec["objects"]["writers"] = {"names": ["vm2"]}
        mesh.write_mesh()
        self.assertEqual(mesh.apply().changes, [])
        mesh.apply(node="vm2")
        self.assertIsNotNone(self.get("serviceentry", "reviews"))
        self.assertInSync(mesh, node="vm2")
        self.assertTrue(mesh.run("cleanup").ok)
        self.assertIsNotNone(self.get("serviceentry", "reviews"))

    # ---- cleanup ----

    def test_cleanup_leaves_the_api_server_as_before(self):
        def everything():
            kinds = "configmaps,serviceaccounts,serviceentries,workloadentries,virtualservices,secrets,services"
            return self.cp.get(kinds, "-n", self.ns)["items"]

        self.cp.kubectl("apply", "-f", "-", stdin=entry("foreign", self.ns))
        before = everything()
        mesh = self.simple()
        self.entries(mesh, 9)
        mesh.apply()
        self.assertGreater(len(everything()), len(before) + 10)
        planned = mesh.run("plan_cleanup", mesh=1)
        self.assertTrue(planned.ok)
        done = mesh.run("cleanup", mesh=1)
        self.assertTrue(done.ok, done.diags)
        self.assertEqual(planned.short, done.short)
        self.assertEqual(everything(), before)
        self.assertEqual(os.listdir(mesh.state), [])
        again = mesh.run("cleanup", mesh=1)
        self.assertEqual((again.changes, again.diags, again.ok), ([], [], True))

    def test_cleanup_of_one_node_leaves_the_mesh(self):
        mesh = self.simple()
        mesh.apply()
        result = mesh.run("cleanup", ca=True)
        self.assertTrue(result.ok)
        self.assertSays(result, "warning: the objects of the whole mesh stay", "--mesh-objects")
        self.assertIsNone(self.get("workloadentry", "reviews.vm1"))
        self.assertIsNone(self.get("configmap", "enmesh-node-vm1"))
        self.assertIsNotNone(self.get("serviceentry", "reviews"))

    def test_cleanup_finds_its_way_without_the_source(self):
        mesh = self.simple(urls=["https://127.0.0.1:1", self.cp.url])
        shutil.copy(self.cp.ca_file, os.path.join(mesh.directory, "ca.crt"))
        mesh.spec["controlPlane"]["apiServer"]["caSource"] = "ca.crt"
        mesh.write_mesh()
        mesh.apply(ca=False)
        shutil.rmtree(mesh.directory)
        self.assertTrue(mesh.run("cleanup", ca=False, mesh=1).ok)
        self.assertIsNone(self.get("workloadentry", "reviews.vm1"))
        self.assertEqual(os.listdir(mesh.state), [])

    def test_cleanup_without_the_api_server_fails_and_can_be_repeated(self):
        mesh = self.simple()
        mesh.apply()
        with open(os.path.join(mesh.state, "objects.json")) as f:
            text = f.read()
        with open(os.path.join(mesh.state, "objects.json"), "w") as f:
            f.write(text.replace(":6443", ":1"))
        result = mesh.run("cleanup", mesh=1)
        self.assertFalse(result.ok)
        self.assertSays(result, "cannot be reached", "127.0.0.1:1")
        with open(os.path.join(mesh.state, "objects.json"), "w") as f:
            f.write("{")
        self.assertSays(mesh.run("cleanup", mesh=1), "objects.json", "damaged")
        with open(os.path.join(mesh.state, "objects.json"), "w") as f:
            f.write(text)
        self.assertTrue(mesh.run("cleanup", mesh=1).ok)

    def test_a_mesh_that_gives_up_its_api_server_takes_its_objects_back(self):
        mesh = self.simple()
        mesh.apply()
        mesh.spec["controlPlane"] = {}
        mesh.write_mesh()
        result = mesh.apply()
        self.assertIn("remove record", result.short)
        self.assertIsNone(self.get("serviceentry", "reviews"))
        self.assertIsNone(self.get("configmap", f"enmesh-mesh-{self.ns}"))
        self.assertEqual(mesh.apply(token=None, ca=False).changes, [])

    # ---- credentials ----

    def test_a_token_without_rights_is_told_which_it_lacks(self):
        mesh = self.simple()
        result = mesh.run("apply", token="nobody")
        self.assertFalse(result.ok)
        self.assertSays(result, f"lacks the right to get configmaps in namespace '{self.ns}'", "nobody", "(403)")
        self.assertEqual(len(result.errors), 1)

    def rights(self, user, *rules):
        metadata = {"name": user, "namespace": self.ns}
        self.cp.kubectl("apply", "-f", "-", stdin=[
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": [
                {"apiGroups": [g], "resources": [r], "verbs": v} for g, r, v in rules]},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
             "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user}}])

    def test_a_node_needs_few_rights(self):
        mesh = self.simple(writers={"names": ["vm1"]})
        mesh.node("vm2")
        parent = ("", "configmaps", ["get", "create", "patch", "delete"])
        self.rights("node-1", parent)
        self.assertSays(mesh.run("apply", node="vm2", token="node-1"),
                        f"lacks the right to list workloadentries.networking.istio.io in namespace '{self.ns}'")
        self.rights("node-1", parent, ("networking.istio.io", "workloadentries", ["get", "list"]))
        result = mesh.run("apply", node="vm2", token="node-1")
        self.assertSays(result, "service-reviews.yaml:1:", "lacks the right to patch workloadentries")
        self.rights("node-1", parent, ("networking.istio.io", "workloadentries",
                                       ["get", "list", "create", "patch", "delete"]))
        mesh.apply(node="vm2", token="node-1")
        self.assertInSync(mesh, node="vm2", token="node-1")
        self.assertTrue(mesh.run("cleanup", token="node-1").ok)

    def pattern(self, name):
        """A file of contrib/rbac, for the users and namespaces of this test."""
        with open(os.path.join(os.path.dirname(__file__), "..", "..", "contrib", "rbac", name)) as f:
            text = f.read()
        for old, new in (("name: vm1,", "name: node-1,"), ("namespace: istio-system", f"namespace: {self.ns}"),
                         ("namespace: bookinfo", f"namespace: {self.ns}"), ("-writer", f"-writer-{self.ns}")):
            text = text.replace(old, new)
        self.cp.kubectl("apply", "-f", "-", stdin=text)

    def test_the_rights_that_contrib_shows_are_enough(self):
        mesh = self.simple(writers={"names": ["vm2"]})
        mesh.node("vm2")
        self.pattern("node.yaml")
        mesh.apply(token="node-1")
        self.assertInSync(mesh, token="node-1")
        mesh.service("reviews", nodes={"names": ["vm2"]})
        mesh.apply(token="node-1")
        self.assertIsNone(self.get("workloadentry", "reviews.vm1"))
        mesh.service("reviews")
        mesh.spec["objects"]["writers"] = {"names": ["vm1"]}
        mesh.write_mesh()
        mesh.put("more", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.ns + "-more"}},
                 entry("mine", self.ns + "-more"))
        self.addCleanup(self.cp.kubectl, "delete", "clusterrolebinding", f"enmesh-writer-{self.ns}")
        self.pattern("writer.yaml")
        mesh.apply(token="node-1")
        self.assertInSync(mesh, token="node-1")
        self.assertTrue(mesh.run("cleanup", token="node-1", mesh=1).ok)

    def test_a_wrong_token_is_told(self):
        mesh = self.simple()
        path = self.cp.write("tokens/wrong", "no-such-token\n")
        result = mesh.run("apply", token=path)
        self.assertEqual(len(result.errors), 1)
        self.assertSays(result, "does not accept this node's credentials", "401")
        self.assertNotIn("no-such-token", result.text)

    def test_a_token_file_open_to_others_is_refused(self):
        mesh = self.simple()
        for mode in (0o644, 0o640, 0o622):
            path = self.cp.write("tokens/open", "canary-token\n")
            os.chmod(path, mode)
            mark = self.cp.audit_mark()
            result = mesh.run("apply", token=path)
            self.assertSays(result, f"mode {mode:04o}", path)
            self.assertEqual(self.requests_since(mark), [])
        self.assertSays(mesh.run("apply", token="/nonexistent/token"), "/nonexistent/token: No such file")

    def test_a_token_is_not_sent_in_clear_text(self):
        for url in ("http://10.0.0.1:8080", "http://127.example.org", "http://127.0.0.1.example.org:80",
                    "http://localhost.example.org"):
            mesh = self.simple(urls=[url])
            self.assertSays(mesh.run("apply"), url, "clear text")

    def test_a_client_certificate_works(self):
        mesh = self.simple()
        cert, key = self.cp.client_certificate("vm1", "system:masters")
        mark = self.cp.audit_mark()
        mesh.apply(token=None, cert=cert, key=key)
        self.assertEqual({e["user"]["username"] for e in self.requests_since(mark)}, {"vm1"})
        os.chmod(key, 0o644)
        self.assertSays(mesh.run("apply", token=None, cert=cert, key=key), "mode 0644")

    def test_a_wrong_ca_is_told_and_no_token_sent(self):
        mesh = self.simple()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-keyout", "/dev/null", "-out", os.path.join(self.tmp, "other.crt"), "-subj",
                        "/CN=other"], check=True, capture_output=True)
        mark = self.cp.audit_mark()
        for ca in (os.path.join(self.tmp, "other.crt"), False):
            result = mesh.run("apply", ca=ca)
            self.assertEqual(len(result.errors), 1)
            self.assertSays(result, "cannot be reached", "127.0.0.1:6443", "certificate")
        self.assertSays(mesh.run("apply", ca="/nonexistent/ca"), "/nonexistent/ca: No such file")
        self.assertEqual(self.requests_since(mark), [])

    # ---- an API server in trouble ----

    def proxy(self):
        proxy = FaultProxy(self.cp)
        self.addCleanup(proxy.close)
        return proxy

    def test_the_second_url_is_used_if_the_first_is_dead(self):
        mesh = self.simple(urls=["https://127.0.0.1:1/", self.cp.url + "/"])
        mesh.apply()
        self.assertInSync(mesh)

    def test_no_server_at_all_is_one_error_that_names_them(self):
        mesh = self.simple(urls=["https://127.0.0.1:1", "https://127.0.0.1:2"])
        began = time.monotonic()
        result = mesh.run("apply")
        self.assertEqual(len(result.errors), 1)
        self.assertSays(result, "127.0.0.1:1", "127.0.0.1:2", "refused")
        self.assertLess(time.monotonic() - began, 5)

    def test_every_trouble_moves_on_to_the_next_server(self):
        for fault in ("reset", "half", "cut", "garbage", "503", "500", "after"):
            with self.subTest(fault=fault):
                self.setUp()
                proxy = self.proxy()
                mesh = self.simple(urls=[proxy.url, self.cp.url])
                proxy.fail(fault, "PATCH", "/workloadentries/")
                mesh.apply()
                self.assertIn(fault, [f for _, _, f in proxy.log])
                self.assertInSync(mesh)

    def test_one_server_in_trouble_is_tried_again(self):
        for fault in ("reset", "half", "503", "500", "after"):
            with self.subTest(fault=fault):
                self.setUp()
                proxy = self.proxy()
                mesh = self.simple(urls=[proxy.url])
                for method in ("GET", "PATCH"):
                    proxy.fail(fault, method, times=2, skip=2)
                mesh.apply()
                self.assertInSync(mesh)
                proxy.fail("after", "DELETE")
                self.assertTrue(mesh.run("cleanup", mesh=1).ok)
                self.assertIsNone(self.get("serviceentry", "reviews"))

    def test_retry_after_is_honoured(self):
        proxy = self.proxy()
        mesh = self.simple(urls=[proxy.url])
        proxy.fail("429", "PATCH", "/workloadentries/", after="2")
        began = time.monotonic()
        mesh.apply()
        self.assertGreater(time.monotonic() - began, 2)
        proxy.fail("429", "GET", times=99, after="3600")
        began = time.monotonic()
        result = mesh.run("apply")
        self.assertFalse(result.ok)
        self.assertSays(result, "too many requests", "429")
        self.assertLess(time.monotonic() - began, 5)

    def test_a_server_that_does_not_answer_ends_at_the_deadline(self):
        proxy = self.proxy()
        mesh = self.simple(urls=[proxy.url])
        proxy.fail("slow", "GET", times=99)
        began = time.monotonic()
        result = mesh.run("apply", deadline=1000)
        self.assertSays(result, "cannot be reached", "timed out")
        self.assertLess(time.monotonic() - began, 8)

    def test_one_connection_is_kept(self):
        proxy = self.proxy()
        mesh = self.simple(urls=[proxy.url])
        mesh.apply()
        before = proxy.connections
        mesh.apply()
        self.assertEqual(proxy.connections, before + 1)

    def test_a_pass_cut_off_at_any_request_is_finished_by_the_next(self):
        """Every write of a first pass in turn is the last one that the API server sees, done or not."""
        done_before = set()
        for lost_answer in (False, True):
            for n in range(40):
                self.setUp()
                proxy = self.proxy()
                mesh = self.simple(urls=[proxy.url])
                mesh.put("mine", entry("mine", self.ns))
                if lost_answer:
                    proxy.fail("after", "PATCH", skip=n, but="dryRun")
                    proxy.fail("reset", times=10**6, skip=10**9)
                    proxy.faults[0]["event"] = lambda p=proxy: p.faults[1].update(skip=0)
                else:
                    proxy.fail("reset", "PATCH", skip=n, times=10**6, but="dryRun")
                result = mesh.run("apply", deadline=100)
                proxy.faults.clear()
                if result.ok:
                    break
                done_before.add(sum(c["result"] == "done" for c in result.changes))
                mesh.drop("mine")  # and the source has changed meanwhile: what was made must still be found
                mesh.apply()
                self.assertIsNone(self.get("workloadentry", "mine"))
                self.assertInSync(mesh)
            self.assertTrue(result.ok)
        self.assertGreaterEqual(len(done_before), 4)

    def test_killed_at_any_instant_the_next_pass_converges(self):
        for n in range(9):
            self.setUp()
            proxy = self.proxy()
            mesh = self.simple(urls=[proxy.url])
            mesh.put("mine", entry("mine", self.ns))
            process = subprocess.Popen([DRIVER, "apply", mesh.directory, "node=vm1", f"state={mesh.state}",
                                        f"token={self.cp.token_file('admin')}", f"ca={self.cp.ca_file}"],
                                       stdout=subprocess.DEVNULL)
            proxy.fail("after", "PATCH", skip=n, but="dryRun", event=lambda p=process: p.send_signal(signal.SIGKILL))
            process.wait(timeout=60)
            proxy.faults.clear()
            mesh.drop("mine")
            mesh.apply()
            self.assertIsNone(self.get("workloadentry", "mine"))
            self.assertInSync(mesh)

    def test_an_api_server_killed_during_a_pass_is_survived(self):
        mesh = self.alone()
        for i in range(300):
            mesh.put(f"e{i}", entry(f"e{i}", self.ns))
        proxy = self.proxy()
        mesh.spec["controlPlane"]["apiServer"]["urls"] = [proxy.url]
        mesh.write_mesh()
        proxy.fail("after", "PATCH", f"/namespaces/{self.ns}/", skip=400, event=self.cp.kill_apiserver)
        try:
            result = mesh.run("apply", deadline=2000)
            self.assertFalse(result.ok)
            self.assertEqual(len(result.errors), 1)
            self.assertSays(result, "cannot be reached")
        finally:
            if not self.cp.alive("kube-apiserver"):
                self.cp.start_apiserver()
        mesh.apply()
        self.assertEqual(self.count(), 300)
        self.assertInSync(mesh)

    def test_a_long_list_is_read_in_pages(self):
        mesh = self.alone()
        mesh.put("many", *[entry(f"e{i}", self.ns) for i in range(1200)])
        began = time.monotonic()
        mesh.apply()
        print(f"\n1,200 objects: made in {time.monotonic() - began:.1f} s", end="", file=sys.stderr)
        began, mark = time.monotonic(), self.cp.audit_mark()
        self.assertInSync(mesh)
        requests = self.requests_since(mark)
        print(f", in sync in {time.monotonic() - began:.1f} s and {len(requests)} requests", file=sys.stderr)
        self.assertEqual(sum(e["verb"] == "list" for e in requests), 3)
        proxy = self.proxy()
        mesh.spec["controlPlane"]["apiServer"]["urls"] = [proxy.url]
        mesh.write_mesh()
        for times in (1, 99):  # the version is gone on the second page: once, and however often it is tried
            proxy.fail("410", "GET", "continue=", times=times)
            self.assertInSync(mesh)
            proxy.faults.clear()
        mesh.put("many", *[entry(f"e{i}", self.ns) for i in range(700)])
        result = mesh.apply()
        self.assertEqual(len(result.changes), 500)
        self.assertEqual(self.count(), 700)

    # ---- admission ----

    def webhook(self, answer):
        """A mutating webhook for WorkloadEntries of this test's namespace; `answer` makes its response of an object."""
        class Hook(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                review["response"] = {"uid": review["request"]["uid"], **answer(review["request"]["object"])}
                body = json.dumps(review).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.cp.path("pki", "apiserver.crt"), self.cp.path("pki", "apiserver.key"))
        httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        httpd.daemon_threads = True
        httpd.socket = tls.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.addCleanup(httpd.server_close)
        self.addCleanup(httpd.shutdown)
        with open(self.cp.ca_file, "rb") as f:
            ca = f.read()
        import base64
        name = f"hook-{self.ns}.example.com"
        self.cp.kubectl("apply", "-f", "-", stdin={
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name}, "webhooks": [{
                "name": name, "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.ns}},
                "clientConfig": {"url": f"https://127.0.0.1:{httpd.server_port}/",
                                 "caBundle": base64.b64encode(ca).decode()},
                "rules": [{"apiGroups": ["networking.istio.io"], "apiVersions": ["*"], "resources": ["workloadentries"],
                           "operations": ["CREATE", "UPDATE"]}]}]})
        self.addCleanup(self.cp.kubectl, "delete", "mutatingwebhookconfiguration", name)
        probe = entry("probe", self.ns)
        wait_for("the webhook", lambda: answer(probe) is not None and self.hook_works(answer), 20)

    def hook_works(self, answer):
        out = self.cp.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-",
                              stdin=entry("probe", self.ns), check=False)
        return (not out) if not answer(entry("probe", self.ns))["allowed"] else "hooked" in out

    def test_a_webhook_that_changes_objects_is_no_drift(self):
        import base64
        patch = [{"op": "add", "path": "/spec/locality", "value": "hooked"}]
        self.webhook(lambda o: {"allowed": True, "patchType": "JSONPatch",
                                "patch": base64.b64encode(json.dumps(patch).encode()).decode()})
        mesh = self.simple()
        self.assertEqual(mesh.apply().change("WorkloadEntry")["after"]["spec"]["locality"], "hooked")
        self.assertEqual(self.get("workloadentry", "reviews.vm1")["spec"]["locality"], "hooked")
        self.assertInSync(mesh)

    def test_new_admission_is_seen_when_nothing_is_known(self):
        """What docs/objects.md says of it."""
        import base64
        mesh = self.simple()
        mesh.apply()
        patch = [{"op": "add", "path": "/spec/locality", "value": "hooked"}]
        self.webhook(lambda o: {"allowed": True, "patchType": "JSONPatch",
                                "patch": base64.b64encode(json.dumps(patch).encode()).decode()})
        self.assertNothingTried(mesh)
        os.unlink(os.path.join(mesh.state, "objects-settled.json"))
        result = mesh.apply()
        self.assertEqual(result.short, [f"change networking.istio.io/WorkloadEntry/{self.ns}/reviews.vm1"])
        self.assertNothingTried(mesh)

    def test_a_webhook_that_refuses_is_quoted(self):
        self.webhook(lambda o: {"allowed": False, "status": {"code": 403, "message": "not on a Friday"}})
        mesh = self.simple()
        result = mesh.run("apply")
        self.assertSays(result, "service-reviews.yaml:1:", "not on a Friday")
        self.assertNotIn("lacks the right", "\n".join(result.diags))
        self.assertIsNotNone(self.get("serviceentry", "reviews"))


if __name__ == "__main__":
    if not DRIVER:
        sys.exit("usage: test_objects.py OBJECTS_DRIVER [test …]")
    for name in ("etcd", "kube-apiserver", "kubectl", "istio-crds.yaml"):
        part(name)
    own_network()
    unittest.main(verbosity=2)
