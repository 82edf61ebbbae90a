#!/usr/bin/env python3
"""in_sync.py ENMESH FLOOR PEAK: what a pass costs that finds everything in place.

The floor is a program that starts with the libraries of the design and dumps the same table. Both are started in turn, in one run,
so that the ratio holds on a noisy machine; times are of whole processes, medians of N pairs (ENMESH_BENCH_RUNS, default 200).
"all targets" has a process for each service and its files, and objects in an API server on this machine if the parts are built.
"""
import os
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from control_plane import ControlPlane, own_network  # noqa: E402
from lab import cgroup_mount, parts_dir, sh, wait_rmdir  # noqa: E402

RUNS = int(os.environ.get("ENMESH_BENCH_RUNS", "200"))
HEAD = """\
apiVersion: enmesh.io/v1alpha1
kind: Mesh
metadata: {name: bench}
spec: {%s}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshNode
metadata: {name: node}
spec: {addresses: [10.0.0.1]}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshCapture
metadata: {name: default}
spec: {outbound: {excludeCidrs: [10.9.0.0/16, 10.11.0.0/16]}}
"""
SERVICE = """\
---
apiVersion: enmesh.io/v1alpha1
kind: MeshSidecar
metadata: {name: proxy%(i)d}
spec: {user: %(proxy)d, ports: {outbound: %(port)d, inbound: %(port)d1, tunnel: %(port)d2, admin: %(port)d3}%(process)s}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshService
metadata: {name: service%(i)d, namespace: bench}
spec: {nodes: all, runAs: {user: %(user)d}, ports: [{name: http, port: %(app)d, protocol: HTTP}], sidecar: proxy%(i)d, capture: default}
"""
PROCESS = ", command: [sleep, infinity], files: [{path: %s/proxy%d.conf, text: some configuration}]"


def mesh(directory, services, process_files=None, url=None):
    api = f'controlPlane: {{apiServer: {{urls: ["{url}"]}}}}, objects: {{namespace: bench}}' if url else ""
    os.makedirs(directory)
    with open(os.path.join(directory, "mesh.yaml"), "w") as f:
        f.write(HEAD % api)
        for i in range(services):
            process = PROCESS % (process_files, i) if process_files else ""
            f.write(SERVICE % {"i": i, "proxy": 10000 + i, "user": 20000 + i, "port": 1100 + i, "app": 30000 + i,
                               "process": process})


def run_once(argv):
    start = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=[
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)])
    _, status = os.waitpid(pid, 0)
    if status:
        raise RuntimeError(f"{' '.join(argv)}: status {status}")
    return (time.perf_counter() - start) * 1000


def compare(title, enmesh, floor, pairs):
    ours, theirs, ratios = [], [], []
    for i in range(pairs + 10):
        a, b = run_once(enmesh), run_once(floor)
        if i >= 10:
            ours.append(a)
            theirs.append(b)
            ratios.append(a / b)
    memory = [int(sh(PEAK, *argv).stdout) / 1024 for argv in (enmesh, floor)]
    deciles = statistics.quantiles(ours, n=10)
    print(f"{title:28} {statistics.median(ours):7.2f} ms ({deciles[0]:.2f} to {deciles[8]:.2f})   floor "
          f"{statistics.median(theirs):5.2f} ms   ratio {statistics.median(ratios):5.2f}   memory {memory[0]:.1f} MiB, floor "
          f"{memory[1]:.1f} MiB", flush=True)


def main(enmesh, floor):
    print("medians (10th to 90th percentile) of whole processes")
    own_network()
    cgroup = os.path.join(cgroup_mount(), f"eb{os.getpid()}")
    os.mkdir(cgroup)
    # As on a machine: what is kept is on a disk, what ends with the boot (/run) is in memory.
    with tempfile.TemporaryDirectory(prefix="enmesh-bench-") as d, \
            tempfile.TemporaryDirectory(prefix="enmesh-bench-", dir="/dev/shm") as run:
        base = [enmesh, "apply", None, "--node", "node", "--cgroup", f"{cgroup}/enmesh", "--quiet"]
        for services in (1, 100):
            mesh(f"{d}/capture{services}", services)
            state = ["--state-dir", f"{d}/state", "--run-dir", run]
            command = [*base[:2], f"{d}/capture{services}", *base[3:], "--target", "capture", *state]
            sh(*command)
            compare(f"capture alone, {services} service{'s' if services > 1 else ''}", command, [floor], RUNS)
            sh(enmesh, "cleanup", *state, "--cgroup", f"{cgroup}/enmesh")
        with_api = all(os.path.exists(os.path.join(parts_dir(), "bin", p)) for p in ("etcd", "kube-apiserver", "kubectl"))
        if not with_api:
            print("all targets: skipped, the parts are not built (tests/parts/get mesh)")
        else:
            all_targets(enmesh, floor, d, run, cgroup, base)
    wait_rmdir(f"{cgroup}/enmesh") if os.path.isdir(f"{cgroup}/enmesh") else None
    wait_rmdir(cgroup)


def all_targets(enmesh, floor, d, run, cgroup, base):
    with ControlPlane(f"{d}/api", crds=True) as api:
        api.kubectl("create", "namespace", "bench")
        for services in (1, 100):
            mesh(f"{d}/all{services}", services, f"{d}/files", api.url)
            state = ["--state-dir", f"{d}/state", "--run-dir", run]
            command = [*base[:2], f"{d}/all{services}", *base[3:], "--api-token-file", api.token_file("admin"),
                       "--api-ca-file", api.ca_file, "--timeout", "120s", *state]
            sh(*command)
            compare(f"capture and processes, {services}", [*command, "--target", "capture,processes"], [floor], RUNS)
            compare(f"all targets, {services}", command, [floor], max(RUNS // 10, 5))
            sh(enmesh, "cleanup", "--mesh-objects", *state, "--cgroup", f"{cgroup}/enmesh", "--api-token-file",
               api.token_file("admin"), "--api-ca-file", api.ca_file)


if __name__ == "__main__":
    PEAK = sys.argv[3]
    main(*sys.argv[1:3])
