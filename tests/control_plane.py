"""A control plane for tests: etcd and kube-apiserver, with certificates, tokens and an audit log of their own.

    control_plane.own_network()                    # this process and its children get a network namespace
    with ControlPlane(directory, crds=True) as cp:
        cp.kubectl("get", "namespaces")
        ... cp.url, cp.ca_file, cp.token_file("admin"), cp.client_certificate("someone", "group") ...
        mark = cp.audit_mark()
        ... cp.audit_since(mark) ...

Everything is below `directory` and ends with the block, or with this process, however that ends. `python3 control_plane.py`
starts one and stays until it is interrupted.
"""

import ctypes
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

from lab import part, skip, wait_for

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata}
"""

libc = ctypes.CDLL(None, use_errno=True)


def own_network():
    """Puts this process into a new network namespace with its loopback up. It goes with the last process in it."""
    if os.geteuid() != 0:
        skip("network namespaces need root")
    for program in ("ip", "openssl"):
        if not shutil.which(program):
            skip(f"{program} is not installed")
    if libc.unshare(CLONE_NEWNET) != 0:
        skip(f"unshare: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class ControlPlane:
    """`address` is where the API server listens; `netns` a named network namespace to start it in (none: this process's).

    `tokens` are (token, user, groups), beside "admin-token" of the administrator; what they may do, RBAC objects say.
    `names` are further names and addresses for the API server's certificate.
    """

    def __init__(self, directory, crds=False, address="127.0.0.1", netns=None, tokens=(), names=(), etcd_port=2379,
                 port=6443):
        self.directory = os.path.abspath(directory)
        self.address, self.netns, self.names = address, netns, names
        self.tokens = [("admin-token", "admin", "system:masters"), *tokens]
        self.crds, self.etcd_port, self.port = crds, etcd_port, port
        self.url = f"https://{address}:{port}"
        self.processes = {}
        self.programs = {name: part(name) for name in ("etcd", "kube-apiserver", "kubectl")}

    # ---- files ----

    def path(self, *names):
        return os.path.join(self.directory, *names)

    @property
    def ca_file(self):
        return self.path("pki", "ca.crt")

    @property
    def kubeconfig(self):
        return self.path("kubeconfig")

    @property
    def audit_file(self):
        return self.path("audit.log")

    def write(self, name, text, mode=0o600):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(fd, "w") as f:
            f.write(text)
        return path

    def token_file(self, user):
        """A file that holds the user's token, readable by its owner only."""
        token = next(t for t, u, _ in self.tokens if u == user)
        return self.write(f"tokens/{user}", token + "\n")

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.path("pki"), check=True, capture_output=True)

    def certificate(self, name, subject, extension):
        """Signs NAME.crt with NAME.key in pki/; gives both paths."""
        self.write(f"pki/{name}.ext", extension + "\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
                     "-out", f"{name}.csr", "-subj", subject)
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                     "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.crt")
        os.chmod(self.path("pki", f"{name}.key"), 0o600)
        return self.path("pki", f"{name}.crt"), self.path("pki", f"{name}.key")

    def client_certificate(self, user, *groups):
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={user}"
        return self.certificate(f"client-{user}", subject, "extendedKeyUsage=clientAuth")

    def make_files(self):
        os.makedirs(self.path("pki"), exist_ok=True)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                     "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=enmesh test CA", "-addext",
                     "keyUsage=critical,keyCertSign,cRLSign")
        names = ["DNS:localhost", "DNS:kubernetes.default.svc", "IP:127.0.0.1", "IP:10.0.0.1", f"IP:{self.address}"]
        names += [("IP:" if name[0].isdigit() or ":" in name else "DNS:") + name for name in self.names]
        self.certificate("apiserver", "/CN=kube-apiserver",
                         f"subjectAltName={','.join(dict.fromkeys(names))}\nextendedKeyUsage=serverAuth")
        self.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "sa.key")
        self.openssl("ec", "-in", "sa.key", "-pubout", "-out", "sa.pub")
        self.write("tokens.csv", "".join(f'{t},{u},{u},"{g}"\n' for t, u, g in self.tokens))
        self.write("audit-policy.yaml", AUDIT_POLICY)
        self.write("kubeconfig", json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority": self.ca_file}}],
            "users": [{"name": "admin", "user": {"token": self.tokens[0][0]}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}]}))

    # ---- processes ----

    def inside(self, *command):
        return ["ip", "netns", "exec", self.netns, *command] if self.netns else list(command)

    def spawn(self, name, *args):
        with open(self.path(f"{name}.log"), "ab") as log:
            self.processes[name] = subprocess.Popen(
                self.inside(self.programs[name], *args), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, preexec_fn=die_with_parent)

    def alive(self, name):
        return self.processes[name].poll() is None

    def start_etcd(self):
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.etcd_port + 1}"
        self.spawn("etcd", "--data-dir", self.path("etcd"), "--listen-client-urls", client, "--advertise-client-urls",
                   client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster",
                   f"default={peer}", "--unsafe-no-fsync", "--log-level", "warn")

    def start_apiserver(self, wait=True):
        pki = self.path("pki")
        self.spawn("kube-apiserver", f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
                   f"--secure-port={self.port}", "--bind-address=0.0.0.0", f"--advertise-address={self.address}",
                   "--endpoint-reconciler-type=none", f"--tls-cert-file={pki}/apiserver.crt",
                   f"--tls-private-key-file={pki}/apiserver.key", f"--client-ca-file={pki}/ca.crt",
                   f"--token-auth-file={self.path('tokens.csv')}", "--authorization-mode=RBAC",
                   "--service-account-issuer=https://kubernetes.default.svc",
                   f"--service-account-key-file={pki}/sa.pub", f"--service-account-signing-key-file={pki}/sa.key",
                   "--api-audiences=https://kubernetes.default.svc,istio-ca", "--service-cluster-ip-range=10.0.0.0/24",
                   f"--audit-log-path={self.audit_file}", f"--audit-policy-file={self.path('audit-policy.yaml')}")
        if wait:
            self.wait_ready()

    def is_ready(self):
        if self.netns:
            run = subprocess.run(self.inside(self.programs["kubectl"], "--kubeconfig", self.kubeconfig, "get", "--raw",
                                             "/readyz"), capture_output=True)
            return run.returncode == 0
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            request = urllib.request.Request(self.url + "/readyz",
                                             headers={"Authorization": f"Bearer {self.tokens[0][0]}"})
            with urllib.request.urlopen(request, context=context, timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def wait_ready(self):
        try:
            wait_for("kube-apiserver", lambda: not self.alive("kube-apiserver") or self.is_ready(), 60)
            if not self.alive("kube-apiserver"):
                raise RuntimeError("kube-apiserver ended")
        except RuntimeError as e:
            with open(self.path("kube-apiserver.log"), errors="replace") as log:
                raise RuntimeError(f"{e}:\n{log.read()[-2000:]}") from None

    def kill_apiserver(self):
        self.processes["kube-apiserver"].kill()
        self.processes["kube-apiserver"].wait()

    def start(self):
        self.make_files()
        self.start_etcd()
        self.start_apiserver()
        if self.crds:
            self.kubectl("apply", "--server-side", "-f", part("istio-crds.yaml"))
            self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")

    def stop(self):
        for name in ("kube-apiserver", "etcd"):
            process = self.processes.pop(name, None)
            if process:
                process.kill()
                process.wait()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    # ---- use ----

    def kubectl(self, *args, stdin=None, check=True):
        """Runs kubectl as the administrator; gives its output. `stdin` may be text or objects to be sent as JSON."""
        if stdin is not None and not isinstance(stdin, str):
            items = stdin if isinstance(stdin, list) else [stdin]
            stdin = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        run = subprocess.run(self.inside(self.programs["kubectl"], "--kubeconfig", self.kubeconfig, *args),
                             capture_output=True, text=True, input=stdin)
        if check and run.returncode:
            raise RuntimeError(f"kubectl {' '.join(args)}: {run.stderr.strip()}")
        return run.stdout

    def get(self, *args):
        """An object or list as data; None if there is no such object."""
        out = self.kubectl("get", "--ignore-not-found", "-o", "json", *args)
        return json.loads(out) if out.strip() else None

    def audit_mark(self):
        return os.path.getsize(self.audit_file)

    def audit_since(self, mark, user=None):
        """The requests since then, of one user or of all, as the API server's audit log has them."""
        with open(self.audit_file, "rb") as f:
            f.seek(mark)
            events = [json.loads(line) for line in f.read().splitlines()]
        return [e for e in events if user in (None, e["user"]["username"])]


def is_write(event):
    """Whether a request of the audit log changed anything that is stored."""
    return event["verb"] not in ("get", "list", "watch") and "dryRun=All" not in event["requestURI"]


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else None
    if not directory:
        sys.exit("usage: control_plane.py DIRECTORY")
    own_network()
    with ControlPlane(directory, crds=True) as cp:
        print(f"{cp.url}, KUBECONFIG={cp.kubeconfig}, in the network namespace of process {os.getpid()}:\n"
              f"    nsenter -t {os.getpid()} -n {shutil.which('env')} KUBECONFIG={cp.kubeconfig} "
              f"{cp.programs['kubectl']} get namespaces", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main()
