"""A lab: machines on one network, all on this machine and gone at the end.

A node has its own network, mount, process and cgroup namespace, and its root is an overlay over the machine's: whatever is
written in the node lands in one directory (`Node.written()`), so that a test can say what was left behind. Needs root,
iproute2, util-linux, and a cgroup v2 mount; with nothing but Python's standard library.

    with Lab(part("envoy")) as lab:
        a, b = lab.node("a", "10.77.0.11"), lab.node("b", "10.77.0.12")
        a.run("ping", "-c1", "10.77.0.12")
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SKIP = 77

# The overlay becomes the root of a node's processes; /proc is that of its own process namespace. The shell stays as process 1:
# it reaps what is orphaned, and with it the whole node ends.
INIT = r"""
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
for program in "${@:3}"; do
	touch "usr/local/bin/${program##*/}"
	mount --bind "$program" "usr/local/bin/${program##*/}"
done
mount -t proc proc proc
mount --rbind /sys sys
# the same file system twice on one mount point is refused
umount -l ".$2"
mount -t cgroup2 none ".$2"
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir -p run/netns
mount -t tmpfs tmpfs tmp
chmod 1777 tmp
trap : TERM
echo ready >&3
exec 3>&-
sleep infinity &
wait
"""


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIP)


def sh(*args, **kw):
    kw.setdefault("check", True)
    kw.setdefault("capture_output", True)
    kw.setdefault("text", True)
    try:
        return subprocess.run([str(a) for a in args], **kw)
    except subprocess.CalledProcessError as e:
        raise RuntimeError(f"{' '.join(map(str, args))}: exit {e.returncode}\n{e.stdout or ''}{e.stderr or ''}") from None


def wait_for(what, condition, seconds=30, pause=0.02):
    """Polls until the condition holds; for what gives no event."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(pause)


def cgroup_mount():
    """Where cgroup v2 is mounted; it is where containers have it where it is nowhere."""
    with open("/proc/self/mounts") as f:
        for line in f:
            fields = line.split()
            if fields[2] == "cgroup2":
                return fields[1]
    path = "/sys/fs/cgroup/unified"
    try:
        os.makedirs(path, exist_ok=True)
        sh("mount", "-t", "cgroup2", "none", path)
    except (OSError, RuntimeError) as e:
        skip(f"no cgroup v2, and it can't be mounted: {e}")
    return path


def parts_dir():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("PARTS_DIR") or os.path.join(cache, "enmesh-parts")


def part(name):
    """A program or data file of tests/parts; ends the test as skipped if it is not there."""
    path = os.path.join(parts_dir(), "share" if "." in name else "bin", name)
    if not os.path.exists(path):
        skip(f"{path} is missing; tests/parts/get brings it")
    return path


class Node:
    def __init__(self, lab, name, address):
        self.lab, self.name, self.address = lab, name, address
        self.netns = f"{lab.tag}-{name}"
        self.cgroup = os.path.join(lab.cgroup, name)
        self.dir = os.path.join(lab.dir, name)
        self.holder = None

    def start(self):
        os.mkdir(self.dir)
        os.mkdir(self.cgroup)
        # Its own /etc/hosts and resolv.conf would be bind mounts, below the overlay.
        sh("ip", "netns", "add", self.netns)
        read, write = os.pipe()
        self.holder = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.netns}",
             "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--cgroup", "--uts",
             "bash", "-c", f"hostname {self.name}\n" + INIT, "init", self.dir, self.lab.cgroup_mount,
             *self.lab.programs],
            preexec_fn=lambda: (os.dup2(write, 3),
                                open(os.path.join(self.cgroup, "cgroup.procs"), "w").write(str(os.getpid()))),
            pass_fds=(3, write) if write != 3 else (3,), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        os.close(write)
        if os.read(read, 16) != b"ready\n":
            raise RuntimeError(f"node {self.name}: {self.holder.stderr.read().decode()}")
        os.close(read)
        self.pid = int(sh("pgrep", "-P", self.holder.pid).stdout.split()[0])
        self.link()

    def link(self):
        outside = f"{self.lab.index:x}-{self.name}"[:15]
        self.lab.index += 1
        sh("ip", "link", "add", outside, "netns", self.lab.switch, "type", "veth", "peer", "name", "eth0", "netns",
           self.netns)
        sh("ip", "-n", self.lab.switch, "link", "set", outside, "master", "br0", "up")
        # Without a link-local address, which would appear some time later.
        sh("ip", "-n", self.netns, "link", "set", "eth0", "addrgenmode", "none")
        sh("ip", "-n", self.netns, "link", "set", "lo", "up")
        for address in self.address if isinstance(self.address, list) else [self.address]:
            v6 = ":" in address
            sh("ip", "-n", self.netns, "addr", "add", f"{address}/{64 if v6 else 24}", "dev", "eth0",
               *(["nodad"] if v6 else []))
        sh("ip", "-n", self.netns, "link", "set", "eth0", "up")

    def command(self, *args, user=None):
        """The command line that runs args in the node."""
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user is not None else []
        return ["nsenter", "-t", str(self.pid), "--mount", "--pid", "--net", "--cgroup", "--uts",
                f"--root=/proc/{self.pid}/root/{self.dir}/root", "--wd=/", *become, *map(str, args)]

    def run(self, *args, user=None, **kw):
        return sh(*self.command(*args, user=user), **kw)

    def start_process(self, *args, user=None, **kw):
        """Runs until the node ends, in a cgroup beside those that a test looks at."""
        kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("stdout", subprocess.DEVNULL)
        kw.setdefault("stderr", subprocess.DEVNULL)
        p = subprocess.Popen(self.command(*args, user=user), **kw)
        self.lab.processes.append(p)
        return p

    def path(self, path):
        """Where a file of the node is, seen from outside."""
        return f"/proc/{self.pid}/root{self.dir}/root{path}"

    def write(self, path, text, mode=0o644):
        full = self.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            f.write(text)
        os.chmod(full, mode)

    def read(self, path):
        with open(self.path(path)) as f:
            return f.read()

    def copy_in(self, source, path, mode=None):
        full = self.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, full, dirs_exist_ok=True)
        else:
            shutil.copy(source, full)
        if mode is not None:
            os.chmod(full, mode)

    def written(self):
        """Everything that was written in the node so far: path -> (mode, owner, group, mtime in ns, content)."""
        upper, out = f"/proc/{self.pid}/root{self.dir}/upper", {}
        for top, dirs, files in os.walk(upper):
            for name in dirs + files:
                full = os.path.join(top, name)
                st = os.lstat(full)
                content = None
                # A directory of the machine that was only copied up, because something was made below it for a while.
                if os.path.isdir(full) and os.path.isdir(full[len(upper):]):
                    continue
                if os.path.isfile(full) and not os.path.islink(full):
                    with open(full, "rb") as f:
                        content = f.read()
                mtime = st.st_mtime_ns if content is not None else 0
                out[full[len(upper):]] = (st.st_mode, st.st_uid, st.st_gid, mtime, content)
        return out

    def network_state(self):
        """What a capture may touch, as text."""
        commands = [["nft", "list", "ruleset"], ["ip", "rule"], ["ip", "-6", "rule"],
                    ["ip", "route", "show", "table", "all"], ["ip", "-6", "route", "show", "table", "all"]]
        return "\n".join(self.run(*c).stdout for c in commands)

    def processes(self):
        """Process ids below the node's cgroup groups that enmesh made."""
        pids = []
        for top, _, files in os.walk(os.path.join(self.cgroup, "enmesh")):
            if "cgroup.procs" in files:
                with open(os.path.join(top, "cgroup.procs")) as f:
                    pids += [int(line) for line in f if line.strip()]
        return sorted(pids)

    def stop(self):
        if self.holder and self.holder.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        if self.holder:
            self.holder.wait()
            self.holder.stderr.close()
        sh("ip", "netns", "del", self.netns, check=False)
        for top, dirs, _ in os.walk(self.cgroup, topdown=False):
            for d in dirs:
                wait_rmdir(os.path.join(top, d))
        wait_rmdir(self.cgroup)


def wait_rmdir(path):
    """A cgroup can go once its last process has been reaped."""
    def gone():
        try:
            os.rmdir(path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True
    wait_for(f"removal of {path}", gone, 10)


class Lab:
    """Everything in it is named after the process, so two labs never meet. `programs` are in every node's /usr/local/bin."""

    def __init__(self, *programs):
        self.programs = [os.path.abspath(p) for p in programs]
        self.tag = f"el{os.getpid()}"
        self.switch = f"{self.tag}-sw"
        self.cgroup = self.cgroup_mount = None
        self.nodes, self.processes, self.index = [], [], 0
        self.dir = None

    def __enter__(self):
        if os.geteuid() != 0:
            skip("a lab needs root")
        self.cgroup_mount = cgroup_mount()
        self.cgroup = os.path.join(self.cgroup_mount, self.tag)
        for signum in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, lambda *_: sys.exit(1))
        self.dir = tempfile.mkdtemp(prefix=f"{self.tag}-")
        os.chmod(self.dir, 0o755)
        try:
            os.mkdir(self.cgroup)
            sh("ip", "netns", "add", self.switch)
            sh("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge")
            sh("ip", "-n", self.switch, "link", "set", "br0", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def node(self, name, address):
        node = Node(self, name, address)
        self.nodes.append(node)
        node.start()
        return node

    def __exit__(self, *_):
        for node in reversed(self.nodes):
            try:
                node.stop()
            except (OSError, RuntimeError) as e:
                print(f"lab: {e}", file=sys.stderr)
        for p in self.processes:
            p.wait()
        sh("ip", "netns", "del", self.switch, check=False)
        if self.cgroup and os.path.isdir(self.cgroup):
            wait_rmdir(self.cgroup)
        if self.dir:
            shutil.rmtree(self.dir, ignore_errors=True)


if __name__ == "__main__":
    with Lab() as demo:
        nodes = [demo.node("a", "10.77.0.11"), demo.node("b", ["10.77.0.12", "fd77::12"])]
        print(nodes[0].run("ip", "-br", "addr").stdout, end="")
        print(nodes[0].run("sh", "-c", "hostname; id -u; echo $$; cat /proc/self/cgroup; touch /etc/x; ls /sys/fs/cgroup/unified | head -2").stdout)
        print(json.dumps([k for k in nodes[0].written()]))
