#!/usr/bin/env python3
"""compare.py ENMESH PEAK: time and memory of `enmesh diff --from --to` for fleets of growing size, with five services on each
node. 500 services differ between the two revisions: as in a pull request, those of one file; or spread over all files, so that
each file must be read twice."""
import os
import subprocess
import sys
import tempfile
import time

ENMESH, PEAK = (os.path.abspath(p) for p in sys.argv[1:3])
SERVICES, NODES_A_FILE, RUNS = 5, 100, 3
HEAD = "apiVersion: enmesh.io/v1alpha1\nkind: Mesh\nmetadata: {name: big}\nspec: {}\n---\napiVersion: enmesh.io/v1alpha1\n" \
    "kind: MeshCapture\nmetadata: {name: default}\nspec: {}\n"
SIDECAR = """---
apiVersion: enmesh.io/v1alpha1
kind: MeshSidecar
metadata: {name: proxy%d}
spec: {proxyUsers: [%d], ports: {outbound: %d, inbound: %d, tunnel: %d, admin: %d}}
"""
NODE = """---
apiVersion: enmesh.io/v1alpha1
kind: MeshNode
metadata: {name: vm%d, labels: {app: a%d}}
spec: {addresses: [10.%d.%d.%d]}
"""
SERVICE = """---
apiVersion: enmesh.io/v1alpha1
kind: MeshService
metadata: {name: s%d-%d, namespace: shop}
spec:
  nodes: {matchLabels: {app: a%d}}
  ports: [{name: http, port: %d, protocol: HTTP}]
  runAs: {user: %d}
  sidecar: proxy%d
  capture: default
"""


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def make(root, nodes, changed=lambda n, k: False):
    write(root + "/mesh.yaml", HEAD + "".join(SIDECAR % (k, 1300 + k, *(15000 + 10 * k + i for i in range(4)))
                                               for k in range(SERVICES)))
    for first in range(0, nodes, NODES_A_FILE):
        some = range(first, min(first + NODES_A_FILE, nodes))
        write(f"{root}/nodes/{first}.yaml", "".join(NODE % (n, n, n >> 16, n >> 8 & 255, n & 255) for n in some))
        write(f"{root}/services/{first}.yaml", "".join(
            SERVICE % (n, k, n, 8000 + k + (100 if changed(n, k) else 0), 2000 + k, k)
            for n in some for k in range(SERVICES)))


def git(root, *args):
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *args], cwd=root, check=True,
                   capture_output=True)


def check(root):
    """A comparison that fails, or finds nothing, would be a fast one."""
    r = subprocess.run([ENMESH, "diff", ".", "--from", "HEAD~1", "--to", "HEAD"], cwd=root, capture_output=True, text=True)
    if r.returncode != 2:
        sys.exit(f"exit code {r.returncode}\n{r.stderr[:2000]}")


def measure(root):
    best = None
    for _ in range(RUNS):
        began = time.monotonic()
        r = subprocess.run([PEAK, ENMESH, "diff", ".", "--from", "HEAD~1", "--to", "HEAD", "-q", "--diff-exit-code", "0"], cwd=root,
                           capture_output=True, text=True)
        took = time.monotonic() - began
        if r.returncode:
            sys.exit("it fails")
        best = min(best or (took + 1, 0), (took, int(r.stdout)))
    return best


print("nodes    services   one file: seconds   MiB   all files: seconds   MiB")
for count in (1000, 2500, 5000, 10000):
    line = f"{count:5}    {count * SERVICES:8}"
    for width, changed in ((19, lambda n, k: n < 100), (21, lambda n, k: n % (count // 500) == 0 and k == 0)):
        with tempfile.TemporaryDirectory(prefix="enmesh-bench-") as directory:
            make(directory, count)
            git(directory, "init", "-q")
            git(directory, "add", "-A")
            git(directory, "commit", "-qm", "one")
            make(directory, count, changed)
            git(directory, "commit", "-qam", "two")
            check(directory)
            seconds, kib = measure(directory)
            line += f"{seconds:{width}.2f}   {kib / 1024:3.0f}"
    print(line, flush=True)
