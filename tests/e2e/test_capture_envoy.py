#!/usr/bin/env python3
"""test_capture_envoy.py ENMESH: a real Envoy behind mode tproxy. The app's answer comes back, and both see the client's own address.

enmesh runs the Envoy, as a user that has CAP_NET_ADMIN and nothing else: its inbound listeners are transparent, and its original_src
filter gives the connections to the app the client's address and capture's mark.
"""
import json
import sys

from capture_case import (APP_USER, CLIENT, CLIENT6, HOST, HOST6, PROGRAMS, PROXY_USER, Case, Listener, apply, connect, enmesh, mesh, service)
from lab import Lab, part, wait_for

TYPES = "type.googleapis.com/envoy.extensions"
LOG = "/tmp/access.log"
MARK = 1337
SERVED = 80


def address(host, port):
    return {"socket_address": {"address": host, "port_value": port}}


def tcp_proxy(name, cluster):
    line = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_ADDRESS%\n"
    log = {"name": "log", "typed_config": {"@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog", "path": LOG,
                                           "log_format": {"text_format_source": {"inline_string": f"{name} {line}"}}}}
    return {"filters": [{"name": "tcp", "typed_config": {"@type": f"{TYPES}.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": name,
                                                         "cluster": cluster, "access_log": [log]}}]}


def listener_filter(name, package, message, **fields):
    return {"name": name, "typed_config": {"@type": f"{TYPES}.filters.listener.{package}.v3.{message}", **fields}}


def bootstrap(inbound, outbound, app4, app6):
    original_dst = listener_filter("original_dst", "original_dst", "OriginalDst")
    original_src = listener_filter("original_src", "original_src", "OriginalSrc", mark=MARK)
    listeners, clusters = [], [{"name": "original", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": "2s"}]
    for name, anywhere, app in (("v4", "0.0.0.0", app4), ("v6", "::", app6)):
        listeners.append({"name": f"inbound-{name}", "address": address(anywhere, inbound), "transparent": True,
                          "listener_filters": [original_dst, original_src], "filter_chains": [tcp_proxy("inbound", f"app-{name}")]})
        listeners.append({"name": f"outbound-{name}", "address": address(anywhere, outbound), "listener_filters": [original_dst],
                          "filter_chains": [tcp_proxy("outbound", "original")]})
        clusters.append({"name": f"app-{name}", "type": "STATIC", "connect_timeout": "2s", "load_assignment": {
            "cluster_name": f"app-{name}", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(app, 9001)}}]}]}})
    return {"admin": {"address": address("127.0.0.1", 15000)}, "static_resources": {"listeners": listeners, "clusters": clusters}}


def sidecar(source):
    """A process has no field for capabilities: setpriv gives the one that is needed."""
    become = ["setpriv", f"--reuid={PROXY_USER}", f"--regid={PROXY_USER}", "--clear-groups", "--inh-caps=+net_admin",
              "--ambient-caps=+net_admin", "--bounding-set=-all,+net_admin"]
    return {"user": 0, "proxyUsers": [PROXY_USER],
            "command": ["/usr/bin/" + become[0], *become[1:], "/usr/local/bin/envoy", "-c", "/etc/envoy.json", "--concurrency", "1",
                        "--disable-hot-restart"],
            "files": [{"path": "/etc/envoy.json", "text": json.dumps(source)}],
            "readiness": {"httpGet": {"port": 15000, "path": "/ready"}}}


def goes_through(case, node, client, app4, app6):
    source = mesh({"mode": "tproxy"}, [service(runAs={"user": APP_USER})], {"proxy": sidecar(bootstrap(15006, 15001, app4, app6))})
    apply(node, source, target="capture,processes", args=["--timeout", "30s"])
    for host, source_address in ((HOST, CLIENT), (HOST6, CLIENT6)):
        # Several: the answers must find their way through the marks each time.
        for i in range(3):
            case.equal(f"inbound from {source_address} to the app at {app4} and {app6}, {i}: it answers, and has seen the client",
                       connect(client, host, 9001), f"9001 {source_address}")
    for target, own in ((CLIENT, HOST), (CLIENT6, HOST6)):
        case.equal(f"outbound to {target}", connect(node, target, SERVED, user=APP_USER), f"{SERVED} {own}")


def main(program):
    case = Case()
    with Lab(program, part("envoy"), *PROGRAMS) as lab:
        node, client = lab.node("host", [HOST, HOST6]), lab.node("client", [CLIENT, CLIENT6])
        before = node.network_state()
        with Listener(node, 9001, user=APP_USER), Listener(client, SERVED):
            goes_through(case, node, client, HOST, HOST6)
            # What comes from 127.0.0.1 goes nowhere else, unless this says so: see docs/capture.md.
            node.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet", cwd="/")
            goes_through(case, node, client, "127.0.0.1", "::1")
            wanted = [f"inbound {CLIENT} {HOST}:9001", f"inbound {CLIENT6} [{HOST6}]:9001", f"outbound {HOST} {CLIENT}:{SERVED}",
                      f"outbound {HOST6} [{CLIENT6}]:{SERVED}"]
            try:
                # Envoy writes its log every few seconds.
                wait_for("the log", lambda: all(w in node.read(LOG) for w in wanted), 20)
            except (RuntimeError, OSError):
                pass
            seen = node.read(LOG)
            for line in wanted:
                case.check(f"the proxy has seen: {line}", line in seen, seen)
            enmesh(node, "cleanup", target="capture,processes")
            case.equal("cleanup leaves nothing", node.network_state(), before)
            case.equal("afterwards the app is reached directly", connect(client, HOST, 9001), f"9001 {CLIENT}")
    case.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
