#!/usr/bin/env python3
"""connections.py ENMESH CONNECTIONS: what capture adds to a new connection, and what applying it takes.

Clients in network namespaces of their own, each with another capture, open connections to one server, in turn, in one run; none of
them is redirected, so all travel the same way, through all that is decided before: 1, 100 and 5,000 excluded CIDRs (the last one
is the server's), excluded ports (likewise), and services told apart by user (the client is the last). istio-iptables gets the
same; it knows no services, so it gets as many proxy users. "none" stands twice: what lies between the two is noise. A chain
with one rule that lets all go before its redirect shows what connection tracking and NAT take, whoever uses them.
ENMESH_BENCH_ROUNDS (default 40) rounds of 300 connections each.
"""
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from lab import parts_dir, sh, skip  # noqa: E402

ROUNDS = int(os.environ.get("ENMESH_BENCH_ROUNDS", "40"))
CONNECTIONS = 300
SIZES = (1, 100, 5000)
SERVER, PORT, USER = "10.201.0.1", 30001, 20000
TAG = f"ec{os.getpid()}"

HEAD = """\
apiVersion: enmesh.io/v1alpha1
kind: Mesh
metadata: {name: bench}
spec: {}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshNode
metadata: {name: node}
spec: {addresses: [10.201.0.2]}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshCapture
metadata: {name: default}
spec: {families: [ipv4], uncapturedFamily: allow, outbound: {%s}}
"""
SERVICE = """\
---
apiVersion: enmesh.io/v1alpha1
kind: MeshSidecar
metadata: {name: p%(i)d}
spec: {user: %(proxy)d, ports: {outbound: %(out)d, inbound: %(in)d, tunnel: %(tunnel)d, admin: %(admin)d}}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshService
metadata: {name: s%(i)d, namespace: bench}
spec: {nodes: all, runAs: {user: %(user)d}, ports: [{name: http, port: %(app)d, protocol: HTTP}], sidecar: p%(i)d, capture: default}
"""


def cidrs(n):
    """Apart from each other, so that no two are one range."""
    return [f"10.{64 + i // 16384}.{i // 128 % 128}.{i % 128 * 2}/32" for i in range(n - 1)] + [f"{SERVER}/32"]


def ports(n):
    return [PORT - 2 * (n - 1 - i) for i in range(n)]


def write_mesh(directory, outbound, services):
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/mesh.yaml", "w") as f:
        f.write(HEAD % outbound)
    for start in range(0, services, 1000):
        with open(f"{directory}/services{start}.yaml", "w") as f:
            for i in range(start, min(start + 1000, services)):
                f.write(SERVICE % {"i": i, "proxy": 10000 + i, "user": USER + i, "app": 31000 + i, "out": 40000 + i, "in": 45100 + i,
                                   "tunnel": 50200 + i, "admin": 55300 + i})


def meshes(kind, n):
    if kind == "CIDRs":
        return f"excludeCidrs: [{', '.join(cidrs(n))}]", 1
    if kind == "ports":
        return f"excludePorts: [{', '.join(map(str, ports(n)))}]", 1
    return f"excludeCidrs: [{SERVER}/32]", n


def istio_flags(kind, n):
    flags = ["-i", "*", "-b", "", "-p", "15001", "-z", "15006"]
    if kind == "CIDRs":
        return flags + ["-u", "1337", "-g", "1337", "-x", ",".join(cidrs(n))]
    if kind == "ports":
        return flags + ["-u", "1337", "-g", "1337", "-o", ",".join(map(str, ports(n)))]
    return flags + ["-u", ",".join(str(USER + i) for i in range(n)), "-g", "1337"]


class Network:
    def __init__(self):
        self.names, self.server = [], None

    def __enter__(self):
        if os.geteuid() != 0:
            skip("network namespaces need root")
        self.add("server")
        sh("ip", "-n", f"{TAG}server", "link", "add", "br0", "type", "bridge")
        sh("ip", "-n", f"{TAG}server", "addr", "add", f"{SERVER}/16", "dev", "br0")
        sh("ip", "-n", f"{TAG}server", "link", "set", "br0", "up")
        return self

    def add(self, name):
        sh("ip", "netns", "add", f"{TAG}{name}")
        self.names.append(f"{TAG}{name}")
        sh("ip", "-n", f"{TAG}{name}", "link", "set", "lo", "up")

    def client(self, name):
        self.add(name)
        netns, n = f"{TAG}{name}", len(self.names)
        sh("ip", "link", "add", f"c{n}", "netns", f"{TAG}server", "type", "veth", "peer", "name", "eth0", "netns", netns)
        sh("ip", "-n", f"{TAG}server", "link", "set", f"c{n}", "master", "br0", "up")
        sh("ip", "-n", netns, "addr", "add", f"10.201.1.{n}/16", "dev", "eth0")
        sh("ip", "-n", netns, "link", "set", "eth0", "up")
        return netns

    def __exit__(self, *_):
        if self.server:
            self.server.kill()
            self.server.wait()
        for name in self.names:
            sh("ip", "netns", "del", name, check=False)


def enmesh_run(enmesh, command, netns, directory, state, *args, code=0):
    start = time.perf_counter()
    p = sh("ip", "netns", "exec", netns, enmesh, command, directory, "--node", "node", "--target", "capture", "--state-dir", f"{state}/s",
           "--run-dir", f"{state}/r", *args, check=False)
    if p.returncode != code:
        raise RuntimeError((p.stdout + p.stderr)[:2000])
    return p.stdout, (time.perf_counter() - start) * 1000


def istio_apply(netns, directory, variant, flags):
    """istio-iptables takes the iptables that it finds in its PATH."""
    tools = f"{directory}/{variant}"
    os.makedirs(tools, exist_ok=True)
    for family in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            link = f"{tools}/{family}{suffix}"
            if not os.path.lexists(link):
                os.symlink(f"/usr/sbin/{family}-{variant}{suffix}", link)
    p = subprocess.run(["ip", "netns", "exec", netns, f"{parts_dir()}/bin/pilot-agent", "istio-iptables", "--force-iptables-binary", variant,
                        *flags], capture_output=True,
                       text=True, env={"PATH": f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin"})
    if p.returncode:
        raise RuntimeError(p.stderr[-2000:])
    for other in ("nft", "legacy"):
        if ("-A" in sh("ip", "netns", "exec", netns, f"/usr/sbin/iptables-{other}-save", "-t", "nat").stdout) != (other == variant):
            raise RuntimeError(f"istio-iptables did not write where it was told to: {variant}")


def measure(program, clients):
    """Medians of the rounds, in microseconds; the clients take turns."""
    times = {name: [] for name in clients}
    for round_ in range(ROUNDS + 1):
        # In another order each time: whoever follows a slow one finds the machine in another state.
        for name, (netns, user) in random.sample(list(clients.items()), len(clients)):
            t = int(sh(program, f"/run/netns/{netns}", user, SERVER, PORT, CONNECTIONS).stdout) / 1000
            if round_:
                times[name].append(t)
    return {name: statistics.median(t) for name, t in times.items()}, \
        {name: statistics.stdev(t) / len(t) ** 0.5 for name, t in times.items()}


def connections(enmesh, program, directory, kind, with_istio):
    with Network() as network:
        network.server = subprocess.Popen(["ip", "netns", "exec", f"{TAG}server", program, "server", str(PORT)],
                                          stdout=subprocess.PIPE)
        network.server.stdout.readline()
        clients = {"none": (network.client("none"), USER), "none again": (network.client("again"), USER),
                   "NAT that lets all go": (network.client("nat"), USER)}
        sh("ip", "netns", "exec", f"{TAG}nat", "nft", "add table inet t; add chain inet t c { type nat hook output priority -100; }; "
           "add rule inet t c accept; add rule inet t c meta l4proto tcp redirect to :1")
        for n in SIZES:
            source = f"{directory}/{kind}{n}"
            write_mesh(source, *meshes(kind, n))
            user = USER + (n - 1 if kind == "services" else 0)
            netns = network.client(f"enmesh{n}")
            enmesh_run(enmesh, "apply", netns, source, f"{directory}/state{kind}{n}")
            clients[f"enmesh, {n}"] = netns, user
            for variant in ("nft", "legacy") if with_istio else ():
                netns = network.client(f"{variant}{n}")
                istio_apply(netns, directory, variant, istio_flags(kind, n))
                clients[f"istio-iptables ({variant}), {n}"] = netns, user
        medians, errors = measure(program, clients)
    base = medians["none"]
    print(f"\na connection, {kind}: {base:.1f} us without capture; noise (none again) {medians['none again'] - base:+.1f} us")
    for name in list(clients)[2:]:
        added = medians[name] - base
        print(f"  {name:32} {1e6 / medians[name]:8.0f}/s   adds {added:6.1f} us (+-{2 * errors[name]:.1f})", flush=True)
    if with_istio:
        print(f"  5,000: enmesh adds {(medians['enmesh, 5000'] - base) / (medians['istio-iptables (nft), 5000'] - base):.3f} of what "
              f"istio-iptables with iptables-nft adds; from 1 to 5,000 enmesh's grows by "
              f"{medians['enmesh, 5000'] - medians['enmesh, 1']:+.1f} us", flush=True)


def applying(enmesh, directory):
    print("\napplying: from nothing, in one transaction; in sync; and with one service more")
    for n in (100, 1000, 5000):
        with Network() as network:
            here = network.client("apply"), f"{directory}/apply{n}", f"{directory}/applystate{n}"
            write_mesh(here[1], *meshes("services", n))
            first = enmesh_run(enmesh, "apply", *here, "--quiet")[1]
            in_sync = statistics.median(enmesh_run(enmesh, "apply", *here, "--quiet")[1] for _ in range(9))
            more = []
            for i in range(9):
                write_mesh(here[1], *meshes("services", n + 1 + i))
                if not i:
                    plan = json.loads(enmesh_run(enmesh, "diff", *here, "-o", "json", code=2)[0])
                more.append(enmesh_run(enmesh, "apply", *here, "--quiet")[1])
        changes = {(c["actions"][0], c["address"].split("/")[3]) for c in plan["changes"]}
        if changes != {("update", "map"), ("update", "set")}:
            raise RuntimeError(f"one service more is more than elements: {changes}")
        print(f"  {n:5} services: {first:7.1f} ms, {in_sync:6.1f} ms, {statistics.median(more):6.1f} ms, elements of {len(plan['changes'])} "
              "sets and maps", flush=True)


def main(enmesh, program):
    with_istio = os.path.exists(f"{parts_dir()}/bin/pilot-agent") and os.path.exists("/usr/sbin/iptables-legacy")
    if not with_istio:
        print("istio-iptables: skipped, it or iptables is not there (tests/parts/get mesh)")
    with tempfile.TemporaryDirectory(prefix="enmesh-bench-") as directory:
        for kind in ("CIDRs", "ports", "services"):
            connections(enmesh, program, directory, kind, with_istio)
        applying(enmesh, directory)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]))
