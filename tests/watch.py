"""What changes in the kernel meanwhile: netfilter tables, rules and routes of a node of the lab, as nft and ip tell it."""
import os
import tempfile

from lab import wait_for


class Watch:
    """Everything that changes in a node's netfilter tables, rules and routes meanwhile, as nft and ip tell it."""

    def __init__(self, node):
        self.node, self.files, self.processes, self.probes = node, [], [], 100

    def __enter__(self):
        for command in (["nft", "monitor"], ["ip", "monitor", "rule", "route"]):
            f = tempfile.TemporaryFile()
            self.files.append(f)
            self.processes.append(self.node.start_process("stdbuf", "-oL", *command, stdout=f))
        # A monitor says nothing when it begins to listen: probes go on until both have told one.
        wait_for("the monitors", self.probe, 10)
        self.begin = [os.fstat(f.fileno()).st_size for f in self.files]
        return self

    def probe(self):
        """Makes a change of its own; whether both monitors tell it soon, and so all that was before."""
        self.probes += 1
        self.node.run("nft", f"add table ip probe{self.probes}; delete table ip probe{self.probes}")
        self.node.run("ip", "rule", "add", "pref", self.probes, "table", "77")
        self.node.run("ip", "rule", "del", "pref", self.probes)
        wanted = [f"delete table ip probe{self.probes}", f"Deleted {self.probes}:"]
        try:
            wait_for("a probe", lambda: all(w in self.text(f) for f, w in zip(self.files, wanted)), 0.3)
        except RuntimeError:
            return False
        return True

    @staticmethod
    def text(f):
        return os.pread(f.fileno(), os.fstat(f.fileno()).st_size, 0).decode()

    def __exit__(self, *_):
        wait_for("the monitors", self.probe, 10)
        for p in self.processes:
            p.kill()
        self.seen = []
        for f, begin in zip(self.files, self.begin):
            self.seen += [line for line in self.text(f)[begin:].splitlines()
                          if "probe" not in line and "lookup 77" not in line and not line.startswith("# new generation")]
            f.close()
