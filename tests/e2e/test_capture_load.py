#!/usr/bin/env python3
"""test_capture_load.py ENMESH LOAD: capture is changed again and again while connections are opened, and none goes past it.

The app's user opens connections to another machine, and that machine to the app, while each pass changes something else: exclusions,
services, families, inbound ports. All connections are such that the configuration captures them before and after each change. So
each must reach the proxy: none may be refused, and none reach its destination. CHANGES=500 is the number that counts; by default it
is quick. REMAKE=1 has another tool change a chain's priority before each pass, which costs what docs/capture.md says.
"""
import os
import subprocess
import sys
import time

from capture_case import APP_USER, CLIENT, HOST, PROGRAMS, PROXY_USER, Case, Listener, apply, as_owner, enmesh, mesh, service
from lab import Lab

CHANGES = int(os.environ.get("CHANGES", "60"))
RATE = int(os.environ.get("RATE", "2000"))
REMAKE = os.environ.get("REMAKE") == "1"
SERVED = 80


class Load:
    """Half of the rate each: what one load says about its connections."""

    def __init__(self, node, host, port, user=None):
        self.process = node.start_process(*as_owner(user), "/usr/local/bin/capture_load", RATE // 2, 0, host, port, stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, stderr=sys.stderr)
        self.process.stdout.readline()

    def end(self):
        self.process.stdin.close()
        lines = self.process.stdout.read().decode().splitlines()
        self.process.wait()
        return {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in lines}


def variant(i):
    """Every field that a change of capture touches, each with a period of its own."""
    capture = {"inbound": {"ports": [["service"], ["9001", 9500 + i % 7], ["all"]][i % 3]},
               "outbound": {"excludeCidrs": [f"10.{i % 5}.0.0/16"], "excludePorts": [123 + i % 4]}, "dropInvalid": bool(i % 2)}
    ports = capture["inbound"]["ports"]
    capture["inbound"]["ports"] = ports[0] if ports[0] in ("service", "all") else [int(ports[0]), ports[1]]
    if i % 4 == 1:
        capture |= {"families": ["ipv4"], "uncapturedFamily": "refuse"}
    services = [service(runAs={"user": APP_USER})]
    if i % 2:
        services.append(service("other", 9100 + i % 50, "proxy-other", runAs={"user": 2100 + i % 50}, capture="other"))
    others = {"other": {"inbound": {"excludeFrom": [f"10.{i % 9}.0.0/16"]}}} if i % 2 else {}
    sidecars = {"proxy": {"user": PROXY_USER}}
    if i % 2:
        sidecars["proxy-other"] = {"user": 1338, "ports": {"outbound": 15101, "inbound": 15106, "tunnel": 15108, "admin": 15100, "dns": 15153}}
    return mesh(capture, services, sidecars, others)


def main(program, load):
    case = Case()
    with Lab(program, load, *PROGRAMS) as lab:
        node, client = lab.node("host", HOST), lab.node("client", CLIENT)
        for place in (node, client):
            place.run("sh", "-c", "echo 65535 >/proc/sys/net/core/somaxconn; echo '10000 65000' >/proc/sys/net/ipv4/ip_local_port_range", cwd="/")
        apply(node, variant(0))
        with Listener(node, 15001, 15006, user=PROXY_USER), Listener(node, 9001), Listener(client, SERVED):
            loads = {"outbound": (Load(node, CLIENT, SERVED, APP_USER), "port 15001"), "inbound": (Load(client, HOST, 9001), "port 15006")}
            begin, changed = time.monotonic(), 0
            for i in range(1, CHANGES + 1):
                if REMAKE:
                    node.run("nft", "delete chain inet enmesh output; add chain inet enmesh output { type nat hook output priority -99; }")
                changed += apply(node, variant(i), codes=(0, 2), args=["--detailed-exitcode"]).returncode == 2
            seconds = time.monotonic() - begin
            total = rate = 0
            for name, (one, wanted) in loads.items():
                seen = one.end()
                rate += seen.pop("rate")
                total += sum(seen.values())
                missed = {what: n for what, n in seen.items() if what != wanted}
                print(f"{name}: {seen}")
                case.check(f"{name}: connections that did not reach the proxy", not missed or REMAKE, missed)
            case.equal("every change was one", changed, CHANGES)
            print(f"{changed} changes in {seconds:.1f} s, {total} connections, {rate} a second")
        enmesh(node, "cleanup")
    case.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
