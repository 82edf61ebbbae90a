#!/usr/bin/env python3
"""test_random.py ENMESH [N [SEED]]: random settings, with the real istio-iptables, with enmesh, and as `enmesh trace` predicts it,
connection by connection.

What `compare` records in one run it compares in the next. Needs root, iptables and the part pilot-agent.
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

from test_conformance import HERE, hide_the_machine, skip

PARTS = os.environ.get("PARTS_DIR", os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "enmesh-parts"))
PILOT_AGENT = os.path.join(PARTS, "bin", "pilot-agent")
PORTS = ["22", "53", "80", "443", "9080", "5000", "15008", "15020", "15021", "15090", "80:90", "9000:9100", "http"]
CIDRS = ["10.88.0.0/24", "10.99.0.0/24", "10.88.0.1/32", "10.88.0.3/32", "127.0.0.0/8", "127.0.0.2/32", "127.0.0.1/32", "0.0.0.0/0",
         "fd88::/64", "fd88::2/128", "::1/128", "10.0.0.0/8", "10.99.0.2/32"]
# Flag, how often, its values: a list of which some are taken, or texts as they are.
FLAGS = [("-b", .7, ["*", "*", "", PORTS]), ("-d", .4, [PORTS]), ("-i", .8, ["*", "*", "", CIDRS]), ("-x", .3, [CIDRS]), ("-q", .3, [PORTS]),
         ("-o", .3, [PORTS]), ("-c", .15, ["eth0", "lo", "eth1", "eth0,lo"]), ("-k", .2, ["eth0", "eth0,lo", "eth1", "lo"]),
         ("-m", .3, ["TPROXY", "TPROXY", "REDIRECT"]), ("-u", .25, ["1337", "1337,1000", "1000", "3000,1337", "0", "1337,2000"]),
         ("-g", .25, ["1337", "202", "1337,202", "1000", "202,1337"]), ("-z", .1, ["15001", "15008", "15006"]),
         ("-p", .1, ["15006", "15001", "15008"]), ("-e", .1, ["80", "9080", "15008", "53"])]
SWITCHES = [("--redirect-dns", .3), ("--capture-all-dns", .2), ("--drop-invalid", .15), ("--dual-stack", .3)]
VARIABLES = [("ISTIO_OUTBOUND_OWNER_GROUPS", .1, ["202", "1000,202", "2000", "0", "*", ""]),
             ("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", .1, ["202", "1000,202", "0"]),
             ("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", .15, ["127.0.0.1/32", "127.0.0.0/8", "127.0.0.2/32"])]


def value(r, values):
    v = r.choice(values)
    return v if isinstance(v, str) else ",".join(r.sample(v, r.randint(1, 4)))


def random_case(r, name):
    args, env = [], {}
    for flag, how_often, values in FLAGS:
        if r.random() < how_often:
            args += [flag, value(r, values)]
    args += [flag for flag, how_often in SWITCHES if r.random() < how_often]
    for variable, how_often, values in VARIABLES:
        if r.random() < how_often:
            env[variable] = value(r, values)
    # docs/import.md: answers of a DNS proxy that is not the user named are lost with Istio.
    return {"name": name, "args": args, "env": env, "differs": {"out * udp peer*:53": "zones"} if "--redirect-dns" in args else {}}


def main(enmesh, n="40", seed=None):
    if os.geteuid() != 0 or subprocess.run(["unshare", "-mn", "true"], capture_output=True).returncode:
        skip("no right to make namespaces")
    for program in ("ip", "nft", "iptables", "ip6tables"):
        if not shutil.which(program):
            skip(f"there is no '{program}'")
    if not os.path.exists(PILOT_AGENT):
        skip(f"there is no {PILOT_AGENT}: tests/parts/get istio")
    hide_the_machine()
    seed = int(seed) if seed else random.randrange(1 << 32)
    r = random.Random(seed)
    cases = [random_case(r, f"random-{seed}-{i}") for i in range(int(n))]
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "cases.json")
        with open(path, "w") as f:
            json.dump(cases, f)
        expected = os.path.join(d, "expected")
        for command in (["compare", "--record", PILOT_AGENT, path, expected], ["compare", "--enmesh", enmesh, path, expected],
                        ["predict.py", enmesh, "--set", path, expected]):
            p = subprocess.run([sys.executable, os.path.join(HERE, command[0]), *command[1:]], capture_output=True, text=True)
            wrong = [line for line in p.stdout.splitlines() if not line.startswith(("ok ", "recorded "))]
            print("\n".join(wrong), p.stderr, flush=True)
            if p.returncode:
                print("\n".join(json.dumps(c) for c in cases if any(c["name"] + ":" in line for line in wrong)))
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), *sys.argv[2:]))
