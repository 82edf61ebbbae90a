#!/usr/bin/env python3
"""predict.py ENMESH [--set CASES.json EXPECTED_DIR] [CASE...]: does `enmesh trace` know where the kernel sends a connection?

For each case of cases.json and more-cases.json the documents that `enmesh import istio` makes of its flags are traced for
each of the probes of `matrix`, and the landing is compared with what the kernel did in expected/ and expected-more/. Nothing is sent; the
source's resolver is that of /etc/resolv.conf, so a mount namespace with one of its own is needed (skipped without)."""
import ctypes
import fnmatch
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SKIP = 77
ADDRESSES = "10.88.0.1,10.88.0.3,fd88::1"  # of the node
SETS = (("cases.json", "expected"), ("more-cases.json", "expected-more"))


def load(name):
    """A script without .py as a module."""
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(HERE, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def isolate(resolver):
    """A mount namespace with an /etc/resolv.conf of its own; as somebody else than root, in a user namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_ns, new_user, bind, private = 0x20000, 0x10000000, 0x1000, 0x44000
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(new_ns | (0 if uid == 0 else new_user)) != 0:
        return False
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as f:
                f.write(text)
    with tempfile.NamedTemporaryFile("w", prefix="resolv-") as f:
        f.write(f"nameserver {resolver}\n")
        f.flush()
        return libc.mount(b"none", b"/", None, private, None) == 0 and \
            libc.mount(f.name.encode(), b"/etc/resolv.conf", None, bind, None) == 0


def documents(enmesh, case, directory):
    env = {k: v for k, v in os.environ.items() if not k.startswith("ISTIO_")} | case.get("env", {})
    made = subprocess.run([enmesh, "import", "istio", "--", *case.get("args", [])], env=env, capture_output=True, text=True)
    if made.returncode != 0:
        raise RuntimeError(made.stderr)
    with open(os.path.join(directory, "mesh.yaml"), "w") as f:
        f.write(made.stdout)
    return directory


def groups(matrix):
    """Probes that one run of trace answers: (from, protocol, interface) → {destination: name}."""
    out = {}
    for name, (ns, uid, gid, protocol, source, address, port) in matrix.probes().items():
        if ns == matrix.PEER:
            who = source or ("fd88::2" if ":" in address else "10.88.0.2")
        else:
            who = ",".join([f"uid:{uid}", f"gid:{gid}", *([source] if source else [])])
        to = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        out.setdefault((who, protocol), {})[to] = name
    return out


def landing(matrix, trace):
    """In the words of `matrix`: who answers."""
    at = trace["landing"]
    if at["kind"] == "local":
        ports = matrix.PROXY_UDP if trace["connection"]["protocol"] == "udp" else matrix.PROXY_TCP
        return f"{'proxy' if at['port'] in ports else 'app'}:{at['port']}"
    return f"peer:{at['port']}" if at["kind"] == "sent" else at["kind"]


def predict(enmesh, matrix, source):
    seen = {}
    for (who, protocol), probes in groups(matrix).items():
        made = subprocess.run([enmesh, "trace", source, "--node", "node", "--address", ADDRESSES, "--interface", "eth0",
                               "--from", who, "--protocol", protocol, "--to", ",".join(probes), "-o", "json"],
                              capture_output=True, text=True)
        if made.returncode != 0:
            raise RuntimeError(made.stderr)
        for trace in json.loads(made.stdout)["traces"]:
            seen[probes[trace["connection"]["destination"]]] = landing(matrix, trace)
    return seen


def wanted(case, probe, expected, seen):
    """What `differs` says of a probe wins."""
    for pattern, why in case.get("differs", {}).items():
        if fnmatch.fnmatch(probe, pattern):
            return why.rpartition("->")[2].strip() if "->" in why else seen
    return expected


def run(enmesh, matrix, case, recorded):
    with open(os.path.join(HERE, recorded, case["name"] + ".json")) as f:
        expected = json.load(f)
    with tempfile.TemporaryDirectory(prefix="enmesh-test-") as d:
        seen = predict(enmesh, matrix, documents(enmesh, case, d))
    wrong = [f"    {p}: the kernel says {want}, trace says {seen.get(p)}" for p, want in
             ((p, wanted(case, p, want, seen.get(p))) for p, want in expected.items()) if seen.get(p) != want]
    print(f"{'not ok' if wrong else 'ok'} {case['name']}: {len(expected) - len(wrong)}/{len(expected)} probes")
    print("\n".join(wrong[:40]), end="\n" if wrong else "", flush=True)
    return not wrong


def main(argv):
    enmesh, names, sets = os.path.abspath(argv[1]), argv[2:], SETS
    if names and names[0] == "--set":
        sets, names = (names[1:3],), names[3:]
    if not isolate("10.88.0.2"):
        print("skipped: no mount namespace can be made here")
        sys.exit(SKIP)
    matrix = load("matrix")
    start = time.monotonic()
    cases = failed = 0
    for file, recorded in sets:
        with open(os.path.join(HERE, file)) as f:
            chosen = [c for c in json.load(f) if not names or c["name"] in names]
        cases += len(chosen)
        failed += sum(not run(enmesh, matrix, case, recorded) for case in chosen)
    print(f"{cases - failed} passed, {failed} failed in {time.monotonic() - start:.1f} s")
    sys.exit(1 if failed or not cases else 0)


if __name__ == "__main__":
    main(sys.argv)
