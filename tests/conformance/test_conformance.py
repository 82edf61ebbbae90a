#!/usr/bin/env python3
"""test_conformance.py ENMESH: what istio-iptables captures, enmesh captures; and every case keeps the laws of a pass.

`cases.json` and `more-cases.json` hold settings of istio-iptables, `expected/` and `expected-more/` where each connection landed with
it (`compare --record PILOT_AGENT more-cases.json expected-more` records them). Here `compare --enmesh` imports and applies the same. Then
each case is applied in an empty network namespace: a second pass writes nothing, and cleanup leaves nothing.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

SKIP = 77
HERE = os.path.dirname(os.path.abspath(__file__))
SETS = (("cases.json", "expected"), ("more-cases.json", "expected-more"))
# What is seen of the network of a machine.
STATE = "nft list ruleset; ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; ip addr | grep -v valid_lft"


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIP)


def hide_the_machine():
    """/run and /var/lib become this test's own, and with them the names of network namespaces and enmesh's lock. A probe has more time
    than `matrix` gives it by itself: other tests run, too."""
    if os.environ.get("HIDDEN") == "1":
        return
    hide = "mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && exec \"$@\""
    os.execvpe("unshare", ["unshare", "-m", "--propagation", "private", "sh", "-c", hide, "-", sys.executable, *sys.argv],
               dict(os.environ, HIDDEN="1", MATRIX_TIMEOUT=os.environ.get("MATRIX_TIMEOUT", "6")))


def environment(case):
    return {k: v for k, v in os.environ.items() if not k.startswith("ISTIO_")} | case.get("env", {})


class Namespace:
    """An empty network namespace, held by a process of this test's."""

    def __enter__(self):
        self.holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "ip link set lo up; echo; exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        return self

    def __exit__(self, *_):
        self.holder.communicate()

    def run(self, *command):
        return subprocess.run(["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *command], capture_output=True, text=True)

    def state(self):
        return self.run("sh", "-c", STATE).stdout


def broken_laws(enmesh, case, directory):
    with open(os.path.join(directory, "mesh.yaml"), "w") as f:
        r = subprocess.run([enmesh, "import", "istio", "--", *case.get("args", [])], env=environment(case), stdout=f,
                           stderr=subprocess.PIPE, text=True)
    if r.returncode:
        return f"import: {r.stderr}"
    source = [directory, "--node", "node", "--target", "capture"]
    with Namespace() as netns:
        before = netns.state()
        for what, code, command in (("apply", 2, ["apply", *source, "--detailed-exitcode"]),
                                    ("second apply", 0, ["apply", *source, "--detailed-exitcode"]),
                                    ("diff", 0, ["diff", *source]),
                                    ("cleanup", 0, ["cleanup", "--target", "capture"])):
            r = netns.run(enmesh, *command)
            if r.returncode != code:
                return f"{what} ended with {r.returncode}:\n{r.stdout}{r.stderr}"
        after = netns.state()
    return "" if before == after else f"cleanup left something:\n--- before\n{before}\n--- after\n{after}"


def main(enmesh):
    if os.geteuid() != 0 or subprocess.run(["unshare", "-mn", "true"], capture_output=True).returncode:
        skip("no right to make namespaces")
    for program in ("ip", "nft", "nsenter"):
        if not shutil.which(program):
            skip(f"there is no '{program}'")
    hide_the_machine()
    failed = 0
    for cases_file, expected in SETS:
        path = os.path.join(HERE, cases_file)
        failed |= subprocess.run([os.path.join(HERE, "compare"), "--enmesh", enmesh, path, os.path.join(HERE, expected)]).returncode
        with open(path) as f:
            cases = json.load(f)
        for case in cases:
            with tempfile.TemporaryDirectory() as directory:
                problem = broken_laws(enmesh, case, directory)
            if problem:
                failed = 1
                print(f"not ok {case['name']}: {problem}")
        print(f"the laws of a pass: {len(cases)} cases")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1])))
