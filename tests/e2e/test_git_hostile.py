"""Servers that mean harm, or are broken: test_git_hostile.py ENMESH CHECK_JSON SCHEMA_DIR. Each time enmesh ends before its
deadline, says what is wrong, keeps its memory, and goes on with the last good revision."""
import base64
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), p) for p in ("..", "../live")]
from cli_case import ENMESH, IS_ROOT, MESH, NODE, Case, clean_environment, main  # noqa: E402
from git_servers import Servers, alone, missing  # noqa: E402

USER = ("--source-user", "nobody") if IS_ROOT else ()
DEADLINE = 5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-result\r\n%s\r\n"
ID = b"0123456789abcdef0123456789abcdef01234567"


def pkt(line):
    return b"%04x%s" % (len(line) + 4, line)


class Hostile:
    """A server of one behaviour: it gets the connection once a request came."""

    def __init__(self, behave):
        self.behave, self.listener = behave, socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        try:
            while connection.recv(65536):
                self.behave(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def close(self):
        self.listener.close()


class Cut:
    """Between enmesh and a real server; resets the connection after so many bytes of the server's."""

    def __init__(self, port):
        self.there, self.limit, self.passed = port, None, 0
        self.stalls, self.stalled = False, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.join, args=(client,), daemon=True).start()

    def join(self, client):
        server = socket.create_connection(("127.0.0.1", self.there))
        pumps = [threading.Thread(target=self.pump, args=args, daemon=True) for args in ((client, server, False), (server, client, True))]
        for pump in pumps:
            pump.start()
        for pump in pumps:
            pump.join()
        # Not before: the number of a closed one is soon that of another, to which a pump might still write.
        client.close()
        server.close()

    def pump(self, a, b, counted):
        try:
            while data := a.recv(4096):
                while self.stalls:
                    self.stalled.set()
                    time.sleep(0.1)
                if counted and self.limit is not None and self.passed + len(data) > self.limit:
                    b.sendall(data[:self.limit - self.passed])
                    self.passed = self.limit
                    b.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                if counted:
                    self.passed += len(data)
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


class Git(Case):
    def setUp(self):
        super().setUp()
        os.mkdir(self.path("var"))
        os.mkdir(self.path("repos"))
        self.git("init", "-q", "-b", "main", self.path("repos/mesh.git"), cwd=self.dir)
        self.commit("one")
        self.state = ["--state-dir", "var/state", *USER, "--source-timeout", f"{DEADLINE}s"]

    def git(self, *args, cwd=None):
        names = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *names, *args], cwd=cwd or self.path("repos/mesh.git"), check=True, capture_output=True,
                              text=True, env={**clean_environment(), "GIT_CONFIG_GLOBAL": "/dev/null"}).stdout.strip()

    def commit(self, message):
        self.write("repos/mesh.git/mesh.yaml", MESH + f"# {message}\n")
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def run_pass(self, url, *args):
        """Returns exit code, seconds, what was said, and the largest process in MiB."""
        began = time.monotonic()
        with open(self.path("said"), "w+") as f:
            p = subprocess.Popen([ENMESH, "apply", url, *self.state, "--run-dir", "var/run", "--node", NODE, "--target", "processes",
                                  "--no-wait", *args], cwd=self.dir, stdout=subprocess.DEVNULL, stderr=f, env=clean_environment())
            _, status, usage = os.wait4(p.pid, 0)  # also of enmesh-fetch, which it has waited for
            p.returncode = os.waitstatus_to_exitcode(status)
            f.seek(0)
            return p.returncode, time.monotonic() - began, f.read(), usage.ru_maxrss / 1024


class Broken(Git):
    def setUp(self):
        super().setUp()
        # What comes over http is used only if it is signed; none of this comes so far.
        self.state += ["--allowed-signers-file", self.write("allowed", "a@example.com ssh-ed25519 "
                       "AAAAC3NzaC1lZDI1NTE5AAAAIGJyb2tlbmJyb2tlbmJyb2tlbmJyb2tlbmJyb2tl\n")]

    def meets(self, behave, words, scheme="http"):
        server = Hostile(behave)
        self.addCleanup(server.close)
        code, seconds, said, mib = self.run_pass(f"{scheme}://127.0.0.1:{server.port}/mesh.git")
        self.assertEqual(code, 1, said)
        self.assertIn(words, said)
        self.assertLess(seconds, DEADLINE + 5)
        self.assertLess(mib, 300)

    def test_one_byte_a_second(self):
        def behave(c):
            c.sendall(HEAD % b"Content-Length: 100\r\n")
            while True:
                c.sendall(b"0")
                time.sleep(1)
        self.meets(behave, "timed out")

    def test_a_header_that_does_not_end(self):
        def behave(c):
            c.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                c.sendall(b"X-Nothing: " + b"x" * 1000 + b"\r\n")
        self.meets(behave, "127.0.0.1")

    def test_silence_after_the_first_packet(self):
        def behave(c):
            c.sendall(HEAD % b"Transfer-Encoding: chunked\r\n" + b"3d\r\n" + pkt(ID + b" refs/heads/x\n") + b"\r\n")
            time.sleep(60)
        self.meets(behave, "timed out")

    def test_silence_from_the_start(self):
        self.meets(lambda c: time.sleep(60), "timed out")

    def test_silence_where_nobody_but_the_caller_looks_at_the_time(self):
        """libgit2's own transports have no time limits: enmesh-fetch is killed."""
        self.meets(lambda c: time.sleep(60), f"no end after {DEADLINE} s", "git")

    def test_the_end_before_anything(self):
        def behave(c):
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
        self.meets(behave, "127.0.0.1")

    def test_garbage(self):
        for body in (b"nonsense", b"0000", b"fff0" + b"x" * 100, b"0005a", b"003d" + b"z" * 57, pkt(b"ERR go away\n"),
                     b"001e# service=git-upload-pack\n0000", os.urandom(500)):
            def behave(c, body=body):
                c.sendall(HEAD % (b"Content-Length: %d\r\n" % len(body)) + body)
            self.meets(behave, "")
        self.meets(lambda c: c.sendall(os.urandom(500)), "127.0.0.1")

    def test_references_without_end(self):
        def behave(c):
            c.sendall(HEAD % b"Connection: close\r\n")
            lines = b"".join(pkt(ID + b" refs/heads/%06d\n" % n) for n in range(1000))
            while True:
                c.sendall(lines)
        self.meets(behave, "longer than")

    def test_a_hundred_thousand_references(self):
        body = b"".join(pkt(ID + b" refs/heads/%06d\n" % n) for n in range(100000)) + b"0000"

        def behave(c):
            c.sendall(HEAD % (b"Content-Length: %d\r\n" % len(body)) + body)
        self.meets(behave, "is empty")  # there is no HEAD among them

    def test_redirects_without_end(self):
        def behave(c):
            c.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/mesh.git/git-upload-pack\r\n"
                      b"Content-Length: 0\r\n\r\n" % c.getsockname()[1])
        self.meets(behave, "more than 5 times")

    def test_an_advertisement_without_capabilities(self):
        """Protocol 0, as an old server speaks it: libgit2 reads this one."""
        def behave(c):
            c.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            c.recv(65536)
            body = b"001e# service=git-upload-pack\n0000" + pkt(ID + b" HEAD") + pkt(ID + b" refs/heads/main\n") + b"0000"
            c.sendall((HEAD % (b"Content-Length: %d\r\n" % len(body))).replace(b"-result", b"-advertisement") + body)
            c.recv(65536)
            c.sendall(HEAD % b"Content-Length: 8\r\n" + b"0008NAK\n")
        self.meets(behave, "cannot be fetched")


class Interrupted(Git):
    def setUp(self):
        super().setUp()
        self.servers = Servers(self.path("repos"))
        self.addCleanup(self.servers.close)
        self.servers.https()
        self.cut = Cut(self.servers.port)
        self.addCleanup(self.cut.close)
        self.url = f"https://localhost:{self.cut.port}/open/mesh.git"
        self.state += ["--source-ca-file", self.servers.path("ca.crt")]

    def test_a_connection_that_ends_at_every_thousandth_byte(self):
        with open(self.path("repos/mesh.git/noise.bin"), "wb") as f:
            f.write(os.urandom(20000))
        self.commit("noise")
        self.assertEqual(self.run_pass(self.url)[0], 0)
        failed = 0
        for limit in range(0, 40000, 1000):
            self.commit(str(limit))
            with open(self.path("repos/mesh.git/noise.bin"), "wb") as f:
                f.write(os.urandom(20000))
            self.commit("noise" + str(limit))
            self.cut.limit, self.cut.passed = limit, 0
            code, seconds, said, _ = self.run_pass(self.url)
            failed += code != 0
            self.assertEqual(code != 0, "error" in said, said)
            self.assertLess(seconds, DEADLINE + 5)
            if code:
                self.assertEqual(self.run_pass(self.url, "--last-good")[0], 0)
            self.cut.limit = None
            code, _, said, _ = self.run_pass(self.url)
            self.assertEqual(code, 0, f"{limit}: {said}")
        self.assertGreater(failed, 20)

    def test_credentials_are_nowhere_to_be_seen(self):
        """While it waits for a server that is silent, and in all that it leaves behind."""
        canary = "canary-4711-secret"
        token = self.write("token", canary + "\n")
        os.chmod(token, 0o600)
        self.cut.stalls = True
        p = subprocess.Popen([ENMESH, "apply", self.url, *self.state, "--source-token-file", token,
                              "--run-dir", "var/run", "--node", NODE, "-v"], cwd=self.dir, stdout=subprocess.PIPE, text=True,
                             stderr=subprocess.STDOUT, env=clean_environment())
        self.assertTrue(self.cut.stalled.wait(20))
        seen = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    if int(f.read().rsplit(")", 1)[1].split()[1]) != p.pid:
                        continue
                for name in ("cmdline", "environ"):
                    with open(f"/proc/{pid}/{name}", "rb") as f:
                        seen.append(f.read())
                # Nobody may look into it, not even the user that it runs as, and it leaves no core.
                with open(f"/proc/{pid}/limits") as f:
                    self.assertIn("Max core file size        0 ", f.read())
            except (FileNotFoundError, ProcessLookupError):
                pass
        self.assertTrue(any(b"enmesh-fetch" in text for text in seen))
        said = p.communicate()[0].encode()
        for at, _, names in os.walk(self.path("var")):
            for name in names:
                with open(os.path.join(at, name), "rb") as f:
                    seen.append(f.read())
        for text in (*seen, said):
            self.assertNotIn(canary.encode(), text)
            self.assertNotIn(base64.b64encode(canary.encode()), text)

    def test_a_signal_ends_it_while_it_waits_for_a_server(self):
        self.cut.stalls = True
        p = subprocess.Popen([ENMESH, "apply", self.url, *self.state, "--run-dir", "var/run", "--node", NODE], cwd=self.dir,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=clean_environment())
        self.assertTrue(self.cut.stalled.wait(20))
        p.send_signal(signal.SIGINT)
        self.assertIn("stopped by a signal", p.communicate(timeout=DEADLINE - 1)[1])
        self.assertEqual(p.returncode, 128 + signal.SIGINT)

    def test_a_server_that_falls_silent_is_what_the_status_says(self):
        self.assertEqual(self.run_pass(self.url)[0], 0)
        self.cut.stalls = True
        code, seconds, said, _ = self.run_pass(self.url)
        self.assertEqual((code, seconds < DEADLINE + 5), (1, True))
        self.assertIn("timed out", said)
        code, _, said, _ = self.run_pass(self.url, "--last-good")
        self.assertEqual(code, 0)
        self.assertIn("the last good revision", said)
        with open(self.path("var/run/status.json")) as f:
            conditions = {c["type"]: c for c in json.load(f)["conditions"]}
        self.assertEqual(conditions["SourceReachable"]["status"], "False")
        self.assertIn("timed out", conditions["SourceReachable"]["message"])
        self.assertEqual(conditions["Ready"]["status"], "False")
        self.cut.stalls = False
        self.assertEqual(self.run_pass(self.url)[0], 0)

    def test_a_bomb_is_no_more_than_a_file_that_is_too_large(self):
        with open(self.path("repos/mesh.git/bomb.bin"), "wb") as f:
            f.truncate(400 << 20)
        self.state[self.state.index("--source-timeout") + 1] = "50s"
        self.commit("bomb")
        code, _, said, mib = self.run_pass(self.url)
        self.assertEqual(code, 0, said)
        self.assertLess(mib, 300)
        os.rename(self.path("repos/mesh.git/bomb.bin"), self.path("repos/mesh.git/bomb.yaml"))
        self.commit("worse")
        code, _, said, mib = self.run_pass(self.url)
        self.assertEqual(code, 1)
        self.assertIn("bomb.yaml: error: the file is larger than 1024 KiB", said)
        self.assertLess(mib, 300)

    def test_many_files_and_deep_ones(self):
        blob = self.git("hash-object", "-w", "mesh.yaml")
        tree = None
        for depth in range(40):
            entry = f"040000 tree {tree}\tdeep" if tree else f"100644 blob {blob}\tdeep.yaml"
            tree = subprocess.run(["git", "mktree"], input=entry + "\n", cwd=self.path("repos/mesh.git"), capture_output=True, text=True,
                                  check=True).stdout.strip()
        self.check_tree(tree, "nested deeper")
        tree = None
        for _ in range(8):  # ten times what is below, eight times: a hundred million files
            lines = [f"040000 tree {tree}\t{n}" if tree else f"100644 blob {blob}\t{n}.txt" for n in range(10)]
            tree = subprocess.run(["git", "mktree"], input="\n".join(lines) + "\n", cwd=self.path("repos/mesh.git"), capture_output=True,
                                  text=True, check=True).stdout.strip()
        self.check_tree(tree, "more than 100000 files")

    def check_tree(self, tree, words):
        self.state[self.state.index("--source-timeout") + 1] = "30s"
        head = self.git("commit-tree", "-p", "HEAD", "-m", "x", tree)
        self.git("update-ref", "refs/heads/main", head)
        code, _, said, mib = self.run_pass(self.url)
        self.assertEqual(code, 1)
        self.assertIn(words, said)
        self.assertLess(mib, 300)


if __name__ == "__main__":
    lacking = missing("git", "nginx", "fcgiwrap", "openssl")
    if lacking:
        print(f"skipped: needs {lacking}")
        sys.exit(77)
    alone()
    main()
