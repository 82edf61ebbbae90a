#!/usr/bin/env python3
"""test_transitions.py ENMESH: one capture becomes another, in one network namespace and in that of a container.

Whatever came before, the same rules, policy rules and routes are there as from nothing; the second pass writes nothing; the end
is as the beginning. Then rules are broken by other tools: each is named, repaired, and the counters of the others go on.
"""
import difflib
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from lab import Lab, Watch  # noqa: E402

FRAME = """\
apiVersion: enmesh.io/v1alpha1
kind: Mesh
metadata: {name: test}
spec: {}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshNode
metadata: {name: node}
spec: {addresses: [10.77.0.11]}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshSidecar
metadata: {name: proxy}
spec: {user: 1337, group: 1337}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshService
metadata: {name: web, namespace: test}
spec: {nodes: all, ports: [{name: http, port: 8080, protocol: HTTP}], sidecar: proxy, capture: default%s}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshCapture
metadata: {name: default}
spec: %s
"""
# JSON is YAML.
CAPTURES = {
    "redirect": {},
    "tproxy": {"mode": "tproxy"},
    "tproxy-mark": {"mode": "tproxy", "tproxy": {"mark": 77, "table": 78}},
    "tproxy-v4": {"mode": "tproxy", "families": ["ipv4"], "uncapturedFamily": "allow"},
    "v4-refuse": {"families": ["ipv4"], "uncapturedFamily": "refuse"},
    "v4-allow": {"families": ["ipv4"], "uncapturedFamily": "allow"},
    "v6-refuse": {"families": ["ipv6"], "uncapturedFamily": "refuse"},
    "dns-all": {"dns": {"capture": "all"}},
    "dns-resolvers": {"dns": {"capture": "resolvers"}, "mode": "tproxy"},
    "lists": {"outbound": {"cidrs": ["10.0.0.0/8", "fd00::/8"], "excludeCidrs": ["10.9.0.0/16"], "excludePorts": [3306, "8000-8100"],
                           "ownerGroups": {"exclude": [4000, 4001]}},
              "inbound": {"ports": [80, "9000-9010"], "excludeFrom": ["10.77.0.0/24"]}},
    "devices": {"virtualInterfaces": ["vm0"], "excludeInterfaces": ["eth9"], "dropInvalid": True},
    "none": {"mode": "none"},
}
ROUNDS = int(os.environ.get("ENMESH_TRANSITIONS", "24"))


class Test:
    def __init__(self, lab):
        self.node = lab.node("node", ["10.77.0.11", "fd77::11"])
        self.node.write("/etc/resolv.conf", "nameserver 10.77.0.53\nnameserver fd77::53\n")
        self.netns, self.failures = None, 0
        # Somebody must listen where DNS queries are led.
        self.serve(self.node.netns)

    def serve(self, netns):
        self.node.start_process("python3", "-c", """
import socket, time
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        s = socket.socket(family, kind); s.bind((address, 15053)); globals()[f"{family}{kind}"] = s
        kind == socket.SOCK_STREAM and s.listen()
time.sleep(10000)""")

    def check(self, what, ok, detail=""):
        if not ok:
            self.failures += 1
            print(f"not ok: {what}\n{detail}", flush=True)

    def inside(self, *args, **kw):
        """In the namespace that is captured."""
        return self.node.run(*(["nsenter", f"--net={self.netns}"] if self.netns else []), *args, **kw)

    def want(self, name):
        self.node.write("/etc/enmesh/mesh/mesh.yaml", FRAME % (
            ", networkNamespace: {path: %s}" % self.netns if self.netns else "", json.dumps(CAPTURES[name])))

    def apply(self, name):
        self.want(name)
        return self.node.run("enmesh", "apply", "/etc/enmesh/mesh", "--node", "node", "--target", "capture", check=False)

    def diff(self):
        return self.node.run("enmesh", "diff", "/etc/enmesh/mesh", "--node", "node", "--target", "capture", check=False)

    def cleanup(self):
        return self.node.run("enmesh", "cleanup", check=False)

    def state(self):
        """Rules without handles, counters and the order in which chains and sets were made; policy rules; routes."""
        rules = {}
        for item in json.loads(self.inside("nft", "-j", "list", "ruleset").stdout)["nftables"]:
            kind, body = next(iter(item.items()))
            for key in ("handle", "index"):
                body.pop(key, None)
            if kind == "rule":
                for e in body["expr"]:
                    if "counter" in e:
                        e["counter"] = None
                rules.setdefault(f"rules {body['table']} {body['chain']}", []).append(json.dumps(body, sort_keys=True))
            elif kind != "metainfo":
                if isinstance(body.get("elem"), list):
                    body["elem"] = sorted(json.dumps(e, sort_keys=True) for e in body["elem"])
                rules[f"{kind} {body.get('table')} {body['name']}"] = [json.dumps(body, sort_keys=True)]
        routes = [self.inside("ip", *family, *what).stdout for family in ([], ["-6"])
                  for what in (["rule"], ["route", "show", "table", "all"])]
        return json.dumps([rules, routes], indent=1, sort_keys=True)

    def check_state(self, what, wanted):
        is_ = self.state()
        self.check(what, is_ == wanted, "\n".join(difflib.unified_diff(wanted.split("\n"), is_.split("\n"), "wanted", "is", n=0)))

    # ---- from each to each ----

    def transitions(self):
        before, alone = self.state(), {}
        for name in CAPTURES:
            p = self.apply(name)
            self.check(f"{name} from nothing", p.returncode == 0, p.stdout + p.stderr)
            alone[name] = self.state()
            p = self.cleanup()
            self.check(f"cleanup after {name}", p.returncode == 0, p.stderr)
            self.check_state(f"cleanup after {name}", before)
        walk = ["tproxy", "redirect", "tproxy", "dns-all", "redirect", "v4-refuse", "redirect", "none"]
        walk += random.choices(list(CAPTURES), k=ROUNDS)
        for last, name in zip(["nothing"] + walk, walk):
            p = self.apply(name)
            self.check(f"{last} -> {name}", p.returncode == 0, p.stdout + p.stderr)
            self.check_state(f"{last} -> {name}: not as from nothing", alone[name])
            with Watch(self.node) as watch:
                p = self.apply(name)
            self.check(f"{last} -> {name}, once more", p.returncode == 0 and "No changes" in p.stdout and not watch.seen,
                       p.stdout + p.stderr + "\n".join(watch.seen))
        self.cleanup()
        self.check_state("the end is as the beginning", before)

    # ---- what other tools do ----

    def counters(self):
        """Packets that each rule of ours with a counter has counted."""
        listing = json.loads(self.inside("nft", "-j", "list", "table", "inet", "enmesh").stdout)["nftables"]
        return {item["rule"]["handle"]: e["counter"]["packets"] for item in listing if "rule" in item
                for e in item["rule"]["expr"] if isinstance(e, dict) and e.get("counter")}

    def rules(self, chain):
        listing = json.loads(self.inside("nft", "-j", "-a", "list", "chain", "inet", "enmesh", chain).stdout)["nftables"]
        return [item["rule"] for item in listing if "rule" in item]

    def chains(self):
        listing = json.loads(self.inside("nft", "-j", "list", "table", "inet", "enmesh").stdout)["nftables"]
        return {item["chain"]["name"]: item["chain"] for item in listing if "chain" in item}

    def move_first_rule_last(self, chain):
        first = self.rules(chain)[0]
        handle = first.pop("handle")
        self.inside("nft", "-j", "-f", "-", input=json.dumps({"nftables": [
            {"delete": {"rule": {"family": "inet", "table": "enmesh", "chain": chain, "handle": handle}}}, {"add": {"rule": first}}]}))

    def repairs(self):
        self.apply("lists")
        chains, wanted = self.chains(), self.state()
        base = next(name for name, c in chains.items() if c.get("hook") == "output" and len(self.rules(name)) > 1)
        longest = max(chains, key=lambda name: len(self.rules(name)))
        listing = json.loads(self.inside("nft", "-j", "list", "table", "inet", "enmesh").stdout)["nftables"]
        numbers = next(item["set"]["name"] for item in listing if "set" in item and item["set"]["type"] == "inet_service")
        damages = {
            "a rule reordered": (lambda: self.move_first_rule_last(longest), longest),
            "a rule deleted": (lambda: self.inside("nft", "delete", "rule", "inet", "enmesh", longest, "handle",
                                                   self.rules(longest)[-1]["handle"]), longest),
            "a rule added": (lambda: self.inside("nft", "insert", "rule", "inet", "enmesh", longest, "tcp", "dport", "1", "accept"),
                             longest),
            "an element added": (lambda: self.inside("nft", "add", "element", "inet", "enmesh", numbers, "{ 4444 }"), numbers),
            "a policy changed": (lambda: self.inside("nft", f"chain inet enmesh {base} {{ policy drop; }}"), base),
            "the table deleted": (lambda: self.inside("nft", "delete", "table", "inet", "enmesh"), "inet/enmesh"),
            "everything flushed": (lambda: self.inside("nft", "flush", "ruleset"), "inet/enmesh"),
        }
        for what, (damage, name) in damages.items():
            damage()
            self.inside("sh", "-c", "for i in 1 2 3; do timeout 1 bash -c '>/dev/tcp/10.77.0.99/4445'; done", check=False)
            before = self.counters() if "enmesh" in self.inside("nft", "list", "tables").stdout else {}
            p = self.diff()
            self.check(f"{what}: named by diff", p.returncode == 2 and name in p.stdout, p.stdout + p.stderr)
            p = self.apply("lists")
            self.check(f"{what}: repaired", p.returncode == 0, p.stdout + p.stderr)
            self.check_state(f"{what}: repaired", wanted)
            after = self.counters()
            self.check(f"{what}: something was counted", not before or any(before.values()))
            self.check(f"{what}: counters go on", all(after[h] >= n for h, n in before.items() if h in after) and
                       (not before or len(set(before) & set(after)) >= len(before) - 2), f"{before}\n{after}")
        self.cleanup()


def main(enmesh):
    seed = int(os.environ.get("ENMESH_SEED", random.randrange(1 << 31)))
    random.seed(seed)
    print(f"seed {seed} (ENMESH_SEED), {ROUNDS} random transitions (ENMESH_TRANSITIONS)", flush=True)
    with Lab(enmesh) as lab:
        test = Test(lab)
        test.transitions()
        test.repairs()
        test.node.run("sh", "-c", "touch /run/container && unshare --net=/run/container true && "
                                  "nsenter --net=/run/container ip link set lo up")
        test.netns = "/run/container"
        test.transitions()
        print(f"{test.failures} failures")
        sys.exit(1 if test.failures else 0)


if __name__ == "__main__":
    main(sys.argv[1])
