"""`enmesh run` on a machine that is a network namespace: what it says, what it listens to, what it keeps open:
test_run.py ENMESH CHECK_JSON SCHEMA_DIR."""
import os
import signal
import socket
import subprocess
import sys
import time

from cli_case import ENMESH, MESH, NODE, clean_environment, main, may_make_network
from machine_case import Machine

SETTINGS = "apiVersion: enmesh.io/v1alpha1\nkind: AgentConfig\nspec: {interval: %s}\n"
KERNEL = tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2])


def soon(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


class Run(Machine):
    agent = None

    def setUp(self):
        super().setUp()
        self.options += ["--run-dir", "var/run", "--target", "capture"]

    def end(self):
        self.stop(signal.SIGKILL)
        super().end()

    def run_agent(self, *args, prefix=None, interval=("--interval", "1h")):
        """Starts one, and waits for the end of its first pass."""
        self.log = self.path("log")
        before = self.passed()
        with open(self.log, "w") as log:
            self.agent = subprocess.Popen(
                [*(self.prefix if prefix is None else prefix), ENMESH, "run", "mesh", *self.options, *interval, *args],
                cwd=self.dir, stdout=log, stderr=subprocess.STDOUT, env=clean_environment())
        self.assertTrue(soon(lambda: self.passed() != before), self.logged())

    def stop(self, number=signal.SIGTERM):
        if self.agent:
            self.agent.send_signal(number)
            self.agent.wait(20)
            self.agent = None

    def passed(self):
        """Another value after each pass."""
        try:
            return os.stat(self.path("var/run/status.json")).st_ino
        except FileNotFoundError:
            return None

    def logged(self):
        with open(self.log) as f:
            return f.read()

    def status(self):
        return self.check("status", self.enmesh("status", "--run-dir", "var/run", "-o", "json", code=1).stdout)

    def test_taking_hold_of_a_table_is_not_drift(self):
        self.apply()
        for _ in range(2):
            self.run_agent()
            self.assertNotIn("drift", self.logged())
            self.assertNotIn("somebody else", self.logged())
            self.assertIn("flags owner,persist", self.logged())
            self.assertIn("Plan: 0 to add, 1 to change, 0 to remove.", self.logged())
            self.assertEqual(self.status()["summary"]["drift"], 0)
            self.stop(signal.SIGKILL)

    def test_drift_beside_it_is_drift(self):
        self.apply()
        self.nft("flush", "chain", "inet", "enmesh", "output")
        self.run_agent()
        self.assertIn("capture/inet/enmesh/chain/output/rule[0]  (drift)", self.logged())
        self.assertEqual(self.status()["summary"]["drift"], self.status()["summary"]["add"])
        self.enmesh("diff", "mesh", *self.options)

    def test_tables_of_others_bring_no_pass(self):
        self.apply()
        self.run_agent()
        before = self.passed()
        for words in ("add table inet other", "add chain inet other c", "delete table inet other", "add table ip enmesh"):
            self.nft(*words.split())
        self.assertFalse(soon(lambda: self.passed() != before, 2))
        self.agent.send_signal(signal.SIGHUP)
        self.assertTrue(soon(lambda: self.passed() != before))

    def test_old_kernel_holds_nothing_and_changes_are_repaired_at_once(self):
        self.apply()
        old = ["setarch", "--uname-2.6", *self.prefix]
        self.assertTrue(subprocess.run([*old, "uname", "-r"], capture_output=True, text=True).stdout.startswith("2.6"))
        self.run_agent(prefix=old)
        self.assertNotIn("flags", self.nft("list", "table", "inet", "enmesh").split("chain", 1)[0].split("map", 1)[0])
        rules = self.nft("-s", "list", "table", "inet", "enmesh")
        for words in "delete table inet enmesh", "flush ruleset", "flush chain inet enmesh output":
            before = self.passed()
            self.nft(*words.split())
            self.assertTrue(soon(lambda: self.passed() != before), words)
            self.assertEqual(self.nft("-s", "list", "table", "inet", "enmesh"), rules, words)

    def documents(self):
        return [line for line in self.logged().splitlines() if line.startswith("{")]

    def test_json_is_one_document_a_line(self):
        self.apply()
        self.run_agent("-o", "json")
        self.pass_on_request()
        self.write("mesh/bad.yaml", "kind: Nonsense\n")
        self.pass_on_request()
        self.assertTrue(soon(lambda: len(self.documents()) == 2), self.logged())
        passes = [self.check("plan", line) for line in self.documents()]
        self.assertEqual([p["result"] for p in passes], ["Converged", "Failed"])
        self.assertEqual([c["address"] for c in passes[0]["changes"]], ["capture/inet/enmesh"])
        self.assertTrue(all(p["started"].endswith("Z") and p["took_us"] > 0 for p in passes))

    def test_who_holds_the_table_is_named(self):
        self.apply()
        self.run_agent()
        name = f"(process {self.agent.pid}, enmesh)"
        self.write("mesh/mesh.yaml", MESH)
        for command in ["apply", "mesh"], ["cleanup"]:
            self.assertIn(f"held by a running agent {name}", self.enmesh(*command, *self.options, code=1).stderr)
        options = ["--node", NODE, "--target", "capture", "--state-dir", "var/other", "--run-dir", "var/other"]
        second = subprocess.Popen([*self.prefix, ENMESH, "run", "mesh", *options], cwd=self.dir, stderr=subprocess.PIPE, text=True)
        said = second.stderr.readline()
        second.terminate()
        second.communicate()
        self.assertIn(f"another agent holds the table inet enmesh {name}; stop it first", said)

    def test_interval_is_a_setting(self):
        self.apply()
        self.run_agent("--config", self.write("agent.yaml", SETTINGS % "1s"), interval=())
        before = self.passed()
        self.assertTrue(soon(lambda: self.passed() != before))
        self.stop()
        for more in (["--interval", "999ms"], ["--config", self.write("agent.yaml", SETTINGS % "0s")]):
            self.assertIn("give 1s or more", self.enmesh("run", "mesh", *self.options, *more, code=64).stderr)

    def test_service_manager_is_told_how_it_goes(self):
        self.write("mesh/mesh.yaml", MESH)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(self.path("notify"))
            manager.settimeout(20)
            env = {"NOTIFY_SOCKET": self.path("notify"), "WATCHDOG_USEC": "400000"}
            self.run_agent(prefix=[*self.prefix, "env", *(f"{k}={v}" for k, v in env.items())])
            said = []
            while said.count("WATCHDOG=1") < 3 or "READY=1" not in said:
                said.append(manager.recv(100).decode())
            self.stop()
            while said[-1] != "STOPPING=1":
                said.append(manager.recv(100).decode())

    def in_a_namespace(self):
        """A service in a namespace that has one end of a link: the other end goes with the namespace."""
        self.name = f"enmesh-test-{os.getpid()}"
        path = f"/run/netns/{self.name}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.addCleanup(subprocess.run, ["ip", "netns", "del", self.name], capture_output=True)
        self.ip("link", "add", "peer", "type", "veth", "peer", "name", "inside", "netns", path)
        self.apply(f"runAs: {{user: 1001}}\n  networkNamespace: {{path: {path}}}")
        self.run_agent()

    def pass_on_request(self):
        before = self.passed()
        self.agent.send_signal(signal.SIGHUP)
        self.assertTrue(soon(lambda: self.passed() != before))

    def test_namespace_of_a_container_that_ended_is_let_go(self):
        self.in_a_namespace()
        subprocess.run(["ip", "netns", "del", self.name], check=True)
        self.pass_on_request()
        self.assertTrue(soon(lambda: "peer" not in self.ip("link"), 10), self.logged())

    def test_namespace_without_a_service_is_let_go(self):
        self.in_a_namespace()
        self.write("mesh/mesh.yaml", MESH)
        self.pass_on_request()
        self.assertEqual(subprocess.run(["ip", "netns", "exec", self.name, "nft", "list", "tables"], capture_output=True,
                                        text=True, check=True).stdout, "")
        self.pass_on_request()  # that nobody looks there any more shows at the pass after
        subprocess.run(["ip", "netns", "del", self.name], check=True)
        self.assertTrue(soon(lambda: "peer" not in self.ip("link"), 10), self.logged())



if __name__ == "__main__":
    if not may_make_network():
        print("skipped: needs root and network namespaces")
        sys.exit(77)
    if KERNEL < (6, 9):
        print("skipped: the kernel holds no tables before 6.9")
        sys.exit(77)
    main()
