#!/usr/bin/env python3
"""Leftovers of other meshes. Arguments: ENMESH CHECK_JSON SCHEMA_DIR.

The rules are written by the real istio-iptables, or, where a mesh's program is not at hand, from lines that say what it writes, in
network namespaces of the test's own. Foreign rules stand beside them, and must be left byte for byte.
"""
import os
import re
import subprocess
import sys
import unittest

import cli_case
from cli_case import Case, clean_environment

PARTS = os.environ.get("PARTS_DIR") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "enmesh-parts")
AGENT = os.path.join(PARTS, "bin", "pilot-agent")
MESH = """\
apiVersion: enmesh.io/v1alpha1
kind: Mesh
metadata: {name: m}
spec: {}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshNode
metadata: {name: vm1}
spec: {addresses: [10.7.0.1]%s}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshSidecar
metadata: {name: p}
spec: {user: 1337}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshService
metadata: {name: s}
spec: {nodes: all, runAs: {user: 2001}, ports: [{name: http, port: 9080}], sidecar: p, capture: c}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshCapture
metadata: {name: c}
spec: {%s}
"""

# What others may well have in the same tables: container engines, a firewall, kube-proxy, people; and names that begin alike.
FOREIGN = """\
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-SERVICES - [0:0]
:ISTIOLIKE - [0:0]
:MY_ISTIO_RULES - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -p tcp -m tcp --dport 8443 -j REDIRECT --to-ports 15006
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -p udp -m udp --dport 5353 -j REDIRECT --to-ports 15053
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
[3:180] -A DOCKER -i docker0 -j RETURN
-A ISTIOLIKE -p tcp -j REDIRECT --to-ports 15001
-A MY_ISTIO_RULES -p tcp -j RETURN
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A OUTPUT -p tcp -m tcp --dport 9999 -j MARK --set-xmark 0x7/0xffffffff
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:ISTIO_DENY - [0:0]
[7:420] -A INPUT -p tcp -m tcp --dport 12345 -j DROP
-A INPUT -p tcp -m tcp --dport 15000 -j ISTIO_DENY
-A ISTIO_DENY ! -s 10.0.0.0/8 -j DROP
COMMIT
"""
FIREWALL = """
table inet firewalld {
	chain nat_PREROUTING {
		type nat hook prerouting priority -90
		tcp dport 81 counter redirect to :8081
	}
}
table inet mine {
	chain ISTIO_GUARD {
		tcp dport 15000 counter drop
	}
	chain istio-like {
		counter packets 5 bytes 300 accept
	}
}
"""

KUMA = """\
*nat
:KUMA_MESH_INBOUND - [0:0]
:KUMA_MESH_INBOUND_REDIRECT - [0:0]
:KUMA_MESH_OUTBOUND - [0:0]
:KUMA_MESH_OUTBOUND_REDIRECT - [0:0]
-A PREROUTING -p tcp -m comment --comment "kuma/mesh/transparent/proxy/redirect incoming traffic" -j KUMA_MESH_INBOUND
-I OUTPUT 1 -p udp -m udp --dport 53 -m owner --uid-owner 5678 -j RETURN
-I OUTPUT 2 -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053
-A OUTPUT -p tcp -j KUMA_MESH_OUTBOUND
-A KUMA_MESH_INBOUND -p tcp -m tcp --dport 22 -j RETURN
-A KUMA_MESH_INBOUND -p tcp -j KUMA_MESH_INBOUND_REDIRECT
-A KUMA_MESH_INBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A KUMA_MESH_OUTBOUND -s 127.0.0.6/32 -o lo -j RETURN
-A KUMA_MESH_OUTBOUND -p tcp -m tcp --dport 53 -m owner ! --uid-owner 5678 -j REDIRECT --to-ports 15053
-A KUMA_MESH_OUTBOUND -m owner --uid-owner 5678 -j RETURN
-A KUMA_MESH_OUTBOUND -d 127.0.0.1/32 -j RETURN
-A KUMA_MESH_OUTBOUND -j KUMA_MESH_OUTBOUND_REDIRECT
-A KUMA_MESH_OUTBOUND_REDIRECT -p tcp -j REDIRECT --to-ports 15001
COMMIT
*raw
-A PREROUTING -p udp -m udp --sport 53 -j CT --zone 1
-A OUTPUT -p udp -m udp --dport 53 -m owner --uid-owner 5678 -j CT --zone 1
-A OUTPUT -p udp -m udp --sport 15053 -m owner --uid-owner 5678 -j CT --zone 2
-A OUTPUT -p udp -m udp --dport 53 -j CT --zone 2
COMMIT
"""
CONSUL = """\
*nat
:CONSUL_DNS_REDIRECT - [0:0]
:CONSUL_PROXY_INBOUND - [0:0]
:CONSUL_PROXY_IN_REDIRECT - [0:0]
:CONSUL_PROXY_OUTPUT - [0:0]
:CONSUL_PROXY_REDIRECT - [0:0]
-A PREROUTING -p tcp -j CONSUL_PROXY_INBOUND
-A OUTPUT -p udp -m udp --dport 53 -j CONSUL_DNS_REDIRECT
-A OUTPUT -p tcp -m tcp --dport 53 -j CONSUL_DNS_REDIRECT
-A OUTPUT -p tcp -j CONSUL_PROXY_OUTPUT
-A CONSUL_DNS_REDIRECT -p udp -j DNAT --to-destination 127.0.0.1:8600
-A CONSUL_PROXY_REDIRECT -p tcp -j REDIRECT --to-ports 15001
-A CONSUL_PROXY_OUTPUT -m owner --uid-owner 123 -j RETURN
-A CONSUL_PROXY_OUTPUT -d 127.0.0.1/32 -j RETURN
-A CONSUL_PROXY_OUTPUT -j CONSUL_PROXY_REDIRECT
-A CONSUL_PROXY_INBOUND -p tcp -j CONSUL_PROXY_IN_REDIRECT
-A CONSUL_PROXY_IN_REDIRECT -p tcp -j REDIRECT --to-ports 20000
COMMIT
"""
LINKERD = """\
*nat
:PROXY_INIT_OUTPUT - [0:0]
:PROXY_INIT_REDIRECT - [0:0]
-A PREROUTING -m comment --comment "proxy-init/install-proxy-init-prerouting" -j PROXY_INIT_REDIRECT
-A OUTPUT -m comment --comment "proxy-init/install-proxy-init-output" -j PROXY_INIT_OUTPUT
-A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -m comment --comment "proxy-init/ignore-proxy-user-id" -j RETURN
-A PROXY_INIT_OUTPUT -o lo -m comment --comment "proxy-init/ignore-loopback" -j RETURN
-A PROXY_INIT_OUTPUT -p tcp -m comment --comment "proxy-init/redirect-all-outgoing-to-proxy-port" -j REDIRECT --to-ports 4140
-A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 4190,4191 -m comment --comment "proxy-init/ignore-port-4190" -j RETURN
-A PROXY_INIT_REDIRECT -p tcp -m comment --comment "proxy-init/redirect-all-incoming-to-proxy-port" -j REDIRECT --to-ports 4143
COMMIT
"""

# Flags of istio-iptables, by what they show.
ISTIO = {
    "redirect": ["-b", "*", "-i", "*", "-x", "10.9.0.0/16", "-d", "22,15020", "-o", "25"],
    "listed": ["-b", "80,443", "-i", "10.1.0.0/16", "-q", "8080"],
    "tproxy": ["-m", "TPROXY", "-b", "*", "-i", "*"],
    "tproxy-marked": ["-m", "TPROXY", "-b", "8080", "-i", "*", "-t", "77", "-r", "144"],
    "dns": ["-b", "*", "-i", "*", "--redirect-dns", "--capture-all-dns"],
    "interfaces": ["-b", "*", "-i", "*", "-c", "d0,docker0", "-k", "virt0"],
    "dual-stack": ["-b", "*", "-i", "*", "--dual-stack", "--redirect-dns", "--drop-invalid"],
}


def without_counters(text):
    """What leftovers catch of the kernel's own traffic moves theirs."""
    return re.sub(r"packets \d+ bytes \d+|(?m:^\[\d+:\d+\] )", "", text)


@unittest.skipUnless(cli_case.may_make_network(), "needs root and network namespaces")
class Leftovers(Case):
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.netns = f"lo{os.getpid()}"
        self.sh("ip", "netns", "add", self.netns)
        self.addCleanup(subprocess.run, ["ip", "netns", "del", self.netns], check=True)
        self.prefix = ["ip", "netns", "exec", self.netns]
        for command in ("link set lo up", "link add d0 type veth peer name d1", "addr add 10.7.0.1/24 dev d0",
                        "-6 addr add fd07::1/64 dev d0 nodad", "link set d0 up", "link set d1 up"):
            self.sh("ip", "-n", self.netns, *command.split())

    def sh(self, *args, **kw):
        r = subprocess.run(args, capture_output=True, text=True, **kw)
        self.assertEqual(r.returncode, 0, f"{args}\n{r.stdout}{r.stderr}")
        return r.stdout

    def inside(self, *args, **kw):
        return self.sh("ip", "netns", "exec", self.netns, *args, **kw)

    def look(self):
        """All that is not enmesh's; counters of base chains' policies aside, which the kernel's own traffic moves."""
        out = []
        for legacy in ("iptables-legacy", "ip6tables-legacy"):
            listed = self.inside("cat", "/proc/net/ip6_tables_names" if legacy[2] == "6" else "/proc/net/ip_tables_names")
            for table in sorted(listed.split()):
                out.append(self.inside(f"{legacy}-save", "-c", "-t", table))
        for nft in ("iptables-nft", "ip6tables-nft"):
            out.append(self.inside(f"{nft}-save", "-c"))
        for table in sorted(self.inside("nft", "list", "tables").splitlines()):
            if table.split()[1] == "inet" and table != "table inet enmesh":
                out.append(self.inside("nft", "list", *table.split()))
        for v in ("-4", "-6"):
            out.append(self.inside("ip", v, "rule"))
            out.append(self.inside("sh", "-c", f"ip {v} route show table 144; ip {v} route show table 133; true"))
        text = "\n".join(out)
        text = "\n".join(line for line in text.splitlines()
                         if line and not line.startswith("#") and "Warning" not in line)
        text = re.sub(r"(?m)^(:\S+ \S+) \[\d+:\d+\]", r"\1", text)
        # Tables of iptables that have no rule and no chain but their own say nothing.
        return re.sub(r"(?m)^\*\w+\n(:[A-Z]+ ACCEPT\n)*COMMIT\n?", "", text)

    def source(self, adopt=None, capture=""):
        self.write("mesh/m.yaml", MESH % (f", adopt: [{adopt}]" if adopt else "", capture))

    def run_enmesh(self, *args, **kw):
        return self.enmesh(*args, "--state-dir", self.path("state"), "--run-dir", self.path("run"), **kw)

    def on_mesh(self, command, *args, **kw):
        return self.run_enmesh(command, "mesh", "--node", "vm1", "--target", "capture", *args, **kw)

    def istio(self, *flags, binary=None):
        more = ["--force-iptables-binary", binary.split("-")[1]] if binary else []
        self.inside(AGENT, "istio-iptables", *flags, *more)

    def adopt_and_expect(self, mesh, before, capture=""):
        """Named but untouched without adopt; gone with it, and the rest is as it was; the second pass does nothing."""
        with_leftovers = self.look()
        self.assertNotEqual(with_leftovers, before)
        self.source(capture=capture)
        r = self.on_mesh("apply")
        self.assertIn(f"{mesh} has left rules on this node", r.stderr)
        self.assertIn(f"'adopt: [{mesh}]'", r.stderr)
        self.assertEqual(without_counters(self.look_without_ours()), without_counters(with_leftovers))
        r = self.on_mesh("diff")
        self.assertIn(f"{mesh} has left rules", r.stderr)
        self.check_status(mesh)
        self.source(adopt=mesh, capture=capture)
        r = self.on_mesh("diff", code=2)
        self.assertIn(f"capture/leftovers/{mesh}/", r.stdout)
        self.on_mesh("apply")
        self.assertEqual(self.look_without_ours(), before)
        r = self.on_mesh("diff")
        self.assertNotIn("has left rules", r.stderr)

    def look_without_ours(self):
        return "\n".join(line for line in self.look().splitlines() if "proto 101" not in line)

    def check_status(self, mesh):
        r = self.enmesh("status", "--run-dir", self.path("run"), code=1)  # only one target was looked at
        self.assertIn(f"{mesh} has left rules", r.stdout)
        status = self.check("status", self.enmesh("status", "--run-dir", self.path("run"), "-o", "json", code=1).stdout)
        self.assertRegex("\n".join(status["warnings"]), f"{mesh} has left rules.* to port (15001|4140)")

    def foreign(self, binary):
        self.inside(f"{binary}-restore", "--noflush", "--counters", input=FOREIGN)
        self.inside("nft", "-f", "-", input=FIREWALL)

    def istio_case(self, name, binary=None, flags=()):
        with self.subTest(name=name, binary=binary):
            self.doCleanups()
            self.setUp()
            self.foreign(binary or "iptables-nft")
            before = self.look()
            self.istio(*ISTIO[name], *flags, binary=binary)
            self.adopt_and_expect("istio", before)

    @unittest.skipUnless(os.path.exists(AGENT), f"{AGENT} is missing; tests/parts/get istio brings it")
    def test_what_istio_iptables_wrote_goes_and_nothing_else(self):
        for name in ISTIO:
            self.istio_case(name)

    @unittest.skipUnless(os.path.exists(AGENT), f"{AGENT} is missing; tests/parts/get istio brings it")
    def test_what_istio_iptables_wrote_into_legacy_tables_goes_and_nothing_else(self):
        for name in ISTIO:
            self.istio_case(name, "iptables-legacy")

    @unittest.skipUnless(os.path.exists(AGENT), f"{AGENT} is missing; tests/parts/get istio brings it")
    def test_what_istio_wrote_with_nftables_goes_and_nothing_else(self):
        for name in ISTIO:
            self.istio_case(name, flags=["--native-nftables"])

    @unittest.skipUnless(os.path.exists(AGENT), f"{AGENT} is missing; tests/parts/get istio brings it")
    def test_every_duplicate_of_a_policy_rule_goes_and_our_own_route_stays(self):
        before = self.look()
        self.istio(*ISTIO["tproxy"])
        # As older versions add at every run.
        for priority in ("900", "901", "902"):
            self.inside("ip", "rule", "add", "fwmark", "1337", "lookup", "133", "pref", priority)
        self.adopt_and_expect("istio", before, capture="mode: tproxy")
        self.assertIn("proto 101", self.inside("ip", "route", "show", "table", "133"))

    @unittest.skipUnless(os.path.exists(AGENT), f"{AGENT} is missing; tests/parts/get istio brings it")
    def test_rules_written_twice_and_those_of_an_earlier_mode_go(self):
        self.foreign("iptables-nft")
        before = self.look()
        for name, binary in (("dns", "iptables-nft"), ("tproxy", "iptables-legacy")):
            self.istio(*ISTIO[name], binary=binary)
        self.adopt_and_expect("istio", before)

    def test_leftovers_of_other_meshes_go_and_nothing_else(self):
        for mesh, rules in (("kuma", KUMA), ("consul", CONSUL), ("linkerd", LINKERD)):
            for binary in ("iptables-nft", "iptables-legacy"):
                with self.subTest(mesh=mesh, binary=binary):
                    self.doCleanups()
                    self.setUp()
                    self.foreign(binary)
                    if "*raw" in rules:
                        self.inside(binary, "-t", "raw", "-S")
                    before = self.look()
                    self.inside(f"{binary}-restore", "--noflush", input=rules)
                    self.adopt_and_expect(mesh, before)

    def test_adopting_one_mesh_leaves_another(self):
        self.inside("iptables-nft-restore", "--noflush", input=CONSUL)
        before = self.look()
        self.inside("iptables-nft-restore", "--noflush", input=LINKERD)
        self.source(adopt="linkerd")
        r = self.on_mesh("apply")
        self.assertIn("consul has left rules", r.stderr)
        self.assertEqual(self.look(), before)

    def test_an_unknown_mesh_is_an_error_that_names_the_known(self):
        self.source(adopt="istoi")
        r = self.on_mesh("diff", code=1)
        self.assertIn("istoi", r.stderr)
        self.assertIn("istio", r.stderr)

    def test_without_leftovers_nothing_is_said_and_no_legacy_table_is_made(self):
        self.source(adopt="istio, kuma, consul, linkerd")
        r = self.on_mesh("apply")
        self.assertEqual(r.stderr.count("has left"), 0)
        self.assertEqual(self.inside("cat", "/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"), "")


if __name__ == "__main__":
    cli_case.main()
