"""The commands that change a machine, which is a network namespace here, with state in a temporary directory:
test_cli_machine.py ENMESH CHECK_JSON SCHEMA_DIR."""
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

from cli_case import ENMESH, NODE, clean_environment, main, may_make_network
from machine_case import Network


class Machine(Network):
    def setUp(self):
        super().setUp()
        self.enmesh("init", "mesh", "--node", NODE)
        self.options = ["--node", NODE, "--state-dir", "var/state", "--run-dir", "var/run", "--target", "capture"]
        os.mkdir(self.path("var"))

    def do(self, command, *args, **kw):
        source = [] if command == "cleanup" else ["mesh"]
        return self.enmesh(command, *source, *self.options, *args, **kw)

    def flush(self):
        self.nft("flush", "chain", "inet", "enmesh", "output")

    def lock(self):
        os.makedirs(self.path("var/run"), exist_ok=True)
        f = open(self.path("var/run/lock"), "w+")
        fcntl.flock(f, fcntl.LOCK_EX)
        f.write("pid 4711, enmesh apply, since 2026-01-01T00:00:00Z\n")
        f.flush()
        self.addCleanup(f.close)
        return f

    def test_exit_codes_of_a_life(self):
        self.assertRegex(self.do("diff", code=2).stdout, r"\nPlan: [1-9]\d* to add, 0 to change, 0 to remove\.\n$")
        self.do("apply", "--dry-run", code=2)
        self.do("diff", "--diff-exit-code", "0")
        self.do("diff", "--diff-exit-code=7", code=7)
        self.assertEqual(os.listdir(self.path("var")), [])
        planned = self.do("diff", code=2).stdout
        applied = self.do("apply").stdout
        self.assertTrue(applied.startswith(planned), applied)
        self.assertRegex(applied[len(planned):], r"^Applied: \d+ added, 0 changed, 0 removed\.\n$")
        self.assertEqual(self.do("diff").stdout.splitlines()[-1], "No changes. The node is in sync.")
        self.assertEqual(self.do("apply", "--detailed-exitcode").stdout.splitlines()[-1],
                         "No changes. The node is in sync.")
        self.flush()
        self.assertIn("capture, changed by somebody else since the last pass:", self.do("diff", code=2).stdout)
        self.do("apply", "--detailed-exitcode", code=2)
        self.do("diff")
        self.do("cleanup", "--dry-run", code=2)
        self.do("cleanup")
        self.assertEqual(self.nft("list", "ruleset"), "")

    def test_second_pass_writes_nothing_but_its_status(self):
        self.do("apply")
        state = os.stat(self.path("var/state/applied.json"))
        rules = self.nft("-a", "list", "ruleset")
        self.do("apply")
        self.assertEqual(os.stat(self.path("var/state/applied.json")).st_ino, state.st_ino)
        self.assertEqual(self.nft("-a", "list", "ruleset"), rules)

    def test_cleanup_leaves_nothing(self):
        self.options = self.options[:-2]
        self.do("apply")
        self.assertEqual(sorted(os.listdir(self.path("var"))), ["run", "state"])
        self.do("cleanup")
        self.assertEqual(os.listdir(self.path("var")), [])
        self.assertEqual(self.nft("list", "ruleset"), "")
        self.do("cleanup")
        self.assertEqual(os.listdir(self.path("var")), [])

    def test_cleanup_leaves_what_is_not_its_own(self):
        self.options = self.options[:-2]
        self.do("apply")
        self.write("var/state/mine", "x")
        self.nft("add", "table", "inet", "mine")
        self.do("cleanup")
        self.assertEqual(os.listdir(self.path("var")), ["state"])
        self.assertIn("table inet mine", self.nft("list", "ruleset"))

    def test_json_and_markdown(self):
        j = self.check("plan", self.do("diff", "-o", "json", code=2).stdout)
        self.assertEqual(j["result"], "Drifted")
        r = self.do("apply", "--json-into", "plan.json")
        with open(self.path("plan.json")) as f:
            j = self.check("plan", f.read())
        self.assertEqual(j["result"], "Converged")
        self.assertIn(f"Plan: {j['summary']['add']} to add, ", r.stdout)
        self.assertEqual({c["result"] for c in j["changes"]}, {"repaired"})
        self.flush()
        j = self.check("plan", self.do("diff", "-o", "json", code=2).stdout)
        self.assertEqual(len(j["drift"]), j["summary"]["drift"])
        self.assertEqual(j["drift"][0]["actions"], ["delete"])
        self.assertIn("<details>", self.do("diff", "-o", "markdown", code=2).stdout)
        self.check("plan", self.do("cleanup", "-o", "json").stdout)

    def test_refused_source_changes_nothing(self):
        self.do("apply")
        rules = self.nft("-a", "list", "ruleset")
        self.write("mesh/bad.yaml", "apiVersion: enmesh.io/v1alpha1\nkind: Nonsense\n")
        r = self.do("apply", code=1)
        self.assertEqual(r.stdout, "")
        self.assertEqual(self.nft("-a", "list", "ruleset"), rules)
        j = self.check("plan", self.do("apply", "-o", "json", code=1).stdout)
        self.assertTrue(j["errored"])
        status = self.check("status", self.enmesh("status", "--run-dir", "var/run", "-o", "json", code=1).stdout)
        self.assertEqual([c["status"] for c in status["conditions"] if c["type"] == "SourceValid"], ["False"])
        shutil.rmtree(self.path("mesh"))
        self.assertIn("cannot be read: No such file or directory", self.do("apply", code=1).stderr)
        os.mkdir(self.path("mesh"))
        self.assertIn("an empty source is no desired state", self.do("apply", code=1).stderr)
        self.assertEqual(self.nft("-a", "list", "ruleset"), rules)

    def test_status(self):
        self.options = self.options[:-2]
        self.do("apply")
        self.assertEqual(os.stat(self.path("var/run/status.json")).st_mode & 0o777, 0o644)
        self.assertEqual(os.stat(self.path("var/run")).st_mode & 0o777, 0o755)
        self.assertEqual(os.stat(self.path("var/state")).st_mode & 0o777, 0o700)
        out = self.enmesh("status", "--run-dir", "var/run").stdout
        self.assertRegex(out, r"(?m)^  Ready +True ")
        s = self.check("status", self.enmesh("status", "--run-dir", "var/run", "-o", "json").stdout)
        self.assertEqual(s["source"]["appliedRevision"], s["source"]["observedRevision"])
        self.assertEqual(self.enmesh("status", "--run-dir", "var/run", "-q").stdout, "")

    def test_held_lock(self):
        f = self.lock()
        for command in "apply", "cleanup":
            r = self.do(command, code=4)
            self.assertIn("another pass holds the lock var/run/lock: pid 4711, enmesh apply, since 2026", r.stderr)
        self.do("apply", "--lock-timeout", "50ms", code=4)
        self.do("diff", code=2)
        self.do("apply", "--dry-run", code=2)
        waiting = subprocess.Popen([*self.prefix, ENMESH, "apply", "mesh", *self.options, "--lock-timeout", "30s", "-q"],
                                   cwd=self.dir)
        time.sleep(0.1)  # whether it waits by then or not, it must end well
        f.close()
        self.assertEqual(waiting.wait(30), 0)

    def test_signal_while_waiting_for_the_lock(self):
        self.lock()
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
            p = subprocess.Popen([*self.prefix, ENMESH, "apply", "mesh", *self.options, "--lock-timeout", "1h"],
                                 cwd=self.dir, stderr=subprocess.PIPE, text=True)
            self.wait_for_handlers(p.pid)
            p.send_signal(number)
            _, err = p.communicate(timeout=30)
            self.assertEqual(p.returncode, 128 + number, err)
            self.assertIn("nothing was done", err)

    def wait_for_handlers(self, pid):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with open(f"/proc/{pid}/status") as f:
                caught = int(re.search(r"SigCgt:\s*(\w+)", f.read())[1], 16)
            if caught >> (signal.SIGHUP - 1) & 1 and caught >> (signal.SIGTERM - 1) & 1:
                return
            time.sleep(0.005)
        self.fail("no handlers")

    def test_closed_pipe_does_not_cut_a_pass(self):
        read, write = os.pipe()
        os.close(read)
        r = self.do("apply", code=1, stdout=write)
        os.close(write)
        self.assertIn("standard output cannot be written: Broken pipe", r.stderr)
        self.do("diff")

    def test_passes_at_once_leave_one_result(self):
        ps = [subprocess.Popen([*self.prefix, ENMESH, "apply", "mesh", *self.options, "--lock-timeout", "60s", "-q"],
                               cwd=self.dir) for _ in range(8)]
        self.assertEqual([p.wait(60) for p in ps], [0] * 8)
        self.do("diff")

    def test_colour_is_for_terminals(self):
        plain = self.do("diff", code=2).stdout
        self.assertNotIn("\x1b", plain)
        self.assertIn("\x1b[32m", self.do("diff", "--color=always", code=2).stdout)
        env = clean_environment(TERM="xterm")
        self.assertIn("\x1b[32m", self.on_terminal(env))
        self.assertNotIn("\x1b", self.on_terminal(dict(env, NO_COLOR="1")))
        self.assertIn("\x1b", self.on_terminal(dict(env, NO_COLOR="")))
        self.assertNotIn("\x1b", self.on_terminal(dict(env, TERM="dumb")))
        self.assertNotIn("\x1b", self.on_terminal(env, "--no-color"))
        self.assertNotIn("\x1b", self.on_terminal(env, "--color=never"))

    def on_terminal(self, env, *args):
        ours, theirs = pty.openpty()
        p = subprocess.Popen([*self.prefix, ENMESH, "diff", "mesh", *self.options, *args], cwd=self.dir, env=env,
                             stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        out = b""
        while True:
            try:
                more = os.read(ours, 65536)
            except OSError:
                break
            if not more:
                break
            out += more
        os.close(ours)
        self.assertEqual(p.wait(30), 2, out)
        return out.decode()

    def test_quiet_and_verbose(self):
        self.assertEqual(self.do("diff", "-q", code=2).stdout, "")
        r = self.do("apply", "-v")
        self.assertRegex(r.stderr, r"(?m)^  \+ capture/inet/enmesh: done$")
        r = self.do("apply", "-q")
        self.assertEqual((r.stdout, r.stderr), ("", ""))

    def test_state_that_others_can_write_is_refused(self):
        victim = self.write("victim", "somebody else's\n")
        os.mkdir(self.path("var/state"))
        self.write("var/state/files.json", json.dumps({"files": [victim], "directories": []}))
        self.options = [o.replace("capture", "processes") for o in self.options]
        for mode, owner, message in (0o777, 0, "writable by all"), (0o700, 65534, "belongs to user 65534"):
            os.chmod(self.path("var/state"), mode)
            os.chown(self.path("var/state"), owner, 0)
            for command in "apply", "cleanup":
                self.assertIn(message, self.do(command, code=1).stderr)
        self.assertTrue(os.path.exists(victim))

    def test_full_run_directory_does_not_keep_the_rules_from_repair(self):
        script = ("mount -t tmpfs -o size=16k full var/run && dd if=/dev/zero of=var/run/x bs=4k 2>/dev/null;"
                  'exec "$@"')
        os.mkdir(self.path("var/run"))
        r = self.do("apply", code=1, prefix=[*self.prefix, "unshare", "-m", "sh", "-c", script, "sh"])
        self.assertIn("the status cannot be written", r.stderr)
        self.assertNotIn("lock", r.stderr)
        self.assertIn("table inet enmesh", self.nft("list", "ruleset"))

    def test_a_damaged_record_of_namespaces_is_not_taken_for_none(self):
        self.do("apply")
        self.write("var/state/namespaces.json", "{")
        self.assertIn("warning: var/state/namespaces.json, the record", self.do("apply").stderr)
        self.assertIn("error: var/state/namespaces.json, the record", self.do("cleanup", code=1).stderr)
        os.unlink(self.path("var/state/namespaces.json"))
        self.do("cleanup")

    def test_a_namespace_that_cannot_be_read_keeps_no_other_from_repair(self):
        self.write("mesh/container.yaml", json.dumps({
            "apiVersion": "enmesh.io/v1alpha1", "kind": "MeshService", "metadata": {"name": "container", "namespace": "test"},
            "spec": {"nodes": "all", "networkNamespace": {"path": "/etc/passwd/none"}, "sidecar": "other", "capture": "other",
                     "ports": [{"name": "http", "port": 8123}]}}))
        self.write("mesh/sidecar.yaml", json.dumps({
            "apiVersion": "enmesh.io/v1alpha1", "kind": "MeshSidecar", "metadata": {"name": "other"}, "spec": {"user": 1337}}))
        self.write("mesh/capture.yaml", json.dumps({
            "apiVersion": "enmesh.io/v1alpha1", "kind": "MeshCapture", "metadata": {"name": "other"}, "spec": {}}))
        r = self.do("apply", code=1)
        self.assertIn("of the network namespace /etc/passwd/none cannot be read: Not a directory", r.stderr)
        self.assertIn("table inet enmesh", self.nft("list", "tables"))
        self.do("cleanup")

    def test_unwritable_state_is_an_error(self):
        self.write("var/state", "a file")
        r = self.do("apply", code=1)
        self.assertIn("what was applied cannot be recorded in var/state", r.stderr)

    def test_reports_hold_no_control_characters(self):
        self.write("mesh/\x1b[2J.yaml", """apiVersion: enmesh.io/v1alpha1
kind: MeshCapture
metadata: {name: other}
spec: {outbound: {excludePorts: [81]}}
""")
        with open(self.path("mesh/services/hello.yaml")) as f:
            self.write("mesh/services/hello.yaml", f.read().replace("capture: default", "capture: other"))
        for format in "text", "markdown":
            self.assertNotIn("\x1b", self.do("diff", "-o", format, code=2).stdout)


if __name__ == "__main__":
    if not may_make_network():
        print("skipped: needs root and network namespaces")
        sys.exit(77)
    main()
