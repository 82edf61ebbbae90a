#!/usr/bin/env python3
"""demo.py ENMESH ROOT: what contrib/quickstart shows, on machines that exist only while it runs."""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(sys.argv[2], "tests"))

from control_plane import ControlPlane  # noqa: E402
from lab import Lab, part, wait_for  # noqa: E402

ENMESH, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
MESH = "/etc/enmesh/mesh"
CONTROL, NODE, PEER = "10.77.0.1", "10.77.0.11", "10.77.0.12"
APP = r"""
import http.server
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        way = self.headers.get_all("x-way") or []
        body = ("".join(f"passed the {w}\n" for w in way) + "answered by the app of orders\n").encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), App).serve_forever()
"""
AGENT = """\
apiVersion: enmesh.io/v1alpha1
kind: AgentConfig
spec:
  node: {name}
  source: {{path: {mesh}}}
  apiServer:
    tokenFile: /etc/enmesh/credentials/token
    caFile: /etc/enmesh/credentials/ca.crt
"""
BOLD, DIM, END = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "", "")


def title(text):
    print(f"\n{BOLD}== {text}{END}", flush=True)


def on(node, *command, user=None, expect=0, shown=None, lines=24):
    """Runs a command in a node as an operator would, and shows it with what it printed."""
    print(f"{BOLD}{node.name}{'' if user is None else f' (user {user})'} $ {shown or ' '.join(command)}{END}", flush=True)
    p = node.run(*command, user=user, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, capture_output=False)
    out = p.stdout.splitlines()
    for line in out if len(out) <= lines else out[:lines - 4] + [f"{DIM}… {len(out) - lines + 2} more lines{END}"] + out[-2:]:
        print(f"  {line}")
    if p.returncode != expect:
        raise RuntimeError(f"exit code {p.returncode}, expected {expect}")
    return p.stdout


def set_up(node, control_plane):
    node.copy_in(os.path.join(ROOT, "examples", "quickstart"), MESH)
    node.write("/etc/enmesh/agent.yaml", AGENT.format(name=node.name, mesh=MESH))
    node.copy_in(control_plane.token_file("admin"), "/etc/enmesh/credentials/token", 0o600)
    node.copy_in(control_plane.ca_file, "/etc/enmesh/credentials/ca.crt")


def request(node):
    answer = on(node, "curl", "-sS", "--max-time", "5", f"http://{PEER}:8080/orders", user=2001)
    return answer.count("sidecar of")


def expect(what, found, wanted):
    if found != wanted:
        raise RuntimeError(f"{what}: {found}, expected {wanted}")


def show(lab, directory):
    title("etcd, an API server and two machines, each in a network namespace")
    control = lab.node("control", CONTROL)
    with ControlPlane(directory, crds=True, address=CONTROL, netns=control.netns) as control_plane:
        node, peer = lab.node("node", NODE), lab.node("peer", PEER)
        for machine in (node, peer):
            set_up(machine, control_plane)
        peer.start_process("python3", "-c", APP, user=2002)
        wait_for("the app", lambda: b":1F90 " in peer.run("cat", "/proc/net/tcp", text=False).stdout, 10)
        before = {m.name: (m.network_state(), m.written()) for m in (node, peer)}
        print(f"control {CONTROL}: etcd, kube-apiserver; node {NODE}: service web; peer {PEER}: service orders")

        title("the mesh is a directory of YAML")
        on(node, "enmesh", "validate", MESH)
        title("before: a request goes straight to the app")
        expect("sidecars on the way", request(node), 0)
        title("peer converges first: it is the one that writes the objects of the whole mesh")
        on(peer, "enmesh", "apply", lines=8)
        title("what enmesh would do on node")
        on(node, "enmesh", "diff", expect=2)
        title("and it does just that")
        on(node, "enmesh", "apply", lines=8)
        title("now the request passes both sidecars: app, sidecar, sidecar, app")
        expect("sidecars on the way", request(node), 2)
        print(f"{DIM}  the mesh's objects in the API server:{END}")
        print("  " + control_plane.kubectl("-n", "shop", "get", "workloadentries,serviceentries", "-o", "name").replace("\n", "\n  ").rstrip())
        title("somebody flushes a chain by hand, and traffic goes past the sidecar")
        on(node, "nft", "flush", "chain", "inet", "enmesh", "to-proxy")
        expect("sidecars on the way", request(node), 1)
        on(node, "enmesh", "diff", expect=2)
        title("the next pass repairs that, and nothing else")
        on(node, "enmesh", "apply")
        expect("sidecars on the way", request(node), 2)
        on(node, "enmesh", "apply")
        on(node, "enmesh", "status")
        title("cleanup leaves the machines as they were")
        on(node, "enmesh", "cleanup", lines=6)
        on(peer, "enmesh", "cleanup", "--mesh-objects", lines=6)
        for machine in (node, peer):
            expect(f"network of {machine.name} after cleanup", machine.network_state(), before[machine.name][0])
            expect(f"files of {machine.name} after cleanup", sorted(machine.written()), sorted(before[machine.name][1]))
            expect(f"processes of {machine.name}", machine.processes(), [])
        print("rules, routes, files and processes of both machines are what they were before")


def main():
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="enmesh-quickstart-") as directory, Lab(ENMESH, part("envoy")) as lab:
        show(lab, directory)
    title(f"done in {time.monotonic() - start:.0f} s")
    print("Shown: validate, diff, apply, a request through two sidecars, drift found and repaired, cleanup. The namespaces,\n"
          "processes and files of this demonstration are gone. README.md tells how to go on from here.")


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, subprocess.CalledProcessError) as e:
        sys.exit(f"quickstart: {e}")
