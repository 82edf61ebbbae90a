#!/usr/bin/env python3
"""test_kill.py ENMESH [KILLS [SEED]]: SIGKILL at random instants of an apply.

Two meshes that differ in rules, files, processes and objects; each round turns one into the other and is killed somewhere on
the way. Afterwards the rules are the old or the new ones (of sets, what only goes may wait for a transaction of its own), every file is the old or the new one, at most one instance of each
process runs, and the next pass converges and leaves nothing over.
"""
import json
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from control_plane import ControlPlane  # noqa: E402
from lab import Lab  # noqa: E402

ADDRESS = "10.77.0.11"
MESHES = {
    "a": {"cidrs": "[10.9.0.0/16]", "ports": "[123]", "text": "alpha\n", "port": 9080, "seconds": "1001", "extra": ""},
    "b": {"cidrs": "[10.8.0.0/16, 10.12.0.0/16]", "ports": "[]", "text": "beta, which is longer\n", "port": 9090,
          "seconds": "1002", "extra": """\
---
apiVersion: enmesh.io/v1alpha1
kind: MeshComponent
metadata: {name: second}
spec:
  nodes: all
  user: 65534
  command: [sleep, "1003"]
  files: [{path: /etc/enmesh/deep/er/second.conf, text: "second"}]
"""},
}
TEMPLATE = """\
apiVersion: enmesh.io/v1alpha1
kind: Mesh
metadata: {name: kill}
spec:
  controlPlane: {apiServer: {urls: ["%(url)s"]}}
  objects: {namespace: kill}
---
apiVersion: v1
kind: Namespace
metadata: {name: kill}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshNode
metadata: {name: node}
spec: {addresses: [10.77.0.11]}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshService
metadata: {name: web, namespace: kill}
spec: {nodes: all, ports: [{name: http, port: %(port)d}], sidecar: proxy, capture: default}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshCapture
metadata: {name: default}
spec: {outbound: {excludeCidrs: %(cidrs)s, excludePorts: %(ports)s}}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshSidecar
metadata: {name: proxy}
spec:
  command: [sleep, "%(seconds)s"]
  files: [{path: /etc/enmesh/proxy.conf, text: %(text)s}]
%(extra)s"""


class Killing:
    def __init__(self, node, api):
        self.node, self.api = node, api
        self.rules, self.failures = {}, []
        for name, values in MESHES.items():
            node.write(f"/etc/mesh-{name}/mesh.yaml",
                       TEMPLATE % dict(values, text=json.dumps(values["text"]), url=api.url))

    def command(self, name):
        return self.node.command("enmesh", "apply", f"/etc/mesh-{name}", "--node", "node", "--api-token-file", "/etc/token",
                                 "--api-ca-file", "/etc/ca.crt", "--quiet")

    def apply(self, name):
        start = time.monotonic()
        p = subprocess.run(self.command(name), capture_output=True, text=True)
        if p.returncode:
            raise RuntimeError(f"apply of {name} ended with {p.returncode}\n{p.stdout}{p.stderr}")
        return time.monotonic() - start

    @staticmethod
    def kill_pass(nsenter):
        """nsenter waits for a child in the node's process namespace: that one is the pass."""
        with open(f"/proc/{nsenter.pid}/task/{nsenter.pid}/children") as f:
            children = [int(pid) for pid in f.read().split()]
        killed = False
        for pid in children:
            with contextlib.suppress(ProcessLookupError):  # it came to its end meanwhile
                os.kill(pid, signal.SIGKILL)
                killed = True
        return killed

    def live_rules(self):
        """The table by name: the order of sets and chains in a listing is that in which they were made."""
        blocks = self.node.run("nft", "-s", "list", "table", "inet", "enmesh").stdout.split("\n\n")
        blocks = [b.removeprefix("table inet enmesh {\n").rstrip().removesuffix("\n}") for b in blocks]
        return "\n".join(sorted(blocks))

    def running(self):
        lines = self.node.run("ps", "-eo", "args").stdout.splitlines()
        return sorted(line for line in lines if line.startswith("sleep 100"))

    def groups(self):
        """The cgroup of each instance that is there, running or not."""
        root = os.path.join(self.node.cgroup, "enmesh")
        return sorted(os.path.relpath(top, root) for top, dirs, _ in os.walk(root) if not dirs and top != root)

    def file(self, path):
        try:
            return self.node.read(path)
        except FileNotFoundError:
            return None

    def check(self, ok, what):
        if not ok:
            self.failures.append(what)
            print(f"not ok: {what}", flush=True)

    @staticmethod
    def blocks(rules):
        """Chains, sets and maps by their first line: what they hold, and their elements."""
        out = {}
        for block in re.split(r"\n(?=\t(?:chain|set|map) )", "\n" + rules):
            head, _, body = block.strip().partition("\n")
            body, _, elements = body.partition("elements = {")
            out[head] = body.strip(), {e.strip(" \t\n}") for e in elements.split(",") if e.strip(" \t\n}")}
        return out

    def only_waits(self, rules, old, new):
        """The new rules, while what is no longer needed, chains and elements, waits for the transaction after that."""
        live, old, new = self.blocks(rules), self.blocks(self.rules[old]), self.blocks(self.rules[new])
        nothing = None, set()
        return live.keys() >= new.keys() and all(
            text == new.get(head, old.get(head, nothing))[0] and new.get(head, nothing)[1] <= elements and
            elements <= new.get(head, nothing)[1] | old.get(head, nothing)[1] for head, (text, elements) in live.items())

    def check_between(self, round_, old, new):
        rules = self.live_rules()
        self.check(rules in (self.rules[old], self.rules[new]) or self.only_waits(rules, old, new),
                   f"round {round_}: rules are neither old nor new\n{rules}")
        text = self.file("/etc/enmesh/proxy.conf")
        self.check(text in (MESHES[old]["text"], MESHES[new]["text"]), f"round {round_}: half a file: {text!r}")
        self.check(self.file("/etc/enmesh/deep/er/second.conf") in (None, "second"), f"round {round_}: half a second file")

    def check_after(self, round_, new):
        self.check(self.live_rules() == self.rules[new], f"round {round_}: the next pass did not converge the rules")
        self.check(self.file("/etc/enmesh/proxy.conf") == MESHES[new]["text"], f"round {round_}: file not converged")
        wanted = [f"sleep {MESHES[new]['seconds']}"] + (["sleep 1003"] if new == "b" else [])
        self.check(self.running() == wanted, f"round {round_}: running {self.running()}, wanted {wanted}")
        self.check(len(self.groups()) == len(wanted), f"round {round_}: groups {self.groups()}")
        self.check((self.file("/etc/enmesh/deep/er/second.conf") == "second") == (new == "b"), f"round {round_}: second file")
        left = self.node.run("sh", "-c", "find /etc /var/lib/enmesh -name '.enmesh-tmp-*'").stdout
        self.check(not left, f"round {round_}: left over: {left}")

    def check_objects(self, new):
        entry = self.api.get("-n", "kill", "workloadentries.networking.istio.io", "web.node")
        self.check(entry and entry["spec"]["ports"] == {"http": MESHES[new]["port"]}, f"object not converged: {entry}")

    def run(self, rounds):
        for name in ("a", "b"):
            self.apply(name)
            self.rules[name] = self.live_rules()
        duration = max(self.apply("a"), self.apply("b"), self.apply("a"))
        assert self.rules["a"] != self.rules["b"]
        old, killed, i = "a", 0, 0
        while killed < rounds and i < 10 * rounds:
            i += 1
            new = "b" if old == "a" else "a"
            p = subprocess.Popen(self.command(new), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                p.wait(timeout=random.uniform(0, duration * 1.1))
            except subprocess.TimeoutExpired:
                killed += self.kill_pass(p)
            p.wait()
            self.check_between(i, old, new)
            # Sometimes back to the old one, so that a half-made way is also undone.
            target = random.choice((old, new))
            self.apply(target)
            self.check_after(i, target)
            old = target
        self.check_objects(old)
        print(f"{i} rounds of up to {duration * 1100:.0f} ms, {killed} killed on the way, {len(self.failures)} failures")


def main(enmesh, rounds="200", seed=None):
    seed = int(seed) if seed else random.randrange(1 << 32)
    random.seed(seed)
    print(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="enmesh-kill-") as directory, Lab(enmesh) as lab:
        control = lab.node("control", "10.77.0.1")
        with ControlPlane(directory, crds=True, address="10.77.0.1", netns=control.netns) as api:
            node = lab.node("node", ADDRESS)
            node.copy_in(api.token_file("admin"), "/etc/token", 0o600)
            node.copy_in(api.ca_file, "/etc/ca.crt")
            killing = Killing(node, api)
            killing.run(int(rounds))
    if killing.failures:
        sys.exit(f"{len(killing.failures)} failures")


if __name__ == "__main__":
    main(*sys.argv[1:])
