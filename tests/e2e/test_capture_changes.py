#!/usr/bin/env python3
"""test_capture_changes.py ENMESH: from any capture to any other nothing is left over, and what others change is repaired.

On the node's own network and in a network namespace of a container, both of a machine of the lab:
- after each change of mode, families and DNS, a second pass writes nothing, and the kernel holds what a first pass would have made;
- a rule moved, deleted or added, an element, a policy, a chain or the table changed by `nft`, and policy routes changed by `ip`, are named
  by diff and repaired by apply, and the rules that need no repair keep handles and counters.
"""
import json
import sys

from capture_case import (APP_USER, CLIENT, HOST, HOST6, PROGRAMS, Case, Inside, Listener, apply, connect, enmesh, mesh, service)
from lab import Lab
from watch import Watch

DUAL, V4, V6 = ["ipv4", "ipv6"], ["ipv4"], ["ipv6"]
REDIRECT, TPROXY = {"mode": "redirect"}, {"mode": "tproxy"}

# In this order; those that come again must leave the same.
STEPS = [
    ("tproxy", TPROXY),
    ("redirect", REDIRECT),
    ("tproxy", TPROXY),
    ("tproxy, other mark and table", {"mode": "tproxy", "tproxy": {"mark": 4711, "table": 77}}),
    ("tproxy", TPROXY),
    ("tproxy, IPv4", {"mode": "tproxy", "families": V4, "uncapturedFamily": "allow"}),
    ("tproxy", TPROXY),
    ("tproxy, IPv6", {"mode": "tproxy", "families": V6, "uncapturedFamily": "refuse"}),
    ("redirect, DNS", {"mode": "redirect", "dns": {"capture": "all"}}),
    ("redirect", REDIRECT),
    ("redirect, DNS to resolvers", {"mode": "redirect", "dns": {"capture": "resolvers"}}),
    ("redirect, IPv4", {"mode": "redirect", "families": V4, "uncapturedFamily": "refuse"}),
    ("redirect", REDIRECT),
    ("redirect, everything", {"mode": "redirect", "inbound": {"ports": "all", "excludeFrom": ["10.9.0.0/16"]}, "dropInvalid": True,
                              "outbound": {"excludeCidrs": ["10.9.0.0/16"], "excludePorts": [123]}, "excludeInterfaces": ["docker0"]}),
    ("none", {"mode": "none"}),
    ("redirect", REDIRECT),
    ("tproxy", TPROXY),
]
STATE = [["nft", "-s", "list", "ruleset"], ["ip", "rule"], ["ip", "-6", "rule"], ["ip", "route", "show", "table", "all"],
         ["ip", "-6", "route", "show", "table", "all"]]


def state(place):
    """What capture may touch, without counters; chains and sets in the order of their names, not in that in which they were made."""
    ruleset, *others = (place.run(*command).stdout for command in STATE)
    return "\n".join([*blocks(ruleset), *others])


def blocks(ruleset):
    """The sets and chains of all tables, sorted."""
    out = []
    for table in ruleset.split("\n}\n"):
        head, _, body = table.partition(" {\n")
        out += [f"{head}: {b.strip()}" for b in f"{body}\n".split("\n\t}\n")] if body else [head]
    return sorted(out)


def source(capture):
    return mesh(capture, [service(runAs={"user": APP_USER}), service("pod", networkNamespace={"name": "pod"})])


def transitions(case, node, places):
    before, seen = [state(p) for p in places], {}
    for i, (name, capture) in enumerate(STEPS):
        step = f"step {i}, {name}"
        changed = apply(node, source(capture), codes=(0, 2), args=["--detailed-exitcode"])
        case.equal(f"{step}: it changes something", changed.returncode, 2)
        with Watch(places[0]) as host, Watch(places[1]) as pod:
            second = apply(node, codes=(0, 2), args=["--detailed-exitcode"])
        case.check(f"{step}: a second pass plans nothing", second.returncode == 0, second.stdout)
        case.check(f"{step}: a second pass writes nothing", not host.seen + pod.seen, "\n".join(host.seen + pod.seen))
        now = [state(p) for p in places]
        case.equal(f"{step}: it leaves what it left the first time", now, seen.setdefault(name, now))
        if name == "none":
            case.equal(f"{step}: nothing is left", now, before)
    for name, capture in dict(STEPS).items():
        enmesh(node, "cleanup")
        case.equal(f"cleanup before {name} leaves nothing", [state(p) for p in places], before)
        apply(node, source(capture))
        case.equal(f"{name}, from nothing, leaves the same", [state(p) for p in places], seen[name])
    enmesh(node, "cleanup")
    case.equal("cleanup leaves nothing", [state(p) for p in places], before)


# ---- repairs ----

CAPTURE = {"mode": "tproxy", "families": V4, "uncapturedFamily": "refuse", "outbound": {"excludeCidrs": ["10.9.0.0/16", "192.168.0.0/16"],
                                                                                       "excludePorts": [123]}}


def nft(node, text):
    node.run("nft", text)


def rules(node):
    """handle -> (chain, counter) of all rules."""
    table = json.loads(node.run("nft", "-j", "list", "table", "inet", "enmesh").stdout)["nftables"]
    out = {}
    for item in table:
        if "rule" in item:
            counter = [e["counter"]["packets"] for e in item["rule"]["expr"] if "counter" in e]
            out[item["rule"]["handle"]] = item["rule"]["chain"], counter
    return out


def handles(node, chain):
    return [h for h, (c, _) in rules(node).items() if c == chain]


def move_a_rule(node):
    """The last rule of out-policy goes before the first: it is another's now, with another handle."""
    first, last = handles(node, "out-policy")[0], handles(node, "out-policy")[-1]
    nft(node, f"delete rule inet enmesh out-policy handle {last}")
    nft(node, f"insert rule inet enmesh out-policy handle {first} counter goto to-proxy")


def delete_a_rule(node):
    nft(node, f"delete rule inet enmesh out-policy handle {handles(node, 'out-policy')[2]}")


# What somebody does, what diff names, and whether the table's rules could survive it.
REPAIRS = [
    ("a rule moved", move_a_rule, ["out-policy"], True),
    ("a rule deleted", delete_a_rule, ["out-policy"], True),
    ("a rule added", "insert rule inet enmesh out-policy ip daddr 192.0.2.1 accept", ["out-policy", "192.0.2.1"], True),
    ("a rule that enmesh has no word for", "add rule inet enmesh out-policy limit rate 3/second accept", ["out-policy"], True),
    ("an element added beside another", "add element inet enmesh out-policy-exclude-ipv4 { 10.8.0.0/16, 10.10.0.0/16 }",
     ["10.8.0.0/16", "10.10.0.0/16"], True),
    ("an element added", "add element inet enmesh out-policy-exclude-ipv4 { 10.7.0.0/16 }", ["10.7.0.0/16"], True),
    ("an element deleted", "delete element inet enmesh out-policy-exclude-ipv4 { 192.168.0.0/16 }", ["192.168.0.0/16"], True),
    ("an element of a map changed", "delete element inet enmesh user-proxy { 2001 }; add element inet enmesh user-proxy { 2001 : 4711 }",
     ["4711", "15001"], True),
    ("an element of a verdict map deleted", "delete element inet enmesh user-policy { 2001 }", ["user-policy", "2001"], True),
    ("a policy changed", "chain inet enmesh output-refuse { policy drop; }", ["output-refuse", "policy"], True),
    ("a chain added", "add chain inet enmesh evil { type filter hook input priority 5; policy drop; }", ["evil"], True),
    ("a set added", "add set inet enmesh evil { type ipv4_addr; elements = { 192.0.2.1 } }", ["evil"], True),
    ("a chain flushed", "flush chain inet enmesh out-policy", ["out-policy"], True),
    ("the table made dormant", "add table inet enmesh { flags dormant; }", ["flags dormant"], True),
    ("the table deleted", "delete table inet enmesh", ["out-policy"], False),
    ("everything flushed", "flush ruleset", ["out-policy"], False),
]
ROUTE_REPAIRS = [
    ("the rule deleted", "ip rule del fwmark 1337 lookup 133 || ip rule del fwmark 0x539 lookup 133", ["133"]),
    ("the route deleted", "ip route flush table 133", ["133"]),
    ("the rule twice", "ip rule add pref 5000 fwmark 1337 lookup 133 protocol $(ip -N -d rule | sed -n 's/.*lookup 133.*proto //p')",
     ["133"]),
]


def repair(case, node, name, disturb, named, survives, before):
    kept = rules(node)
    disturb()
    left = rules(node) if survives else {}
    shown = enmesh(node, "diff", codes=(0, 1, 2))
    case.equal(f"{name}: diff sees it", shown.returncode, 2)
    for word in named:
        case.check(f"{name}: diff names {word}", word in shown.stdout, shown.stdout)
    case.check(f"{name}: diff calls it drift", "drift" in shown.stdout, shown.stdout)
    apply(node)
    case.equal(f"{name}: apply repairs it", state(node), before)
    now = rules(node)
    lost = {h: kept[h] for h in kept if h in left and now.get(h) != kept[h]}
    case.check(f"{name}: untouched rules keep handles and counters", not lost, f"{lost}\n{shown.stdout}")
    case.equal(f"{name}: nothing differs any more", enmesh(node, "diff", codes=(0, 2)).returncode, 0)


def repairs(case, node, client):
    before_all = state(node)
    apply(node, mesh(CAPTURE))
    # Counters that are not 0, so that one that began anew shows.
    with Listener(client, 80):
        connect(node, CLIENT, 80, 81, 80, user=APP_USER)
    connect(client, HOST, 9001)
    connect(client, HOST6, 9001)
    before = state(node)
    case.check("some counters are not 0", any(c and c[0] for _, c in rules(node).values()))
    for name, disturb, named, survives in REPAIRS:
        what = (lambda d=disturb: d(node)) if callable(disturb) else (lambda d=disturb: nft(node, d))
        repair(case, node, name, what, named, survives, before)
    for name, command, named in ROUTE_REPAIRS:
        repair(case, node, name, lambda c=command: node.run("sh", "-c", c), named, True, before)
    enmesh(node, "cleanup")
    case.equal("cleanup after repairs leaves nothing", state(node), before_all)


# ---- hostile names ----

INTERFACES = ["$(id)", "eth0;flush", "x}y", "eth0+", "#c", "'q'", "`id`", "-a", "@set", "a,b", "a&&b"]
NETNS = "x\"}\ntable inet evil {}\n#"


def hostile(case, node):
    """Names that are allowed, and are more than names to a shell or to nft, stay what they are: written, printed and loaded again."""
    before = state(node)
    capture = {"inbound": {"ports": "all"}, "excludeInterfaces": INTERFACES, "virtualInterfaces": INTERFACES[:2]}
    cgroup = "a\"; add table inet evil #'$(id)"
    node.run("mkdir", f"{node.lab.cgroup_mount}/{cgroup}")
    apply(node, mesh(capture, [service(runAs={"cgroup": f"/{cgroup}"})]))
    shown = enmesh(node, "diff", codes=(0, 2))
    case.check("hostile: nothing differs after apply", shown.returncode == 0, shown.stdout)
    case.equal("hostile: there is one table", node.run("nft", "list", "tables").stdout, "table inet enmesh\n")
    enmesh(node, "cleanup")
    apply(node, mesh(capture))
    applied = state(node)
    enmesh(node, "cleanup")
    text = node.run("enmesh", "render", "/mesh", "--node", "host", "-o", "nft").stdout
    node.run("nft", "-f", "-", input=text)
    case.equal("hostile: what render prints, nft loads as what apply writes", state(node), applied)
    case.equal("hostile: nothing differs after nft", enmesh(node, "diff", codes=(0, 2)).returncode, 0)
    enmesh(node, "cleanup")
    node.write("/mesh/mesh.yaml", mesh({}, [service("pod", networkNamespace={"name": NETNS})]))
    text = node.run("enmesh", "render", "/mesh", "--node", "host", "-o", "nft").stdout
    node.run("nft", "-f", "-", input=text)
    case.equal("hostile: the name of a namespace is a comment", node.run("nft", "list", "tables").stdout, "table inet enmesh\n")
    node.run("nft", "delete table inet enmesh")
    case.equal("hostile: nothing is left", state(node), before)


def main(program):
    case = Case()
    with Lab(program, *PROGRAMS) as lab:
        node, client = lab.node("host", [HOST, HOST6]), lab.node("client", [CLIENT, "fd77::12"])
        node.run("ip", "netns", "add", "pod")
        pod = Inside(node, "pod")
        pod.run("ip", "link", "set", "lo", "up")
        with Listener(node, 15053), Listener(pod, 15053):
            transitions(case, node, [node, pod])
        repairs(case, node, client)
        hostile(case, node)
    case.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
