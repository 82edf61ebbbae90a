"""A machine that is a network namespace: addresses, default routes, what listens there; and a service to capture."""
import subprocess
import sys

from cli_case import MESH, NODE, Case

SERVICE = """---
apiVersion: enmesh.io/v1alpha1
kind: MeshSidecar
metadata: {name: istio-proxy}
spec: {proxyUsers: [1337], proxyGroups: [1337]}
---
apiVersion: enmesh.io/v1alpha1
kind: MeshService
metadata: {name: reviews, namespace: bookinfo}
spec:
  nodes: all
  ports: [{name: http, port: 9080}]
  sidecar: istio-proxy
  capture: default
  %s
---
apiVersion: enmesh.io/v1alpha1
kind: MeshCapture
metadata: {name: default}
spec: {%s}
"""
LISTEN = """
import socket, sys
address, port, transparent = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
s.setsockopt(*((41, 75) if ":" in address else (0, 19)), transparent)
print("ready", flush=True)
sys.stdin.read()
"""


class Network(Case):
    """Commands run in a network namespace that ends with the test."""

    def setUp(self):
        super().setUp()
        self.holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; exec sleep infinity"],
                                       stdout=subprocess.PIPE)
        self.addCleanup(self.end)
        self.holder.stdout.readline()
        self.netns = f"/proc/{self.holder.pid}/ns/net"
        self.prefix = ["nsenter", f"--net={self.netns}"]

    def end(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()

    def nft(self, *words):
        return subprocess.run([*self.prefix, "nft", *words], check=True, capture_output=True, text=True).stdout


class Machine(Network):
    def setUp(self):
        super().setUp()
        for words in ("link set lo up", "link add eth0 type veth peer name eth1", "link set eth1 up",
                      "address add 10.0.0.1/24 dev eth0", "address add fd00::1/64 dev eth0 nodad", "link set eth0 up",
                      "route add default via 10.0.0.254", "-6 route add default via fd00::254"):
            self.ip(*words.split())
        self.options = ["--node", NODE, "--state-dir", "var/state"]

    def ip(self, *words):
        return subprocess.run([*self.prefix, "ip", *words], check=True, capture_output=True, text=True).stdout

    def apply(self, service="runAs: {user: 1001}", capture="", **kw):
        self.write("mesh/mesh.yaml", MESH + SERVICE % (service, capture))
        self.enmesh("apply", "mesh", *self.options, "--run-dir", "var/run", "--target", "capture", "--no-wait", **kw)

    def listen(self, port, address="127.0.0.1", transparent=0):
        p = subprocess.Popen([*self.prefix, sys.executable, "-c", LISTEN, address, str(port), str(transparent)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(lambda: p.communicate())
        self.assertEqual(p.stdout.readline(), b"ready\n")
        return p
