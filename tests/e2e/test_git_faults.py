"""What may happen to enmesh-fetch while it works: killed at any change of its repository, a disk that is full at any of them, a
repository that is somebody else's, a caller that dies: test_git_faults.py ENMESH CHECK_JSON SCHEMA_DIR."""
import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), p) for p in ("..", "../live")]
from cli_case import ENMESH, IS_ROOT, MESH, NODE, Case, clean_environment, main  # noqa: E402
from git_servers import alone, missing  # noqa: E402
from test_git_fetch import FETCH, LONG, SANITIZED, Fetch  # noqa: E402

USER = "nobody"
CHANGES = ("mkdir", "write", "pwrite64", "fsync", "link", "rename", "unlink", "unlinkat")


class Local(Fetch):
    """From a directory, so that all that happens is its own."""

    def setUp(self):
        super().setUp()
        self.url = "file://" + self.path("repos/mesh.git")
        self.origin = (self.path("repos/mesh.git"),)

    def fetch(self, url=None, timeout=LONG, **kw):
        return super().fetch(url or self.url, timeout, origin=self.origin, **kw)

    def works(self):
        """Without being made anew."""
        head = self.commit(f"works {time.monotonic()}")
        answer = self.fetch()
        self.assertEqual(answer.get("commit"), head, answer)
        self.git("fsck", "--full", head, cwd=self.path("state"))
        packs = os.listdir(self.path("state/objects/pack"))
        self.assertEqual([n for n in packs if not n.endswith((".pack", ".idx"))], [])

    def with_fault(self, call, n, fault):
        """(whether there was an nth such call, what was answered)"""
        traced = self.path("traced")
        with open(self.path("request"), "w+") as f:
            f.write(json.dumps({"url": self.url, "timeoutMs": 30000, "blobs": []}) + "\n")
            f.seek(0)
            r = subprocess.run(["strace", "-f", "--seccomp-bpf", "-o", traced, "-e", "trace=" + call, "-e", f"inject={call}:{fault}:when={n}", FETCH,
                                "fetch", self.path("state"), *self.origin], stdin=f, capture_output=True, text=True, env={}, timeout=60)
        with open(traced) as f:
            text = f.read()
        return "INJECTED" in text or "killed by SIGKILL" in text, json.loads(r.stdout) if r.stdout else {}

    def each(self, fault, prepare, check, least):
        """Meets the fault at each change that a fetch makes, of which there are so many."""
        tried = 0
        for call in CHANGES:
            for n in range(1, 200):
                prepare()
                hit, answer = self.with_fault(call, n, fault)
                if not hit:
                    break
                tried += 1
                with self.subTest(call=call, n=n):
                    check(answer)
                    self.works()
        self.assertGreater(tried, least)

    def more(self):
        self.commit(f"more {time.monotonic()}")

    def empty(self):
        shutil.rmtree(self.path("state"))
        os.mkdir(self.path("state"))


@unittest.skipIf(missing("strace") or SANITIZED, "needs strace, and no sanitizers, which do much themselves")
class Faults(Local):
    def test_killed_at_any_change_of_a_new_repository(self):
        self.each("error=EIO:signal=KILL", self.empty, lambda _: None, 60)

    def test_killed_at_any_change_of_one_that_is_there(self):
        self.works()
        self.each("error=EIO:signal=KILL", self.more, lambda _: None, 15)

    def test_no_room_at_any_change_is_no_damage(self):
        """It would be fetched anew, which a full disk does not help."""
        self.works()
        self.each("error=ENOSPC", self.more, lambda answer: self.assertFalse(answer.get("damaged"), answer), 15)


class Disk(Local):
    def setUp(self):
        super().setUp()
        if not IS_ROOT:
            self.skipTest("needs root, to mount a small disk")

    def mount(self, options):
        self.empty()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755," + options, "tmpfs", self.path("state")], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.path("state")])

    def grow(self, megabytes):
        self.write("repos/mesh.git/large", os.urandom(megabytes << 19).hex())
        return self.commit("large")

    def check(self, larger):
        self.grow(8)
        for _ in range(3):
            answer = self.fetch()
            self.assertIn("No space left on device", answer["error"])
            self.assertFalse(answer.get("damaged"))
        # What had come before is still there.
        self.git("fsck", "--full", self.head, cwd=self.path("state"))
        subprocess.run(["mount", "-o", "remount," + larger, self.path("state")], check=True)
        self.works()

    def test_a_pack_that_finds_no_room(self):
        self.mount("size=2m")
        self.fetch()
        self.check("size=64m")

    def test_a_disk_with_no_inode_left(self):
        self.mount("size=64m,nr_inodes=60")
        self.fetch()
        n = 0
        with contextlib.suppress(OSError):
            while True:
                os.mkdir(self.path("state/fill%d" % n))
                n += 1
        self.assertGreater(n, 5)
        self.check("nr_inodes=1000")

    def test_a_disk_that_may_only_be_read(self):
        self.mount("size=64m")
        self.fetch()
        subprocess.run(["mount", "-o", "remount,ro", self.path("state")], check=True)
        self.commit("more")
        answer = self.fetch()
        self.assertIn("Read-only file system", answer["error"])
        self.assertFalse(answer.get("damaged"))
        subprocess.run(["mount", "-o", "remount,rw", self.path("state")], check=True)
        self.works()


class Owner(Local):
    def refuses(self):
        answer = self.fetch()
        self.assertIn("belongs to another user", answer["error"])
        self.assertFalse(answer.get("damaged"))

    def test_a_repository_that_others_may_write_to_is_not_used(self):
        self.works()
        for mode in (0o777, 0o770, 0o702):
            os.chmod(self.path("state"), mode)
            self.refuses()
        os.chmod(self.path("state"), 0o700)
        self.works()

    @unittest.skipUnless(IS_ROOT, "needs root, to give files away")
    def test_a_repository_of_another_user_is_not_used(self):
        self.works()
        for path in ("state", "state/objects"):
            os.chown(self.path(path), 65534, 65534)
            self.refuses()
            os.chown(self.path(path), 0, 0)
        self.works()

    def test_names_of_references_that_are_deep_can_be_removed(self):
        for depth in (70, 300):
            name = "/".join("a" * depth)
            self.git("branch", name)
            url = self.server.url("honest")
            self.assertEqual(self.fetch(url, commit=self.head).get("commit"), self.head)
            self.git("branch", "-D", name)
            shutil.rmtree(self.path("state/objects/pack"))
            os.mkdir(self.path("state/objects/pack"))
            self.assertEqual(self.fetch(url, commit=self.head, anew=True).get("commit"), self.head)
            self.assertFalse(os.path.exists(self.path("state/refs/enmesh/heads/a")))


@unittest.skipUnless(IS_ROOT, "needs root, for another user and a mount")
class Process(Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("var"))
        self.silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.silent.close)

    def start(self):
        """(enmesh, its enmesh-fetch), which waits for a server that says nothing."""
        p = subprocess.Popen([ENMESH, "apply", f"https://localhost:{self.silent.getsockname()[1]}/x", "--state-dir", "var/state", "--run-dir",
                              "var/run", "--node", NODE, "--source-user", USER, "--source-timeout", "60s"], cwd=self.dir,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment(SECRET="canary"))
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.silent.settimeout(20)
        self.addCleanup(self.silent.accept()[0].close)
        with open(f"/proc/{p.pid}/task/{p.pid}/children") as f:
            return p, int(f.read().split()[0])

    def status(self, pid):
        with open(f"/proc/{pid}/status") as f:
            return {k: v.split() for k, v in (line.split(":", 1) for line in f)}

    def test_it_is_another_user_without_rights(self):
        _, pid = self.start()
        status = self.status(pid)
        self.assertEqual(status["Name"], ["enmesh-fetch"])
        self.assertEqual((status["Uid"], status["Gid"], status["Groups"]), (["65534"] * 4, ["65534"] * 4, []))
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(status[kind], ["0" * 16] if kind != "CapBnd" else status[kind])
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), (["1"], ["2"]))
        with open(f"/proc/{pid}/environ", "rb") as f:
            self.assertNotIn(b"canary", f.read())
        # Its files: the request, the answer, what it hands over, and its connection.
        files = {n: os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")}
        self.assertEqual([n for n, to in files.items() if int(n) > 3 and not to.startswith(("socket:", "pipe:", self.dir))], [], files)

    def test_it_ends_with_its_caller(self):
        p, pid = self.start()
        pidfd = os.pidfd_open(pid)
        self.addCleanup(os.close, pidfd)
        p.kill()
        self.assertEqual(select.select([pidfd], [], [], 10)[0], [pidfd])


@unittest.skipUnless(IS_ROOT, "needs root, for a resolver of its own")
class Names(Fetch):
    """The C library looks names up in a thread of libcurl's, with files and sockets that the sandbox leaves."""

    def serve(self):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("127.0.0.1", 53))
        self.addCleanup(s.close)

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    query, client = s.recvfrom(512)
                    end = query.index(b"\0", 12) + 5
                    is_a = query[end - 4:end - 2] == b"\0\1"
                    self.asked += 1
                    s.sendto(query[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_a else b"\0\0") + b"\0\0\0\0" + query[12:end] +
                             (b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1" if is_a else b""), client)
        self.asked = 0
        threading.Thread(target=answer, daemon=True).start()

    def test_a_resolver_that_is_named_in_a_link_below_run(self):
        self.serve()
        etc = self.path("etc")
        os.makedirs(self.path("run/systemd/resolve"))
        os.mkdir(etc)
        os.symlink("../run/systemd/resolve/stub-resolv.conf", etc + "/resolv.conf")
        self.write("etc/nsswitch.conf", "hosts: files dns\n")
        self.write("run/systemd/resolve/stub-resolv.conf", "nameserver 127.0.0.1\n")
        self.write("request", json.dumps({"url": self.server.url("honest").replace("localhost", "git.enmesh.test"), "timeoutMs": 20000,
                                          "blobs": []}) + "\n")
        script = 'mount --bind "$1/etc" /etc && mount --bind "$1/run" /run && shift && exec "$@"'
        os.chown(self.path("state"), 65534, 65534)
        with open(self.path("request")) as f:
            r = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", self.dir, "setpriv", "--reuid", "65534", "--regid", "65534",
                                "--clear-groups", FETCH, "fetch", self.path("state")], stdin=f, capture_output=True, text=True, timeout=60)
        self.assertEqual(json.loads(r.stdout or "{}").get("commit"), self.head, r.stdout + r.stderr)
        self.assertGreater(self.asked, 0)


if __name__ == "__main__":
    lacking = missing("git")
    if lacking:
        print(f"skipped: needs {lacking}")
        sys.exit(77)
    alone()
    main()
