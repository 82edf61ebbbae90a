"""Servers that mean harm or are broken: test_git_fetch.py ENMESH CHECK_JSON SCHEMA_DIR. enmesh-fetch, beside ENMESH, must end
before its deadline with a clear word, within its memory, and leave a repository that works."""
import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), p) for p in ("..", "../live")]
from cli_case import ENMESH, IS_ROOT, MESH, Case, clean_environment, main  # noqa: E402
from git_servers import alone, missing  # noqa: E402
from hostile_git import Hostile, pkt  # noqa: E402

FETCH = os.path.join(os.path.dirname(ENMESH), "enmesh-fetch")
DEADLINE = 3.0  # seconds, where a test waits for it
LONG = 30.0
with open(FETCH, "rb") as program:
    SANITIZED = b"__asan_init" in program.read()
MEMORY = (4000 if SANITIZED else 300) << 10  # KiB that any answer may cost
TOKEN = "canary/token+4711="


class Fetch(Case):
    def setUp(self):
        super().setUp()
        self.git("init", "-q", "-b", "main", self.path("repos/mesh.git"), cwd=self.dir)
        self.head = self.commit("one")
        self.server = Hostile(self.path("repos"))
        self.addCleanup(self.server.close)
        os.mkdir(self.path("state"))

    def git(self, *args, cwd=None):
        names = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *names, *args], cwd=cwd or self.path("repos/mesh.git"), check=True, capture_output=True,
                              text=True, env={**clean_environment(), "GIT_CONFIG_GLOBAL": "/dev/null"}).stdout.strip()

    def commit(self, message):
        self.write("repos/mesh.git/mesh.yaml", MESH + f"# {message}\n")
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def start(self, url, timeout=LONG, blobs=(), origin=(), **words):
        """A request as source/worker.c writes it."""
        words.update(url=url, timeoutMs=int(timeout * 1000), blobs=[{"name": k, "size": len(v)} for k, v in blobs])
        # A file for each: one that runs reads its own to the end.
        self.requests = getattr(self, "requests", 0) + 1
        request = self.path(f"request{self.requests}")
        with open(request, "wb") as f:
            f.write(json.dumps(words).encode() + b"\n" + b"".join(v.encode() for _, v in blobs))
        with open(request, "rb") as f:
            return subprocess.Popen([FETCH, "fetch", self.path("state"), *origin], stdin=f, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    env={}, cwd=self.dir)

    def end(self, process, kill_after=None, memory=MEMORY):
        """(what it said, what it wrote to stderr). Killed as enmesh does it."""
        killer = threading.Timer(kill_after, process.kill) if kill_after else None
        if killer:
            killer.start()
        out, err = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if killer:
            killer.cancel()
        process.stdout.close()
        process.stderr.close()
        self.assertLess(usage.ru_maxrss, memory)
        self.assertEqual(err, b"")
        self.said = out.decode()
        return json.loads(self.said) if self.said else {}

    def fetch(self, url, timeout=LONG, **kw):
        begin = time.monotonic()
        answer = self.end(self.start(url, timeout, **kw), timeout + 5)
        self.assertLess(time.monotonic() - begin, timeout + 0.5)
        return answer

    def refused(self, behaviour, *words, timeout=LONG, **kw):
        answer = self.fetch(self.server.url(behaviour), timeout, **kw)
        self.assertIn("error", answer, behaviour)
        for word in words:
            self.assertIn(word, answer["error"], behaviour)
        return answer["error"]

    def works(self):
        """The repository, with an honest server, after all that."""
        head = self.commit(f"works {time.monotonic()}")
        answer = self.fetch(self.server.url("honest"))
        if answer.get("damaged"):
            answer = self.fetch(self.server.url("honest"), anew=True)  # so does source/git.c
        self.assertEqual(answer.get("commit"), head, answer)
        self.git("fsck", "--connectivity-only", head, cwd=self.path("state"))
        objects = self.path("state/objects/pack")
        self.assertEqual([n for n in os.listdir(objects) if not n.endswith((".pack", ".idx"))], [])


class Choice(Fetch):
    """Which commit is wanted; each over HTTP, and in protocol 0 of git:// as libgit2 lists it."""

    def setUp(self):
        super().setUp()
        self.git("tag", "v1.2.0")
        self.old = self.head
        self.head = self.commit("two")
        self.git("tag", "-a", "-m", "x", "v1.10.0")
        self.git("tag", "-a", "-m", "x", "v2.0.0-rc.1")
        self.git("tag", "of-a-tag", "v1.10.0")
        self.git("tag", "of-a-file", "HEAD:mesh.yaml")
        self.git("branch", "f\u00fcr/alle", self.old)
        self.urls = [self.server.url("honest"), "file://" + self.path("repos/mesh.git")]

    def start(self, url, timeout=LONG, blobs=(), **words):
        origin = (url[len("file://"):],) if url.startswith("file://") else ()
        return super().start(url, timeout, blobs, origin=origin, **words)

    def chosen(self, commit, ref, annotated=None, **words):
        for url in self.urls:
            self.assertEqual(self.fetch(url, **words), {"commit": commit, **({"ref": ref} if ref else {}),
                                                        **({"tag": self.git("rev-parse", annotated)} if annotated else {}), "unchanged": False})
            self.git("cat-file", "-e", commit + "^{tree}", cwd=self.path("state"))

    def test_branches_tags_versions_and_commits(self):
        self.chosen(self.head, "refs/heads/main")
        self.chosen(self.head, "refs/heads/main", branch="main")
        self.chosen(self.old, "refs/heads/f\u00fcr/alle", branch="f\u00fcr/alle")
        self.chosen(self.old, "refs/tags/v1.2.0", tag="v1.2.0")
        self.chosen(self.old, "refs/tags/v1.2.0", semver="<1.10")
        self.chosen(self.head, "refs/tags/v1.10.0", annotated="v1.10.0", semver="1.x")

    def test_annotated_tags(self):
        for name in ("v1.10.0", "of-a-tag"):
            for url in self.urls:
                answer = self.fetch(url, tag=name)
                self.assertEqual((answer["commit"], answer["tag"]), (self.head, self.git("rev-parse", name)))
        for url in self.urls:
            self.assertIn("is no commit", self.fetch(url, tag="of-a-file")["error"])

    def test_a_commit(self):
        for url in self.urls:
            answer = self.fetch(url, commit=self.old)
            self.assertEqual(answer["commit"], self.old)
            self.assertTrue(self.fetch(url, commit=self.old)["unchanged"])
            self.assertIn("no branch and no tag", self.fetch(url, commit="f" * 40)["error"])

    def test_a_head_that_is_no_branch(self):
        self.git("checkout", "-q", "--detach", self.old)
        for url in self.urls:
            answer = self.fetch(url)
            self.assertEqual((answer["commit"], answer["ref"]), (self.old, "HEAD"))

    def test_what_is_known_is_one_request(self):
        for words in ({}, {"branch": "main"}, {"tag": "v1.10.0"}, {"semver": "1"}):
            self.server.heard.clear()
            self.assertTrue(self.fetch(self.server.url("honest"), known=self.head, **words)["unchanged"])
            self.assertEqual([(h[0], h[1]) for h in self.server.heard], [("POST", "/honest/mesh.git/git-upload-pack")])
            self.assertFalse(os.path.exists(self.path("state/objects")))

    def test_a_reference_that_moves_between_the_list_and_the_fetch(self):
        answer = self.fetch(self.server.url("moving"), branch="main")
        self.assertEqual(answer["commit"], self.head)


class Slow(Fetch):
    def test_a_server_that_stops_is_given_up_at_the_deadline(self):
        for behaviour in ("drip", "mute", "silent", "headers", "continue"):
            self.refused(behaviour, f"localhost:{self.server.port}", timeout=DEADLINE)
        self.works()

    def test_a_server_that_accepts_nothing(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            answer = self.fetch(f"http://localhost:{s.getsockname()[1]}/x")
            self.assertIn("Failed to connect", answer["error"])
        self.assertIn("Could not resolve host", self.fetch("http://nowhere.invalid/x")["error"])

    def test_credentials_are_nowhere_while_it_waits(self):
        forms = [form.encode() for form in (TOKEN, urllib.parse.quote(TOKEN), urllib.parse.quote(TOKEN, safe=""),
                                            base64.b64encode(TOKEN.encode()).decode(), base64.b64encode(b"git:" + TOKEN.encode()).decode())]
        for name in ("ssh-key", "keyring"):
            process = self.start(self.server.url("mute"), DEADLINE, blobs=[(name, TOKEN)])
            while not self.server.heard:
                time.sleep(0.01)
            for file in ("cmdline", "environ"):
                with open(f"/proc/{process.pid}/{file}", "rb") as f:
                    shown = f.read()
                self.assertNotIn(b"canary", shown)
            answer = self.end(process, DEADLINE + 5)
            for form in forms:
                self.assertNotIn(form, json.dumps(answer).encode())
            self.server.heard.clear()

    def test_credentials_do_not_go_over_http(self):
        for name in ("token", "password"):
            self.refused("honest", "use https://", blobs=[(name, TOKEN)])
        self.assertEqual(self.server.heard, [])


class Broken(Fetch):
    def test_a_connection_that_breaks_at_every_thousandth_byte(self):
        size = len(self.answer())
        for prefix in ("", "p"):
            for n in range(0, size, 1000 if size > 4000 else 100):
                self.refused(f"reset-{prefix}{n}")
        for n in range(0, size, 200):
            self.refused(f"cut-{n}")
        self.works()

    def answer(self):
        self.write("repos/mesh.git/more", os.urandom(8000).hex())
        self.commit("more")
        return subprocess.run(["git", "pack-objects", "--all", "--stdout"], cwd=self.path("repos/mesh.git"), check=True,
                              stdin=subprocess.DEVNULL, capture_output=True).stdout

    def test_a_byte_of_a_pack_that_changed(self):
        size = len(self.answer())
        head = self.git("rev-parse", "HEAD")
        for at in range(0, size, max(size // 40, 1)):
            answer = self.fetch(self.server.url(f"flip-{at}"))
            # In what the server says of its progress it does not matter.
            self.assertTrue("error" in answer or (at < 1000 and answer["commit"] == head), answer)
            shutil.rmtree(self.path("state"))
            os.mkdir(self.path("state"))
        self.works()

    def test_garbage(self):
        for seed in range(5):
            self.refused(f"garbage-{seed}", "damaged")
        self.refused("garbage-raw", "HTTP")
        self.refused("garbage-pack")
        self.works()

    def test_what_is_no_git_server(self):
        self.refused("html", "text/html")
        self.refused("type-plain", "text/plain")
        self.refused("type-none", "of no type")
        self.assertEqual(self.fetch(self.server.url("type-charset"))["commit"], self.head)
        for status, word in (("404", "no such repository"), ("403", "(403)"), ("401", "(401)"), ("500", "500"), ("418", "418"), ("200", "text/html")):
            self.refused("status-" + status, word)
        self.refused("length-99999999999999999999")
        self.refused("length-100000000000", timeout=DEADLINE)
        self.refused("further", "more than 5 times")
        self.assertLessEqual(len([h for h in self.server.heard if "further" in h[1]]), 6)
        self.works()

    def test_a_server_that_says_why(self):
        self.assertIn("the server says: go away", self.refused("says-err"))
        self.assertNotIn("\x1b", self.said)
        self.refused("says-empty", "empty")
        self.refused("says-flush", "empty: its HEAD")
        for what in ("delimiter", "short", "long", "name", "spec", "peeled"):
            self.refused("says-" + what, "damaged")
        self.refused("says-sha256", "SHA-256")
        self.refused("says-other")
        self.works()


class Repository(Fetch):
    def test_what_a_killed_one_left_is_no_obstacle(self):
        self.fetch(self.server.url("honest"))
        for name in ("HEAD.lock", "config.lock", "packed-refs.lock", "refs/enmesh/source.lock", "objects/pack/pack_git2_x"):
            self.write("state/" + name, "")
        self.works()

    def test_a_damaged_one_is_made_anew(self):
        pack = self.path("state/objects/pack")

        def spoil(*names):
            for name in names:
                path = self.path("state", name)
                os.chmod(path, 0o600)
                os.truncate(path, os.path.getsize(path) // 2)
        self.fetch(self.server.url("honest"))
        for damage in (lambda: spoil("HEAD"), lambda: spoil("config"), lambda: self.write("state/packed-refs", "x\0y\n"),
                       lambda: spoil("refs/enmesh/source"), lambda: shutil.rmtree(pack), lambda: shutil.rmtree(self.path("state/refs")),
                       lambda: spoil(*("objects/pack/" + n for n in os.listdir(pack) if n.endswith(".pack"))),
                       lambda: spoil(*("objects/pack/" + n for n in os.listdir(pack) if n.endswith(".idx")))):
            damage()
            self.works()

    def test_packs_do_not_become_many(self):
        for i in range(80):
            head = self.commit(str(i))
            self.assertEqual(self.fetch(self.server.url("honest")).get("commit"), head)
        packs = [n for n in os.listdir(self.path("state/objects/pack")) if n.endswith(".pack")]
        self.assertLess(len(packs), 34)
        self.assertEqual(len(packs), len(os.listdir(self.path("state/objects/pack"))) / 2)
        self.git("fsck", "--full", "--strict", cwd=self.path("state"))
        self.assertEqual(self.git("rev-list", "--count", "refs/enmesh/source", cwd=self.path("state")), "81")

    def test_two_at_once(self):
        slow = self.start(self.server.url("honest"))
        fast = [self.start(self.server.url("honest")) for _ in range(5)]
        for process in (slow, *fast):
            answer = self.end(process, LONG)
            self.assertEqual(answer.get("commit"), self.head, answer)
        self.works()


class Large(Fetch):
    def test_lists_of_references(self):
        answer = self.fetch(self.server.url("refs-100000"), semver=">=1.0 <1.5000", known="0123456789abcdef0123456789abcdef01234567")
        self.assertEqual((answer["ref"], answer["unchanged"]), ("refs/tags/v1.4999.0", True))
        self.refused("refs-250000", "more than 200000 references", semver="1.x")
        self.refused("refs-endless", "longer than the 33554432 bytes")
        self.works()

    def test_servers_of_the_old_protocol(self):
        self.refused("old-endless", "longer than the 33554432 bytes")
        self.refused("old-bare")
        self.refused("old-sha1")
        self.refused("old-sha256", "SHA-256")
        self.refused("old-sha3", "uses sha3")
        self.works()

    def test_packs(self):
        # Sanitizers need so many addresses that their number cannot be limited; what is over the limit then ends otherwise.
        for kind, word in (("delta", "large object"), ("promise", "memory"), ("sum", "mismatch"), ("lacking", ""), ("chain", ""),
                           ("many", ""), ("zeros", "")):
            if SANITIZED and kind in ("delta", "promise"):
                continue
            self.server.pack(kind)
            if word:
                self.refused("pack-" + kind, word)
            else:
                # That much work is allowed, in bounded memory; what is too large in it is not handed over.
                self.assertIn("commit", self.fetch(self.server.url("pack-" + kind)))
        self.works()


class Streams(Fetch):
    """git:// and ssh://, where libgit2 itself talks, and only the deadline helps."""

    def serve(self, talk):
        """The URL of a server that does with each connection what `talk` says."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def run():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=self.one, args=(talk, client), daemon=True).start()
        threading.Thread(target=run, daemon=True).start()
        return f"git://localhost:{listener.getsockname()[1]}/mesh.git"

    @staticmethod
    def one(talk, client):
        with client:
            try:
                talk(client)
            except OSError:
                pass

    def test_the_parent_ends_it_at_its_deadline(self):
        url = self.serve(lambda client: time.sleep(60))
        user = ("--source-user", "nobody") if IS_ROOT else ()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path("key")], check=True)
        with open(self.path("key.pub")) as f:
            allowed = ("--allowed-signers-file", self.write("allowed", "a@example.com " + f.read()))
        allowed += ("--known-hosts-file", self.write("known", ""))
        for address in (url, url.replace("git://", "ssh://a@"), url.replace("git://", "https://")):
            begin = time.monotonic()
            r = self.enmesh("validate", address, "--state-dir", "var", "--source-timeout", "2s", *allowed, *user, code=1)
            self.assertLess(time.monotonic() - begin, 4)
            self.assertRegex(r.stderr, "no end after 2 s|timed out after 1")

    def test_what_is_no_server_of_that_kind(self):
        for said in (b"", b"SSH-2.0-x\r\n" + os.urandom(1000), b"HTTP/1.1 400 Bad Request\r\n\r\n", b"000eERR go away", b"0000",
                     b"0003", os.urandom(2000), b"SSH-2.0-" + b"x" * 100000):
            url = self.serve(lambda client, said=said: (client.recv(1000), client.sendall(said)))
            for address in (url, url.replace("git://", "ssh://a@")):
                self.assertIn("error", self.fetch(address, blobs=[("known-hosts", "")]), (address, said[:20]))
        self.works()

    def test_a_broken_stream_leaves_a_repository_that_works(self):
        upload = ["git", "upload-pack", self.path("repos/mesh.git")]
        self.write("repos/mesh.git/more", os.urandom(100000).hex())
        self.commit("more")

        def cut(n, stall):
            def talk(client):
                length = int(client.recv(4), 16)
                client.recv(length - 4)
                with subprocess.Popen(upload, stdin=client.fileno(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as p:
                    left = n
                    while left and (data := p.stdout.read1(left)):
                        client.sendall(data)
                        left -= len(data)
                    if not left and stall:
                        self.server.stopped.wait(10)
                    p.kill()
                if not stall:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return talk
        for n in (0, 4, 100, 300, 1000, 5000, 50000):
            self.assertIn("error", self.fetch(self.serve(cut(n, False))))
            # enmesh kills it in the middle of the pack.
            process = self.start(self.serve(cut(n, True)))
            self.assertEqual(self.end(process, 0.5), {})
        self.works()

    @unittest.skipIf(SANITIZED, "addresses are not limited under sanitizers")
    def test_endless_references(self):
        def talk(client):
            client.recv(1000)
            client.sendall(pkt("0" * 40 + " HEAD\0x\n"))
            line = pkt("0123456789abcdef0123456789abcdef01234567 refs/heads/" + "x" * 50 + "\n") * 1000
            while True:
                client.sendall(line)
        # libgit2 keeps them all, up to the limit of its memory.
        answer = self.end(self.start(self.serve(talk)), LONG, memory=1 << 20)
        self.assertIn("error", answer)


if __name__ == "__main__":
    lacking = missing("git", "ssh-keygen")
    if lacking:
        print(f"skipped: needs {lacking}")
        sys.exit(77)
    alone()
    main()
