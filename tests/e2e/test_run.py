#!/usr/bin/env python3
"""test_run.py ENMESH: `enmesh run` holds the table of a machine of the lab against everybody, and hands it on."""
import json
import os
import signal
import sys

from capture_case import HOST, HOST6, Case, apply, enmesh, mesh
from lab import Lab, skip, wait_for

MESH, CHANGED = mesh({"mode": "redirect"}), mesh({"mode": "redirect", "outbound": {"excludePorts": [123]}})


class Agent:
    """A running agent; its words go to a file of the node."""

    def __init__(self, node, source=None, interval="1h"):
        self.node = node
        if source:
            write(node, source)
        node.write("/tmp/agent.log", "")
        self.outside = node.start_process("sh", "-c", "exec enmesh run /mesh --node host --target capture "
                                          f"--interval {interval} >/tmp/agent.log 2>&1")
        wait_for("the agent", lambda: flags(node) == 6, 10)

    def pid(self):
        return int(self.node.run("pgrep", "-x", "enmesh").stdout.split()[0])

    def kill(self, signum):
        self.node.run("kill", f"-{int(signum)}", self.pid())

    def end(self, signum):
        self.kill(signum)
        return self.outside.wait(20)

    def log(self):
        return self.node.read("/tmp/agent.log")


def flags(node):
    """The raw flags of our table, which nft shows as text that it can't read itself."""
    out = node.run("nft", "-j", "list", "tables", check=False).stdout
    if '"enmesh"' not in out:
        return None
    text = node.run("nft", "list", "table", "inet", "enmesh").stdout.split("\n")[1]
    return 6 if "owner" in text else 4 if "flags" in text else 0


def rules(node):
    table = json.loads(node.run("nft", "-s", "-j", "list", "table", "inet", "enmesh").stdout)["nftables"]
    return [json.dumps(item, sort_keys=True) for item in table if "table" not in item and "metainfo" not in item]


def write(node, text):
    node.write("/mesh/mesh.yaml", text)


def others_are_refused(case, node):
    before = rules(node)
    p = node.run("nft", "flush", "ruleset", check=False)
    case.equal("nft flush ruleset: passed over", [p.returncode, rules(node)], [0, before])
    for what in ("delete table inet enmesh", "flush table inet enmesh", "add rule inet enmesh output accept",
                 "add table inet enmesh { flags dormant; }"):
        p = node.run("nft", what, check=False)
        case.check(f"nft {what}: refused", p.returncode != 0 and "not permitted" in p.stderr, p.stderr)
    node.write("/tmp/reload.nft", "flush ruleset\ntable inet firewalld {\nchain c {\n type filter hook input priority 10;\n}\n}\n")
    p = node.run("nft", "-f", "/tmp/reload.nft", check=False)
    case.check("a reload that begins with flush ruleset goes through", p.returncode == 0 and
               "firewalld" in node.run("nft", "list", "tables").stdout, p.stderr)
    case.equal("nothing of ours has changed", rules(node), before)


def one_shot_commands(case, node):
    case.equal("diff reads it, in sync", enmesh(node, "diff").returncode, 0)
    p = apply(node)
    case.check("apply has nothing to do", "No changes" in p.stdout, p.stdout)
    before = rules(node)
    write(node, CHANGED)
    p = enmesh(node, "diff", codes=(0, 2))
    case.equal("diff shows what the source says now", p.returncode, 2)
    p = apply(node, codes=(0, 1))
    case.check("apply is refused, with a reason", p.returncode == 1 and "held by a running agent" in p.stderr, p.stdout + p.stderr)
    p = enmesh(node, "cleanup", codes=(0, 1))
    case.check("cleanup is refused, with a reason", p.returncode == 1 and "held by a running agent" in p.stderr, p.stdout + p.stderr)
    case.equal("nothing was half done", rules(node), before)


def main(program):
    case = Case()
    major, minor = map(int, os.uname().release.split(".")[:2])
    if (major, minor) < (6, 9):
        skip("the kernel holds no tables before 6.9")
    with Lab(program) as lab:
        node = lab.node("host", [HOST, HOST6])
        before = node.network_state()
        agent = Agent(node, MESH)
        others_are_refused(case, node)
        one_shot_commands(case, node)

        agent.kill(signal.SIGHUP)
        wait_for("the change after SIGHUP", lambda: "123" in node.run("nft", "list", "table", "inet", "enmesh").stdout, 10)
        case.check("it says what it did", "123" in agent.log(), agent.log())

        second = node.run("timeout", "-s", "TERM", "2", "enmesh", "run", "/mesh", "--node", "host", "--target", "capture",
                          "--run-dir", "/run/other", "--state-dir", "/var/lib/other", check=False)
        case.check("a second agent says that there is one", "another agent holds" in second.stderr, second.stdout + second.stderr)

        held = rules(node)
        agent.end(signal.SIGKILL)
        case.equal("killed, it leaves the rules", [flags(node), rules(node)], [4, held])
        agent = Agent(node)
        case.equal("the next one adopts them, handles and all", rules(node), held)
        case.equal("SIGTERM is a good end", agent.end(signal.SIGTERM), 0)
        case.equal("stopped, it leaves the rules", [flags(node), rules(node)], [4, held])

        write(node, MESH)
        apply(node)
        case.check("without an agent, apply changes them", "123" not in node.run("nft", "list", "table", "inet", "enmesh").stdout)
        case.equal("and leaves what a next agent adopts", flags(node), 4)
        enmesh(node, "cleanup")
        node.run("nft", "delete", "table", "inet", "firewalld")
        case.equal("cleanup leaves nothing", node.network_state(), before)

        apply(node, MESH)
        case.equal("a table that no agent made has no flags", flags(node), 0)
        agent = Agent(node)
        case.equal("an agent makes it anew", flags(node), 6)
        node.run("nft", "add table ip other; delete table ip other")
        log = agent.log()
        node.run("sh", "-c", "sleep 1.5")
        case.equal("what is in place is not told", agent.log(), log)
        agent.end(signal.SIGTERM)
        agent = Agent(node)
        agent.end(signal.SIGKILL)
        node.run("nft", "delete", "rule", "inet", "enmesh", *first_rule(node))
        agent = Agent(node)
        case.equal("drift is repaired at the start", enmesh(node, "diff").returncode, 0)
        agent.end(signal.SIGTERM)
        enmesh(node, "cleanup")
        case.equal("cleanup leaves nothing at the end", node.network_state(), before)
    case.end()


def first_rule(node):
    for text in rules(node):
        item = json.loads(text)
        if "rule" in item:
            return [item["rule"]["chain"], "handle", str(item["rule"]["handle"])]
    raise RuntimeError("there is no rule")


if __name__ == "__main__":
    main(sys.argv[1])
