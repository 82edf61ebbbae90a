#!/usr/bin/env python3
"""source.py ENMESH LIBGIT2_FETCH: what it costs to ask a git server for news, of which there are none, and a whole pass that finds
nothing new and nothing to do. A local server: git http-backend behind nginx with TLS, 10,000 references. Medians; root."""
import http.client
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from git_servers import Servers, alone, missing  # noqa: E402

ENMESH, LIBGIT2 = (os.path.abspath(p) for p in sys.argv[1:3])
RUNS, REFERENCES = 15, 10000
MESH = """apiVersion: enmesh.io/v1alpha1
kind: Mesh
metadata: {name: demo}
spec: {}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshNode
metadata: {name: vm1}
spec: {addresses: [10.0.0.1]}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshSidecar
metadata: {name: proxy}
spec: {proxyUsers: [1337]}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshService
metadata: {name: reviews, namespace: bookinfo}
spec: {nodes: all, runAs: {user: 1001}, ports: [{name: http, port: 9080}], sidecar: proxy, capture: default}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshCapture
metadata: {name: default}
spec: {}
"""


def run(*argv, **kw):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **kw)


def median(*argv, **kw):
    times = []
    for _ in range(RUNS):
        began = time.monotonic()
        run(*argv, **kw)
        times.append((time.monotonic() - began) * 1000)
    return statistics.median(times)


def ask(servers, url):
    """The one request of a poll, over a connection of its own: what of a pass is the server and the way."""
    context = ssl.create_default_context(cafile=servers.path("ca.crt"))
    body = b"0014command=ls-refs\n0011agent=enmesh\n0016object-format=sha100010009peel\n000csymrefs\n001fref-prefix refs/heads/main\n0000"
    times = []
    for _ in range(RUNS):
        began = time.monotonic()
        c = http.client.HTTPSConnection("localhost", servers.port, context=context)
        c.request("POST", "/open/mesh.git/git-upload-pack", body,
                  {"Git-Protocol": "version=2", "Content-Type": "application/x-git-upload-pack-request"})
        answer = c.getresponse().read()
        c.close()
        times.append((time.monotonic() - began) * 1000)
        if b"refs/heads/main" not in answer:
            sys.exit(f"no answer: {answer}")
    return statistics.median(times)


def received(servers, *argv, **kw):
    servers.sent()
    run(*argv, **kw)
    answers = servers.sent()
    return sum(a[4] for a in answers), len(answers)


def main(d):
    repo = os.path.join(d, "repos/mesh.git")
    os.makedirs(repo)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    run(*git, "init", "-q", "-b", "main", repo)
    with open(os.path.join(repo, "mesh.yaml"), "w") as f:
        f.write(MESH)
    run(*git, "add", "-A", cwd=repo)
    run(*git, "commit", "-qm", "one", cwd=repo)
    head = run("git", "rev-parse", "HEAD", cwd=repo).stdout.strip()
    with open(os.path.join(repo, ".git/packed-refs"), "w") as f:
        f.write("# pack-refs with: peeled fully-peeled sorted \n" +
                "".join(f"{head} refs/heads/x{n:05}\n" for n in range(REFERENCES)))
    servers = Servers(os.path.join(d, "repos"))
    try:
        measure(d, servers, servers.https() + "/open/mesh.git")
    finally:
        servers.close()


def measure(d, servers, url):
    env = {**os.environ, "GIT_SSL_CAINFO": servers.path("ca.crt"), "GIT_CONFIG_GLOBAL": "/dev/null"}
    base = ["--node", "vm1", "--target", "capture", "--no-wait", "--state-dir", d + "/state", "--run-dir", d + "/run"]
    source = [url, "--ref", "main", "--source-ca-file", servers.path("ca.crt"), "--source-user", "nobody"]
    clone = d + "/clone"
    run("git", "clone", "-q", "--single-branch", "-b", "main", url, clone, env=env)
    run(LIBGIT2, d + "/libgit2.git", url, "+refs/heads/main:refs/x")
    rows = [
        ("git ls-remote URL main", ["git", "ls-remote", url, "refs/heads/main"], {"env": env}),
        ("git fetch", ["git", "fetch", "-q", "origin", "main"], {"env": env, "cwd": clone}),
        ("libgit2 fetch", [LIBGIT2, d + "/libgit2.git", url, "+refs/heads/main:refs/x"], {}),
        ("enmesh apply URL, in sync", [ENMESH, "apply", *source, *base], {}),
        ("enmesh apply URL --offline, in sync", [ENMESH, "apply", *source, "--offline", *base], {}),
        ("enmesh apply DIRECTORY, in sync", [ENMESH, "apply", d + "/repos/mesh.git", *base], {}),
    ]
    run(ENMESH, "apply", *source, *base)
    print(f"{'the request of a poll alone':40}  {ask(servers, url):6.1f}")
    print(f"{'':40}      ms   bytes received   requests")
    for name, argv, kw in rows:
        size, requests = received(servers, *argv, **kw)
        print(f"{name:40}  {median(*argv, **kw):6.1f}   {size:14}   {requests:8}", flush=True)
    run(ENMESH, "cleanup", "--state-dir", d + "/state", "--run-dir", d + "/run")


if missing("git", "nginx", "fcgiwrap", "openssl"):
    sys.exit("needs git, nginx, fcgiwrap and openssl")
alone()
directory = tempfile.mkdtemp(prefix="enmesh-bench-")
os.chmod(directory, 0o755)
try:
    main(directory)
finally:
    shutil.rmtree(directory)
