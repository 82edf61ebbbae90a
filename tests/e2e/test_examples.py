#!/usr/bin/env python3
"""test_examples.py ENMESH EXAMPLES: the laws that hold for every example, on machines of a lab with the real programs.

On every node of an example: the dry run shows exactly what the apply then does; a second apply writes nothing (no netlink
message, no file, no request to the API server but dry runs); where the example runs its proxies, `verify` proves with real
connections that traffic goes through them; cleanup leaves rules, routes, processes, files and objects as
before. `--only NAME` runs one example.
"""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from control_plane import ControlPlane, is_write  # noqa: E402
from lab import Lab, part, wait_for  # noqa: E402
from watch import Watch  # noqa: E402

CONTROL = "10.77.0.1"
MESH = "/etc/enmesh/mesh"
OBJECT_KINDS = "configmaps,serviceaccounts,services,workloadentries.networking.istio.io,serviceentries.networking.istio.io," \
               "destinationrules.networking.istio.io,virtualservices.networking.istio.io," \
               "peerauthentications.security.istio.io"
ISTIOD_MESH = "trustDomain: cluster.local\nrootNamespace: istio-system\nenableAutoMtls: false\n" \
              "defaultConfig: {discoveryAddress: istiod.istio-system.svc:15012}\n"

# What each example needs around it, and its nodes in the order in which they are brought up.
EXAMPLES = {
    "multi-service": {"nodes": [("host", ["10.77.0.11", "fd77::11"])], "proxies": False},
    "quickstart": {"nodes": [("peer", "10.77.0.12"), ("node", "10.77.0.11")], "api": True, "writer": "peer"},
    "bookinfo": {"nodes": [("control", CONTROL)] + [(f"vm{i}", f"10.77.0.1{i}") for i in range(1, 6)], "api": True,
                 "writer": "control", "pilot": True},
    "control-plane": {"nodes": [("control", CONTROL)], "writer": "control", "own_api": True},
}


class Laws:
    def __init__(self, examples, name):
        self.name, self.about = name, EXAMPLES[name]
        self.source = os.path.join(examples, name)
        self.api, self.failures = None, []

    def check(self, node, what, ok, detail=""):
        if not ok:
            self.failures.append(f"{self.name}, node {node.name}: {what}\n{detail}")
            print(f"not ok: {self.failures[-1]}", flush=True)

    # ---- machines ----

    def set_up(self, node):
        node.copy_in(self.source, MESH)
        node.write("/etc/enmesh/agent.yaml", json.dumps({
            "apiVersion": "enmesh.io/v1alpha1", "kind": "AgentConfig",
            "spec": {"node": node.name, "source": {"path": MESH}, "apiServer": {
                "tokenFile": "/etc/enmesh/credentials/token", "caFile": "/etc/enmesh/credentials/ca.crt"}}}))
        credentials = self.api or self.paper_api
        node.copy_in(credentials.token_file("admin"), "/etc/enmesh/credentials/token", 0o600)
        node.copy_in(credentials.ca_file, "/etc/enmesh/credentials/ca.crt")
        if self.about.get("own_api"):
            for name in ("apiserver.crt", "apiserver.key", "ca.crt", "sa.pub", "sa.key"):
                node.copy_in(credentials.path("pki", name), f"/etc/enmesh/pki/{name}", 0o600)
            node.copy_in(credentials.path("tokens.csv"), "/etc/enmesh/pki/tokens.csv", 0o600)

    def start_pilot(self, control, directory):
        root = os.path.join(directory, "istiod")
        os.makedirs(os.path.join(root, "etc/istio/config"))
        with open(os.path.join(root, "etc/istio/config/mesh"), "w") as f:
            f.write(ISTIOD_MESH)
        self.api.kubectl("create", "namespace", "istio-system")
        env = dict(os.environ, POD_NAME="istiod-0", POD_NAMESPACE="istio-system", PILOT_ENABLE_METADATA_EXCHANGE="false",
                   PILOT_ENABLE_ALPN_FILTER="false")
        with open(os.path.join(directory, "istiod.log"), "w") as log:
            self.pilot = subprocess.Popen(
                ["ip", "netns", "exec", control.netns, part("pilot-discovery"), "discovery",
                 f"--kubeconfig={self.api.kubeconfig}", "--clusterID=Kubernetes"], cwd=root, env=env, stdout=log, stderr=log)
        wait_for("Pilot", lambda: control.run("curl", "-fs", "http://127.0.0.1:8080/ready", check=False).returncode == 0, 60)

    # ---- looking ----

    def objects(self, server):
        """Everything that an example could leave: kind, namespace, name, and uid."""
        if not server:
            return []
        items = server.get("-A", OBJECT_KINDS)["items"]
        # Pilot keeps its own in every namespace.
        return sorted((i["kind"], i["metadata"]["namespace"], i["metadata"]["name"], i["metadata"]["uid"]) for i in items
                      if not i["metadata"]["name"].startswith("istio-ca-"))

    def files(self, node):
        """All but what running programs themselves write: logs, and etcd's data."""
        return {path: what for path, what in node.written().items()
                if not path.startswith(("/var/lib/enmesh/log/", "/var/lib/etcd"))}

    def apply(self, node, *args, codes=(0,)):
        p = node.run("enmesh", "apply", "-o", "json", *args, check=False)
        if p.returncode not in codes:
            raise RuntimeError(f"{self.name}, node {node.name}: apply {' '.join(args)} ended with {p.returncode}\n{p.stderr}")
        return json.loads(p.stdout)

    @staticmethod
    def essence(plan):
        return [{k: c.get(k) for k in ("address", "actions", "cause", "before", "after")} for c in plan["changes"]]

    # ---- laws ----

    def dry_run_changes_nothing_and_tells_the_truth(self, node):
        mark = self.api.audit_mark() if self.api else 0
        before = self.files(node), node.processes()
        with Watch(node) as watch:
            told = self.apply(node, "--dry-run", codes=(1,) if self.about.get("own_api") else (2,))
        self.check(node, "the dry run wrote to the kernel", not watch.seen, "\n".join(watch.seen))
        self.check(node, "the dry run wrote files or started processes", (self.files(node), node.processes()) == before)
        self.check(node, "the dry run wrote to the API server", not self.api or not self.writes(node, mark))
        done = self.apply(node)
        if self.about.get("own_api"):
            # Its API server is not there before this very pass has started it: the dry run says so, and tells the rest.
            self.check(node, "the dry run did not call the objects unknown", told["unknown"] == ["objects"], str(told))
            self.check(node, "no objects were applied", any(c["address"].startswith("objects/") for c in done["changes"]))
            done["changes"] = [c for c in done["changes"] if not c["address"].startswith("objects/")]
        self.check(node, "the apply did something else than the dry run told", self.essence(told) == self.essence(done),
                   json.dumps([self.essence(told), self.essence(done)], indent=1)[:20000])

    def writes(self, node, mark):
        """By enmesh: Pilot, on the same node, renews its leases whenever they are due."""
        server = self.api
        return [f"{e['verb']} {e['requestURI']}" for e in server.audit_since(mark)
                if is_write(e) and e["sourceIPs"][0] == self.address(node)
                and not e.get("userAgent", "").startswith("pilot-discovery/")] if server else []

    def address(self, node):
        return node.address if isinstance(node.address, str) else node.address[0]

    def second_apply_writes_nothing(self, node):
        mark = self.api.audit_mark() if self.api else 0
        before = self.files(node), node.processes()
        with Watch(node) as watch:
            plan = self.apply(node)
        self.check(node, "a second apply planned changes", not plan["changes"], json.dumps(plan["changes"], indent=1)[:4000])
        self.check(node, "a second apply wrote to the kernel", not watch.seen, "\n".join(watch.seen))
        after = self.files(node), node.processes()
        changed = [p for p in before[0].keys() | after[0].keys() if before[0].get(p) != after[0].get(p)]
        self.check(node, "a second apply wrote files", not changed, "\n".join(changed))
        self.check(node, "a second apply changed processes", before[1] == after[1])
        if self.api:
            writes = self.writes(node, mark)
            self.check(node, "a second apply wrote to the API server", not writes, "\n".join(writes))

    def traffic_goes_through_the_sidecars(self, node):
        """Connections to nowhere need a way there, which a node of the lab has not."""
        if not self.about.get("proxies", True):
            return
        node.run("ip", "route", "add", "192.0.2.1", "dev", "eth0")
        p = node.run("enmesh", "verify", "-o", "json", check=False)
        node.run("ip", "route", "del", "192.0.2.1")
        wrong = [t for t in json.loads(p.stdout)["trials"] if t["result"] != "ok"] if p.stdout else p.stderr
        self.check(node, f"verify ended with {p.returncode}", p.returncode == 0, json.dumps(wrong, indent=1))

    def cleanup_leaves_everything_as_before(self, node, before):
        args = ["--mesh-objects"] if node.name == self.about.get("writer") else []
        p = node.run("enmesh", "cleanup", *args, check=False)
        self.check(node, f"cleanup ended with {p.returncode}", p.returncode == 0, p.stderr)
        state, files = before
        self.check(node, "cleanup left rules or routes", node.network_state() == state, node.network_state())
        self.check(node, "cleanup left processes", node.processes() == [])
        left = {p: w for p, w in self.files(node).items() if files.get(p) != w}
        missing = files.keys() - self.files(node).keys()
        self.check(node, "cleanup left or removed files", not left and not missing,
                   "\n".join([*left, *(f"missing: {p}" for p in missing)]))
        run = node.run("ls", "/run").stdout
        self.check(node, "cleanup left something in /run", "enmesh" not in run, run)

    def run(self, lab, directory):
        nodes, before = [], {}
        control = None
        self.paper_api = ControlPlane(os.path.join(directory, "paper"), address=CONTROL)
        self.paper_api.make_files()
        if self.about.get("api"):
            control = lab.node(*self.about["nodes"][0]) if self.about["nodes"][0][0] == "control" else \
                lab.node("api", CONTROL)
            self.api = ControlPlane(os.path.join(directory, "api"), crds=True, address=CONTROL, netns=control.netns)
            self.api.start()
        try:
            if self.about.get("pilot"):
                self.start_pilot(control, directory)
            for name, address in self.about["nodes"]:
                node = control if control and control.name == name else lab.node(name, address)
                self.set_up(node)
                nodes.append(node)
                before[name] = node.network_state(), self.files(node)
            objects = self.objects(self.api)
            for node in nodes:
                self.dry_run_changes_nothing_and_tells_the_truth(node)
            for node in nodes:
                self.second_apply_writes_nothing(node)
            for node in nodes:
                self.traffic_goes_through_the_sidecars(node)
            for node in reversed(nodes):
                self.cleanup_leaves_everything_as_before(node, before[node.name])
            left = [o for o in self.objects(self.api) if o not in objects]
            self.check(nodes[0], "cleanup left objects", not left, json.dumps(left, indent=1))
        finally:
            if hasattr(self, "pilot"):
                self.pilot.kill()
                self.pilot.wait()
            if self.api:
                self.api.stop()


def main(enmesh, examples, *args):
    failures = []
    programs = [part(name) for name in ("envoy", "etcd", "kube-apiserver")]
    names = [args[1]] if args[:1] == ("--only",) else list(EXAMPLES)
    unknown = {n for n in os.listdir(examples)} - EXAMPLES.keys()
    if unknown:
        failures.append(f"examples that no test runs: {', '.join(sorted(unknown))}")
    for name in names:
        with tempfile.TemporaryDirectory(prefix="enmesh-laws-") as directory, Lab(enmesh, *programs) as lab:
            laws = Laws(examples, name)
            laws.run(lab, directory)
            failures += laws.failures
        print(f"{'not ok' if laws.failures else 'ok'}: {name}", flush=True)
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main(*sys.argv[1:])
