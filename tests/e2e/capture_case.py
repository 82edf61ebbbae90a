"""What tests of capture share: a mesh of one node as documents, its passes, and both ends of connections."""
import difflib
import json
import os
import select
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))

from lab import wait_for  # noqa: E402

PEER = "/usr/local/bin/capture_peer.py"
PROGRAMS = [os.path.join(HERE, "capture_peer.py")]
HOST, HOST6, CLIENT, CLIENT6 = "10.77.0.11", "fd77::11", "10.77.0.12", "fd77::12"
APP_USER, PROXY_USER = 2001, 1337


def document(kind, name, spec, **metadata):
    return {"apiVersion": "enmesh.io/v1alpha1", "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def service(name="app", port=9001, sidecar="proxy", capture="policy", **spec):
    ports = port if isinstance(port, list) else [{"name": "http", "port": port}]
    return document("MeshService", name, {"nodes": "all", "ports": ports, "sidecar": sidecar, "capture": capture, **spec},
                    namespace="apps")


def mesh(capture, services=None, sidecars=None, captures=None, mesh_spec=None):
    """A mesh with one node, `host`: one service of APP_USER with a sidecar that is run by somebody else."""
    documents = [document("Mesh", "mesh", mesh_spec or {}), document("MeshNode", "host", {"addresses": [HOST, HOST6]})]
    documents += services or [service(runAs={"user": APP_USER})]
    for name, spec in (sidecars or {"proxy": {"user": PROXY_USER}}).items():
        documents.append(document("MeshSidecar", name, spec))
    for name, spec in {"policy": capture, **(captures or {})}.items():
        documents.append(document("MeshCapture", name, spec))
    return "\n---\n".join(json.dumps(d) for d in documents)


class Inside:
    """A network namespace of a node, in which commands run as they do in the node."""

    def __init__(self, node, name):
        self.node, self.name = node, f"{node.name}/{name}"
        self.prefix = ("ip", "netns", "exec", name)

    def run(self, *args, **kw):
        return self.node.run(*self.prefix, *args, **kw)

    def start_process(self, *args, **kw):
        return self.node.start_process(*self.prefix, *args, **kw)

    def command(self, *args, **kw):
        return self.node.command(*self.prefix, *args, **kw)


class Case:
    def __init__(self):
        self.failures, self.checks = [], 0

    def check(self, what, ok, detail=""):
        self.checks += 1
        if not ok:
            self.failures.append(what)
            print(f"not ok: {what}\n{detail}", flush=True)

    def equal(self, what, got, wanted):
        a, b = ([*map(str, x)] if isinstance(x, list) else str(x) for x in (wanted, got))
        a, b = ("\n".join(x) if isinstance(x, list) else x for x in (a, b))
        self.check(what, got == wanted, "\n".join(difflib.unified_diff(a.splitlines(), b.splitlines(), "wanted", "got", n=1,
                                                                       lineterm="")))

    def end(self):
        if self.failures:
            sys.exit(f"{len(self.failures)} of {self.checks} failed")
        print(f"ok: {self.checks} checks")


def enmesh(node, command, source=None, target="capture", codes=(0,), args=()):
    """A pass over the mesh that is given, or the last one; the finished process."""
    if source is not None:
        node.write("/mesh/mesh.yaml", source)
    operands = [] if command == "cleanup" else ["/mesh", "--node", "host"]
    p = node.run("enmesh", command, *operands, "--target", target, *args, check=False)
    if p.returncode not in codes:
        raise RuntimeError(f"{command} ended with {p.returncode}\n{p.stdout}{p.stderr}")
    return p


def apply(node, source=None, **kw):
    return enmesh(node, "apply", source, **kw)


def as_owner(user=None, group=None):
    """The words before a command that make it run as them."""
    return ["setpriv", *([f"--reuid={user}"] if user is not None else []), f"--regid={user if group is None else group}",
            "--clear-groups"] if user is not None or group is not None else []


class Listener:
    """Answers on ports of a node, as a user."""

    def __init__(self, node, *ports, user=None, transparent=False):
        # A transparent listener needs the capability that a proxy of mode tproxy has.
        keep = ["--inh-caps=+net_admin", "--ambient-caps=+net_admin"] if transparent and user is not None else []
        owner = as_owner(user)
        args = [*owner[:1], *keep, *owner[1:], "python3", PEER, "listen", *(["--transparent"] if transparent else [])]
        for port in ports:
            args += ["--port", port]
        self.process = node.start_process(*args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr)
        if not select.select([self.process.stdout], [], [], 20)[0] or self.process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"no listener on {ports}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # What was started is not the process itself, which runs in the node: it ends with its input.
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def connect(node, host, *ports, user=None, group=None, udp=False, source=None, before=()):
    """What came back from each port: "PORT PEER" of the listener that was reached, "refused" or "timeout"."""
    args = [*before, *as_owner(user, group), "python3", PEER, "connect", *(["--udp"] if udp else []),
            *(["--from", source] if source else []), host, *ports]
    answers = node.run(*args).stdout.split("\n")[:-1]
    return answers if len(ports) > 1 else answers[0]


def port_of(answer):
    return answer.split()[0]


__all__ = ["wait_for"]
