"""`enmesh trace --live` on a machine that is a network namespace here: test_trace.py ENMESH CHECK_JSON SCHEMA_DIR."""
import subprocess
import sys

from cli_case import MESH, NODE, main, may_make_network
from machine_case import SERVICE, Machine

APP = ("--from", "uid:1001,gid:1001")


class Trace(Machine):
    def trace(self, *args, source=("mesh",), **kw):
        text = self.enmesh("trace", *source, *self.options, *args, "-o", "json", **kw).stdout
        return self.check("trace", text)["traces"][0]

    def live(self, *args, **kw):
        return self.trace("--live", *args, **kw)

    def test_live_way_is_the_desired_one_once_it_is_applied(self):
        self.apply()
        self.listen(15001)
        for to in "10.0.0.7:443", "10.0.0.1:9080", "127.0.0.1:80", "[fd00::7]:443":
            want, live = self.trace(*APP, "--interface", "eth0", "--to", to), self.live(*APP, "--to", to)
            for step in want["steps"]:
                step.pop("origin", None)
            self.assertEqual([s.get("text") for s in live["steps"]], [s.get("text") for s in want["steps"]])
            self.assertEqual([s["matched"] for s in live["steps"]], [s["matched"] for s in want["steps"]])
        self.assertEqual(self.live(*APP, "--to", "10.0.0.7:443")["landing"]["at"], "127.0.0.1:15001")

    def test_routing_says_source_and_interface(self):
        self.apply(capture="outbound: {excludeCidrs: [10.9.0.0/16]}")
        trace = self.live(*APP, "--to", "10.9.0.7:443")
        self.assertEqual(trace["connection"]["interface"], "eth0")
        self.assertEqual(trace["connection"]["source"], "10.0.0.1")
        self.assertEqual(trace["landing"]["kind"], "sent")
        self.assertEqual(trace["landing"]["interface"], "eth0")
        self.assertEqual(self.live("--from", "10.0.0.9", "--to", "10.0.0.1:22")["connection"]["interface"], "eth0")

    def test_port_where_nobody_waits_refuses(self):
        self.apply()
        landing = self.live(*APP, "--to", "10.0.0.7:443")["landing"]
        self.assertEqual(landing["kind"], "refused")
        self.assertIn("nobody waits at 127.0.0.1:15001", landing["text"])
        with self.assertRaises(ConnectionRefusedError):  # the kernel says the same
            self.connect(1001, ("10.0.0.7", 443))

    def connect(self, user, to):
        script = f"import os, socket; os.setgid({user}); os.setuid({user}); socket.socket().connect({to!r})"
        error = subprocess.run([*self.prefix, sys.executable, "-c", script], capture_output=True, text=True).stderr
        if "ConnectionRefusedError" in error:
            raise ConnectionRefusedError
        self.assertEqual(error, "")

    def test_rules_of_somebody_else_are_followed(self):
        self.apply()
        self.nft("insert", "rule", "inet", "enmesh", "output", "tcp", "dport", "443", "drop")
        landing = self.live(*APP, "--to", "10.0.0.7:443")["landing"]
        self.assertEqual((landing["kind"], landing["decided_by"]["rule"]), ("dropped", 1))
        self.nft("insert", "rule", "inet", "enmesh", "output", "tcp", "dport", "80", "meter", "m",
                 "{ ip saddr limit rate 5/second }", "drop")
        self.assertEqual(self.live(*APP, "--to", "10.0.0.7:80")["landing"]["kind"], "unknown")
        self.assertEqual(self.live(*APP, "--to", "10.0.0.7:443")["landing"]["kind"], "dropped")
        self.nft("flush", "chain", "inet", "enmesh", "output")
        self.assertEqual(self.live(*APP, "--to", "10.0.0.7:443")["landing"]["how"], "direct")
        self.nft("delete", "table", "inet", "enmesh")
        self.assertFalse(self.live(*APP, "--to", "10.0.0.7:443")["rules"])

    def test_user_that_this_machine_lacks_is_told(self):
        self.write("mesh/mesh.yaml", MESH + SERVICE % ("runAs: {user: 1001}", ""))
        r = self.enmesh("trace", "mesh", "--node", NODE, "--from", "uid:no-such-user", "--to", "10.0.0.7:443")
        self.assertIn("warning: this machine has no user 'no-such-user'", r.stderr)

    def test_live_needs_no_source(self):
        self.apply()
        self.listen(15001)
        self.write("agent.yaml", "apiVersion: enmesh.io/v1alpha1\nkind: AgentConfig\nspec: {}\n")
        trace = self.live("--config", "agent.yaml", *APP, "--to", "10.0.0.7:443", source=())
        self.assertEqual(trace["landing"]["port"], 15001)
        self.assertNotIn("what", trace["landing"])

    def test_tproxy_with_its_policy_route(self):
        self.apply(capture="mode: tproxy")
        self.assertEqual(self.live("--from", "10.0.0.9", "--to", "10.0.0.1:9080")["landing"]["kind"], "refused")
        self.listen(15006, "0.0.0.0", transparent=1)
        landing = self.live("--from", "10.0.0.9", "--to", "10.0.0.1:9080")["landing"]
        self.assertEqual((landing["how"], landing["port"], landing["mark"]), ("tproxy", 15006, "0x539"))
        self.assertEqual(landing["policy_route"], "ip rule fwmark 0x539 lookup 133")

    def test_another_network_namespace(self):
        self.apply(service=f"runAs: {{user: 1001}}\n  networkNamespace: {{path: {self.netns}}}", prefix=[])
        self.listen(15001)
        trace = self.live("--netns", self.netns, *APP, "--to", "10.0.0.7:443", prefix=[])
        self.assertEqual(trace["landing"]["port"], 15001)
        self.assertFalse(self.live(*APP, "--to", "10.0.0.7:443", prefix=["unshare", "-n"])["rules"])

    def test_desired_way_needs_no_rights_and_the_live_one_does(self):
        self.apply()
        nobody = [*self.prefix, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        self.assertEqual(self.trace(*APP, "--to", "10.0.0.7:443", prefix=nobody)["landing"]["port"], 15001)
        r = self.enmesh("trace", "--live", "mesh", *self.options, *APP, "--to", "10.0.0.7:443", prefix=nobody, code=1)
        self.assertIn("cannot be read without CAP_NET_ADMIN; run as root", r.stderr)
        self.assertEqual(r.stdout, "")


if __name__ == "__main__":
    if not may_make_network():
        print("skipped: needs root and network namespaces")
        sys.exit(77)
    main()
