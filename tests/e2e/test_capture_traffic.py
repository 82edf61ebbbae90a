#!/usr/bin/env python3
"""test_capture_traffic.py ENMESH: where connections land, with real ones, for what other meshes cannot say.

Services of one host told apart by user, group and cgroup, and services in network namespaces by name, path and pid; sources, port
ranges and names of ports; a family that is refused; proxies that are down, in both modes and with both words for it. And
enmesh itself: with everything captured and no proxy it still reaches its API server and what it probes.
"""
import json
import os
import subprocess
import sys
import tempfile

from capture_case import (APP_USER, CLIENT, CLIENT6, HOST, HOST6, PROGRAMS, PROXY_USER, Case, Inside, Listener, apply, as_owner, connect,
                          document, enmesh, mesh, port_of, service)
from control_plane import ControlPlane
from lab import Lab, part

GROUP, OTHER_CLIENT, SERVED = 2100, "10.77.0.13", 80
DUAL = ["ipv4", "ipv6"]


def ports(base):
    return {"outbound": base + 1, "inbound": base + 6, "tunnel": base + 8, "admin": base, "dns": base + 53}


def in_cgroup(node, name):
    """The words before a command that run it in a cgroup of the node."""
    path = f"{node.lab.cgroup_mount}/{name}"
    node.run("mkdir", "-p", path)
    return ["sh", "-c", f"echo $$ >{path}/cgroup.procs; exec \"$@\"", "-"]


class Pod(Inside):
    """A network namespace with a link to its node, where its first address is."""

    def __init__(self, node, number, prefix, link_to):
        super().__init__(node, f"pod{number}")
        self.prefix, self.outside = tuple(prefix), f"10.78.{number}.1"
        node.run("ip", "link", "add", f"pod{number}", "type", "veth", "peer", "name", "eth0", "netns", link_to)
        node.run("ip", "addr", "add", f"{self.outside}/24", "dev", f"pod{number}")
        node.run("ip", "link", "set", f"pod{number}", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "addr", "add", f"10.78.{number}.2/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")


def told_apart(case, node, client):
    """Each service's connections reach its own proxy, everyone else's nobody's."""
    node.run("ip", "netns", "add", "pod1")
    node.run("ip", "netns", "add", "pod2")
    holder = node.start_process("unshare", "-n", "sh", "-c", "echo $$; exec sleep 1000", stdout=subprocess.PIPE)
    pid = int(holder.stdout.readline())
    pods = [Pod(node, 1, ["ip", "netns", "exec", "pod1"], "pod1"), Pod(node, 2, ["ip", "netns", "exec", "pod2"], "pod2"),
            Pod(node, 3, ["nsenter", "-t", pid, "-n"], pid)]
    slice_ = in_cgroup(node, "app.slice")
    names = {"user": {"runAs": {"user": APP_USER}}, "group": {"runAs": {"group": GROUP}}, "cgroup": {"runAs": {"cgroup": "/app.slice"}},
             "by-name": {"networkNamespace": {"name": "pod1"}}, "by-path": {"networkNamespace": {"path": "/run/netns/pod2"}},
             "by-pid": {"networkNamespace": {"pid": pid}}}
    services, sidecars = [], {}
    for i, (name, spec) in enumerate(names.items()):
        services.append(service(name, 9001 + i, f"proxy-{name}", **spec))
        sidecars[f"proxy-{name}"] = {"user": PROXY_USER + i, "ports": ports(15000 + 100 * i)}
    apply(node, mesh({}, services, sidecars))
    case.equal("services told apart: a second pass finds no difference", enmesh(node, "diff", codes=(0, 2)).returncode, 0)
    listeners = [Listener(node, 15001 + 100 * i, 15006 + 100 * i, user=PROXY_USER + i) for i in range(3)]
    listeners += [Listener(pod, 15001 + 100 * i, 15006 + 100 * i, user=PROXY_USER + i) for i, pod in enumerate(pods, 3)]
    with Listener(client, SERVED), Listener(node, SERVED):
        for host in (CLIENT, CLIENT6):
            for what, wanted, owner in (("the user", "15001", {"user": APP_USER}),
                                        ("the group", "15101", {"user": 2999, "group": GROUP}),
                                        ("the cgroup", "15201", {"before": slice_}),
                                        ("the cgroup below it", "15201", {"before": in_cgroup(node, "app.slice/below")}),
                                        ("another user", "80", {"user": 2002}),
                                        ("another cgroup", "80", {"before": in_cgroup(node, "other.slice")}),
                                        ("a proxy", "80", {"user": PROXY_USER + 1})):
                case.equal(f"{what} to {host} reaches {wanted}", port_of(connect(node, host, SERVED, **owner)), wanted)
        for i, pod in enumerate(pods, 3):
            case.equal(f"{pod.name}: whoever it is reaches the pod's own proxy", port_of(connect(pod, pod.outside, SERVED, user=2002)),
                       f"{15001 + 100 * i}")
            case.equal(f"{pod.name}: its proxy is let go", port_of(connect(pod, pod.outside, SERVED, user=PROXY_USER + i)), "80")
            case.equal(f"{pod.name}: inbound reaches the pod's own proxy", port_of(connect(node, f"10.78.{i - 2}.2", 9001 + i)),
                       f"{15006 + 100 * i}")
    for i in range(3):
        case.equal(f"inbound to port {9001 + i}", port_of(connect(client, HOST, 9001 + i)), f"{15006 + 100 * i}")
    # A cgroup that was made again has another id: until the next pass nothing matches, and then everything as before.
    node.run("rmdir", f"{node.lab.cgroup_mount}/app.slice/below", f"{node.lab.cgroup_mount}/app.slice")
    again = in_cgroup(node, "app.slice")
    case.equal("a cgroup that was made again is a difference", enmesh(node, "diff", codes=(0, 2)).returncode, 2)
    apply(node)
    case.equal("a cgroup that was made again is captured", port_of(connect(node, CLIENT, SERVED, before=again)), "15201")
    for listener in listeners:
        listener.__exit__()
    enmesh(node, "cleanup")
    for pod in pods:
        case.equal(f"{pod.name}: cleanup leaves nothing", pod.run("nft", "list", "ruleset").stdout, "")
    holder.kill()


def selections(case, node, client):
    """Sources, ranges of ports, and names of ports."""
    node.write("/etc/services", "first-app 9010/tcp\nsecond-app 9020/tcp\n")
    for mode in ("redirect", "tproxy"):
        apply(node, mesh({"mode": mode, "inbound": {"ports": ["9001-9003", "first-app", 9030], "excludePorts": [9002],
                                                    "excludeFrom": [f"{OTHER_CLIENT}/32", "fd77::13/128"]},
                          "outbound": {"excludeCidrs": [f"{OTHER_CLIENT}/32"], "excludePorts": ["8100-8102", "second-app"]}}))
        open_ports = [9000, 9001, 9002, 9003, 9004, 9010, 9030]
        with Listener(node, *open_ports), Listener(node, 15006, user=PROXY_USER, transparent=mode == "tproxy"):
            wanted = ["9000", "15006", "9002", "15006", "9004", "15006", "15006"]
            for host, source in ((HOST, CLIENT), (HOST6, CLIENT6)):
                got = [port_of(a) for a in connect(client, host, *open_ports, source=source)]
                case.equal(f"{mode}: listed ports, from {source}", got, wanted)
            for host, source in ((HOST, OTHER_CLIENT), (HOST6, "fd77::13")):
                got = [port_of(a) for a in connect(client, host, *open_ports, source=source)]
                case.equal(f"{mode}: an excluded source, {source}", got, list(map(str, open_ports)))
        open_ports = [8099, 8100, 8101, 8102, 8103, 9020]
        with Listener(client, *open_ports), Listener(node, 15001, user=PROXY_USER):
            got = [port_of(a) for a in connect(node, CLIENT, *open_ports, user=APP_USER)]
            case.equal(f"{mode}: excluded ports", got, ["15001", "8100", "8101", "8102", "15001", "9020"])
            got = port_of(connect(node, OTHER_CLIENT, 8099, user=APP_USER))
            case.equal(f"{mode}: an excluded range", got, "8099")


def is_refused(answer):
    return answer in ("refused", "reset")


def refused_family(case, node, client):
    """What would be captured, were it of a family that is, goes nowhere."""
    for family, host, other, target, other_target in (("ipv4", HOST, HOST6, CLIENT, CLIENT6), ("ipv6", HOST6, HOST, CLIENT6, CLIENT)):
        for mode in ("redirect", "tproxy"):
            with Listener(node, 15053, user=PROXY_USER), Listener(client, SERVED, 53, 123), Listener(node, 9001, 9002), \
                    Listener(node, 15001, user=PROXY_USER), Listener(node, 15006, user=PROXY_USER, transparent=mode == "tproxy"):
                apply(node, mesh({"mode": mode, "families": [family], "uncapturedFamily": "refuse", "dns": {"capture": "all"},
                                  "outbound": {"excludePorts": [123]}}))
                what = f"{mode}, only {family}"
                case.equal(f"{what}: outbound", port_of(connect(node, target, SERVED, user=APP_USER)), "15001")
                case.equal(f"{what}: inbound", port_of(connect(client, host, 9001)), "15006")
                case.equal(f"{what}: DNS", port_of(connect(node, target, 53, user=APP_USER, udp=True)), "15053")
                got = connect(node, other_target, SERVED, user=APP_USER)
                case.check(f"{what}: outbound of the other is refused", is_refused(got), got)
                got = connect(client, other, 9001)
                case.check(f"{what}: inbound of the other is refused", is_refused(got), got)
                case.equal(f"{what}: DNS of the other is refused", connect(node, other_target, 53, user=APP_USER, udp=True), "EPERM")
                got = connect(node, other_target, 53, user=APP_USER)
                case.check(f"{what}: DNS of the other over TCP is refused", is_refused(got), got)
                case.equal(f"{what}: DNS of the other by the proxy", port_of(connect(node, other_target, 53, user=PROXY_USER, udp=True)),
                           "53")
                case.equal(f"{what}: excluded ports of the other", [port_of(connect(node, other_target, 123, user=APP_USER, udp=udp))
                                                                    for udp in (False, True)], ["123", "123"])
                case.equal(f"{what}: other users", port_of(connect(node, other_target, SERVED, user=2002)), "80")
                case.equal(f"{what}: other ports", port_of(connect(client, other, 9002)), "9002")


def proxy_down(case, node, client):
    for mode in ("redirect", "tproxy"):
        for inbound in ("service", "all"):
            for word in ("closed", "open"):
                what = f"{mode}, {inbound} ports, {word}"
                source = mesh({"mode": mode, "inbound": {"ports": inbound}, "whenProxyDown": word})

                def lands():
                    return [a if is_refused(a) else port_of(a) for place, host, port, user in (
                        (client, HOST, 9001, None), (client, HOST6, 9001, None), (node, CLIENT, SERVED, APP_USER),
                        (node, CLIENT6, SERVED, APP_USER)) for a in [connect(place, host, port, user=user)]]

                down = ["9001", "9001", "80", "80"]
                with Listener(client, SERVED), Listener(node, 9001):
                    enmesh(node, "cleanup")
                    apply(node, source)
                    got = lands()
                    case.check(f"{what}: without a proxy", got == down if word == "open" else all(map(is_refused, got)), got)
                    with Listener(node, 15001, user=PROXY_USER), Listener(node, 15006, user=PROXY_USER, transparent=mode == "tproxy"):
                        apply(node)
                        case.equal(f"{what}: with a proxy", lands(), ["15006", "15006", "15001", "15001"])
                    got = lands()
                    case.check(f"{what}: after its end, until the next pass", all(map(is_refused, got)), got)
                    apply(node)
                    got = lands()
                    case.check(f"{what}: after the next pass", got == down if word == "open" else all(map(is_refused, got)), got)
                    if mode == "tproxy" and word == "closed":
                        # The kernel hands over to transparent sockets only.
                        with Listener(node, 15006, user=PROXY_USER):
                            got = lands()[:2]
                            case.check(f"{what}: a listener that is not transparent", all(map(is_refused, got)), got)


def itself(case, node, client):
    """Everything captured, no proxy: enmesh still talks to the API server and probes, where others are refused."""
    with tempfile.TemporaryDirectory(prefix="enmesh-itself-") as directory:
        api = ControlPlane(os.path.join(directory, "api"), crds=True, address=CLIENT, netns=client.netns)
        api.start()
        api.kubectl("create", "namespace", "apps")
        try:
            node.copy_in(api.token_file("admin"), "/etc/enmesh/token", 0o600)
            node.copy_in(api.ca_file, "/etc/enmesh/ca.crt")
            args = ["--api-token-file", "/etc/enmesh/token", "--api-ca-file", "/etc/enmesh/ca.crt", "--timeout", "20s", "-o", "json"]
            for mode in ("redirect", "tproxy"):
                def source(value, mode=mode):
                    everything = {"mode": mode, "inbound": {"ports": "all"}, "dns": {"capture": "all"}, "allowManagementPorts": True}
                    documents = [document("MeshComponent", "probed", {
                        "nodes": "all", "command": ["/bin/sleep", "1000"], "env": {"MODE": mode},
                        "readiness": {"httpGet": {"host": CLIENT, "port": 6443, "scheme": "HTTPS", "path": "/version"}}}),
                        {"apiVersion": "networking.istio.io/v1beta1", "kind": "ServiceEntry",
                         "metadata": {"name": "entry", "namespace": "default", "labels": {"value": value}},
                         "spec": {"hosts": ["example.test"], "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
                                  "resolution": "DNS"}}]
                    spec = {"controlPlane": {"apiServer": {"urls": [f"https://{CLIENT}:6443"]}},
                            "objects": {"namespace": "default", "writers": {"names": ["host"]}}}
                    return "\n---\n".join([mesh(everything, [service()], mesh_spec=spec), *map(json.dumps, documents)])

                # The first pass writes the rules, the second one meets them with every connection that it opens.
                for value in ("one", "two"):
                    p = apply(node, source(f"{mode}-{value}"), target="capture,processes,objects", args=args, codes=(0, 1, 3))
                    case.check(f"{mode}: pass {value}", p.returncode == 0, p.stdout + p.stderr)
                    entry = api.get("-n", "default", "serviceentry", "entry")
                    case.equal(f"{mode}: the object of pass {value} is written", entry["metadata"]["labels"].get("value"), f"{mode}-{value}")
                    for owner in ({}, {"user": APP_USER}):
                        got = connect(node, CLIENT, 6443, **owner)
                        case.check(f"{mode}: others are refused", is_refused(got), got)
            enmesh(node, "cleanup", target="capture,processes,objects", args=args[:4])
        finally:
            api.stop()


def main(program):
    case = Case()
    for name in ("etcd", "kube-apiserver"):
        part(name)
    with Lab(program, *PROGRAMS) as lab:
        node, client = lab.node("host", [HOST, HOST6]), lab.node("client", [CLIENT, CLIENT6, OTHER_CLIENT, "fd77::13"])
        for scenario in (told_apart, selections, refused_family, proxy_down, itself):
            scenario(case, node, client)
            print(f"{scenario.__name__}: {case.checks} checks so far", flush=True)
    case.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
