"""`enmesh verify` on a machine that is a network namespace here: test_verify.py ENMESH CHECK_JSON SCHEMA_DIR."""
import os
import subprocess
import sys

from cli_case import main, may_make_network
from machine_case import Machine

CGROUPS = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"


class Verify(Machine):
    def verify(self, code=0, **kw):
        text = self.enmesh("verify", "mesh", *self.options, "-o", "json", code=code, **kw).stdout
        found = self.check("verify", text)
        self.assertEqual(found["verified"], code == 0)
        return found

    def sidecar(self, transparent=0):
        for port in 15001, 15006:
            for address in "0.0.0.0", "::":
                self.listen(port, address, transparent)

    def wrong(self, found):
        return [t for t in found["trials"] if t["result"] == "wrong"]

    def blamed(self, text):
        wrong = self.wrong(self.verify(code=3))
        self.assertTrue(wrong)
        for t in wrong:
            self.assertIn(text, t["blame"], t)
        return wrong

    def test_what_is_captured_is_taken_by_the_sidecar_and_the_rest_is_not(self):
        self.apply(capture="outbound: {excludeCidrs: [10.9.0.0/16], excludePorts: [443]}, inbound: {ports: all, excludePorts: [25]}")
        self.sidecar()
        found = self.verify()
        seen = {(t["title"], ":" in t["destination"].rpartition(":")[0]): t for t in found["trials"]}
        self.assertEqual({t["result"] for t in found["trials"]}, {"ok"})
        for v6, host, own in (False, "127.0.0.1", "198.51.100.1"), (True, "[::1]", "[2001:db8:656d::1]"):
            self.assertIn(f"at {host}:15001, took it", seen["outbound", v6]["seen"])
            self.assertIn(f"at {own}:15006, took it", seen["inbound, to a port of the service", v6]["seen"])
            self.assertIn("it was refused", seen["inbound, to an excluded port", v6]["seen"])
            self.assertIn("it was refused", seen["inbound, to SSH", v6]["seen"])
            self.assertNotIn("took it", seen["outbound, by the proxy", v6]["seen"])
        for title in "to an excluded range", "to an excluded port", "by somebody else":
            self.assertNotIn("took it", seen["outbound, " + title, False]["seen"])

    def test_nothing_is_left(self):
        self.apply()
        self.sidecar()
        self.verify()
        self.assertNotIn("enmesh-", self.ip("address"))

    def test_tproxy(self):
        self.apply(capture="mode: tproxy")
        self.sidecar(transparent=1)
        taken = [t for t in self.verify()["trials"] if t["title"] == "inbound, to a port of the service"]
        self.assertEqual([t["seen"].split(",")[0] for t in taken], ["a transparent socket of this machine"] * 2)
        self.ip("rule", "del", "fwmark", "0x539", "lookup", "133")
        self.listen(9080, "0.0.0.0")
        self.verify()  # to the machine's own addresses no policy route is needed
        self.nft("flush", "chain", "inet", "enmesh", "tproxy-default")
        self.blamed("missing is rule 4 of chain tproxy-default")

    def test_sidecar_that_is_down_is_to_blame(self):
        self.apply()
        wrong = self.blamed("nobody waits on port 15")
        self.assertIn("nobody waits on port 15001 (outbound port of sidecar istio-proxy)", [t["blame"] for t in wrong])

    def test_rule_that_is_missing_is_to_blame(self):
        self.apply()
        self.sidecar()
        self.nft("flush", "chain", "inet", "enmesh", "to-proxy")
        self.blamed("missing is rule 1 of chain to-proxy, meta l4proto tcp redirect to :meta skuid map @user-proxy")

    def test_element_that_is_missing_is_to_blame(self):
        self.apply()
        self.sidecar()
        self.nft("delete", "element", "inet", "enmesh", "port-policy", "{ 9080 }")
        self.blamed("rule 3 of chain prerouting, tcp dport vmap @port-policy does not apply: "
                    "tcp dport 9080 is not in @port-policy")

    def test_excluded_traffic_that_is_captured_is_found(self):
        self.apply(capture="outbound: {excludeCidrs: [10.9.0.0/16]}")
        self.sidecar()
        self.nft("flush", "set", "inet", "enmesh", "out-default-exclude-ipv4")
        (wrong,) = self.blamed("does not apply: ip daddr 10.9.0.1 is not in @out-default-exclude-ipv4")
        self.assertIn("at 127.0.0.1:15001, took it", wrong["seen"])

    def test_rule_of_somebody_else_is_to_blame(self):
        self.apply()
        self.sidecar()
        self.nft("insert", "rule", "inet", "enmesh", "output", "ip", "daddr", "192.0.2.0/24", "accept")
        self.blamed("what decides has no form that enmesh knows: rule 1 of chain output")
        self.nft("delete", "table", "inet", "enmesh")
        self.blamed("enmesh has no rules here")

    def test_other_tables_are_named_as_possible(self):
        self.apply()
        self.sidecar()
        self.nft("add", "table", "inet", "other")
        self.nft("add", "chain", "inet", "other", "in", "{ type filter hook input priority 0; }")
        self.nft("add", "rule", "inet", "other", "in", "tcp", "dport", "15006", "drop")
        self.blamed("something outside of them is in the way")

    def test_service_in_a_network_namespace_of_its_own(self):
        self.apply(service=f"runAs: {{user: 1001}}\n  networkNamespace: {{path: {self.netns}}}", prefix=[])
        self.sidecar()
        found = self.verify(prefix=[])
        self.assertEqual({t["networkNamespace"] for t in found["trials"]}, {self.netns})

    def test_service_that_is_a_cgroup(self):
        name = f"enmesh-test-{os.getpid()}"
        path = os.path.join(CGROUPS, name)
        try:
            os.mkdir(path)
        except OSError as e:
            self.skipTest(f"no cgroup can be made: {e}")
        self.addCleanup(os.rmdir, path)
        self.apply(service=f"runAs: {{cgroup: /{name}}}")
        self.sidecar()
        found = self.verify()
        self.assertIn("took it", next(t["seen"] for t in found["trials"] if t.get("cgroup") == f"/{name}"))
        self.assertEqual(os.listdir(path), [f for f in os.listdir(path) if not os.path.isdir(os.path.join(path, f))])

    def test_without_a_way_it_is_undecided(self):
        self.apply()
        self.sidecar()
        self.ip("-6", "route", "del", "default")
        found = self.verify()
        self.assertEqual({t["destination"] for t in found["trials"] if t["result"] == "undecided"}, {"[2001:db8::1]:80"})

    def test_family_without_an_address_is_not_tried(self):
        self.apply()
        for port in 15001, 15006:
            self.listen(port, "0.0.0.0")
        self.ip("address", "del", "fd00::1/64", "dev", "eth0")
        self.assertFalse([t for t in self.verify()["trials"] if t["destination"].startswith("[")])

    def test_who_may_not_open_connections_is_told(self):
        self.apply()
        nobody = [*self.prefix, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        r = self.enmesh("verify", "mesh", *self.options, prefix=nobody, code=1)
        self.assertIn("run it as root", r.stderr)

    def test_text(self):
        self.apply()
        self.sidecar()
        r = self.enmesh("verify", "mesh", *self.options)
        self.assertEqual(r.stdout.splitlines()[0], "bookinfo/reviews")
        self.assertRegex(r.stdout.splitlines()[-1], r"^Verified: \d+ ok, 0 wrong, 0 undecided\.$")
        self.apply(capture="mode: none")
        self.assertEqual(self.enmesh("verify", "mesh", *self.options).stdout,
                         "Nothing to verify: the source captures nothing on this node, or the node has no address.\n")


if __name__ == "__main__":
    if not may_make_network():
        print("skipped: needs root and network namespaces")
        sys.exit(77)
    main()
